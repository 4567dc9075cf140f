"""Meta-regression and the small-study test: exploratory, across trials, never within them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

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
    fit = fit_regression(y, np.sqrt(v), x)
    errors = np.sqrt(np.diag(fit.covariance))
    half = float(t.ppf(0.975, k - p)) * errors
    slopes = {
        name: Slope(
            math.exp(fit.beta[i]),
            (math.exp(fit.beta[i] - half[i]), math.exp(fit.beta[i] + half[i])),
            float(2 * t.sf(abs(fit.beta[i] / errors[i]), k - p)),
        )
        for i, name in enumerate(covariates, start=1)
    }
    wanted = load("trials/rt_ici")["trials_per_covariate"]
    few = (f"{k} trials for {p - 1} covariates: fewer than {wanted:g} each",)
    return Regression(k, slopes, fit.tau2, (ECOLOGICAL, *(few if k < wanted * (p - 1) else ())))


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients, shape (p,), their Knapp-Hartung covariance, shape (p, p), and the residual tau². [1]."""

    beta: FloatArray
    covariance: FloatArray
    tau2: float


def fit_regression(y: FloatArray, se: FloatArray, x: FloatArray) -> Fit:
    """Weighted regression of effects on a design matrix, REML.

    Parameters
    ----------
    y, se : array, shape (k,)
        [1]
    x : array, shape (k, p)
        With the column of ones, of full rank.
    """
    v = se**2
    tau2 = _residual_tau2(y, v, x)
    w = 1 / (v + tau2)
    inverse = np.linalg.inv(x.T @ (w[:, None] * x))
    beta = inverse @ x.T @ (w * y)
    scale = float(w @ (y - x @ beta) ** 2) / (x.shape[0] - x.shape[1])
    return Fit(beta, scale * inverse, tau2)


def _residual_tau2(y: FloatArray, v: FloatArray, x: FloatArray) -> float:
    """Maximum of the restricted likelihood over tau² >= 0."""
    top = 4 * max(float(np.ptp(y)) ** 2, float(v.max()))
    grid = np.concatenate([[0.0], np.geomspace(1e-8, 1.0, _GRID) * top])
    best = int(np.argmax(_loglik(y, v, x, grid)))
    low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, grid.size - 1)])
    if _score(y, v, x, low) <= 0:
        return low
    return float(brentq(lambda tau2: _score(y, v, x, tau2), low, high, xtol=1e-14))


def _fit(y: FloatArray, v: FloatArray, x: FloatArray, tau2: ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weights, residuals (t, k) and information matrices (t, p, p) at each tau² (t,)."""
    w = 1 / (v + np.atleast_1d(np.asarray(tau2, float))[:, None])
    information = np.einsum("tk,ki,kj->tij", w, x, x)
    beta = np.linalg.solve(information, np.einsum("tk,ki,k->ti", w, x, y)[..., None])[..., 0]
    return w, y - beta @ x.T, information


def _loglik(y: FloatArray, v: FloatArray, x: FloatArray, tau2: FloatArray) -> FloatArray:
    w, residual, information = _fit(y, v, x, tau2)
    return np.asarray(np.log(w).sum(1) - np.linalg.slogdet(information)[1] - (w * residual**2).sum(1), float) / 2


def _score(y: FloatArray, v: FloatArray, x: FloatArray, tau2: float) -> float:
    w, residual, information = _fit(y, v, x, tau2)
    spent = np.trace(np.linalg.solve(information[0], np.einsum("k,ki,kj->ij", w[0] ** 2, x, x)))
    return float((w[0] ** 2 * residual[0] ** 2).sum() - w[0].sum() + spent)


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


_LISTED = 5000
"""Up to this many arrangements of a covariate are all tried; beyond it, this many are drawn."""


def permutation_p(log_hr: ArrayLike, se: ArrayLike, covariate: ArrayLike, *, seed: int = 0) -> float:
    """Two-sided p value of one slope when the covariate is dealt to the trials at random.

    Parameters
    ----------
    log_hr, se, covariate : array, shape (k,)
        [1]
    seed : int
        Used where the arrangements are too many to list.

    Returns
    -------
    float
        Share of arrangements whose Knapp-Hartung |t| is at least the observed one.

    References
    ----------
    Higgins JPT, Thompson SG, Stat Med 2004 (form recalled).
    """
    x = np.asarray(covariate, float)
    observed = abs(_slope_t(log_hr, se, x))
    values, counts = np.unique(x, return_counts=True)
    if values.size == 2 and math.comb(x.size, int(counts[1])) <= _LISTED:
        dealt = [np.where(np.isin(np.arange(x.size), chosen), values[1], values[0])
                 for chosen in combinations(range(x.size), int(counts[1]))]  # fmt: skip
        return float(np.mean([abs(_slope_t(log_hr, se, one)) >= observed - 1e-9 for one in dealt]))
    rng = np.random.default_rng(seed)
    draws = _LISTED // 5
    extreme = sum(abs(_slope_t(log_hr, se, rng.permutation(x))) >= observed - 1e-9 for _ in range(draws))
    return (extreme + 1) / (draws + 1)


def _slope_t(log_hr: ArrayLike, se: ArrayLike, x: FloatArray) -> float:
    fit = meta_regression(log_hr, se, {"x": x})
    slope = fit.slopes["x"]
    half = math.log(slope.interval[1] / slope.interval[0]) / 2
    return math.log(slope.ratio) / half
