"""The one number by which candidates are compared inside the data fitted on."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.utils import _safe_indexing

from abscopal.learning.estimators.delegate import event_probability
from abscopal.learning.metrics.brier import integrated_brier
from abscopal.learning.outcome import FloatArray, Kind, time_and_code
from abscopal.learning.resampling import Split

N_TIMES = 15


def loss(y: Any, p: FloatArray, kind: Kind, times: FloatArray, classes: Any = (0, 1)) -> float:
    """Logarithmic loss, or the integrated Brier score of a censored outcome. Smaller is better."""
    if kind == "binary":
        return float(log_loss(np.asarray(y).ravel(), p[:, 0], labels=list(classes)))
    return integrated_brier(*time_and_code(y), p, times)


def score_times(y: Any, kind: Kind) -> FloatArray:
    """Times at which a censored outcome is scored: quantiles of the event times, 10 to 80 %.

    Later times are left out: few patients are followed that long, and their weights are large.
    """
    if kind == "binary":
        return np.zeros(1)
    time, code = time_and_code(y)
    return np.unique(np.quantile(time[code == 1], np.linspace(0.1, 0.8, N_TIMES)))


def loss_per_fold(estimator: Any, X: Any, y: Any, kind: Kind, parts: list[Split]) -> FloatArray:
    """Loss of a fresh copy of `estimator` on each held-out part, shape (folds,)."""
    y, times = np.asarray(y), score_times(y, kind)
    found = []
    for fit, test in parts:
        model = clone(estimator).fit(_safe_indexing(X, fit), y[fit])
        p = event_probability(model, _safe_indexing(X, test), kind, times)
        found.append(loss(y[test], p, kind, times, getattr(model, "classes_", (0, 1))))
    return np.array(found)
