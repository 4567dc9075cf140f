"""What every estimator of a censored outcome shares: its checks, and the scikit-learn interface.

`fit(X, y)` takes `y` with two columns, time and code (see `learning.outcome`); one column alone
holds times that were all observed. `predict(X)` is a risk: the higher, the earlier the event.
`predict_event_probability(X, times)` is the probability of the event of interest by each time.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from abscopal.domain.errors import InputError
from abscopal.learning.outcome import FloatArray, time_and_code


class SurvivalEstimator(BaseEstimator):
    """Base of the estimators of a censored outcome.

    A subclass writes `_fit(X, time, code)`, `_risk(X)` and `_event_probability(X, times)`.
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to features and censored times.

        Parameters
        ----------
        X : array, shape (n, p)
        y : array, shape (n, 2)
            Time, and 0 censored, 1 event, 2 competing event.

        Raises
        ------
        InputError
            A time that is not positive, an unknown code, or no event.
        """
        features = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        outcome = check_array(y, ensure_2d=False, dtype=np.float64)
        if len(outcome) != len(features):
            raise ValueError(f"Found input variables with inconsistent numbers of samples: {len(features)}, {len(y)}")
        time, code = time_and_code(outcome)
        if not (code == 1).any():
            raise InputError(
                doing=f"fitting {type(self).__name__}",
                found="no event of interest",
                expected="events among the patients",
                try_="checking the event column and its coding",
            )
        self._fit(features, time, code)
        return self

    def predict(self, X: Any) -> FloatArray:
        """Risk of each row: the higher, the earlier the event is expected. Comparable within one model only."""
        return self._risk(self._checked(X))

    def predict_event_probability(self, X: Any, times: Any) -> FloatArray:
        """Probability of the event of interest by each time.

        Parameters
        ----------
        X : array, shape (n, p)
        times : array, shape (k,)
            In the unit of the times fitted on.

        Returns
        -------
        array, shape (n, k)
            [1]
        """
        return self._event_probability(self._checked(X), np.atleast_1d(np.asarray(times, dtype=np.float64)))

    def _checked(self, X: Any) -> FloatArray:
        check_is_fitted(self)
        checked: FloatArray = validate_data(self, X, dtype=np.float64, reset=False)
        return checked

    def _fit(self, X: FloatArray, time: FloatArray, code: NDArray[np.int64]) -> None:
        raise NotImplementedError

    def _risk(self, X: FloatArray) -> FloatArray:
        raise NotImplementedError

    def _event_probability(self, X: FloatArray, times: FloatArray) -> FloatArray:
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.positive_only = True
        tags.target_tags.two_d_labels = True
        return tags
