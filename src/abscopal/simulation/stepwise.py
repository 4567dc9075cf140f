"""One patient of a model with delays or conditions: LSODA step by step, the past kept, conditions watched.

Delays are solved by the method of steps: no step is longer than the shortest lag, so that the past is always known,
and steps end where a jump comes back. A condition that turns inside a step is found by bisection on the step's
interpolating polynomial, and the solver starts again there.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import LSODA

from abscopal.domain.trajectory import Trajectory
from abscopal.equations.checks import ordered_quantities
from abscopal.equations.model import Model
from abscopal.equations.pieces import Quantity, State
from abscopal.equations.python_code import python_functions
from abscopal.simulation.conditions import Conditions
from abscopal.simulation.events import Event, argument_vector
from abscopal.simulation.history import History
from abscopal.simulation.reference import Tolerance

FloatArray = NDArray[np.float64]
Look = Callable[[float], FloatArray]


class Stepwise:
    """A run in progress.

    Parameters
    ----------
    model : Model
    parameters : list of float
    initial : array, shape (n_states,)
    start : float
        [day]
    wanted : array, shape (n_t,)
        Days to report. [day]
    tolerance : Tolerance
    """

    def __init__(
        self,
        model: Model,
        parameters: list[float],
        initial: FloatArray,
        start: float,
        wanted: FloatArray,
        tolerance: Tolerance,
    ) -> None:
        functions = python_functions(model)
        self.model, self.parameters, self.wanted, self.tolerance = model, parameters, wanted, tolerance
        self.y, self.t, self.status, self.steps = initial, start, "ok", 0
        self._rates = functions.rates(parameters)
        self._impulses = {name: bind(parameters) for name, bind in functions.impulses.items()}
        self._quantities = functions.quantities
        self.history = History(model, parameters, start, initial)
        self.conditions = Conditions(model, parameters, self.history.past)
        self._lower = np.array([-np.inf if s.lower is None else s.lower for s in model.states])
        self._peak = np.abs(initial)
        self._before = np.full((len(wanted), len(initial)), np.nan)
        self._after = self._before.copy()
        self._past = np.full((len(wanted), len(model.delays)), np.nan)

    def run(self, events: Sequence[Event]) -> None:
        """Solve to the last wanted day; `events` ascend in time."""
        end = float(self.wanted[-1])
        ahead = [event for event in events if event.day <= end]
        while True:
            ahead = self._arrive(ahead)
            if self.t >= end or self.status != "ok":
                return
            due = ahead[0].day if ahead else end
            self._advance(min(end, due, self.conditions.next_due))

    def _arrive(self, ahead: list[Event]) -> list[Event]:
        """Everything that happens at once now, and what is reported before and after it."""
        here = np.flatnonzero(self.wanted == self.t)
        now = [event for event in ahead if event.day <= self.t]
        steps = [event for event in now if self.model.impulse(event.impulse).every]
        before = self.y
        self._apply(steps)
        self._before[here] = self.y
        self._apply([event for event in now if event not in steps])
        if self.status == "ok" and self.conditions.listed:
            self._try(lambda: self.conditions.settle(self.y, self.t), "a condition")
            if self.conditions.problem:
                self._fail(self.conditions.problem)
        if self.y is not before:
            self.history.bend(self.t)
        if len(here) and self.status == "ok":
            self._after[here] = self.y
            self._past[here] = self.history.past(self.t)
        return ahead[len(now) :]

    def _apply(self, events: Sequence[Event]) -> None:
        for event in events:
            arguments = [*argument_vector(self.model, event), *self.history.past(self.t)]
            self._try(
                lambda e=event, a=arguments: np.array(self._impulses[e.impulse](self.y.tolist(), self.t, a)),  # type: ignore[misc]
                event.impulse,
            )

    def _try(self, change: Callable[[], FloatArray], what: str) -> None:
        if self.status != "ok":
            return
        try:
            self.y = change()
        except (ArithmeticError, ValueError) as exc:
            self._fail(f"stopped at {what} on day {self.t:g}: {exc}")
        self._check()

    def _fail(self, why: str) -> None:
        self.status = why
        self.y = np.full_like(self.y, np.nan)

    def _advance(self, to: float) -> None:
        """Solve until `to`, a bend of the past, or the first condition that turns."""
        bound = min(to, self.history.next_bend(self.t))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # LSODA's; the status says it
                self._integrate(bound)
        except (ArithmeticError, ValueError) as exc:
            self._fail(f"stopped after day {self.t:g}: the equations failed ({exc})")

    def _rate(self, t: float, y: FloatArray) -> FloatArray:
        if self.history.lags:
            return np.array(self._rates(y.tolist(), t, self.history.past(t)))  # type: ignore[call-arg, arg-type]
        return np.array(self._rates(y.tolist(), t))

    def _integrate(self, bound: float) -> None:
        if not len(self.y) or bound - self.t <= 1e-13 * max(1.0, abs(self.t)):
            self._take(self.t, bound, lambda _t, y=self.y: y)  # type: ignore[misc]
            return
        solver = LSODA(self._rate, self.t, self.y, bound, rtol=self.tolerance.relative, atol=self.tolerance.absolute)
        while solver.status == "running" and self.status == "ok":
            begin = solver.t
            message = solver.step()  # says something only where it failed
            if message:
                self._fail(f"stopped on day {solver.t:g}: {message}")
                return
            self.steps += 1
            if self._take(begin, solver.t, solver.dense_output()):
                return

    def _take(self, begin: float, end: float, look: Look) -> bool:
        """Keep a step up to its end, or to the condition that turns inside it; whether one does."""
        turned = self.conditions.first_change(look, begin, end)
        last = end if turned is None else turned
        inside = np.flatnonzero((self.wanted > begin) & (self.wanted < last))
        for row in inside:
            self._before[row] = self._after[row] = look(float(self.wanted[row]))
        self.history.keep(last, look)
        for row in inside:
            self._past[row] = self.history.past(float(self.wanted[row]))
        self.t, self.y = last, np.array(look(last), dtype=np.float64)
        self._check()
        return turned is not None

    def _check(self) -> None:
        """Stop where a state is not finite or below its limit; rounding below it is set to it."""
        if self.status != "ok" or not len(self.y):
            return
        names = [state.name for state in self.model.states]
        if not np.isfinite(self.y).all():
            self._fail(f"stopped on day {self.t:g}: {names[int(np.argmin(np.isfinite(self.y)))]} is not finite")
            return
        self._peak = np.maximum(self._peak, np.abs(self.y))
        allowed = self._lower - self.tolerance.negative * self._peak - 1e3 * self.tolerance.absolute
        if (self.y < allowed).any():
            place = int(np.argmax(self.y < allowed))
            self._fail(f"stopped on day {self.t:g}: {names[place]} fell to {self.y[place]:.3g}")
            return
        if (self.y < self._lower).any():
            self.y = np.maximum(self.y, self._lower)

    def trajectory(self, side: Literal["before", "after", "both"]) -> Trajectory:
        """States and quantities on the wanted days."""
        days, states, past = self.wanted, self._before if side == "before" else self._after, self._past
        if side == "both":
            jumped = np.flatnonzero((self._before != self._after).any(axis=1) & ~np.isnan(self._after).any(axis=1))
            days = np.insert(days, jumped, days[jumped])
            states = np.insert(self._after, jumped, self._before[jumped], axis=0)
            past = np.insert(past, jumped, past[jumped], axis=0)
        further = [list(past.T)] if self.model.delays else []
        computed = self._quantities(list(states.T), days, self.parameters, *further)
        columns = [np.broadcast_to(np.asarray(column, dtype=np.float64), days.shape) for column in computed]
        pieces: list[State | Quantity] = [*self.model.states, *ordered_quantities(self.model)]
        return Trajectory(
            t=days,
            values=np.column_stack([states, *columns]),
            names=tuple(piece.name for piece in pieces),
            units=tuple(piece.unit for piece in pieces),
            status=self.status,
            stats={"steps": float(self.steps)},
        )
