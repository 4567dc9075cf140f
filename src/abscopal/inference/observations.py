"""Rows of the evidence table as statements about arms of the model."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from abscopal.knowledge.load import load

EVIDENCE = "evidence/dose_immune"
EXPERIMENTS = "immune/experiments"
Split = Literal["calibration", "validation", "sealed", "context"]
NUMERIC = ("volume", "control", "value", "ratio", "survival", "peak", "tcd50", "tcd50_with")
"""Kinds whose report is a number; the others report a direction, an order, an effect or its absence."""


@dataclass(frozen=True)
class Observation:
    """One evidence row that the model can speak to.

    Attributes
    ----------
    row : int
        Place in the evidence table, from 0.
    split : str
        calibration, validation or sealed.
    kind : str
        `volume`, `ratio`: log of arm over reference. `control`: log of the untreated volume. `value`: a parameter.
        `survival`, `peak`: days. `tcd50`: log of the dose of half control without T cells over that with,
        `tcd50_with`: log of the latter. `sign`: arm above (+1) or below (-1) the reference. `presence`: an effect of at
        least the threshold, or none. `change`: no change beyond the threshold. `rank`: order within a group. `cure`:
        animals without tumour.
    arms, references : tuple of (name, day)
        Arm names with the day they are read; several references must all be beaten. [day]
    threshold : float
        Standard deviation of the logarithm for numeric kinds, else the effect that counts as seen. [1]
    reported : float or None
        Log ratio or log value for numeric kinds, else the value reported; None where it is sealed.
    control : float or None
        Value of the control arm, for cures and the dose of half control.
    weight : float
        In the likelihood; 0 where another row holds the same measurement.
    """

    row: int
    split: Split
    study: str
    year: int
    line: str
    schedule: str
    drug: str
    endpoint: str
    kind: str
    readout: str
    arms: tuple[tuple[str, float], ...]
    references: tuple[tuple[str, float], ...]
    threshold: float
    reported: float | None
    control: float | None
    animals: int
    confidence: str
    weight: float
    note: str

    @property
    def group(self) -> str:
        """Rows of one order: same study, end point and read-out."""
        return f"{self.study} {self.endpoint}"

    @property
    def numeric(self) -> bool:
        """Whether the report is a number."""
        return self.kind in NUMERIC


@cache
def observations() -> tuple[Observation, ...]:
    """Every evidence row the model can speak to, in the order of the evidence table."""
    rows = load(EVIDENCE).table("observations").to_dict("records")
    declared = load(EXPERIMENTS).table("observations").fillna({"arm": "", "reference": "", "note": ""})
    return tuple(_observation(rows[int(d["row"])], d) for d in declared.to_dict("records"))


def of_split(split: Split) -> tuple[Observation, ...]:
    """Observations with one tag of the evidence table."""
    return tuple(one for one in observations() if one.split == split)


@cache
def unmodelled() -> dict[int, str]:
    """Tagged evidence rows the model cannot speak to, with the reason."""
    table = load(EXPERIMENTS).table("unmodelled")
    return dict(zip(table["row"].astype(int).tolist(), table["reason"].astype(str).tolist(), strict=True))


def split_of(note: str) -> Split:
    """The tag in the column `note` of the evidence table."""
    for tag in ("sealed", "calibration", "validation"):
        if f"SPLIT={tag}" in note:
            return tag
    return "context"


def _observation(row: Mapping[Any, object], declared: Mapping[Any, object]) -> Observation:
    sheet = load(EXPERIMENTS)
    kind, readout = str(declared["kind"]), str(declared["readout"])
    day = _number(declared["day"])
    confidence = str(row["confidence"])
    fitted = not str(declared["note"]).startswith("not in the likelihood")
    given = _number(declared["threshold"])
    weight = sheet["recalled_weight"] if confidence == "recalled" else 1.0
    seen = sheet["volume_effect" if readout.startswith(("shrink", "size")) else "immune_effect"]
    return Observation(
        row=int(str(declared["row"])),
        split=split_of(str(row["note"])),
        study=str(row["study"]),
        year=int(str(row["year"])),
        line=str(row["tumour"]),
        schedule=_schedule(row),
        drug=str(row["immunotherapy"]),
        endpoint=str(row["endpoint"]),
        kind=kind,
        readout=readout,
        arms=_arms(str(declared["arm"]), day),
        references=_arms(str(declared["reference"]), day),
        threshold=seen if math.isnan(given) else given,
        reported=_reported(kind, row),
        control=None if math.isnan(_number(row["control_value"])) else _number(row["control_value"]),
        animals=0 if math.isnan(_number(row["n_animals"])) else int(_number(row["n_animals"])),
        confidence=confidence,
        weight=weight if fitted else 0.0,
        note=str(declared["note"]),
    )


def _number(cell: object) -> float:
    try:
        return float(str(cell))
    except ValueError:
        return math.nan


def _schedule(row: Mapping[Any, object]) -> str:
    dose, n = _number(row["dose_per_fraction_gy"]), _number(row["n_fractions"])
    if math.isnan(dose):
        return "not given"
    return "none" if dose == 0 else f"{dose:g} Gy × {n:g}"


def _arms(text: str, day: float) -> tuple[tuple[str, float], ...]:
    """`name@day;name`: the day of the observation unless an arm has its own."""
    found = []
    for part in text.split(";") if text else []:
        name, _, own = part.partition("@")
        found.append((name, float(own) if own else day))
    return tuple(found)


def _reported(kind: str, row: Mapping[Any, object]) -> float | None:
    value, control = _number(row["arm_value"]), _number(row["control_value"])
    if math.isnan(value):
        return None
    if kind in {"volume", "ratio", "survival"}:
        # a fraction is the share by which the volume is smaller
        return math.log(1 - value if str(row["unit"]) == "fraction" else value / control)
    if kind in {"control", "tcd50", "value", "peak", "tcd50_with"}:
        return math.log({"control": control, "tcd50": control / value}.get(kind, value))
    if kind == "presence" and str(row["unit"]) == "fraction":  # responders of both arms: an effect if more respond
        return float(value > control)
    return min(value, 1.0) if kind == "sign" else value  # a rank above that of the references is "up"
