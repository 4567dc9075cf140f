"""Leave-one-out pseudo-values of censored outcomes: one number per patient that regression can take."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]
Estimand = Literal["rmst", "survival"]


def rmst_pseudo_values(
    times: ArrayLike, events: ArrayLike, horizon: float, *, groups: ArrayLike | None = None
) -> FloatArray:
    r"""Jackknife pseudo-values of the restricted mean survival time.

    .. math:: \theta_i = n\,\hat\mu(\tau) - (n - 1)\,\hat\mu_{(-i)}(\tau)

    with :math:`\hat\mu` the area under the Kaplan-Meier curve up to :math:`\tau`. Their mean given
    covariates is that of :math:`\min(T, \tau)` when censoring does not depend on covariates inside a group.

    Parameters
    ----------
    times : array, shape (n,)
        Follow-up, not negative. [any time unit, that of `horizon`]
    events : array, shape (n,)
        1 where the event was seen, 0 where follow-up ended without it.
    horizon : float
        Restriction time tau. Beyond the last follow-up the curve is continued flat.
    groups : array, shape (n,), optional
        Curves are estimated inside each group, such as the treatment arm.

    Returns
    -------
    array, shape (n,)
        [time]. With no censoring before the horizon it is exactly min(T, tau).

    Raises
    ------
    InputError
        Lengths differ, a time is negative or not finite, an event is neither 0 nor 1, a group of one.

    Notes
    -----
    All n leave-one-out curves at once: leaving out patient i lowers each risk set up to its own time
    by one and changes nothing later, so each area is a prefix sum plus a scaled suffix sum, O(n log n).

    References
    ----------
    Andersen PK, Hansen MG, Klein JP, Lifetime Data Anal 2004;10:335 (the regression method, recalled).
    """
    return _by_group(times, events, horizon, groups, "rmst")


def survival_pseudo_values(
    times: ArrayLike, events: ArrayLike, horizon: float, *, groups: ArrayLike | None = None
) -> FloatArray:
    """Jackknife pseudo-values of the probability to be without the event at `horizon`. [1].

    Parameters and errors as `rmst_pseudo_values`.
    """
    return _by_group(times, events, horizon, groups, "survival")


def restricted_mean(times: ArrayLike, events: ArrayLike, horizon: float) -> float:
    """Restricted mean survival time: area under the Kaplan-Meier curve up to `horizon`. [time]."""
    t, d, _ = _checked(times, events, horizon, None, fewest=1)
    return _Curve.of(t, d, horizon).area()


def _by_group(
    times: ArrayLike, events: ArrayLike, horizon: float, groups: ArrayLike | None, estimand: Estimand
) -> FloatArray:
    t, d, g = _checked(times, events, horizon, groups)
    values = np.empty(len(t))
    for members in (g == label for label in np.unique(g)):
        values[members] = _pseudo(t[members], d[members], horizon, estimand)
    return values


def _pseudo(t: FloatArray, d: FloatArray, horizon: float, estimand: Estimand) -> FloatArray:
    curve = _Curve.of(t, d, horizon)
    whole, without = (
        (curve.area(), curve.areas_without(t, d)) if estimand == "rmst" else (curve.last(), curve.last_without(t, d))
    )
    values: FloatArray = len(t) * whole - (len(t) - 1) * without
    return values


@dataclass(frozen=True)
class _Curve:
    """A Kaplan-Meier curve up to the horizon, with what leaving one patient out needs.

    Attributes
    ----------
    at : array, shape (k,)
        Distinct follow-up times up to the horizon, ascending.
    at_risk, died : array, shape (k,)
    widths : array, shape (k + 1,)
        Length of the flat pieces before the first, between, and after the last of `at`.
    """

    at: FloatArray
    at_risk: FloatArray
    died: FloatArray
    widths: FloatArray

    @classmethod
    def of(cls, t: FloatArray, d: FloatArray, horizon: float) -> "_Curve":
        at, place = np.unique(t, return_inverse=True)
        died = np.bincount(place, weights=d, minlength=len(at))
        at_risk = len(t) - np.concatenate([[0], np.cumsum(np.bincount(place, minlength=len(at)))[:-1]])
        inside = at <= horizon
        edges = np.concatenate([[0.0], at[inside], [horizon]])
        return cls(at[inside], at_risk[inside].astype(np.float64), died[inside].astype(np.float64), np.diff(edges))

    def survival(self) -> FloatArray:
        """Level of each flat piece, shape (k + 1,)."""
        return np.concatenate([[1.0], np.cumprod(1 - self.died / self.at_risk)])

    def area(self) -> float:
        return float(self.survival() @ self.widths)

    def last(self) -> float:
        return float(self.survival()[-1])

    def areas_without(self, t: FloatArray, d: FloatArray) -> FloatArray:
        """Area without each patient in turn."""
        before, factor, place = self._without(t, d)
        early = np.concatenate([[0.0], np.cumsum(before * self.widths)])  # pieces 0 … j - 1
        late = np.append(self._area_after(), 0.0)
        found: FloatArray = early[place + 1] + before[place] * factor * late[place]
        return found

    def last_without(self, t: FloatArray, d: FloatArray) -> FloatArray:
        """Level at the horizon without each patient in turn."""
        before, factor, place = self._without(t, d)
        tail = np.append(self._level_after(), 1.0)
        found: FloatArray = before[place] * factor * tail[place]
        return found

    def _without(self, t: FloatArray, d: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
        """Levels when one patient is missing from every risk set; each one's own step; its place."""
        fewer = np.maximum(self.at_risk - 1, 1)  # one at risk: only its own step, which `factor` handles
        before = np.concatenate([[1.0], np.cumprod(1 - np.minimum(self.died / fewer, 1))])
        place = np.searchsorted(self.at, t).astype(np.int64)  # k for those followed beyond the horizon
        own = np.minimum(place, max(len(self.at) - 1, 0))
        factor = np.ones(len(t))
        if len(self.at):
            inside = place < len(self.at)
            factor[inside] = (1 - (self.died[own] - d) / fewer[own])[inside]
        return before, factor, place

    def _area_after(self) -> FloatArray:
        """Area from each step to the horizon, on a curve that starts at one there; shape (k,)."""
        after = np.empty(len(self.at))
        total = 0.0
        steps = 1 - self.died / self.at_risk
        for j in range(len(self.at) - 1, -1, -1):
            total = self.widths[j + 1] + (steps[j + 1] * total if j + 1 < len(self.at) else 0.0)
            after[j] = total
        return after

    def _level_after(self) -> FloatArray:
        """Level at the horizon of a curve that starts at one after each step; shape (k,)."""
        steps = 1 - self.died / self.at_risk
        return np.append(np.cumprod(steps[:0:-1])[::-1], 1.0)[: len(self.at)]


def _checked(
    times: ArrayLike, events: ArrayLike, horizon: float, groups: ArrayLike | None, fewest: int = 2
) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    t, d = np.asarray(times, dtype=np.float64), np.asarray(events, dtype=np.float64)
    labels = np.zeros(len(t), dtype=np.int64) if groups is None else np.unique(groups, return_inverse=True)[1]
    wrong = ""
    if t.ndim != 1 or t.shape != d.shape or labels.shape != t.shape:
        wrong = f"{t.shape} times, {d.shape} events, {labels.shape} groups"
    elif not (np.isfinite(t).all() and (t >= 0).all()):
        wrong = "a time that is negative or not finite"
    elif not np.isin(d, (0, 1)).all():
        wrong = "an event that is neither 0 nor 1"
    elif not (np.isfinite(horizon) and horizon > 0):
        wrong = f"a horizon of {horizon:g}"
    elif not len(t) or np.bincount(labels).min() < fewest:
        wrong = f"a group of fewer than {fewest} patients"
    if wrong:
        raise InputError(
            doing="computing pseudo-values of a censored outcome",
            found=wrong,
            expected="one time and one event (0 or 1) per patient, two patients per group, a horizon above zero",
            try_="removing the rows without follow-up",
        )
    return t, d, labels
