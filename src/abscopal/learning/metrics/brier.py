"""Brier scores of binary and censored outcomes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from abscopal.learning.outcome import FloatArray
from abscopal.learning.product_limit import censoring_survival, cumulative_incidence


def brier(y: NDArray[Any], p: FloatArray) -> float:
    """Mean squared difference of outcome and probability: 0 is perfect. [1].

    References
    ----------
    Brier GW, Mon Weather Rev 1950.
    """
    return float(np.mean((np.asarray(p) - np.asarray(y)) ** 2))


def censoring_weights(
    time: FloatArray, code: NDArray[np.int64], times: FloatArray, reference: tuple[FloatArray, Any] | None = None
) -> FloatArray:
    """Inverse-probability-of-censoring weights, shape (n, k).

    A patient with an event by `t` weighs 1/G(T⁻), one still followed at `t` weighs 1/G(t), one censored before 0.

    Parameters
    ----------
    time, code : array, shape (n,)
    times : array, shape (k,)
    reference : (time, code), optional
        Cohort whose censoring is used; the same patients when left out.
    """
    g = censoring_survival(*(reference if reference is not None else (time, code)))
    at_event, at_time = g(time, before=True), g(times)
    with np.errstate(divide="ignore"):
        had = np.where((code != 0) & (at_event > 0), 1 / at_event, 0.0)
        still = np.where(at_time > 0, 1 / at_time, 0.0)
    past = time[:, None] <= times[None, :]
    return np.where(past, had[:, None], still[None, :])


def brier_at(
    time: FloatArray,
    code: NDArray[np.int64],
    p: FloatArray,
    times: FloatArray,
    reference: tuple[FloatArray, Any] | None = None,
) -> FloatArray:
    """Brier score of a censored outcome at each time, weighted for censoring.

    Parameters
    ----------
    time, code : array, shape (n,)
        Code 1 is the event of interest; a competing event counts as none of interest.
    p : array, shape (n, k)
        Probability of the event of interest by each time. [1]
    times : array, shape (k,)
    reference : (time, code), optional
        Cohort whose censoring weights.

    Returns
    -------
    array, shape (k,)
        [1]

    References
    ----------
    Graf E et al., Stat Med 1999 (form recalled).
    """
    happened = (time[:, None] <= times[None, :]) & (code == 1)[:, None]
    return np.asarray((censoring_weights(time, code, times, reference) * (p - happened) ** 2).mean(axis=0))


def integrated_brier(time: FloatArray, code: NDArray[np.int64], p: FloatArray, times: FloatArray) -> float:
    """Brier score averaged over the span of `times` by the trapezoid rule. [1]."""
    if len(times) == 1:
        return float(brier_at(time, code, p, times)[0])
    return float(trapezoid(brier_at(time, code, p, times), times) / (times[-1] - times[0]))


def null_probability(time: FloatArray, code: NDArray[np.int64], times: FloatArray, n: int | None = None) -> FloatArray:
    """What a model without features says: the Aalen-Johansen curve, repeated for `n` patients."""
    curve = cumulative_incidence(time, code)(times)
    return np.broadcast_to(curve, (len(time) if n is None else n, len(times)))


def scaled(score: float, null: float) -> float:
    """1 - score/null: 1 is perfect, 0 no better than the same probability for all, negative worse."""
    return float(1 - score / null) if null > 0 else float("nan")
