"""Any classifier as a survival model: the hazard of each interval, on one row per patient and interval."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier

from abscopal.learning.estimators.survival import SurvivalEstimator
from abscopal.learning.outcome import FloatArray


class DiscreteTimeHazard(SurvivalEstimator):
    r"""Survival from a classifier of the hazard in each interval of time.

    Time is cut at quantiles of the event times. Each patient gives one row for each interval
    survived, labelled 0, and one labelled 1 for the interval of the event; the middle of the
    interval is a feature, so hazards need not be proportional. Then
    :math:`S(t) = \prod_{j: t_j \le t} (1 - h_j(x))`, with a constant hazard inside an interval.

    Parameters
    ----------
    classifier : classifier, optional
        Gives `predict_proba`; gradient boosting of shallow trees when left out.
    n_intervals : int
        Intervals asked for; fewer where event times are tied.

    Notes
    -----
    A patient censored inside an interval counts for it when past its middle. Beyond the last event
    the survival stays level: the data say nothing there. With a random forest as classifier this is
    a forest of discrete-time hazards, not the log-rank forest of Ishwaran et al.

    References
    ----------
    Form recalled from the literature on discrete-time survival (Singer and Willett 1993; Tutz and
    Schmid 2016).
    """

    def __init__(self, classifier: Any = None, n_intervals: int = 12) -> None:
        self.classifier = classifier
        self.n_intervals = n_intervals

    def _fit(self, X: FloatArray, time: FloatArray, code: NDArray[np.int64]) -> None:
        quantiles = np.linspace(0, 1, self.n_intervals + 1)[1:]
        self.edges_ = np.unique(np.concatenate([[0.0], np.quantile(time[code == 1], quantiles)]))
        middle = (self.edges_[:-1] + self.edges_[1:]) / 2
        ended = time[:, None] <= self.edges_[None, 1:]
        label = (ended & (time[:, None] > self.edges_[None, :-1])) & (code == 1)[:, None]
        counted = np.where((code == 1)[:, None], time[:, None] > self.edges_[None, :-1], time[:, None] >= middle)
        patient, interval = np.nonzero(counted)
        rows = np.column_stack([X[patient], middle[interval]])
        labels = label[patient, interval].astype(np.int64)
        self.rate_ = float(labels.mean())
        chosen = self.classifier if self.classifier is not None else HistGradientBoostingClassifier(
            max_iter=100, learning_rate=0.05, max_depth=3, min_samples_leaf=20, l2_regularization=1.0, random_state=0
        )  # fmt: skip
        self.classifier_ = clone(chosen)
        if 0 < self.rate_ < 1:  # one class alone has nothing to learn: the hazard is that class
            self.classifier_.fit(rows, labels)

    def _hazards(self, X: FloatArray) -> FloatArray:
        middle = (self.edges_[:-1] + self.edges_[1:]) / 2
        if self.rate_ in (0.0, 1.0):
            return np.full((len(X), len(middle)), self.rate_)
        rows = np.column_stack([np.repeat(X, len(middle), axis=0), np.tile(middle, len(X))])
        return np.asarray(self.classifier_.predict_proba(rows)[:, 1]).reshape(len(X), len(middle))

    def _cumulative_hazard(self, X: FloatArray, times: FloatArray) -> FloatArray:
        steps = -np.log1p(-np.clip(self._hazards(X), 0, 1 - 1e-12))
        total = np.column_stack([np.zeros(len(X)), np.cumsum(steps, axis=1)])
        return np.array([np.interp(times, self.edges_, row) for row in total])

    def _risk(self, X: FloatArray) -> FloatArray:
        """Mean cumulative hazard over the intervals: expected events, whatever the time."""
        return np.asarray(self._cumulative_hazard(X, self.edges_[1:]).mean(axis=1))

    def _event_probability(self, X: FloatArray, times: FloatArray) -> FloatArray:
        return -np.expm1(-self._cumulative_hazard(X, times))
