"""How well predicted hazard ratios did, trial by trial left out, beside naive predictors."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from abscopal.domain.progress import track
from abscopal.trials.calibrate import ENDPOINTS, Calibration, adds_ici
from abscopal.trials.evidence import load_trials
from abscopal.trials.known_designs import design_of
from abscopal.trials.pooling import pool
from abscopal.trials.regression import fit_regression

FloatArray = NDArray[np.float64]
_SAMPLES = 4000
Row = dict[Hashable, Any]
"""One row of the trial table."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """Predicted ln HR of one trial as equally likely draws of its true value. [1]."""

    trial: str
    draws: FloatArray

    def observed(self, se: float, seed: int = 0) -> FloatArray:
        """Draws of what a trial with this standard error would report. [1]."""
        return self.draws + se * np.random.default_rng(seed).standard_normal(self.draws.size)


def naive_forecast(rows: pd.DataFrame, trial: str, *, seed: int = 0) -> Forecast:
    """The pooled mean of `rows` with its between-trial spread, t with k − 2 degrees of freedom."""
    found = pool(rows["log_hr"], rows["se"])
    return Forecast(trial, found.log_hr + _student(np.hypot(found.tau2**0.5, found.se), max(1, found.k - 2), seed))


def null_forecast(rows: pd.DataFrame, trial: str, *, seed: int = 0) -> Forecast:
    """No effect, with the between-trial spread of `rows` about it."""
    spread = float(np.sqrt(max(1e-4, np.mean(rows["log_hr"] ** 2) - np.mean(rows["se"] ** 2))))
    return Forecast(trial, _student(spread, max(1, len(rows) - 1), seed))


def regression_forecast(rows: pd.DataFrame, row: Row, *, seed: int = 0) -> Forecast:
    """Meta-regression on timing and kind of control of `rows`, at the covariates of one trial."""
    x = np.column_stack([np.ones(len(rows)), rows["timing"] == "during", rows["comparison_type"] == "swap_ici"]).astype(
        float
    )
    keep = [0, *(k for k in (1, 2) if 0 < x[:, k].sum() < len(rows))]
    at = np.array([1.0, float(row["timing"] == "during"), float(row["comparison_type"] == "swap_ici")])[keep]
    fit = fit_regression(rows["log_hr"].to_numpy(float), rows["se"].to_numpy(float), x[:, keep])
    spread = float(np.sqrt(fit.tau2 + at @ fit.covariance @ at))
    return Forecast(str(row["trial"]), float(at @ fit.beta) + _student(spread, max(1, len(rows) - len(keep)), seed))


def _student(scale: float, freedom: int, seed: int) -> FloatArray:
    return scale * np.random.default_rng(seed).standard_t(freedom, _SAMPLES)


def leave_one_out(calibration: Calibration) -> pd.DataFrame:
    """Forecasts of every pooled trial from all others, by each predictor.

    Returns
    -------
    DataFrame
        One row per trial and predictor: `observed`, `se`, `median`, `low`, `high` (90 % for the reported ln HR),
        `p_below` (probability of HR < 1), `log_score` (higher is better), `crps` (lower is better), `covered`,
        `sign_right`.
    """
    rows = _pooled(calibration)
    scored = []
    for row in track(rows.to_dict("records"), "leaving each trial out"):
        others = rows.loc[rows["trial"] != row["trial"]]
        for name, maker in _predictors(calibration, others).items():
            scored.append({"predictor": name, **_scores(maker(row), float(row["log_hr"]), float(row["se"]))})
    return pd.DataFrame(scored)


def _pooled(calibration: Calibration) -> pd.DataFrame:
    names = set(calibration.trials)
    table = load_trials()
    ours = {(t, y) for t, y in zip(calibration.trials, calibration.log_hr, strict=True)}
    keep = table["trial"].isin(names) & table["poolable"] & (table["pool"] == "ici")
    keep &= table["endpoint"].isin(ENDPOINTS[calibration.endpoint])
    found = table.loc[keep]
    return found.loc[[(t, y) in ours for t, y in zip(found["trial"], found["log_hr"], strict=True)]]


def _predictors(calibration: Calibration, others: pd.DataFrame) -> dict[str, Callable[[Row], Forecast]]:
    def mechanistic(which: Calibration) -> Callable[[Row], Forecast]:
        def make(row: Row) -> Forecast:
            trial = str(row["trial"])
            place = calibration.trials.index(trial)
            draws = which.without(trial).predict(calibration.expected[place], added=bool(calibration.added[place]))
            return Forecast(trial, draws)

        return make

    return {
        "mechanism and constant": mechanistic(calibration),
        "mechanism alone": mechanistic(calibration.mechanism_only()),
        "meta-regression": lambda row: regression_forecast(others, row),
        "pooled mean": lambda row: naive_forecast(others, str(row["trial"])),
        "pooled mean, same timing": lambda row: naive_forecast(
            others.loc[others["timing"] == row["timing"]], str(row["trial"])
        ),
        "no effect": lambda row: null_forecast(others, str(row["trial"])),
    }


def _scores(forecast: Forecast, observed: float, se: float) -> dict[str, object]:
    reported = forecast.observed(se)
    low, median, high = np.quantile(reported, [0.05, 0.5, 0.95])
    density = np.exp(-0.5 * ((observed - forecast.draws) / se) ** 2) / (se * np.sqrt(2 * np.pi))
    return {
        "trial": forecast.trial, "observed": observed, "se": se, "median": float(median), "low": float(low),
        "high": float(high), "p_below": float((forecast.draws < 0).mean()), "log_score": float(np.log(density.mean())),
        "crps": crps(reported, observed), "covered": bool(low <= observed <= high),
        "sign_right": bool((median < 0) == (observed < 0)),
    }  # fmt: skip


def crps(draws: FloatArray, observed: float) -> float:
    """Continuous ranked probability score of equally likely draws; lower is better.

    Notes
    -----
    E|X − y| − E|X − X'|/2, the second from the sorted draws in closed form.
    """
    x = np.sort(draws)
    n = x.size
    spread = float(((2 * np.arange(1, n + 1) - n - 1) @ x) / n**2)
    return float(np.abs(x - observed).mean()) - spread


def summarise(scored: pd.DataFrame) -> pd.DataFrame:
    """Means over trials for each predictor; `gap` is its log score less the pooled mean's, with a standard error."""
    found = []
    reference = scored.loc[scored["predictor"] == "pooled mean"].set_index("trial")["log_score"]
    for name, part in scored.groupby("predictor", sort=False):
        gap = part.set_index("trial")["log_score"] - reference
        rank = spearmanr(part["median"], part["observed"]).statistic if part["median"].nunique() > 1 else np.nan
        found.append({
            "predictor": name, "trials": len(part), "log_score": part["log_score"].mean(),
            "gap": gap.mean(), "gap_se": gap.std(ddof=1) / np.sqrt(len(gap)), "crps": part["crps"].mean(),
            "coverage": part["covered"].mean(), "sign_accuracy": part["sign_right"].mean(), "rank_correlation": rank,
        })  # fmt: skip
    return pd.DataFrame(found)


def verdict(summary: pd.DataFrame) -> str:
    """Whether the mechanistic layer gains over the pooled mean by more than twice the standard error, in words."""
    row = summary.set_index("predictor").loc["mechanism and constant"]
    gain = f"mechanism and constant: {row['gap']:+.2f} ± {row['gap_se']:.2f} log score a trial over the pooled mean"
    if row["gap"] > 2 * row["gap_se"]:
        return f"{gain}: more than its noise"
    return f"{gain}: worse by more than its noise" if row["gap"] < -2 * row["gap_se"] else f"{gain}: no gain is shown"


def forecast_new(calibration: Calibration, expected: FloatArray, trial: str) -> dict[str, Forecast]:
    """Every predictor's forecast of a trial that is not in the calibration."""
    table = load_trials()
    row = table.loc[table["trial"] == trial].to_dict("records")[0]
    return forecast_row(calibration, expected, row, added=adds_ici(design_of(trial, calibration.endpoint)))


def forecast_row(calibration: Calibration, expected: FloatArray, row: Row, *, added: bool) -> dict[str, Forecast]:
    """Every predictor's forecast of a trial known by `trial`, `timing` and `comparison_type` alone."""
    trial = str(row["trial"])
    rows = _pooled(calibration)
    return {
        "mechanism and constant": Forecast(trial, calibration.predict(expected, added=added)),
        "mechanism alone": Forecast(trial, calibration.mechanism_only().predict(expected, added=added)),
        **(
            {"meta-regression": regression_forecast(rows, row), "pooled mean": naive_forecast(rows, trial)}
            if added
            else {}
        ),
    }
