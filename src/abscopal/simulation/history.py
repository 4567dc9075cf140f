"""Values of the past: the solution kept so far, and where its jumps and bends come back after a lag."""

import heapq
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import ModelError
from abscopal.equations.checks import nested_delays
from abscopal.equations.model import Model
from abscopal.equations.python_code import scalar_functions

FloatArray = NDArray[np.float64]
_SMOOTH = 5
"""A jump comes back one derivative smoother after each lag; after so many lags no step ends on it any more."""


class History:
    """The solution from the start on, one interpolating function per step.

    Parameters
    ----------
    model : Model
    parameters : list of float
    start : float
        [day]
    initial : array, shape (n_states,)
    """

    def __init__(self, model: Model, parameters: Sequence[float], start: float, initial: FloatArray) -> None:
        zero = [0.0] * len(model.states)
        self.start, self._initial = start, initial
        self.lags: list[float] = scalar_functions(model, [delay.lag for delay in model.delays])(parameters)(zero, start)
        for delay, lag in zip(model.delays, self.lags, strict=True):
            if not 0 < lag < float("inf"):
                raise ModelError(
                    doing=f"setting the lag of {delay.name}",
                    found=f"{lag:g} days",
                    expected="a finite time above zero",
                    try_="another value of its parameters",
                )
        self._of = [scalar_functions(model, [delay.of], past=True)(parameters) for delay in model.delays]
        inner, names = nested_delays(model), [delay.name for delay in model.delays]
        self._inner = [[name in inner[own] for name in names] for own in names]
        self._before = [
            None if delay.history is None else scalar_functions(model, [delay.history])(parameters)
            for delay in model.delays
        ]
        self._ends: list[float] = []
        self._steps: list[Callable[[float], FloatArray]] = []
        self._bends: list[tuple[float, int]] = []
        if self.lags:
            self.bend(start)

    def keep(self, end: float, step: Callable[[float], FloatArray]) -> None:
        """Add a step that ends at `end`."""
        if self.lags:
            self._ends.append(end)
            self._steps.append(step)

    def past(self, t: float) -> list[float]:
        """Each delay's value at time t."""
        return [self._value(k, t - lag) for k, lag in enumerate(self.lags)]

    def _value(self, k: int, t: float) -> float:
        before = self._before[k]
        if t < self.start and before is not None:
            return float(before([0.0] * len(self._initial), t)[0])
        when = max(t, self.start)
        inner = [
            self._value(j, when - lag) if used else math.nan
            for j, (lag, used) in enumerate(zip(self.lags, self._inner[k], strict=True))
        ]
        return float(self._of[k](self._state(t).tolist(), when, inner)[0])

    def _state(self, t: float) -> FloatArray:
        if t <= self.start or not self._ends:
            return self._initial
        place = min(bisect_right(self._ends, t), len(self._ends) - 1)
        return self._steps[place](t)

    def bend(self, t: float, order: int = 0) -> None:
        """A jump at time t (or a bend of that order) comes back after each lag."""
        if order < _SMOOTH:
            for lag in self.lags:
                heapq.heappush(self._bends, (t + lag, order + 1))

    def next_bend(self, t: float) -> float:
        """The next time after t on which a step must end: a bend, or the shortest lag."""
        while self._bends and self._bends[0][0] <= t:
            self.bend(*heapq.heappop(self._bends))
        first = self._bends[0][0] if self._bends else float("inf")
        return min(first, t + min(self.lags, default=float("inf")))
