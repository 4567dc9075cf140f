"""Impulses that conditions set off: when they turn true, and in which order those due at one time come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from abscopal.equations.model import Model
from abscopal.equations.python_code import python_functions, scalar_functions

FloatArray = NDArray[np.float64]
Look = Callable[[float], FloatArray]
_LOOKS = 16
"""Times inside a step at which conditions are looked at; one that is true for less may be missed."""
_MOST_AT_ONCE = 10_000
_SEED = 0
"""Impulses of one priority come in any order, but each run of a model gives the same numbers."""


@dataclass(eq=False)
class _Waiting:
    """An impulse that will come."""

    due: float
    number: int
    values: FloatArray | None


@dataclass
class Conditions:
    """The conditions of a model with its parameters bound.

    Attributes
    ----------
    past : callable
        Values of the past at a time.
    problem : str
        Why the run cannot go on; empty if it can.
    """

    model: Model
    parameters: Sequence[float]
    past: Callable[[float], list[float]]
    problem: str = ""
    waiting: list[_Waiting] = field(default_factory=list)

    def __post_init__(self) -> None:
        listed = self.listed = self.model.conditions
        self._true = [self._bound(c.when) for c in listed]
        self._delay = [self._bound(c.delay) for c in listed]
        self._priority = [None if c.priority is None else self._bound(c.priority) for c in listed]
        impulses = python_functions(self.model).impulses
        self._updates = [impulses[c.impulse](self.parameters) for c in listed]
        place = {state.name: k for k, state in enumerate(self.model.states)}
        self._changed = [[place[u.state] for u in self.model.updates if u.impulse == c.impulse] for c in listed]
        self._held = [c.initially for c in listed]
        self._chance = np.random.default_rng(_SEED)

    @property
    def next_due(self) -> float:
        """When the next waiting impulse comes; infinite if none waits."""
        return min((w.due for w in self.waiting), default=float("inf"))

    def first_change(self, look: Look, start: float, end: float) -> float | None:
        """The first time after `start`, up to `end`, at which a condition is not what it was; None if all stay."""
        if not self.listed:
            return None
        low = start
        for t in np.linspace(start, end, _LOOKS + 1)[1:].tolist():
            if self._differ(look, t):
                return self._bisected(look, low, t)
            low = t
        return None

    def _bisected(self, look: Look, low: float, high: float) -> float:
        while True:
            middle = 0.5 * (low + high)
            if not low < middle < high:
                return high
            if self._differ(look, middle):
                high = middle
            else:
                low = middle

    def _differ(self, look: Look, t: float) -> bool:
        y = look(t)
        return any(self._is_true(k, y, t) != held for k, held in enumerate(self._held))

    def _is_true(self, k: int, y: FloatArray, t: float) -> bool:
        return bool(self._true[k](y, t))

    def settle(self, y: FloatArray, t: float) -> FloatArray:
        """The state after every impulse due now, and those that they set off in turn."""
        self._notice(y, t)
        for _ in range(_MOST_AT_ONCE):
            due = [w for w in self.waiting if w.due <= t]
            if not due:
                return y
            first = self._first(due, y, t)
            self.waiting.remove(first)
            after = first.values if first.values is not None else self._after(first.number, y, t)
            y = y.copy()
            y[self._changed[first.number]] = after[self._changed[first.number]]
            self._notice(y, t)
        self.problem = f"conditions set each other off without end on day {t:g}"
        return y

    def _first(self, due: list[_Waiting], y: FloatArray, t: float) -> _Waiting:
        """The one with the highest priority; of several with the same one any, of several without the first."""
        ranks = [self._rank(w.number, y, t) for w in due]
        best = [w for w, rank in zip(due, ranks, strict=True) if rank == max(ranks)]
        is_open = len({w.number for w in best}) > 1 and max(ranks) > -np.inf
        return best[int(self._chance.integers(len(best))) if is_open else 0]

    def _rank(self, k: int, y: FloatArray, t: float) -> float:
        priority = self._priority[k]
        return -np.inf if priority is None else float(priority(y, t))

    def _after(self, k: int, y: FloatArray, t: float) -> FloatArray:
        return np.array(self._updates[k](y.tolist(), t, self.past(t)), dtype=np.float64)

    def _notice(self, y: FloatArray, t: float) -> None:
        """Take note of conditions that turned; all see the same state."""
        now = [self._is_true(k, y, t) for k in range(len(self.listed))]
        for k, (before, after) in enumerate(zip(self._held, now, strict=True)):
            if after and not before:
                values = self._after(k, y, t) if self.listed[k].values_then else None
                self.waiting.append(_Waiting(t + float(self._delay[k](y, t)), k, values))
            if before and not after and not self.listed[k].persistent:
                self.waiting = [w for w in self.waiting if w.number != k]
        self._held = now

    def _bound(self, expression: sp.Basic) -> Callable[[FloatArray, float], float]:
        function = scalar_functions(self.model, [expression], past=True)(self.parameters)
        return lambda y, t: float(function(y.tolist(), t, self.past(t))[0])
