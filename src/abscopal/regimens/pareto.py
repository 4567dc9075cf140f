"""Regimens that no other beats in everything."""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def non_dominated(values: FloatArray) -> NDArray[np.bool_]:
    """Rows that no other row equals or beats in every column while beating it in one; exact.

    Parameters
    ----------
    values : array, shape (n, n_objectives)
        Larger is better.

    Examples
    --------
    >>> non_dominated(np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 1.0]])).tolist()
    [True, True, False]
    """
    kept = np.ones(len(values), dtype=bool)
    for k, row in enumerate(values):
        no_worse, better = (values >= row).all(axis=1), (values > row).any(axis=1)
        kept[k] = not (no_worse & better).any()
    return kept
