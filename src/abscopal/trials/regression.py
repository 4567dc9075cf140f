"""Meta-regression and the small-study test: exploratory, across trials, never within them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import t

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
ECOLOGICAL = "a difference between trials, which differ in much else: it does not show what the covariate does"
_GRID = 200


@dataclass(frozen=True)
class Slope:
    """One covariate: ratio of hazard ratios per unit [1], its 95 % interval and p value."""

    ratio: float
    interval: tuple[float, float]
    p: float


@dataclass(frozen=True)
class Regression:
    """A meta-regression.

    Attributes
    ----------
    slopes : dict
        By covariate name.
    tau2 : float
        Residual between-trial variance. [1]
    """

    k: int
    slopes: dict[str, Slope]
    tau2: float
    notes: tuple[str, ...]


def meta_regression(log_hr: ArrayLike, se: ArrayLike, covariates: Mapping[str, ArrayLike]) -> Regression:
    """Random-effects meta-regression, REML with Knapp-Hartung t tests.

    Parameters
    ----------
    log_hr, se : array, shape (k,)
        [1]
    covariates : mapping of array, shape (k,)
        An intercept is added.

    Raises
    ------
    InputError
        Fewer trials than coefficients plus one, or covariates that determine each other.

    References
    ----------
    Knapp G, Hartung J, Stat Med 2003 (form recalled).
    """
    y, v = np.asarray(log_hr, float), np.asarray(se, float) ** 2
    x = np.column_stack([np.ones(y.size), *(np.asarray(column, float) for column in covariates.values())])
    k, p = x.shape
    if k < p + 1 or np.linalg.matrix_rank(x) < p:
        raise InputError(
            doing="fitting a meta-regression",
            found=f"{k} trials and {p} coefficients of which {np.linalg.matrix_rank(x)} are independent",
            expected="more trials than coefficients, and covariates that vary on their own",
            try_="fewer covariates",
        )
    tau2 = _residual_tau2(y, v, x)
    w = 1 / (v + tau2)
    inverse = np.linalg.inv(x.T @ (w[:, None] * x))
    beta = inverse @ x.T @ (w * y)
    scale = float(w @ (y - x @ beta) ** 2) / (k - p)
    errors = np.sqrt(scale * np.diag(inverse))
    half = float(t.ppf(0.975, k - p)) * errors
    slopes = {
        name: Slope(
            math.exp(beta[i]),
            (math.exp(beta[i] - half[i]), math.exp(beta[i] + half[i])),
            float(2 * t.sf(abs(beta[i] / errors[i]), k - p)),
        )
        for i, name in enumerate(covariates, start=1)
    }
    wanted = load("trials/rt_ici")["trials_per_covariate"]
    few = (f"{k} trials for {p - 1} covariates: fewer than {wanted:g} each",)
    return Regression(k, slopes, tau2, (ECOLOGICAL, *(few if k < wanted * (p - 1) else ())))


def _residual_tau2(y: FloatArray, v: FloatArray, x: FloatArray) -> float:
    """Maximum of the restricted likelihood over tau² >= 0."""
    top = 4 * max(float(np.ptp(y)) ** 2, float(v.max()))
    grid = np.concatenate([[0.0], np.geomspace(1e-8, 1.0, _GRID) * top])
    best = int(np.argmax([_loglik(y, v, x, tau2) for tau2 in grid]))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, grid.size - 1)])
    if _score(y, v, x, low) <= 0:
        return low
    return float(brentq(lambda tau2: _score(y, v, x, tau2), low, high, xtol=1e-14))


def _projection(v: FloatArray, x: FloatArray, tau2: float) -> tuple[FloatArray, FloatArray]:
    """The matrix that takes effects to weighted residuals, and the information matrix."""
    w = 1 / (v + tau2)
    information = x.T @ (w[:, None] * x)
    return np.diag(w) - (w[:, None] * x) @ np.linalg.solve(information, x.T * w), information


def _loglik(y: FloatArray, v: FloatArray, x: FloatArray, tau2: float) -> float:
    projection, information = _projection(v, x, tau2)
    return -float(np.log(v + tau2).sum() + np.linalg.slogdet(information)[1] + y @ projection @ y) / 2


def _score(y: FloatArray, v: FloatArray, x: FloatArray, tau2: float) -> float:
    projection, _ = _projection(v, x, tau2)
    return float(y @ projection @ projection @ y - np.trace(projection))


@dataclass(frozen=True)
class Egger:
    """Egger's test: intercept of effect/se on 1/se, and its p value with t(k - 2)."""

    intercept: float
    p: float


def egger(log_hr: ArrayLike, se: ArrayLike) -> Egger:
    """Small-study asymmetry by Egger's unweighted regression; meaningful from ten trials on.

    Parameters
    ----------
    log_hr, se : array, shape (k,)
        [1]

    Raises
    ------
    InputError
        Fewer than ten trials.
    """
    s = np.asarray(se, float)
    z, precision = np.asarray(log_hr, float) / s, 1 / s
    k = z.size
    if k < (fewest := load("trials/rt_ici")["trials_per_covariate"]):
        raise InputError(
            doing="testing for small-study effects",
            found=f"{k} trials",
            expected=f"at least {fewest:g}",
            try_="listing the trials that did not report instead",
        )
    x = np.column_stack([np.ones(k), precision])
    inverse = np.linalg.inv(x.T @ x)
    beta = inverse @ x.T @ z
    error = math.sqrt(float(((z - x @ beta) ** 2).sum()) / (k - 2) * float(inverse[0, 0]))
    return Egger(float(beta[0]), float(2 * t.sf(abs(beta[0] / error), k - 2)))
