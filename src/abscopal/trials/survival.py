"""Two-arm survival analysis of many replicates at once: log-rank, Cox hazard ratio, Kaplan-Meier, RMST.

lifelines analyses one trial in milliseconds; ten thousand virtual ones need arrays. Every function
here is held to lifelines by a test.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
_NEWTON_STEPS = 12


@dataclass(frozen=True)
class Comparison:
    """Log-rank test and Cox regression on the arm, one entry per replicate.

    Attributes
    ----------
    z : array, shape (r,)
        Log-rank statistic, negative where the experimental arm has fewer events than expected. [1]
    log_hr, se : array, shape (r,)
        Of the experimental arm; NaN where an arm has no event. [1]
    events : array, shape (r,)
        [patients]
    """

    z: FloatArray
    log_hr: FloatArray
    se: FloatArray
    events: FloatArray


def compare(
    time: ArrayLike, event: ArrayLike, experimental: ArrayLike, included: ArrayLike | None = None
) -> Comparison:
    """Log-rank test and Cox hazard ratio of two arms, for each replicate.

    Parameters
    ----------
    time : array, shape (r, n) or (n,)
        To the event or to censoring. [month]
    event, experimental : array of bool, same shape
    included : array of bool, optional
        Leaves patients out of a replicate.

    Notes
    -----
    Tied times are put in an order drawn once from a fixed seed, events before censorings: on average
    what Efron's correction does.
    """
    _, e, a, keep = _arranged(time, event, experimental, included)
    n1, n0 = _at_risk(a & keep), _at_risk(~a & keep)
    d = (e & keep).astype(float)
    d1 = d * a
    both = np.maximum(n1 + n0, 1.0)
    variance = (d * n1 * n0 / both**2).sum(-1)
    score = (d1 - d * n1 / both).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = score / np.sqrt(variance)
    beta, information = _newton(d, d1, n1, n0)
    alone = (d1.sum(-1) == 0) | ((d - d1).sum(-1) == 0)
    beta, information = np.where(alone, np.nan, beta), np.where(alone, np.nan, information)
    return Comparison(z, beta, information**-0.5, d.sum(-1))


def _arranged(
    time: ArrayLike, event: ArrayLike, experimental: ArrayLike, included: ArrayLike | None
) -> tuple[FloatArray, BoolArray, BoolArray, BoolArray]:
    t = np.atleast_2d(np.asarray(time, float))
    e, a = (np.broadcast_to(np.asarray(x, bool), t.shape) for x in (event, experimental))
    keep = np.ones(t.shape, bool) if included is None else np.broadcast_to(np.asarray(included, bool), t.shape)
    if t.size == 0 or not np.isfinite(t[keep]).all():
        raise InputError(
            doing="comparing two arms", found=f"times of shape {t.shape}, or not finite",
            expected="a finite time for every patient", try_="leaving the patient out",
        )  # fmt: skip
    chance = np.random.default_rng(0).random(t.shape)
    order = np.lexsort((chance, ~e, t), axis=-1)
    return tuple(np.take_along_axis(x, order, axis=-1) for x in (t, e, a, keep))  # type: ignore[return-value]


def _at_risk(member: BoolArray) -> FloatArray:
    return np.flip(np.cumsum(np.flip(member, -1), -1), -1).astype(float)


def _newton(d: FloatArray, d1: FloatArray, n1: FloatArray, n0: FloatArray) -> tuple[FloatArray, FloatArray]:
    beta = np.zeros(d.shape[:-1])
    for _ in range(_NEWTON_STEPS):
        weighted = n1 * np.exp(beta)[..., None]
        total = np.maximum(weighted + n0, 1e-100)
        score = (d1 - d * weighted / total).sum(-1)
        information = np.maximum((d * weighted * n0 / total**2).sum(-1), 1e-12)
        step = np.clip(score / information, -1.0, 1.0)
        beta = beta + step
        if np.abs(step).max(initial=0.0) < 1e-10:
            break
    return beta, information


@dataclass(frozen=True)
class Curve:
    """A Kaplan-Meier curve: survival just after each event time.

    Attributes
    ----------
    time : array, shape (m,)
        Ascending from 0. [month]
    survival, variance : array, shape (m,)
        Kaplan-Meier estimate and Greenwood's variance. [1]
    """

    time: FloatArray
    survival: FloatArray
    variance: FloatArray

    def at(self, when: ArrayLike) -> FloatArray:
        """Survival at given times [1]."""
        return self.survival[self._place(when)]

    def variance_at(self, when: ArrayLike) -> FloatArray:
        """Greenwood's variance at given times [1]."""
        return self.variance[self._place(when)]

    def _place(self, when: ArrayLike) -> NDArray[np.int64]:
        return np.searchsorted(self.time, np.asarray(when, float), side="right") - 1

    @property
    def median(self) -> float:
        """First time with survival at most one half; infinite if it stays above [month]."""
        reached = np.flatnonzero(self.survival <= 0.5)
        return float(self.time[reached[0]]) if reached.size else float("inf")


def kaplan_meier(time: ArrayLike, event: ArrayLike) -> Curve:
    """Kaplan-Meier curve of one arm.

    Parameters
    ----------
    time : array, shape (n,)
        [month]
    event : array of bool, shape (n,)
    """
    t, e = np.asarray(time, float), np.asarray(event, bool)
    at, deaths = np.unique(t[e], return_counts=True)
    risk = t.size - np.searchsorted(np.sort(t), at, side="left")
    survival = np.cumprod(1 - deaths / risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(risk > deaths, deaths / (risk * (risk - deaths)), 0.0)
    return Curve(
        np.concatenate([[0.0], at]), np.concatenate([[1.0], survival]),
        np.concatenate([[0.0], survival**2 * np.cumsum(terms)]),
    )  # fmt: skip


def number_at_risk(time: ArrayLike, when: ArrayLike) -> NDArray[np.int64]:
    """Patients still followed just before each of `when` [patients]."""
    t = np.sort(np.asarray(time, float))
    return t.size - np.searchsorted(t, np.asarray(when, float), side="left")


def restricted_mean(time: ArrayLike, event: ArrayLike, limit: float) -> tuple[float, float]:
    """Restricted mean survival time to `limit` and its standard error [month].

    Parameters
    ----------
    time : array, shape (n,)
        [month]
    event : array of bool, shape (n,)
    limit : float
        Not beyond the last time of the arm. [month]

    References
    ----------
    Royston P, Parmar MKB, BMC Med Res Methodol 2013 (form recalled).
    """
    t, e = np.asarray(time, float), np.asarray(event, bool)
    if not 0 < limit <= t.max():
        raise InputError(
            doing="computing a restricted mean survival time", found=f"a limit of {limit:g} months",
            expected=f"above 0 and at most {t.max():g} months, the longest time followed", try_="an earlier limit",
        )  # fmt: skip
    at, deaths = np.unique(t[e & (t <= limit)], return_counts=True)
    risk = t.size - np.searchsorted(np.sort(t), at, side="left")
    survival = np.cumprod(1 - deaths / risk)
    edges = np.concatenate([[0.0], at, [limit]])
    area = np.concatenate([[1.0], survival]) * np.diff(edges)
    after = np.flip(np.cumsum(np.flip(area[1:])))
    usable = risk > deaths
    variance = float((after[usable] ** 2 * deaths[usable] / (risk[usable] * (risk[usable] - deaths[usable]))).sum())
    return float(area.sum()), variance**0.5


@dataclass(frozen=True)
class Difference:
    """Experimental minus control, with its standard error."""

    value: float
    se: float
    experimental: float
    control: float


def rmst_difference(time: ArrayLike, event: ArrayLike, experimental: ArrayLike, limit: float) -> Difference:
    """Difference of restricted means of two arms [month]."""
    t, e, a = np.asarray(time, float), np.asarray(event, bool), np.asarray(experimental, bool)
    (one, se1), (two, se2) = restricted_mean(t[a], e[a], limit), restricted_mean(t[~a], e[~a], limit)
    return Difference(one - two, float(np.hypot(se1, se2)), one, two)


def landmark_difference(time: ArrayLike, event: ArrayLike, experimental: ArrayLike, when: float) -> Difference:
    """Difference of survival at one time [1]."""
    t, e, a = np.asarray(time, float), np.asarray(event, bool), np.asarray(experimental, bool)
    one, two = kaplan_meier(t[a], e[a]), kaplan_meier(t[~a], e[~a])
    error = float(np.sqrt(one.variance_at(when) + two.variance_at(when)))
    return Difference(float(one.at(when) - two.at(when)), error, float(one.at(when)), float(two.at(when)))
