"""Operating characteristics: what many replicates of a virtual trial say together."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.trials.design import TrialDesign
from abscopal.trials.design_parts import RATES
from abscopal.trials.replicate_analysis import CURVE, STOPPED, Columns, bounds_of
from abscopal.trials.response_layer import calibration_note

FloatArray = NDArray[np.float64]
_TOLD = (
    "median_exp", "median_ctrl", "rmst_difference", "landmark_difference", "rate_exp", "rate_ctrl", "events", "months",
)  # fmt: skip


def replicate_table(design: TrialDesign, columns: Columns) -> pd.DataFrame:
    """One row per replicate and tested arm, the arms of a replicate together."""
    names = [name for name, array in columns.items() if array.ndim == 2]
    count = len(columns["won"])
    table = pd.DataFrame({name: columns[name].ravel() for name in names})
    table["stopped"] = np.array(STOPPED, dtype=object)[columns["stopped"].ravel().astype(int)]
    table.insert(0, "arm", np.tile([arm.name for arm in design.tested], count))
    return table


def summarise(design: TrialDesign, table: pd.DataFrame, provenance: dict[str, Any]) -> dict[str, Any]:
    """Power, effect and times of each comparison, with 90 % intervals over model, patients and chance."""
    status, note = calibration_note(design)
    replicates = len(table) // len(design.tested)
    any_won = np.asarray(table["won"].to_numpy(bool).reshape(replicates, -1).any(axis=1), bool)
    bounds, final = bounds_of(design)
    looks = [*bounds.items(), *([] if final is None else [(1.0, final)])]
    return {
        "simulated": True, "endpoint": design.analysis.endpoint, "calibration": status, "calibration_note": note,
        "replicates": replicates, "patients": design.population.n, "control": design.control.name,
        **_power(any_won),
        "efficacy_bounds": [{"information": t, "z": z} for t, z in looks],
        "comparisons": [_comparison(arm.name, table.loc[table["arm"] == arm.name], design) for arm in design.tested],
        "parameters": provenance["parameters"], "model_digest": provenance["model_digest"],
        "parameters_sha256": provenance["parameters_sha256"],
    }  # fmt: skip


def _power(won: NDArray[np.bool_]) -> dict[str, float]:
    power = float(won.mean())
    return {"probability_of_success": power, "monte_carlo_se": float(np.sqrt(power * (1 - power) / len(won)))}


def _comparison(arm: str, table: pd.DataFrame, design: TrialDesign) -> dict[str, Any]:
    rate = design.analysis.endpoint in RATES
    effect, name = ("log_odds_ratio", "odds_ratio") if rate else ("log_hr", "hazard_ratio")
    favours = table["rate_exp"] > table["rate_ctrl"] if rate else table["log_hr"] < 0
    effects = table[effect].dropna()
    if effects.empty:
        raise InputError(
            doing="summarising a virtual trial", found=f"no replicate with an event in {arm} and in its control",
            expected="patients followed long enough for events", try_="a longer analysis.follow_up_months",
        )  # fmt: skip
    ratio = np.exp(np.quantile(effects, [0.05, 0.5, 0.95]))
    found: dict[str, Any] = {
        "arm": arm, name: float(ratio[1]), f"{name}_interval_90": (float(ratio[0]), float(ratio[2])),
        "p_favours_experimental": float(favours.mean()), **_power(table["won"].to_numpy(bool)),
        "stopped_for_futility": float((table["stopped"] == "futility").mean()),
        "stopped_for_efficacy": float((table["stopped"] == "efficacy").mean()),
    }  # fmt: skip
    for column in (each for each in _TOLD if each in table):
        # a median that is not reached counts as infinite, and stays so in a quantile taken without interpolation
        low, mid, high = np.quantile(table[column], [0.05, 0.5, 0.95], method="inverted_cdf").tolist()
        found[column] = {"median": _finite(mid), "low_90": _finite(low), "high_90": _finite(high)}
    return found


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def curves(design: TrialDesign, columns: Columns) -> pd.DataFrame:
    """Virtual Kaplan-Meier by arm and month: median over replicates, 90 % interval, mean number at risk."""
    if "survival" not in columns:
        return pd.DataFrame()
    parts = []
    for k, arm in enumerate(design.compared):
        low, mid, high = np.quantile(columns["survival"][:, k], [0.05, 0.5, 0.95], axis=0)
        at_risk = np.asarray(columns["at_risk"][:, k], float).mean(axis=0)
        parts.append(pd.DataFrame({
            "arm": arm.name, "month": CURVE, "survival": mid, "low_90": low, "high_90": high, "at_risk": at_risk,
        }).loc[at_risk >= 1])  # fmt: skip
    whole: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return whole
