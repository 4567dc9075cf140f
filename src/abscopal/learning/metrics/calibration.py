"""Whether predicted probabilities mean what they say."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from abscopal.learning.outcome import FloatArray, Kind, time_and_code
from abscopal.learning.product_limit import StepFunction, breslow, cumulative_incidence, partial_likelihood_fit

EDGE = 1e-6
"""Probabilities are held this far from 0 and 1 before a logarithm is taken."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """Agreement of predicted and observed risk.

    Attributes
    ----------
    expected, observed : float
        Mean predicted risk, and observed share (Aalen-Johansen where censored). [1]
    in_the_large : float
        Intercept given the predictions: log odds (binary) or log hazard (censored) by which
        outcomes exceed them; 0 is perfect. [1]
    slope : float
        1 is perfect; below 1 the predictions are too extreme. [1]
    ici, e50, e90 : float
        Mean, median and 90 % quantile of the distance between prediction and flexible curve. [1]
    curve_p, curve_observed : array, shape (k,)
        The flexible curve. [1]
    """

    expected: float
    observed: float
    in_the_large: float
    slope: float
    ici: float
    e50: float
    e90: float
    curve_p: FloatArray
    curve_observed: FloatArray


def calibration(y: NDArray[np.float64], p: FloatArray, kind: Kind, horizon: float = 0.0) -> Calibration:
    """Calibration of probabilities of a binary outcome, or of an event by `horizon`.

    Parameters
    ----------
    y : array, shape (n,) or (n, 2)
    p : array, shape (n,)
        [1]
    kind : {"binary", "survival", "competing"}
    horizon : float
        Time of the probabilities; ignored for a binary outcome.

    References
    ----------
    Austin PC, Steyerberg EW, Stat Med 2019 (ICI); Austin PC et al., Stat Med 2020 (censored). Recalled.
    """
    p = np.clip(np.asarray(p, dtype=np.float64), EDGE, 1 - EDGE)
    low, high = np.quantile(p, (0.01, 0.99)).tolist()
    grid = np.linspace(low, high, 60)
    if kind == "binary":
        outcome = np.asarray(y, dtype=np.float64).ravel()
        observed, shift, slope = float(outcome.mean()), *_logistic(outcome, p)
        smooth = _loess(outcome, p)
    else:
        time, code = time_and_code(y)
        observed = float(cumulative_incidence(time, code)(horizon))
        shift, slope = _log_hazard(time, code, p, horizon)
        smooth = _censored_curve(time, code, p, horizon)
    distance = np.abs(smooth(p) - p)
    e50, e90 = np.quantile(distance, (0.5, 0.9)).tolist()
    return Calibration(float(p.mean()), observed, shift, slope, float(distance.mean()), e50, e90, grid, smooth(grid))


def _logistic(y: FloatArray, p: FloatArray) -> tuple[float, float]:
    """Intercept with the logit as offset, and slope on the logit; NaN where the outcome never varies."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.tools import add_constant

    if y.min() == y.max():
        return float("nan"), float("nan")
    eta = logit(p)
    shift = GLM(y, np.ones((len(y), 1)), family=Binomial(), offset=eta).fit().params[0]
    if np.ptp(eta) == 0:
        return float(shift), float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # perfect separation: the slope is then very large, and shown so
        slope = GLM(y, add_constant(eta, has_constant="add"), family=Binomial()).fit().params[1]
    return float(shift), float(slope)


class _Curve:
    def __init__(self, x: FloatArray, y: FloatArray) -> None:
        self.x, self.y = x, y

    def __call__(self, p: FloatArray) -> FloatArray:
        return np.asarray(np.clip(np.interp(p, self.x, self.y), 0, 1))


def _loess(y: FloatArray, p: FloatArray) -> _Curve:
    from statsmodels.nonparametric.smoothers_lowess import lowess

    if np.ptp(p) == 0:
        return _Curve(p[:1], y.mean(keepdims=True))
    found = lowess(y, p, frac=0.75, it=0, delta=0.005 * float(np.ptp(p)))
    kept = np.isfinite(found[:, 1])
    return _Curve(found[kept, 0], found[kept, 1])


def _log_minus_log(p: FloatArray) -> FloatArray:
    return np.asarray(np.log(-np.log1p(-p)))


def _log_hazard(time: FloatArray, code: NDArray[np.int64], p: FloatArray, horizon: float) -> tuple[float, float]:
    """Log ratio of observed to expected cumulative hazard at the horizon, and slope of a (sub)hazard model."""
    observed = float(cumulative_incidence(time, code)(horizon))
    shift = np.log(-np.log1p(-observed)) - np.log(-np.log1p(-p.mean())) if 0 < observed < 1 else float("nan")
    eta = _log_minus_log(p)
    if np.ptp(eta) == 0 or (code == 1).sum() < 2:
        return float(shift), float("nan")
    return float(shift), float(_hazard_model(eta[:, None], time, code)[0][0])


def _hazard_model(
    X: FloatArray, time: FloatArray, code: NDArray[np.int64], ridge: float = 0.0
) -> tuple[FloatArray, FloatArray, StepFunction]:
    """Coefficients, centre and cumulative baseline of a Cox model, or of Fine and Gray's with competing events."""
    if (code == 2).any():
        from abscopal.learning.estimators.competing import FineGray

        model = FineGray(ridge).fit(X, np.column_stack([time, code]))
        return model.coef_, model.center_, StepFunction(model.baseline_time_, model.baseline_hazard_, 0.0)
    center = X.mean(axis=0)
    coef = partial_likelihood_fit(X - center, time, code == 1, ridge)
    return coef, center, breslow(time, code == 1, np.exp((X - center) @ coef))


def _censored_curve(time: FloatArray, code: NDArray[np.int64], p: FloatArray, horizon: float) -> _Curve:
    """Observed risk at the horizon as a smooth function of the predicted one: a hazard model on a natural spline."""
    eta = _log_minus_log(p)
    knots = np.unique(np.quantile(eta, (0.1, 0.5, 0.9)))
    if np.ptp(eta) == 0 or (code == 1).sum() < 5:
        return _Curve(p[:1], cumulative_incidence(time, code)(np.array([horizon])))
    coef, center, baseline = _hazard_model(_natural_spline(eta, knots), time, code, ridge=1e-4)
    grid = np.linspace(eta.min(), eta.max(), 200)
    relative = np.exp(np.clip((_natural_spline(grid, knots) - center) @ coef, -50, 50))
    return _Curve(-np.expm1(-np.exp(grid)), -np.expm1(-baseline(horizon) * relative))


def _natural_spline(x: FloatArray, knots: FloatArray) -> FloatArray:
    """Restricted cubic spline: straight beyond the outer knots, shape (n, knots - 1)."""
    if len(knots) < 3:
        return x[:, None]
    span = (knots[-1] - knots[0]) ** 2

    def cubed(k: float) -> FloatArray:
        return np.asarray(np.maximum(x - k, 0) ** 3 / span)

    last, before = knots[-1], knots[-2]
    bends = [
        cubed(k) - cubed(before) * (last - k) / (last - before) + cubed(last) * (before - k) / (last - before)
        for k in knots[:-2]
    ]
    return np.column_stack([x, *bends])
