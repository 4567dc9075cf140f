"""One number per patient in place of a censored time, so that any regression can take it."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.learning.pseudo_values import rmst_pseudo_values
from abscopal.stratification.benefit.trial import Trial

FloatArray = NDArray[np.float64]
Transform = Literal["pseudo", "ipcw", "aipcw"]
FOLLOW_UP_SHARE = 0.9
"""The horizon lies at the smaller of the arms' quantiles of follow-up at this level."""
SMALLEST_CENSORING = 0.05
"""Probability of still being uncensored below which weights are cut."""
GRID = 200


def default_horizon(trial: Trial) -> float:
    """Smaller of the arms' 90th percentiles of follow-up. [month]."""
    return float(min(np.quantile(trial.time[trial.w == arm], FOLLOW_UP_SHARE) for arm in (0.0, 1.0)))


def reach(trial: Trial) -> float:
    """Longest horizon that both arms support; no limit where the last patients had the event. [month]."""
    limits = []
    for arm in (0.0, 1.0):
        time, event = trial.time[trial.w == arm], trial.event[trial.w == arm]
        last = time == time.max()
        limits.append(np.inf if event[last].all() else time.max())
    return float(min(limits))


def check_horizon(trial: Trial, horizon: float) -> None:
    """Refuse a horizon that the follow-up of one arm does not reach.

    Raises
    ------
    InputError
        Not above zero, or beyond the longest follow-up of an arm.
    """
    longest = reach(trial)
    if not 0 < horizon <= longest:
        raise InputError(
            doing="choosing the horizon of restricted survival", found=f"{horizon:g} months",
            expected=f"above zero and within the follow-up of both arms ({longest:.3g} months)",
            try_=f"{default_horizon(trial):.3g}",
        )  # fmt: skip


def restricted_outcome(trial: Trial, horizon: float, transform: Transform = "pseudo") -> FloatArray:
    r"""An outcome whose mean given covariates and arm is that of min(T, tau).

    Parameters
    ----------
    horizon : float
        tau. [month]
    transform : {"pseudo", "ipcw", "aipcw"}
        Jackknife pseudo-values by arm: right when censoring does not depend on covariates inside an arm.
        IPCW: observed times weighted by a Cox model of censoring, right when that model is. AIPCW: the
        same with an augmentation by a Cox model of survival, right when either is.

    Returns
    -------
    array, shape (n,)
        [month]

    References
    ----------
    Andersen, Hansen and Klein 2004 (pseudo-values); Rubin and van der Laan 2007 (doubly robust
    censoring-unbiased transformation). Both recalled.
    """
    if transform == "pseudo":
        return rmst_pseudo_values(trial.time, trial.event, horizon, groups=trial.w)
    values = np.empty(trial.n)
    for arm in (0.0, 1.0):
        members = trial.w == arm
        values[members] = _weighted(trial.rows(members), horizon, augmented=transform == "aipcw")
    return values


def _weighted(arm: Trial, horizon: float, *, augmented: bool) -> FloatArray:
    m = np.minimum(arm.time, horizon)
    complete = (arm.event == 1) | (arm.time >= horizon)
    grid = np.unique(np.quantile(np.append(m, [0.0, horizon]), np.linspace(0, 1, GRID)))
    if complete.all():
        return m
    uncensored = cox_curves(arm.x, arm.time, 1 - arm.event, grid)
    at_own = np.maximum(_at(uncensored, grid, m), SMALLEST_CENSORING)
    weighted: FloatArray = np.where(complete, m / at_own, 0.0)
    if not augmented:
        return weighted
    rest = remaining_mean(cox_curves(arm.x, arm.time, arm.event, grid), grid)
    g = np.maximum(uncensored, SMALLEST_CENSORING)
    hazard = -np.diff(np.log(g), axis=1)
    before = grid[1:] <= m[:, None]
    drift = np.where(before, rest[:, 1:] * hazard / g[:, 1:], 0.0).sum(axis=1)
    jump = np.where(complete, 0.0, _at(rest, grid, m) / at_own)
    found: FloatArray = weighted + jump - drift
    return found


def remaining_mean(survival: FloatArray, grid: FloatArray) -> FloatArray:
    """E[min(T, tau) | T > u] on the grid, from survival curves, shape (n, k); tau is the grid's end."""
    widths = np.diff(grid)
    pieces = (survival[:, :-1] + survival[:, 1:]) / 2 * widths
    left = np.concatenate([np.cumsum(pieces[:, ::-1], axis=1)[:, ::-1], np.zeros((len(survival), 1))], axis=1)
    found: FloatArray = grid + left / np.maximum(survival, 1e-6)
    return found


def _at(curves: FloatArray, grid: FloatArray, t: FloatArray) -> FloatArray:
    place = np.clip(np.searchsorted(grid, t, side="right") - 1, 0, len(grid) - 1)
    return curves[np.arange(len(t)), place]


def cox_curves(
    x: FloatArray,
    time: FloatArray,
    event: FloatArray,
    grid: FloatArray,
    *,
    at: FloatArray | None = None,
    penalty: float = 0.01,
) -> FloatArray:
    """Survival curves of a ridge-penalised Cox model, shape (n, k), at the rows of `at` (by default of `x`)."""
    rows = x if at is None else at
    if event.sum() < 1 or x.shape[1] == 0:
        return np.ones((len(rows), len(grid))) if event.sum() < 1 else _marginal(time, event, grid, len(rows))
    fitted = fit_cox(x, time, event, penalty)
    found: FloatArray = fitted.predict_survival_function(_frame(rows), times=grid).to_numpy().T
    return found


def fit_cox(x: FloatArray, time: FloatArray, event: FloatArray, penalty: float = 0.01) -> Any:
    """A ridge-penalised Cox model of the columns of `x`, named c0, c1, ...

    Raises
    ------
    InputError
        It does not converge.
    """
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError

    frame = _frame(x).assign(_time=np.maximum(time, 1e-6), _event=event)
    try:
        return CoxPHFitter(penalizer=penalty).fit(frame, "_time", "_event")
    except ConvergenceError as exc:
        raise InputError(
            doing="fitting a Cox model", found="no convergence", expected="covariates that do not determine each other",
            try_="fewer covariates, or a larger penalty",
        ) from exc  # fmt: skip


def _frame(x: FloatArray) -> pd.DataFrame:
    return pd.DataFrame(x, columns=[f"c{i}" for i in range(x.shape[1])])


def _marginal(time: FloatArray, event: FloatArray, grid: FloatArray, n: int) -> FloatArray:
    from lifelines import KaplanMeierFitter

    curve = KaplanMeierFitter().fit(time, event).predict(grid).to_numpy()
    return np.tile(curve, (n, 1))
