"""Several survival models in one, weighted by what each adds out of sample."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.base import clone

from abscopal.learning.estimators.survival import SurvivalEstimator
from abscopal.learning.metrics.brier import censoring_weights
from abscopal.learning.metrics.loss import score_times
from abscopal.learning.outcome import FloatArray
from abscopal.learning.resampling import folds


class SurvivalStack(SurvivalEstimator):
    """Weighted mean of the event probabilities of several models.

    The weights are not negative, sum to one and minimise the Brier score, weighted for censoring,
    of out-of-fold predictions over a grid of times.

    Parameters
    ----------
    estimators : list of (str, estimator)
    n_folds : int
    random_state : int

    References
    ----------
    Wolpert DH, Neural Netw 1992; van der Laan MJ et al., Stat Appl Genet Mol Biol 2007 (recalled).
    """

    def __init__(self, estimators: list[tuple[str, Any]], n_folds: int = 5, random_state: int = 0) -> None:
        self.estimators = estimators
        self.n_folds = n_folds
        self.random_state = random_state

    def _fit(self, X: FloatArray, time: FloatArray, code: NDArray[np.int64]) -> None:
        y = np.column_stack([time, code])
        self.times_ = score_times(y, "survival")
        held_out = np.zeros((len(self.estimators), len(X), len(self.times_)))
        parts = list(folds(y, "survival", self.n_folds, seed=self.random_state)) if (code == 1).sum() > 1 else []
        for row, (_, estimator) in enumerate(self.estimators):
            for fit, test in parts:
                model = clone(estimator).fit(X[fit], y[fit])
                held_out[row, test] = model.predict_event_probability(X[test], self.times_)
        self.weights_ = _simplex_weights(held_out, time, code, self.times_)
        self.fitted_ = [clone(estimator).fit(X, y) for _, estimator in self.estimators]

    def _risk(self, X: FloatArray) -> FloatArray:
        """Mean probability of the event over the grid of times."""
        return np.asarray(self._event_probability(X, self.times_).mean(axis=1))

    def _event_probability(self, X: FloatArray, times: FloatArray) -> FloatArray:
        parts = [model.predict_event_probability(X, times) for model in self.fitted_]
        return np.asarray(np.tensordot(self.weights_, np.array(parts), axes=1))


def _simplex_weights(held_out: FloatArray, time: FloatArray, code: NDArray[np.int64], times: FloatArray) -> FloatArray:
    root = np.sqrt(censoring_weights(time, code, times)).ravel()
    happened = ((time[:, None] <= times[None, :]) & (code == 1)[:, None]).ravel()
    design = held_out.reshape(len(held_out), -1).T * root[:, None]
    # The last row asks for a sum of one, heavily enough to hold it to six digits.
    heavy = 1e3 * max(1.0, float(np.abs(design).sum()))
    found, _ = nnls(np.vstack([design, np.full(len(held_out), heavy)]), np.append(happened * root, heavy))
    total = found.sum()
    return found / total if total > 0 else np.full(len(held_out), 1 / len(held_out))
