"""Kaplan-Meier and Aalen-Johansen curves as step functions, fast enough for thousands of resamples.

`lifelines` fits the same curves with intervals; the tests hold the two equal. These exist because
weights for censoring are needed inside every bootstrap sample.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.learning.outcome import FloatArray


@dataclass(frozen=True, eq=False)
class StepFunction:
    """A right-continuous step function: `start` before the first time, then `value[i]` from `time[i]` on."""

    time: FloatArray
    value: FloatArray
    start: float

    def __call__(self, at: float | FloatArray, *, before: bool = False) -> FloatArray:
        """Values at `at`; with `before`, the limits from the left."""
        index = np.searchsorted(self.time, at, side="left" if before else "right")
        return np.concatenate([[self.start], self.value])[index]


def _at_risk(time: FloatArray) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
    """Distinct times, the place of each patient's among them, and how many are still followed at each."""
    distinct, place = np.unique(time, return_inverse=True)
    leaving = np.bincount(place, minlength=len(distinct))
    return distinct, place, (len(time) - np.concatenate([[0], np.cumsum(leaving)[:-1]])).astype(np.float64)


def kaplan_meier(time: FloatArray, event: NDArray[np.bool_]) -> StepFunction:
    """Probability of no event up to each time.

    Parameters
    ----------
    time : array, shape (n,)
        Any unit.
    event : array of bool, shape (n,)

    References
    ----------
    Kaplan EL, Meier P, J Am Stat Assoc 1958.
    """
    distinct, place, at_risk = _at_risk(time)
    events = np.bincount(place, weights=event.astype(np.float64), minlength=len(distinct))
    return StepFunction(distinct, np.cumprod(1 - events / at_risk, dtype=np.float64), 1.0)


def censoring_survival(time: FloatArray, code: NDArray[np.int64]) -> StepFunction:
    """Probability of not being censored up to each time; events at a tied time come before censoring.

    Read it with `before=True` at the time of an event, so that the patient's own time does not count.
    """
    distinct, place, at_risk = _at_risk(time)
    censored = np.bincount(place, weights=(code == 0).astype(np.float64), minlength=len(distinct))
    events = np.bincount(place, weights=(code != 0).astype(np.float64), minlength=len(distinct))
    remaining = at_risk - events
    lost = np.divide(censored, remaining, out=np.zeros_like(censored), where=remaining > 0)
    return StepFunction(distinct, np.cumprod(1 - lost), 1.0)


def cumulative_incidence(time: FloatArray, code: NDArray[np.int64], cause: int = 1) -> StepFunction:
    """Aalen-Johansen probability of an event of one cause up to each time.

    References
    ----------
    Aalen OO, Johansen S, Scand J Stat 1978.
    """
    distinct, place, at_risk = _at_risk(time)
    free = kaplan_meier(time, code != 0)
    of_cause = np.bincount(place, weights=(code == cause).astype(np.float64), minlength=len(distinct))
    return StepFunction(distinct, np.cumsum(free(distinct, before=True) * of_cause / at_risk), 0.0)


def breslow(
    time: FloatArray, event: NDArray[np.bool_], relative: FloatArray, weights: FloatArray | None = None
) -> StepFunction:
    """Breslow's cumulative baseline hazard for relative hazards `relative`, shape (n,)."""
    weights = np.ones(len(time)) if weights is None else weights
    distinct, place = np.unique(time, return_inverse=True)
    leaving = np.bincount(place, weights=weights * relative, minlength=len(distinct))
    at_risk = np.cumsum(leaving[::-1])[::-1]
    events = np.bincount(place, weights=weights * event, minlength=len(distinct))
    return StepFunction(distinct, np.cumsum(events / at_risk), 0.0)


def partial_likelihood_fit(X: FloatArray, time: FloatArray, event: NDArray[np.bool_], ridge: float = 0.0) -> FloatArray:
    """Coefficients of a Cox model of few features, shape (p,); ties by Breslow.

    For the calibration inside every bootstrap sample; the models themselves are fitted by lifelines.

    Parameters
    ----------
    X : array, shape (n, p)
    time, event : array, shape (n,)
    ridge : float
        Half the weight of the squared coefficients of the standardised features, per patient. [1]
    """
    from scipy.optimize import minimize

    scale = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    order = np.argsort(-time, kind="stable")
    Z, ends, happened = (X / scale)[order], time[order], event[order]
    last = np.searchsorted(-ends, -ends[happened], side="right") - 1  # the last patient at risk at each event

    def loss(b: FloatArray) -> tuple[float, FloatArray]:
        eta = Z @ b
        top = float(eta.max())
        weight = np.exp(eta - top)
        total = np.cumsum(weight)[last]
        mean = np.cumsum(weight[:, None] * Z, axis=0)[last] / total[:, None]
        value = float((eta[happened] - top - np.log(total)).sum()) / len(Z) - ridge * float(b @ b)
        return -value, -((Z[happened] - mean).sum(axis=0) / len(Z) - 2 * ridge * b)

    return np.asarray(minimize(loss, np.zeros(X.shape[1]), jac=True, method="BFGS").x / scale)
