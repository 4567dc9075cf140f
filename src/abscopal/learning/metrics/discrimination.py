"""How well a risk orders patients."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.learning.outcome import FloatArray
from abscopal.learning.product_limit import censoring_survival

CHUNK = 2000


def auc(y: NDArray[Any], p: FloatArray) -> float:
    """Area under the receiver operating curve of a binary outcome; NaN where one class is missing. [1]."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, p)) if len(np.unique(y)) == 2 else float("nan")


def harrell_c(time: FloatArray, code: NDArray[np.int64], risk: FloatArray) -> float:
    """Share of comparable pairs in which the earlier event has the higher risk. [1].

    A patient with a competing event is taken to outlive all events of interest (Wolbers et al. 2009).

    References
    ----------
    Harrell FE et al., JAMA 1982.
    """
    from lifelines.utils import concordance_index

    if not (code == 1).any():
        return float("nan")
    time = np.where(code == 2, time.max() + 1, time)
    try:
        return float(concordance_index(time, -risk, code == 1))
    except ZeroDivisionError:  # no pair can be compared
        return float("nan")


def uno_c(
    time: FloatArray,
    code: NDArray[np.int64],
    risk: FloatArray,
    tau: float,
    reference: tuple[FloatArray, NDArray[np.int64]] | None = None,
) -> float:
    """Concordance up to `tau` that does not depend on how patients were censored. [1].

    Each pair weighs 1/G(T⁻)² of its earlier event, G being the censoring of `reference`.

    References
    ----------
    Uno H et al., Stat Med 2011 (form recalled).
    """
    g = censoring_survival(*(reference if reference is not None else (time, code)))(time, before=True)
    used = np.flatnonzero((code == 1) & (time < tau) & (g > 0))
    agree = total = 0.0
    rest = np.where(code == 2, np.inf, time)
    for start in range(0, len(used), CHUNK):
        part = used[start : start + CHUNK]
        later = rest[None, :] > time[part, None]
        # At a tied time the censored patient is known to outlive the event.
        later |= (rest[None, :] == time[part, None]) & (code == 0)[None, :]
        higher = (risk[part, None] > risk[None, :]) + 0.5 * (risk[part, None] == risk[None, :])
        weight = 1 / g[part] ** 2
        agree += float((weight[:, None] * later * higher).sum())
        total += float((weight[:, None] * later).sum())
    return agree / total if total > 0 else float("nan")


def auc_at(time: FloatArray, code: NDArray[np.int64], risk: FloatArray, at: float) -> float:
    """Area under the curve at a time: patients with the event by then against those without it. [1].

    Cumulative cases weigh 1/G(T⁻), those with a competing event by then count as controls with
    the same weight, those still followed weigh 1/G(t).

    References
    ----------
    Uno H et al., J Am Stat Assoc 2007; Blanche P et al., Stat Med 2013 (recalled).
    """
    g = censoring_survival(time, code)
    before, then = g(time, before=True), float(g(at))
    with np.errstate(divide="ignore"):
        weight = np.where(time <= at, np.where((code != 0) & (before > 0), 1 / before, 0.0), 1 / then if then else 0.0)
    case = (code == 1) & (time <= at)
    control = ~case & (weight > 0)
    if not case.any() or not control.any():
        return float("nan")
    order = np.argsort(risk[control])
    ranked, cumulative = risk[control][order], np.concatenate([[0.0], np.cumsum(weight[control][order])])
    below = cumulative[np.searchsorted(ranked, risk[case], side="left")]
    upto = cumulative[np.searchsorted(ranked, risk[case], side="right")]
    return float((weight[case] * (below + upto) / 2).sum() / (weight[case].sum() * cumulative[-1]))
