"""What is generated from a model is kept by the model's digest, so it is made once."""

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from abscopal.equations.model import Model

T = TypeVar("T")


def cached_by_digest(make: Callable[[Model], T]) -> Callable[[Model], T]:
    """Keep the results of the 128 models used last; only the equations count, not the values."""
    kept: OrderedDict[str, T] = OrderedDict()

    @wraps(make)
    def get(model: Model) -> T:
        if model.digest not in kept:
            kept[model.digest] = make(model)
            if len(kept) > 128:
                kept.popitem(last=False)
        return kept[model.digest]

    return get
