"""Bounds of a window on a curve of gain against dose."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Bounds:
    """Where a gain stays at or above a share of its maximum.

    Attributes
    ----------
    low, high : float or None
        Doses at which the gain crosses the level, by linear interpolation; None when the curve ends
        before it does (open) or when there is no window. [Gy]
    peak : float or None
        Grid dose of the largest gain. [Gy]
    gain_max : float
        Largest gain on the grid (log10). [1]
    open_low, open_high : bool
        The gain is still above the level at that end of the grid.
    found : bool
        False when the largest gain is too small to speak of a window.
    """

    low: float | None
    peak: float | None
    high: float | None
    gain_max: float
    open_low: bool
    open_high: bool
    found: bool


def window_bounds(doses: ArrayLike, gain: ArrayLike, *, level: float, min_gain: float) -> Bounds:
    """The connected stretch around the largest gain where it is at least `level` of its maximum.

    Parameters
    ----------
    doses : array, shape (n,)
        Ascending. [Gy]
    gain : array, shape (n,)
        log10 gain. [1]
    level : float
        Share of the largest gain, between 0 and 1. [1]
    min_gain : float
        Below this largest gain there is no window. [1]

    Raises
    ------
    InputError
        Doses that do not ascend, lengths that differ, a gain that is not finite, a level outside (0, 1).

    Examples
    --------
    >>> bounds = window_bounds([1, 2, 3, 4], [0.0, 0.4, 0.4, 0.0], level=0.5, min_gain=0.1)
    >>> (bounds.low, bounds.peak, bounds.high)
    (1.5, 2.0, 3.5)
    """
    x, y = np.asarray(doses, dtype=np.float64), np.asarray(gain, dtype=np.float64)
    _check(x, y, level)
    top = int(np.argmax(y))
    if y[top] < min_gain:
        return Bounds(None, None, None, float(y[top]), open_low=False, open_high=False, found=False)
    threshold = level * y[top]
    below = np.flatnonzero(y < threshold)
    left, right = below[below < top], below[below > top]
    low = _crossing(x, y, int(left[-1]), threshold) if left.size else None
    high = _crossing(x, y, int(right[0]) - 1, threshold) if right.size else None
    return Bounds(low, float(x[top]), high, float(y[top]), open_low=low is None, open_high=high is None, found=True)


def _crossing(x: FloatArray, y: FloatArray, k: int, threshold: float) -> float:
    """Where the line from point k to point k+1 meets the threshold."""
    return float(x[k] + (threshold - y[k]) / (y[k + 1] - y[k]) * (x[k + 1] - x[k]))


def _check(x: FloatArray, y: FloatArray, level: float) -> None:
    if (
        x.ndim == 1
        and x.shape == y.shape
        and x.size
        and (np.diff(x) > 0).all()
        and np.isfinite(y).all()
        and 0 < level < 1
    ):
        return
    raise InputError(
        doing="finding the bounds of a window",
        found=f"{x.size} doses, {y.size} gains, level {level:g}",
        expected="ascending doses, one finite gain for each, a level between 0 and 1",
        try_="sorting the doses, or removing the schedules that could not be computed",
    )
