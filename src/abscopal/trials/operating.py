"""Design mode: what changing one or two features of a trial does to its chance of success."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.domain.registry import unknown_name
from abscopal.trials.design import TrialDesign, parse_design
from abscopal.trials.virtual import run_trial

FEATURES = ("target", "dose_per_fraction", "ici_start", "patients")
"""What can be swept: fields of both arms' radiation; first ICI dose after its anchor [day]; sample size."""


@dataclass(frozen=True)
class Sweep:
    """One row per combination and tested arm: the values swept, and the summary of the virtual trial."""

    table: pd.DataFrame


def sweep(
    design: TrialDesign,
    values: Mapping[str, Sequence[Any]],
    replicates: int = 200,
    *,
    seed: int = 0,
    out: Path | None = None,
    **engine: Any,
) -> Sweep:
    """Virtual trials over all combinations of some features.

    Parameters
    ----------
    design : TrialDesign
    values : mapping
        Of `FEATURES` to the values tried. `dose_per_fraction` keeps the number of fractions at the same
        biologically effective dose with α/β 10 Gy, to the nearest whole fraction [Gy]; `patients` keeps the planned
        events per patient; `ici_start` is the first dose after its anchor. [day]
    replicates : int
        Of each combination.
    out : Path, optional
        Folder with one subfolder per combination; a run that was stopped goes on.
    engine
        Passed to `run_trial`.

    Raises
    ------
    InputError
        An unknown feature, no value, or a value that makes the design impossible.
    """
    for name in values:
        if name not in FEATURES:
            raise unknown_name("sweeping a trial design", name, list(FEATURES))
    if not values or not all(len(tried) for tried in values.values()):
        raise InputError(
            doing="sweeping a trial design", found="nothing to vary", expected="at least one value of one feature",
            try_="target=involved,elective",
        )  # fmt: skip
    combinations = [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    designs = [varied(design, chosen) for chosen in combinations]  # refused before anything is computed
    rows: list[dict[str, Any]] = []
    for place, chosen in enumerate(track(combinations, "designs")):
        folder = None if out is None else out / f"design-{place:03d}"
        summary = run_trial(designs[place], replicates, seed=seed, out=folder, **engine).summary
        rows += [{**chosen, **_flat(comparison)} for comparison in summary["comparisons"]]
    return Sweep(pd.DataFrame(rows))


def varied(design: TrialDesign, chosen: Mapping[str, Any]) -> TrialDesign:
    """The design with some features replaced, checked again as a whole."""
    content: dict[str, Any] = design.model_dump(mode="json")
    for name, value in chosen.items():
        if name != "target":
            _check_number(name, value)
    for name, value in chosen.items():
        if name == "patients":
            _size(content, int(value))
        elif name == "ici_start":
            _start(content, float(value))
        else:
            for arm in content["arms"]:
                if arm["radiation"] is not None:
                    _radiation(arm["radiation"], name, value)
    return parse_design(content, design.title or "swept design")


def _check_number(name: str, value: Any) -> None:
    number = float(value)
    if math.isfinite(number) and (number > 0 or name == "ici_start"):
        return
    raise InputError(
        doing="sweeping a trial design", found=f"{name}={value:g}",
        expected="a finite number" + ("" if name == "ici_start" else " above 0"), try_=f"{name}=1,2",
    )  # fmt: skip


def _size(content: dict[str, Any], patients: int) -> None:
    """Planned events keep their share of the patients: a larger trial waits for more of them."""
    before, events = content["population"]["n"], content["analysis"]["events"]
    content["population"]["n"] = patients
    if events is not None:
        content["analysis"]["events"] = max(5, round(events * patients / before))


def _start(content: dict[str, Any], day: float) -> None:
    control = content["analysis"]["control"] or content["arms"][0]["name"]
    moved = [arm["ici"] for arm in content["arms"] if arm["name"] != control and arm["ici"]]
    if not moved:
        raise InputError(
            doing="sweeping the start of the ICI",
            found="no ICI in any tested arm",
            expected="an ICI there",
            try_="another feature",
        )
    for blocks in moved:
        shift = day - blocks[0]["offset_days"]
        for block in blocks:
            block["offset_days"] += shift


_ALPHA_BETA = 10.0
"""Of the usual BED10. [Gy]"""


def _radiation(radiation: dict[str, Any], name: str, value: Any) -> None:
    if name == "dose_per_fraction":
        before, after = radiation["dose_per_fraction"], float(value)
        bed = radiation["fractions"] * before * (1 + before / _ALPHA_BETA)
        radiation["fractions"] = max(1, round(bed / (after * (1 + after / _ALPHA_BETA))))
        value = after
    radiation[name] = value


def _flat(summary: Mapping[str, Any]) -> dict[str, Any]:
    keep = (
        "arm", "probability_of_success", "monte_carlo_se", "p_favours_experimental", "hazard_ratio", "odds_ratio",
        "stopped_for_futility", "stopped_for_efficacy",
    )  # fmt: skip
    flat = {name: summary[name] for name in keep if name in summary}
    for name in ("hazard_ratio_interval_90", "odds_ratio_interval_90"):
        if name in summary:
            flat["low_90"], flat["high_90"] = summary[name]
    return flat
