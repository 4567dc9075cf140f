"""Net benefit of acting on a prediction, over a range of thresholds."""

import numpy as np
from numpy.typing import NDArray

from abscopal.learning.outcome import FloatArray, Kind, time_and_code
from abscopal.learning.product_limit import cumulative_incidence


def net_benefit(
    y: NDArray[np.float64], p: FloatArray, thresholds: FloatArray, kind: Kind = "binary", horizon: float = 0.0
) -> FloatArray:
    r"""Net benefit of treating patients whose probability reaches each threshold.

    .. math:: NB(t) = \frac{TP}{n} - \frac{FP}{n} \frac{t}{1 - t}

    Where outcomes are censored, the share of true positives is the Aalen-Johansen risk at the
    horizon among those selected (Vickers et al. 2008, recalled).

    Parameters
    ----------
    y : array, shape (n,) or (n, 2)
    p : array, shape (n,)
        [1]
    thresholds : array, shape (k,)
        Between 0 and 1. [1]

    Returns
    -------
    array, shape (k,)
        True positives per patient, less harm. [1]

    References
    ----------
    Vickers AJ, Elkin EB, Med Decis Making 2006.
    """
    return np.array([_one(y, p, t, kind, horizon) for t in thresholds])


def treat_all(
    y: NDArray[np.float64], thresholds: FloatArray, kind: Kind = "binary", horizon: float = 0.0
) -> FloatArray:
    """Net benefit of treating everyone, shape (k,); treating nobody has net benefit 0."""
    return net_benefit(y, np.ones(len(y)), thresholds, kind, horizon)


def _one(y: NDArray[np.float64], p: FloatArray, threshold: float, kind: Kind, horizon: float) -> float:
    chosen = p >= threshold
    if not chosen.any():
        return 0.0
    if kind == "binary":
        risk = float(np.asarray(y).ravel()[chosen].mean())
    else:
        risk = float(cumulative_incidence(*time_and_code(y[chosen]))(horizon))
    return float(chosen.mean() * (risk - (1 - risk) * threshold / (1 - threshold)))
