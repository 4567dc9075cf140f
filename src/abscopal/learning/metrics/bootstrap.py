"""Percentile intervals by resampling patients."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.progress import track

Statistics = Callable[[NDArray[np.int64]], Mapping[str, float]]


def bootstrap_intervals(
    statistics: Statistics,
    n: int,
    *,
    n_resamples: int = 500,
    seed: int = 0,
    level: float = 0.95,
    what: str = "bootstrap",
) -> dict[str, tuple[float, float] | None]:
    """Percentile interval of each statistic.

    Parameters
    ----------
    statistics : callable
        Takes the rows of a resample, shape (n,), and gives numbers by name.
    n : int
        Patients.

    Returns
    -------
    dict
        None where fewer than nine tenths of the resamples gave a number.
    """
    rng = np.random.default_rng(seed)
    draws = [statistics(rng.integers(0, n, n)) for _ in track(range(n_resamples), what, n_resamples)]
    tails = ((1 - level) / 2, (1 + level) / 2)
    found: dict[str, tuple[float, float] | None] = {}
    for name in draws[0] if draws else ():
        values = np.array([draw[name] for draw in draws], dtype=np.float64)
        values = values[np.isfinite(values)]
        limits = np.quantile(values, tails).tolist() if len(values) >= 0.9 * n_resamples else None
        found[name] = None if limits is None else (limits[0], limits[1])
    return found
