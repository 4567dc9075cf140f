"""What an estimator that wraps another one shows of it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from abscopal.learning.outcome import FloatArray, Kind


def offers(method: str) -> Callable[[Any], bool]:
    """Whether the wrapped estimator has `method`; for `sklearn.utils.metaestimators.available_if`."""

    def check(wrapper: Any) -> bool:
        getattr(wrapper.wrapped(), method)
        return True

    return check


def tags_of(wrapper_tags: Any, wrapped: Any) -> Any:
    """The wrapper's scikit-learn tags, with the kind and the target of the estimator inside."""
    from sklearn.utils import get_tags

    inner = get_tags(wrapped)
    for name in ("estimator_type", "classifier_tags", "regressor_tags", "target_tags"):
        setattr(wrapper_tags, name, getattr(inner, name))
    return wrapper_tags


def event_probability(model: Any, X: Any, kind: Kind, times: Any) -> FloatArray:
    """Probability of the event of each row, shape (n, k); one column for a binary outcome."""
    if kind == "binary":
        return np.asarray(model.predict_proba(X))[:, [1]]
    return np.asarray(model.predict_event_probability(X, times))
