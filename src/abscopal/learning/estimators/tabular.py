"""A model of a table of patients: the encoder of its terms, then an estimator of numbers."""

from typing import Any, Self

from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from abscopal.learning.estimators.delegate import offers, tags_of
from abscopal.learning.features import FeatureEncoder
from abscopal.learning.outcome import FloatArray


class TableModel(MetaEstimatorMixin, BaseEstimator):
    """Encodes terms of a data frame and fits an estimator to them.

    scikit-learn's `Pipeline` does not hand on `predict_event_probability`; this does.

    Parameters
    ----------
    terms : list of str
        See `learning.features`.
    estimator : estimator
    """

    def __init__(self, terms: list[str], estimator: Any) -> None:
        self.terms = terms
        self.estimator = estimator

    def wrapped(self) -> Any:
        """The estimator inside."""
        return self.estimator

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to a data frame."""
        self.encoder_ = FeatureEncoder(self.terms).fit(X)
        self.estimator_ = clone(self.estimator).fit(self.encoder_.transform(X), y)
        self.n_features_in_ = X.shape[1]
        if hasattr(self.estimator_, "classes_"):
            self.classes_ = self.estimator_.classes_
        return self

    def _encoded(self, X: Any) -> FloatArray:
        check_is_fitted(self)
        return self.encoder_.transform(X)

    @available_if(offers("predict"))
    def predict(self, X: Any) -> Any:
        """Class, or risk."""
        return self.estimator_.predict(self._encoded(X))

    @available_if(offers("predict_proba"))
    def predict_proba(self, X: Any) -> FloatArray:
        """Probability of each class."""
        probability: FloatArray = self.estimator_.predict_proba(self._encoded(X))
        return probability

    @available_if(offers("predict_event_probability"))
    def predict_event_probability(self, X: Any, times: Any) -> FloatArray:
        """Probability of the event by each time."""
        probability: FloatArray = self.estimator_.predict_event_probability(self._encoded(X), times)
        return probability

    def __sklearn_tags__(self) -> Any:
        tags = tags_of(super().__sklearn_tags__(), self.estimator)
        tags.input_tags.allow_nan = True
        return tags
