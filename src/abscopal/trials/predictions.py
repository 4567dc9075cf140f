"""Predictions of the trials whose outcome is withheld, written down before it is seen."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from abscopal.domain.errors import InputError
from abscopal.domain.version import __version__
from abscopal.trials.calibrate import DRAWS, Calibration, expected_grid
from abscopal.trials.evidence import load_trials
from abscopal.trials.known_designs import arm_sizes, design_of
from abscopal.trials.pooling import pool
from abscopal.trials.response import parameter_draws
from abscopal.trials.score import Forecast, forecast_new, naive_forecast
from abscopal.trials.virtual import run_trial

FloatArray = NDArray[np.float64]
CHECKSUMS = "SHA256SUMS"
_EVENT_SHARE = 0.6
"""Share of randomised patients taken to have had the event at the analysis, to size trial noise; an assumption."""
_KIND = {"PFS": "PFS", "EFS": "PFS", "OS": "OS"}


def withheld_trials() -> dict[str, tuple[str, ...]]:
    """Withheld trials and their end points, in the order of the table."""
    rows = load_trials().loc[lambda table: table["pool"] == "holdout"]
    return {str(name): tuple(part["endpoint"]) for name, part in rows.groupby("trial", sort=False)}


def predict_withheld(trial: str, calibrations: Mapping[str, Calibration]) -> dict[str, Any]:
    """Everything predicted of one withheld trial.

    Parameters
    ----------
    trial : str
    calibrations : mapping
        `PFS` and `OS`.
    """
    if trial not in withheld_trials():
        raise InputError(
            doing="predicting a withheld trial", found=repr(trial), expected="one of " + ", ".join(withheld_trials()),
            try_="`abscopal trials simulate` for others",
        )  # fmt: skip
    draws = parameter_draws(DRAWS)
    design = design_of(trial)
    return {
        "trial": trial,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "model_digest": _model_digest(),
        "parameters_sha256": draws.digest,
        "parameters": draws.manifest.get("kind", ""),
        "layer_sha256": layer_digest(calibrations),
        "design": design.model_dump(mode="json"),
        "endpoints": {
            endpoint: _hazard_ratio(trial, endpoint, calibrations[_KIND[endpoint]])
            if endpoint in _KIND
            else _rate(trial, endpoint)
            for endpoint in withheld_trials()[trial]
        },
    }


def _model_digest() -> str:
    from abscopal.immune.model import diw_model

    return diw_model().digest


def layer_digest(calibrations: Mapping[str, Calibration]) -> str:
    """sha256 of the posterior weights of the population layer."""
    total = hashlib.sha256()
    for name in sorted(calibrations):
        total.update(np.round(calibrations[name].log_weight, 6).tobytes())
    return total.hexdigest()


def _hazard_ratio(trial: str, endpoint: str, calibration: Calibration) -> dict[str, Any]:
    grid = expected_grid(design_of(trial, endpoint), calibration.endpoint)
    forecasts = forecast_new(calibration, grid, trial)
    if "pooled mean" not in forecasts:  # RT added to ICI: the pool of that question
        table = load_trials()
        rows = table.loc[table["poolable"] & (table["pool"] == "rt") & (table["endpoint"] == endpoint)]
        forecasts["pooled mean"] = naive_forecast(rows, trial)
    error = _noise(trial)
    return {"noise_se_ln_hr": error} | {name: _described(one, error) for name, one in forecasts.items()}


def _noise(trial: str) -> float:
    one, two = arm_sizes(trial)
    share = one / (one + two)
    return float(1 / np.sqrt(_EVENT_SHARE * (one + two) * share * (1 - share)))


def _described(forecast: Forecast, error: float) -> dict[str, Any]:
    levels = (0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975)
    reported = forecast.observed(error)
    return {
        "hr_quantiles": _quantiles(forecast.draws, levels),
        "reported_hr_quantiles": _quantiles(reported, levels),
        "hr_median": round(float(np.exp(np.median(forecast.draws))), 4),
        "p_hr_below_1": round(float((forecast.draws < 0).mean()), 4),
        "p_primary_met": round(float((reported / error < -norm.isf(0.025)).mean()), 4),
    }  # fmt: skip


def _quantiles(draws: FloatArray, levels: tuple[float, ...]) -> dict[str, float]:
    values = np.exp(np.quantile(draws, levels)).round(4).tolist()
    return dict(zip(map(str, levels), values, strict=True))


def _rate(trial: str, endpoint: str) -> dict[str, Any]:
    summary = run_trial(design_of(trial, endpoint), 200).summary
    found: dict[str, Any] = {
        "mechanism, not calibrated": {
            "odds_ratio": round(summary["odds_ratio"], 4),
            "odds_ratio_interval_90": [round(x, 4) for x in summary["odds_ratio_interval_90"]],
            "p_favours_experimental": summary["p_favours_experimental"],
            "p_primary_met": summary["probability_of_success"],
        },
        "note": "rates are not calibrated; chemotherapy given with RT in one arm only is not modelled",
    }
    pooled = _pooled_odds(trial, endpoint)
    return found if pooled is None else found | {"pooled mean": pooled}


def _pooled_odds(trial: str, endpoint: str) -> dict[str, Any] | None:
    """Random-effects pool of the odds ratios of the same end point and question, from rates and arm sizes."""
    table = load_trials()
    kind = table.loc[table["trial"] == trial, "comparison_type"].iloc[0]
    rows = table.loc[(table["endpoint"] == endpoint) & (table["comparison_type"] == kind)]
    rows = rows.dropna(subset=["rate_exp", "rate_ctrl", "n_experimental", "n_control"])
    if len(rows) < 3:
        return None
    p1, p0 = rows["rate_exp"] / 100, rows["rate_ctrl"] / 100
    log_odds = np.log(p1 / (1 - p1)) - np.log(p0 / (1 - p0))
    error = np.sqrt(1 / (rows["n_experimental"] * p1 * (1 - p1)) + 1 / (rows["n_control"] * p0 * (1 - p0)))
    found = pool(log_odds, error)
    return {"trials": list(rows["trial"]), "odds_ratio": round(found.hr, 4), "new_trial_95": found.prediction_interval}


def write_predictions(folder: Path, calibrations: Mapping[str, Calibration]) -> list[Path]:
    """One file per withheld trial and their checksums.

    Raises
    ------
    InputError
        The folder holds a frozen set whose files no longer match their checksums.
    """
    from abscopal.domain.progress import track

    folder.mkdir(parents=True, exist_ok=True)
    if (folder / CHECKSUMS).exists():
        verify(folder)
    paths = []
    for trial in track(list(withheld_trials()), "withheld trials"):
        path = folder / ("".join(c if c.isalnum() else "-" for c in trial.split(" (")[0]).lower() + ".json")
        text = json.dumps(predict_withheld(trial, calibrations), indent=1, sort_keys=True)
        path.write_text(text + "\n", encoding="utf-8")
        paths.append(path)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(paths)]
    (folder / CHECKSUMS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return paths


def verify(folder: Path) -> int:
    """Check a frozen folder against its checksums; the number of files comes back.

    Raises
    ------
    InputError
        A file that is missing or was changed.
    """
    lines = (folder / CHECKSUMS).read_text(encoding="utf-8").split("\n")
    for line in filter(None, lines):
        digest, _, name = line.partition("  ")
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise InputError(
                doing="checking frozen predictions", found=f"{name} missing or changed",
                expected="the files as they were frozen", try_="a fresh folder for new predictions",
            )  # fmt: skip
    return len([line for line in lines if line])
