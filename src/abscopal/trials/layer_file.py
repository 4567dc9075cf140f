"""The calibrated population layer as it ships: equally likely sets, and what they were made from."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abscopal.knowledge.load import load
from abscopal.trials.calibrate import DEVIATIONS, LINKS, Calibration

LAYER_SHEET = "trials/population_layer"
SETS = 200
_COLUMNS = ["factor", "draw", "link", "deviation", "effect"]


@cache
def layer_sets(endpoint: str) -> pd.DataFrame:
    """Equally likely sets of the calibrated layer for `OS` or `PFS`.

    Returns
    -------
    DataFrame
        `factor` and `draw` are places among the kill factors and parameter draws; `link`, `deviation` and
        `effect` (constant ln HR of an added ICI) as in `calibrate`. [1]
    """
    table = load(LAYER_SHEET).table("sets")
    return table.loc[table["endpoint"] == endpoint].reset_index(drop=True)


def parameters_of_layer() -> str:
    """sha256 of the immune model's parameter draws that the layer was calibrated with."""
    text = load(LAYER_SHEET).content.note
    return text.rpartition("parameters sha256 ")[2].strip().rstrip(".")


def describe(calibration: Calibration) -> dict[str, Any]:
    """A calibration in a few figures, rounded; of the constant effect of an added ICI ln HR and HR."""
    effect = calibration.sample(4000)["effect"].quantile([0.05, 0.5, 0.95])
    return {
        "trials": len(calibration.trials),
        "kill_factor_weights": calibration.marginal("factor").round(3).tolist(),
        "link_mean": round(float(calibration.marginal("link") @ LINKS), 3),
        "deviation_mean": round(float(calibration.marginal("deviation") @ DEVIATIONS), 3),
        "effect_quantiles": effect.round(3).tolist(),
        "effect_ratio_quantiles": np.exp(effect).round(3).tolist(),
        "effective_draws": round(1 / float((calibration.marginal("draw") ** 2).sum()), 1),
    }


def write_layer(folder: Path, calibrations: dict[str, Calibration], parameters_sha256: str, kind: str) -> str:
    """Write the sets and their sheet into a knowledge folder; the sha256 of the table comes back."""
    parts = []
    for endpoint, calibration in calibrations.items():
        sets = calibration.sample(SETS, seed=7)[_COLUMNS].round({"link": 4, "deviation": 4, "effect": 5})
        parts.append(sets.assign(endpoint=endpoint)[["endpoint", *_COLUMNS]])
    text = pd.concat(parts).to_csv(index=False)
    (folder / "population_layer.csv").write_text(text, encoding="utf-8")
    note = f"Immune parameters: {kind}; parameters sha256 {parameters_sha256}"
    (folder / "population_layer.toml").write_text(_sheet(note), encoding="utf-8")
    return hashlib.sha256(text.encode()).hexdigest()


def _sheet(note: str) -> str:
    return f'''title = "Population layer of the in-silico trials, calibrated on trials with outcomes"
note = "{note}"

[sources.fit]
citation = "Grid posterior of this package on the trial table, withheld trials left out (abscopal trials calibrate)"

[tables.sets]
file = "population_layer.csv"
meaning = "equally likely sets: places of kill factor and draw, link exponent, deviation, constant ln HR of an ICI"
source = "fit"
locator = "trials.calibrate"
status = "fitted"
'''
