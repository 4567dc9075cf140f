"""Choice among settings and families by cross-validation, the simplest within noise of the best."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_is_fitted, column_or_1d, validate_data

from abscopal.learning.estimators.delegate import offers, tags_of
from abscopal.learning.metrics.loss import loss_per_fold
from abscopal.learning.outcome import FloatArray, Kind
from abscopal.learning.resampling import folds


class SimplestWithinNoise(MetaEstimatorMixin, BaseEstimator):
    """Cross-validates candidates and refits the simplest family that is not clearly worse than the best.

    Within a family, the setting of least mean loss stands for it. Between families, the first one
    whose loss exceeds the best by no more than one standard error of the paired differences
    between folds is taken. Loss: logarithmic for a binary outcome, integrated inverse-probability-of-censoring
    Brier score for a censored one.

    Parameters
    ----------
    candidates : list of (str, estimator)
        Family and estimator, families from simple to complex; several settings may share a family.
    kind : {"binary", "survival", "competing"}
    n_folds, n_repeats : int
    random_state : int
    """

    def __init__(
        self,
        candidates: list[tuple[str, Any]],
        kind: Kind = "binary",
        n_folds: int = 5,
        n_repeats: int = 1,
        random_state: int = 0,
    ) -> None:
        self.candidates = candidates
        self.kind = kind
        self.n_folds = n_folds
        self.n_repeats = n_repeats
        self.random_state = random_state

    def wrapped(self) -> Any:
        """The estimator chosen, or the first candidate before a fit."""
        return self.best_ if hasattr(self, "best_") else self.candidates[0][1]

    def fit(self, X: Any, y: Any) -> Self:
        """Choose, then fit the choice to all rows."""
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        if not hasattr(X, "iloc"):
            X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2)
        y = _labels(y) if self.kind == "binary" else _check_y(y, multi_output=True, estimator=self)
        self.losses_ = self._losses(X, y) if len(self.candidates) > 1 else np.zeros((1, 1))
        self.chosen_ = self._choose()
        self.family_, chosen = self.candidates[self.chosen_]
        self.best_ = clone(chosen).fit(X, y)
        self.n_features_in_ = X.shape[1]
        if hasattr(self.best_, "classes_"):
            self.classes_ = self.best_.classes_
        return self

    def _losses(self, X: Any, y: Any) -> FloatArray:
        """Loss of each candidate on each fold, shape (candidates, folds)."""
        parts = list(folds(y, self.kind, self.n_folds, self.n_repeats, self.random_state))
        return np.array([loss_per_fold(estimator, X, y, self.kind, parts) for _, estimator in self.candidates])

    def _choose(self) -> int:
        mean = self.losses_.mean(axis=1)
        families = list(dict.fromkeys(name for name, _ in self.candidates))
        of = [[i for i, (name, _) in enumerate(self.candidates) if name == family] for family in families]
        champions = [min(group, key=lambda i: mean[i]) for group in of]
        best = min(champions, key=lambda i: mean[i])
        self.comparison_ = []
        for family, index in zip(families, champions, strict=True):
            difference = self.losses_[index] - self.losses_[best]
            noise = float(difference.std(ddof=1) / np.sqrt(len(difference))) if len(difference) > 1 else 0.0
            self.comparison_.append((family, float(mean[index]), float(difference.mean()), noise))
        within = [i for i, (_, _, excess, noise) in zip(champions, self.comparison_, strict=True) if excess <= noise]
        return within[0]

    @available_if(offers("predict"))
    def predict(self, X: Any) -> Any:
        """Class, or risk, by the choice."""
        check_is_fitted(self)
        return self.best_.predict(X)

    @available_if(offers("predict_proba"))
    def predict_proba(self, X: Any) -> FloatArray:
        """Probability of each class by the choice."""
        check_is_fitted(self)
        return np.asarray(self.best_.predict_proba(X))

    @available_if(offers("predict_event_probability"))
    def predict_event_probability(self, X: Any, times: Any) -> FloatArray:
        """Probability of the event by each time by the choice."""
        check_is_fitted(self)
        return np.asarray(self.best_.predict_event_probability(X, times))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import get_tags

        inside = self.candidates[0][1]
        tags = tags_of(super().__sklearn_tags__(), inside)
        tags.input_tags.allow_nan = get_tags(inside).input_tags.allow_nan
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_class = False
        return tags


def _labels(y: Any) -> Any:
    check_classification_targets(y)
    y = column_or_1d(y, warn=True)
    found = np.unique(y)
    if len(found) > 2:
        raise ValueError(f"Only binary classification is supported. The type of the target is multiclass: {found}.")
    if len(found) < 2:
        raise ValueError("Classifier can't train when only one class is present.")
    return y
