"""Missing values by multiple imputation, learned inside each resample."""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from abscopal.learning.estimators.delegate import offers, tags_of
from abscopal.learning.outcome import FloatArray


class MultiplyImputed(MetaEstimatorMixin, BaseEstimator):
    """Fits an estimator to several completed copies of the features and averages its predictions.

    Missing values are drawn from chained Bayesian ridge regressions of each feature on the others.
    The outcome takes no part, so that a patient is completed in the same way at prediction as in
    the data fitted on. Being part of the estimator, imputation is repeated inside every resample.

    Parameters
    ----------
    estimator : estimator
        A classifier, or an estimator of a censored outcome.
    n_imputations : int
        Completed copies. One is made where nothing is missing.
    random_state : int
        Seed of the draws.
    """

    def __init__(self, estimator: Any, n_imputations: int = 5, random_state: int = 0) -> None:
        self.estimator = estimator
        self.n_imputations = n_imputations
        self.random_state = random_state

    def wrapped(self) -> Any:
        """The estimator inside."""
        return self.estimator

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to features that may hold NaN."""
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401
        from sklearn.impute import IterativeImputer

        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2)
        missing = bool(np.isnan(X).any())
        low, high = _limits(X)
        self.imputers_, self.estimators_ = [], []
        for copy in range(self.n_imputations if missing else 1):
            imputer = IterativeImputer(
                sample_posterior=missing, max_iter=10, tol=1e-2, keep_empty_features=True, min_value=low,
                max_value=high, random_state=self.random_state + copy,
            )  # fmt: skip
            complete = imputer.fit_transform(X) if missing else X
            self.imputers_.append(imputer if missing else None)
            self.estimators_.append(clone(self.estimator).fit(complete, y))
        self.fallback_ = np.where(np.isnan(X).all(axis=0), 0.0, _medians(X))
        if hasattr(self.estimators_[0], "classes_"):
            self.classes_ = self.estimators_[0].classes_
        return self

    def _mean(self, X: Any, method: str, *arguments: Any) -> FloatArray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        rows = [
            getattr(estimator, method)(self._complete(imputer, X), *arguments)
            for imputer, estimator in zip(self.imputers_, self.estimators_, strict=True)
        ]
        return np.asarray(np.mean(rows, axis=0))

    def _complete(self, imputer: Any, X: FloatArray) -> FloatArray:
        if imputer is not None:
            return np.asarray(imputer.transform(X))
        return np.where(np.isnan(X), self.fallback_, X)  # nothing was missing in the data fitted on: their medians

    @available_if(offers("predict"))
    def predict(self, X: Any) -> Any:
        """Class, or risk, averaged over the completed copies."""
        if hasattr(self, "classes_"):
            return self.classes_[self._mean(X, "predict_proba").argmax(axis=1)]
        return self._mean(X, "predict")

    @available_if(offers("predict_proba"))
    def predict_proba(self, X: Any) -> FloatArray:
        """Probability of each class, averaged over the completed copies."""
        return self._mean(X, "predict_proba")

    @available_if(offers("predict_event_probability"))
    def predict_event_probability(self, X: Any, times: Any) -> FloatArray:
        """Probability of the event by each time, averaged over the completed copies."""
        return self._mean(X, "predict_event_probability", times)

    def __sklearn_tags__(self) -> Any:
        tags = tags_of(super().__sklearn_tags__(), self.estimator)
        tags.input_tags.allow_nan = True
        return tags


def _medians(X: FloatArray) -> FloatArray:
    known = np.where(np.isnan(X).all(axis=0), 0.0, X)
    return np.asarray(np.nanmedian(known, axis=0))


def _limits(X: FloatArray) -> tuple[Any, Any]:
    """Smallest and largest value of each feature: a draw outside them is no patient's."""
    empty = np.isnan(X).all(axis=0)
    known = np.where(empty, 0.0, X)
    low, high = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
    same = low >= high
    return np.where(same, low - 1, low), np.where(same, high + 1, high)
