"""Meta-analysis of log effects with known standard errors."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import chi2, norm, t

from abscopal.domain.errors import InputError
from abscopal.domain.registry import unknown_name
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
Interval = tuple[float, float]
Method = Literal["fixed", "DL", "PM", "REML"]
_GRID = 200
"""Points of the search for a bracket of tau²; the root itself is found by Brent's method."""


@dataclass(frozen=True)
class Pool:
    """One pooled effect. Ratios (hazard, risk, odds) are exp of the pooled log effect.

    Attributes
    ----------
    k : int
        Number of studies.
    log_hr, se : float
        Pooled log effect and its standard error. [1]
    hr : float
        exp(log_hr). [1]
    interval : tuple of float
        95 % normal interval of the mean effect. [1]
    tau2 : float
        Between-study variance of the log effect. [1]
    i2 : float
        Share of the variation in Q beyond chance. [percent]
    q : float
        Cochran's Q with inverse-variance weights. [1]
    tau2_interval : tuple of float, optional
        Q-profile 95 % interval; None with one study.
    hk_interval, hk_guarded_interval : tuple of float, optional
        Hartung-Knapp interval with t(k - 1), without and with the max(1, q) guard; None with one study.
    prediction_interval : tuple of float, optional
        Where the effect of a new study is expected, 95 %, t(k - 2); None below three studies.
    """

    k: int
    method: Method
    log_hr: float
    se: float
    hr: float
    interval: Interval
    tau2: float
    i2: float
    q: float
    tau2_interval: Interval | None
    hk_interval: Interval | None
    hk_guarded_interval: Interval | None
    prediction_interval: Interval | None
    notes: tuple[str, ...] = ()


def pool(log_hr: ArrayLike, se: ArrayLike, method: Method = "REML", *, level: float = 0.95) -> Pool:
    r"""Pooled effect of independent studies under a fixed or a random-effects model.

    .. math:: \mu = \sum_i w_i y_i / \sum_i w_i, \quad w_i = 1 / (s_i^2 + \tau^2)

    Parameters
    ----------
    log_hr, se : array, shape (k,)
        Log effect of each study and its standard error. [1]
    method : {"REML", "DL", "PM", "fixed"}
        Estimator of tau²: restricted maximum likelihood, DerSimonian-Laird truncated at zero,
        Paule-Mandel, or none.
    level : float
        Confidence level of every interval. [1]

    Raises
    ------
    InputError
        Shapes differ, no study, or a value that is not finite or a standard error not positive.

    Notes
    -----
    Hartung-Knapp: variance q·se² with q = Σ w (y − μ)² / (k − 1) and t(k − 1). Prediction
    interval of Higgins, Thompson and Spiegelhalter (2009): μ ± t(k − 2) √(τ² + se²).
    """
    y, v = clean(log_hr, se)
    if method not in get_args(Method):
        raise unknown_name("pooling studies", method, list(get_args(Method)))
    k = y.size
    q = _weighted_ss(y, v, 0.0)
    tau2 = (
        0.0 if k == 1 else {"fixed": _zero, "DL": _dersimonian_laird, "PM": _paule_mandel, "REML": _reml}[method](y, v)
    )
    w = 1 / (v + tau2)
    mu, error = float(w @ y / w.sum()), float(w.sum() ** -0.5)
    z = float(norm.ppf((1 + level) / 2))
    return Pool(
        k=k, method=method, log_hr=mu, se=error, hr=math.exp(mu),
        interval=_ratio(mu, z * error), tau2=tau2,
        i2=100 * max(0.0, (q - (k - 1)) / q) if q > 0 else 0.0, q=q,
        tau2_interval=_q_profile(y, v, level) if k > 1 else None,
        hk_interval=_hartung_knapp(y, v, tau2, level, guard=False),
        hk_guarded_interval=_hartung_knapp(y, v, tau2, level, guard=True),
        prediction_interval=_prediction(mu, error, tau2, k, level),
        notes=_notes(k, method),
    )  # fmt: skip


def clean(log_hr: ArrayLike, se: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Effects and variances, refused where they cannot be pooled."""
    y, s = np.atleast_1d(np.asarray(log_hr, float)), np.atleast_1d(np.asarray(se, float))
    if y.ndim != 1 or y.shape != s.shape or y.size == 0:
        raise _bad(f"shapes {y.shape} and {s.shape}", "two vectors of the same length, at least one study")
    if not (np.isfinite(y).all() and np.isfinite(s).all() and (s > 0).all()):
        raise _bad("a value that is not finite or a standard error that is not positive", "finite, positive errors")
    return y, s**2


def _bad(found: str, expected: str) -> InputError:
    return InputError(doing="pooling studies", found=found, expected=expected, try_="leaving out that study")


def _zero(_y: FloatArray, _v: FloatArray) -> float:
    return 0.0


def _weighted_ss(y: FloatArray, v: FloatArray, tau2: float) -> float:
    w = 1 / (v + tau2)
    return float(w @ (y - w @ y / w.sum()) ** 2)


def _dersimonian_laird(y: FloatArray, v: FloatArray) -> float:
    w = 1 / v
    scale = w.sum() - (w @ w) / w.sum()
    return max(0.0, float((_weighted_ss(y, v, 0.0) - (y.size - 1)) / scale))


def _paule_mandel(y: FloatArray, v: FloatArray) -> float:
    return _solve_q(y, v, y.size - 1)


def _solve_q(y: FloatArray, v: FloatArray, target: float) -> float:
    """The tau² at which the generalised Q, which falls with tau², equals `target`; 0 if none."""
    if _weighted_ss(y, v, 0.0) <= target:
        return 0.0
    top = _scale(y, v)
    while _weighted_ss(y, v, top) > target:
        top *= 2
    return float(brentq(lambda x: _weighted_ss(y, v, x) - target, 0.0, top, xtol=1e-14))


def _scale(y: FloatArray, v: FloatArray) -> float:
    return max(float(np.ptp(y)) ** 2, float(v.max()))


def _q_profile(y: FloatArray, v: FloatArray, level: float) -> Interval:
    upper, lower = (float(chi2.ppf(p, y.size - 1)) for p in ((1 + level) / 2, (1 - level) / 2))
    return _solve_q(y, v, upper), _solve_q(y, v, lower)


def _reml(y: FloatArray, v: FloatArray) -> float:
    """Maximum of the restricted likelihood over tau² >= 0, polished on its derivative."""
    grid = np.concatenate([[0.0], np.geomspace(1e-8, 1.0, _GRID) * 4 * _scale(y, v)])
    best = int(np.argmax([_restricted_loglik(y, v, x) for x in grid]))
    if best == 0 and _restricted_score(y, v, 0.0) <= 0:
        return 0.0
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, grid.size - 1)]
    if _restricted_score(y, v, low) <= 0:
        return float(low)
    return float(brentq(lambda x: _restricted_score(y, v, x), low, high, xtol=1e-14))


def _restricted_loglik(y: FloatArray, v: FloatArray, tau2: float) -> float:
    w = 1 / (v + tau2)
    return float(np.log(w).sum() - math.log(w.sum()) - _weighted_ss(y, v, tau2)) / 2


def _restricted_score(y: FloatArray, v: FloatArray, tau2: float) -> float:
    w = 1 / (v + tau2)
    residual = y - w @ y / w.sum()
    return float(w**2 @ residual**2 - w.sum() + (w @ w) / w.sum())


def _ratio(mu: float, half: float) -> Interval:
    return math.exp(mu - half), math.exp(mu + half)


def _hartung_knapp(y: FloatArray, v: FloatArray, tau2: float, level: float, *, guard: bool) -> Interval | None:
    k = y.size
    if k < 2:
        return None
    w = 1 / (v + tau2)
    inflation = _weighted_ss(y, v, tau2) / (k - 1)
    variance = (max(1.0, inflation) if guard else inflation) / w.sum()
    return _ratio(float(w @ y / w.sum()), float(t.ppf((1 + level) / 2, k - 1)) * math.sqrt(variance))


def _prediction(mu: float, error: float, tau2: float, k: int, level: float) -> Interval | None:
    if k < load("trials/rt_ici")["fewest_for_prediction"]:
        return None
    return _ratio(mu, float(t.ppf((1 + level) / 2, k - 2)) * math.sqrt(tau2 + error**2))


def _notes(k: int, method: Method) -> tuple[str, ...]:
    notes = []
    if k < load("trials/rt_ici")["fewest_for_prediction"]:
        notes.append(f"no prediction interval from {k} {'study' if k == 1 else 'studies'}")
    if 1 < k < load("trials/rt_ici")["fewest_for_conclusion"]:
        notes.append(f"the Hartung-Knapp interval of {k} studies has t({k - 1}) and is uninformative")
    if method == "fixed" and k > 1:
        notes.append("a fixed effect assumes every study estimates the same quantity")
    return tuple(notes)
