"""Which mechanism of the model carries how much of a trial's predicted effect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from abscopal.domain.progress import track
from abscopal.trials.calibrate import Calibration, expected_grid
from abscopal.trials.design import TrialDesign, parse_design
from abscopal.trials.known_designs import design_of
from abscopal.trials.operating import varied

PUZZLES = (
    "PACIFIC", "PACIFIC-2", "JAVELIN Head and Neck 100", "CheckMate 73L (arm B vs C)", "PEMBRO-RT",
    "MSKCC nivolumab +/- SBRT",
)  # fmt: skip
"""Trials whose disagreement the field argues about."""


@dataclass(frozen=True)
class Variant:
    """A trial with one thing changed: its design, mechanisms left out, and whether toxic deaths count."""

    design: TrialDesign
    switches: Mapping[str, bool] = field(default_factory=dict)
    toxicity: bool = True


def variants(design: TrialDesign) -> dict[str, Variant]:
    """The trial with its timing, nodes, lymphopenia, dose per fraction or toxicity changed, one at a time."""
    radiation = design.tested[0].radiation
    found = {"lymphopenia": Variant(design, {"lymphopenia": False}), "toxic deaths": Variant(design, toxicity=False)}
    if radiation is None:
        return found
    block = design.tested[0].ici[0]
    if block.anchor == "RTend":
        found["timing: ICI from the first fraction, no landmark"] = Variant(_moved(design, "RTstart", 0.0))
    else:
        found["timing: ICI three weeks after the last fraction"] = Variant(_moved(design, "RTend", 21.0))
    if radiation.target != "tumour":
        other = "involved" if radiation.target == "elective" else "elective"
        found[f"nodes: {other} fields"] = Variant(varied(design, {"target": other}))
    dose = 8.0 if radiation.dose_per_fraction < 4 else 2.0
    found[f"dose per fraction: {dose:g} Gy at equal BED10"] = Variant(varied(design, {"dose_per_fraction": dose}))
    return found


def _moved(design: TrialDesign, anchor: str, offset: float) -> TrialDesign:
    content: dict[str, Any] = design.model_dump(mode="json")
    content["randomisation"] = {"at": "RTstart"}
    content["population"]["diagnosis_day"] = -365.0
    for arm in content["arms"] if not _adds(design) else content["arms"][1:]:
        for block in arm["ici"]:
            block.update(anchor=anchor if arm["radiation"] else "RTstart", offset_days=offset)
    same = content["arms"][0]["ici"] == content["arms"][1]["ici"]
    if same and content["arms"][0]["radiation"] == content["arms"][1]["radiation"]:
        content["arms"][0]["ici"][0]["offset_days"] += 1.0  # a trial of timing with its timing removed
    return parse_design(content, design.title)


def _adds(design: TrialDesign) -> bool:
    return not design.control.ici


def explain(trial: str, calibration: Calibration, *, patients: int = 10, sets: int = 2000) -> pd.DataFrame:
    """Change of the model's ln hazard ratio by each feature of a trial.

    Parameters
    ----------
    trial : str
        As in the trial table.
    calibration : Calibration
    patients : int
        Virtual patients of each parameter set.
    sets : int
        Draws of the calibrated layer.

    Returns
    -------
    DataFrame
        One row per feature: `carried` (ln HR as it was less ln HR with the feature changed: negative where
        the feature helps the experimental arm), `low_90`, `high_90`. The constant effect of an added ICI
        cancels and is not in it. [1]
    """
    design = design_of(trial, calibration.endpoint)
    chosen = calibration.sample(sets)
    places = (chosen["factor"].to_numpy(), chosen["draw"].to_numpy(), chosen["link_place"].to_numpy())
    whole = expected_grid(design, calibration.endpoint, patients=patients)[places]
    rows = [_row(trial, "mechanism in all", whole)]
    for name, variant in track(list(variants(design).items()), f"explaining {trial}"):
        changed = expected_grid(
            variant.design,
            calibration.endpoint,
            patients=patients,
            switches=variant.switches,
            toxicity=variant.toxicity,
        )
        rows.append(_row(trial, name, whole - changed[places]))
    return pd.DataFrame(rows)


def _row(trial: str, feature: str, values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, Any]:
    low, mid, high = np.quantile(values, [0.05, 0.5, 0.95])
    return {"trial": trial, "feature": feature, "carried": float(mid), "low_90": float(low), "high_90": float(high)}
