"""The plain reference solver: SciPy's LSODA on generated Python, restarted at every impulse.

Compiled kernels are measured against this one; it is not meant for populations.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import ODEintWarning, odeint

from abscopal.domain.errors import InputError, ModelError
from abscopal.domain.registry import unknown_name
from abscopal.equations.model import Model
from abscopal.equations.python_code import Jacobian, Rates, Updater, python_functions

FloatArray = NDArray[np.float64]
UNBOUNDED = 1e100
"""Beyond this a state has diverged; LSODA can step over a singularity and come back with such a value."""

_INSTANT = 1e-13
"""Days, or share of the day reached: events closer than this are one step apart."""


@dataclass(frozen=True)
class Tolerance:
    """Error control of the reference solver.

    Attributes
    ----------
    relative, absolute : float
        Of each state; the absolute one in the state's unit.
    negative : float
        How far below its lower limit a state may lie, relative to its largest value so far, before
        the run is given up. Anything smaller is rounding and is set to the limit.
    """

    relative: float = 1e-6
    absolute: float = 1e-10
    negative: float = 1e-6

    def __post_init__(self) -> None:
        for name, value in (("relative", self.relative), ("absolute", self.absolute), ("negative", self.negative)):
            if not 0 <= value < float("inf") or (name == "relative" and value == 0):
                raise InputError(
                    doing="setting the error control of the reference solver",
                    found=f"{name} = {value:g}",
                    expected="finite numbers that are not negative, the relative tolerance above zero",
                    try_=f"leaving {name} out",
                )


@dataclass(frozen=True)
class Segment:
    """States at the times asked for, the last being the end; and why it stopped, if it did."""

    values: FloatArray
    problem: str
    evaluations: int
    steps: int


class Reference:
    """A model with its parameters bound, ready to be integrated piece by piece."""

    def __init__(
        self,
        model: Model,
        parameters: list[float],
        tolerance: Tolerance,
        initial: Mapping[str, float] | None = None,
    ) -> None:
        self.tolerance = tolerance
        self.lower = np.array([-np.inf if state.lower is None else state.lower for state in model.states])
        self._names = [state.name for state in model.states]
        try:
            self._bind(model, parameters, initial or {})
        except (ArithmeticError, ValueError) as exc:
            raise _unusable(model, parameters, exc) from exc
        self._peak = np.abs(self.initial)
        self.rounding = 0.0  # furthest that a state lay below its limit, forgiven as rounding

    def _bind(self, model: Model, parameters: list[float], initial: Mapping[str, float]) -> None:
        functions = python_functions(model)
        self._rates: Rates = functions.rates(parameters)
        self._jacobian: Jacobian = functions.jacobian(parameters)
        self._updates: dict[str, Updater] = {name: bind(parameters) for name, bind in functions.impulses.items()}
        self.initial = initial_states(model, parameters, initial)
        self._rates(self.initial.tolist(), 0.0)  # a division by a zero parameter shows here, not mid-run

    def integrate(self, y: FloatArray, start: float, times: FloatArray) -> Segment:
        """Integrate from `y` at `start` and return the states at ascending `times`.

        Parameters
        ----------
        y : array, shape (n_states,)
        start : float
            [day]
        times : array, shape (n_t,)
            The last one ends the segment. [day]
        """
        count = int(np.searchsorted(times, start + _INSTANT * max(1.0, abs(start)), side="right"))
        if count == 0:
            return self._integrate(y, start, times)
        try:  # LSODA cannot begin with a step that small; a straight line is exact to rounding
            values = y + np.outer(times[:count] - start, self._rates(y.tolist(), start))
        except (ArithmeticError, ValueError) as exc:
            return Segment(np.full((len(times), len(y)), np.nan), f"the equations failed ({exc})", 0, 0)
        if count == len(times):
            return Segment(np.maximum(values, self.lower), self._check(values, times), 1, 0)
        rest = self._integrate(y, start, times[count:])
        return replace(rest, values=np.vstack([np.maximum(values, self.lower), rest.values]))

    def _integrate(self, y: FloatArray, start: float, times: FloatArray) -> Segment:
        grid = np.concatenate(([start], times))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ODEintWarning)  # the message is in `info`
                values, info = odeint(
                    lambda state, t: self._rates(state.tolist(), t), y, grid,
                    Dfun=lambda state, t: self._jacobian(state.tolist(), t),
                    rtol=self.tolerance.relative, atol=self.tolerance.absolute,
                    mxstep=20000, tcrit=[grid[-1]], full_output=True,
                )  # fmt: skip
        except (ArithmeticError, ValueError) as exc:
            return Segment(np.full((len(times), len(y)), np.nan), f"the equations failed ({exc})", 0, 0)
        values = np.asarray(values[1:])
        problem = "" if info["message"] == "Integration successful." else str(info["message"])
        problem = problem or self._check(values, times)
        return Segment(np.maximum(values, self.lower), problem, int(info["nfe"][-1]), int(info["nst"][-1]))

    def jump(self, name: str, y: FloatArray, t: float, arguments: list[float]) -> Segment:
        """The state just after an impulse, as a segment of one row."""
        try:
            after = np.array([self._updates[name](y.tolist(), t, arguments)], dtype=np.float64)
        except (ArithmeticError, ValueError) as exc:
            return Segment(np.full((1, len(y)), np.nan), f"the impulse {name!r} failed ({exc})", 0, 0)
        problem = self._check(after, np.array([t]))
        return Segment(np.maximum(after, self.lower), problem, 0, 0)

    def _check(self, values: FloatArray, times: FloatArray) -> str:
        bounded = (np.abs(values) < UNBOUNDED).all(axis=0)
        if not bounded.all():
            return f"{self._names[int(np.argmin(bounded))]} is not finite or grew without bound"
        self._peak = np.maximum(self._peak, np.abs(values).max(axis=0))
        allowed = self.lower - self.tolerance.negative * self._peak - 1e3 * self.tolerance.absolute
        below = values < allowed
        if not below.any():
            self.rounding = max(self.rounding, float((self.lower - values).max(initial=0.0)))
            return ""
        row, column = np.argwhere(below)[0]
        return f"{self._names[column]} fell to {values[row, column]:.3g} on day {times[row]:g}"


def initial_states(model: Model, parameters: list[float], given: Mapping[str, float]) -> FloatArray:
    """The model's initial states, some replaced by given ones, shape (n_states,).

    Raises
    ------
    InputError
        An unknown state.
    ModelError
        A state that is not finite or below its limit.
    """
    names = [state.name for state in model.states]
    values = np.array(python_functions(model).initial(parameters), dtype=np.float64)
    for name, value in given.items():
        if name not in names:
            raise unknown_name(f"setting an initial state of the model {model.name!r}", name, names)
        values[names.index(name)] = value
    for state, value in zip(model.states, values.tolist(), strict=True):
        if not (abs(value) < UNBOUNDED and (state.lower is None or value >= state.lower)):
            raise ModelError(
                doing=f"setting the initial states of the model {model.name!r}",
                found=f"{state.name} = {value:g}",
                expected="a finite number" + ("" if state.lower is None else f", at least {state.lower:g}"),
                try_=f"another initial value of {state.name} ({state.meaning})",
            )
    return values


def _unusable(model: Model, parameters: list[float], cause: Exception) -> ModelError:
    zeros = [p.name for p, value in zip(model.parameters, parameters, strict=True) if value == 0]
    return ModelError(
        doing=f"setting the parameters of the model {model.name!r}",
        found=f"values for which its equations cannot be evaluated ({cause})"
        + (f"; zero: {', '.join(zeros)}" if zeros else ""),
        expected="no zero where an equation divides",
        try_="a small positive value, or turning the mechanism off by its switch",
    )
