"""One patient's course: a model, a regimen or events, and the days to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from abscopal.domain.errors import ConvergenceError, InputError
from abscopal.domain.regimen import Regimen
from abscopal.domain.trajectory import Trajectory
from abscopal.equations.checks import ordered_quantities
from abscopal.equations.model import Model
from abscopal.equations.pieces import Quantity, State
from abscopal.equations.python_code import python_functions
from abscopal.simulation.events import Event, argument_vector, checked_events, regimen_events
from abscopal.simulation.reference import Reference, Tolerance, initial_states
from abscopal.simulation.stepwise import Stepwise

FloatArray = NDArray[np.float64]
Side = Literal["before", "after", "both"]
_STEPWISE = Tolerance(relative=1e-9, absolute=1e-12)
"""What is read between the steps of a solver is less accurate than the steps."""


def simulate(
    model: Model,
    course: Regimen | Sequence[Event],
    times: ArrayLike,
    *,
    parameters: Mapping[str, float] | None = None,
    fraction_arguments: Mapping[str, float] | None = None,
    initial: Mapping[str, float] | None = None,
    start: float = 0.0,
    horizon: float | None = None,
    side: Side = "before",
    tolerance: Tolerance | None = None,
) -> Trajectory:
    """The course of a model's states and quantities, solved by LSODA; also of models with delays and conditions.

    Parameters
    ----------
    model : Model
    course : Regimen or sequence of Event
    times : array, shape (n_t,)
        Ascending days to report. [day]
    parameters : mapping, optional
        Values that replace the model's defaults.
    fraction_arguments : mapping, optional
        Further arguments of each fraction of a `Regimen`, such as a dose to the node.
    initial : mapping, optional
        States on day `start` that replace the model's own initial values.
    start, horizon : float
        First and last day simulated; the horizon defaults to the last of `times`. [day]
    side : {"before", "after", "both"}
        Which value to report on a day that has an impulse; `both` gives two rows for that day.

    Returns
    -------
    Trajectory
        States, then quantities. `status` is `"ok"`, or says what failed and on which day; rows after
        a failure are NaN.

    Raises
    ------
    InputError
        Times that do not ascend from `start`; a horizon before the last of them; an event before `start`
        or after the horizon; an unknown drug, impulse, argument or state.
    ModelError
        A parameter that is missing, not finite or below its minimum; an initial state that is not finite
        or below its limit.
    """
    wanted = _checked_times(times, start)
    end = _checked_horizon(wanted, horizon)
    if isinstance(course, Regimen):
        course = regimen_events(model, course, fraction_arguments=fraction_arguments)
    events = checked_events(model, course, start, end)
    vector = model.parameter_vector(parameters)
    if model.needs_history or not model.states:
        stepwise = Stepwise(
            model, vector, initial_states(model, vector, initial or {}), start, wanted, tolerance or _STEPWISE
        )
        stepwise.run(events)
        return stepwise.trajectory(side)
    run = _Run(model, Reference(model, vector, tolerance or Tolerance(), initial), start, wanted, side)
    for event in events:
        if event.day > wanted[-1]:
            break
        run.advance(event.day)
        run.jump(event)
    run.advance(float(wanted[-1]))
    return run.trajectory(vector)


def require_ok(trajectory: Trajectory, doing: str) -> Trajectory:
    """The trajectory, or a ConvergenceError when its status is not ok."""
    if trajectory.status != "ok":
        raise ConvergenceError(
            doing=doing,
            found=trajectory.status,
            expected="a solution to the last day",
            try_="parameters closer to the reference set, or a tighter tolerance",
        )
    return trajectory


def _checked_horizon(wanted: FloatArray, horizon: float | None) -> float:
    last = float(wanted[-1])
    if horizon is None or last <= horizon < float("inf"):
        return last if horizon is None else horizon
    raise InputError(
        doing="choosing the horizon",
        found=f"day {horizon:g}",
        expected=f"a finite day not before the last one to report, day {last:g}",
        try_="leaving the horizon out",
    )


def _checked_times(times: ArrayLike, start: float) -> FloatArray:
    wanted = np.atleast_1d(np.asarray(times, dtype=np.float64))
    if wanted.size and np.isfinite(wanted).all() and wanted[0] >= start and (np.diff(wanted) > 0).all():
        return wanted
    raise InputError(
        doing="choosing the days to report",
        found="no day"
        if not wanted.size
        else f"days from {wanted[0]:g} to {wanted[-1]:g} that do not ascend from {start:g}",
        expected=f"at least one finite day, each once and ascending, none before day {start:g}",
        try_="sorting the days",
    )


@dataclass
class _Run:
    """Progress through one patient's segments."""

    model: Model
    solver: Reference
    now: float
    wanted: FloatArray
    side: Side
    done: int = 0
    status: str = "ok"
    evaluations: int = 0
    steps: int = 0
    rows: list[FloatArray] = field(default_factory=list)
    days: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = self.solver.initial
        self.advance(self.now)

    def advance(self, to: float) -> None:
        """Integrate to day `to`, reporting wanted days before it, and on it as it stands now."""
        inside = self.wanted[self.done : np.searchsorted(self.wanted, to, side="left")]
        if to > self.now and self.status == "ok":
            segment = self.solver.integrate(self.state, self.now, np.append(inside, to))
            self.evaluations += segment.evaluations
            self.steps += segment.steps
            if segment.problem:
                self.status = f"stopped between day {self.now:g} and day {to:g}: {segment.problem}"
                self.state = np.full_like(self.state, np.nan)
                segment.values[:] = np.nan
            else:
                self.state = segment.values[-1]
            self._report(inside, segment.values[:-1])
        elif to > self.now:
            self._report(inside, np.full((len(inside), len(self.state)), np.nan))
        self.now = to
        # the end of a segment is reported here as "before"; jump() adds or replaces "after"
        here = self.wanted[self.done :][self.wanted[self.done :] == to]
        self._report(here, np.repeat(self.state[None, :], len(here), axis=0))

    def jump(self, event: Event) -> None:
        """Apply an impulse now."""
        if self.status != "ok":
            return
        is_step = bool(self.model.impulse(event.impulse).every)
        after = self.solver.jump(event.impulse, self.state, self.now, argument_vector(self.model, event))
        self.state = after.values[0]
        if after.problem:
            self.status = f"stopped at {event.impulse} on day {self.now:g}: {after.problem}"
            self.state = np.full_like(self.state, np.nan)
        rows_today = self.days.count(self.now)
        if is_step and rows_today:  # what is reported of a day comes after the step to it
            self.rows[-1] = self.state
        elif self.side == "both" and rows_today == 1:
            self.rows.append(self.state)
            self.days.append(self.now)
        elif self.side != "before" and rows_today:
            self.rows[-1] = self.state

    def _report(self, days: FloatArray, values: FloatArray) -> None:
        self.days.extend(days.tolist())
        self.rows.extend(values)
        self.done += len(days)

    def trajectory(self, parameters: list[float]) -> Trajectory:
        """States and quantities on the wanted days."""
        states, days = np.array(self.rows), np.array(self.days)
        computed = python_functions(self.model).quantities(list(states.T), days, parameters)
        columns = [np.broadcast_to(np.asarray(column, dtype=np.float64), days.shape) for column in computed]
        pieces: list[State | Quantity] = [*self.model.states, *ordered_quantities(self.model)]
        return Trajectory(
            t=days,
            values=np.column_stack([states, *columns]),
            names=tuple(piece.name for piece in pieces),
            units=tuple(piece.unit for piece in pieces),
            status=self.status,
            stats={
                "rate evaluations": float(self.evaluations),
                "steps": float(self.steps),
                "largest rounding below a limit": self.solver.rounding,
            },
        )
