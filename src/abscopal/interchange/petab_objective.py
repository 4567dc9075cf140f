"""How well parameters fit the measurements of a PEtab problem, by the compiled kernels, gradient included."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.equations.model import Model
from abscopal.interchange.extra import pypesto
from abscopal.simulation.control import Control
from abscopal.simulation.dataset import solved
from abscopal.simulation.events import Event
from abscopal.simulation.many import simulate_many

FloatArray = NDArray[np.float64]
_TEN = math.log(10.0)
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
_CONTROL = Control(relative=1e-8)


@dataclass(frozen=True)
class Datum:
    """One measurement.

    Attributes
    ----------
    condition, observable : str
    time : float
    value : float
    noise : str or float
        Standard deviation on the observable's scale, or the parameter that is it.
    """

    condition: str
    observable: str
    time: float
    value: float
    noise: str | float


@dataclass(frozen=True)
class Unknown:
    """A parameter to estimate.

    Attributes
    ----------
    scale : str
        `lin`, `log` or `log10`.
    nominal, low, high : float
        In the parameter's own unit.
    prior : (bool, float, float), optional
        Whether it is on the scale, mean, standard deviation of a normal prior.
    """

    name: str
    scale: str
    nominal: float
    low: float
    high: float
    prior: tuple[bool, float, float] | None = None


@dataclass(frozen=True)
class PetabProblem:
    """Data, parameters and a model to compare.

    Attributes
    ----------
    model : Model
        With one quantity per observable.
    events : tuple of Event
        Those of every condition.
    conditions : dict of str to dict of str to (str or float)
        Values of the model's parameters, or the parameters that are them.
    observables : dict of str to str
        Scale of the noise of each.
    data : tuple of Datum
    unknowns : tuple of Unknown
    fixed : dict of str to float
        Parameters of the table that are not estimated.
    """

    model: Model
    events: tuple[Event, ...]
    conditions: Mapping[str, Mapping[str, str | float]]
    observables: Mapping[str, str]
    data: tuple[Datum, ...]
    unknowns: tuple[Unknown, ...]
    fixed: Mapping[str, float]

    @property
    def names(self) -> list[str]:
        """Parameters to estimate, in the order of a vector of them."""
        return [unknown.name for unknown in self.unknowns]

    @property
    def nominal(self) -> FloatArray:
        """Nominal values on the scale of each parameter, shape (n_parameters,)."""
        return np.array([scaled(unknown.nominal, unknown.scale) for unknown in self.unknowns])

    @property
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bounds on the scale of each parameter."""
        low = np.array([scaled(unknown.low, unknown.scale) for unknown in self.unknowns])
        return low, np.array([scaled(unknown.high, unknown.scale) for unknown in self.unknowns])

    @cached_property
    def days(self) -> FloatArray:
        """Times of measurements, each once."""
        return np.unique([datum.time for datum in self.data])

    def objective(self, theta: Sequence[float] | FloatArray, *, gradient: bool = True) -> tuple[float, FloatArray]:
        """Negative log posterior (likelihood where no prior is given) and its gradient.

        Parameters
        ----------
        theta : array, shape (n_parameters,)
            On the scale of each parameter.
        gradient : bool
            Whether to solve for the sensitivities too; the gradient is of no use without.

        Returns
        -------
        float
            Infinite where a condition could not be solved.
        array, shape (n_parameters,)
            By `theta`.
        """
        theta = np.asarray(theta, dtype=np.float64)
        values = [natural(x, unknown.scale) for x, unknown in zip(theta.tolist(), self.unknowns, strict=True)]
        known = {**self.fixed, **dict(zip(self.names, values, strict=True))}
        result, slots = self._solved(known, gradient)
        if result is None:
            return math.inf, np.zeros(len(theta))
        total, slope = 0.0, np.zeros(len(theta))
        for datum in self.data:
            part, part_slope = self._one(datum, result, slots, known)
            total, slope = total + part, slope + part_slope
        slope *= [natural_slope(x, unknown.scale) for x, unknown in zip(values, self.unknowns, strict=True)]
        for k, unknown in enumerate(self.unknowns):
            part, along = _prior(unknown, float(theta[k]), values[k])
            total, slope[k] = total + part, slope[k] + along
        return total, slope

    def _solved(self, known: Mapping[str, float], gradient: bool) -> tuple[Any, list[tuple[str, list[str]]]]:
        """The conditions as patients, and for each parameter of the model the unknowns that it is, by condition."""
        own = {parameter.name for parameter in self.model.parameters}
        set_here = {name for given in self.conditions.values() for name in given}
        cells = {
            name: [given.get(name, name) for given in self.conditions.values()]
            for name in own
            if name in known or name in set_here
        }
        matrix = {name: [_value(cell, known) for cell in row] for name, row in cells.items()}
        slots = [
            (name, [str(cell) for cell in row])
            for name, row in cells.items()
            if gradient and set(map(str, row)) & set(self.names)
        ]
        last = max([float(self.days[-1]), *(event.day for event in self.events)])
        result = simulate_many(
            self.model, self.events, self.days, parameters=matrix, outputs=list(self.observables),
            sensitivities=[name for name, _ in slots], side="after", horizon=last, control=_CONTROL, fallback=0,
            device="cpu",
        )  # fmt: skip
        return (result if solved(result).all() else None), slots

    def _one(
        self, datum: Datum, result: Any, slots: list[tuple[str, list[str]]], known: Mapping[str, float]
    ) -> tuple[float, FloatArray]:
        """Negative log likelihood of one measurement, and its slope by the parameters in their own units."""
        slope = np.zeros(len(self.unknowns))
        arm, when = list(self.conditions).index(datum.condition), int(np.searchsorted(self.days, datum.time))
        scale, sigma = self.observables[datum.observable], _value(datum.noise, known)
        simulated = float(result[datum.observable].values[arm, when])
        if scale != "lin" and simulated <= 0:
            return math.inf, slope
        residual = (scaled(simulated, scale) - scaled(datum.value, scale)) / sigma
        by_value = residual / sigma / natural_slope(simulated, scale)
        place = list(self.observables).index(datum.observable)
        for k, (_, cells) in enumerate(slots):
            if cells[arm] in self.names:
                along = float(result["sensitivity"].values[arm, when, k, place])
                slope[self.names.index(cells[arm])] += by_value * along
        if datum.noise in self.names:
            slope[self.names.index(str(datum.noise))] += (1 - residual**2) / sigma
        volume = math.log(natural_slope(datum.value, scale))  # a density of the measurement itself
        return 0.5 * residual**2 + math.log(sigma) + _HALF_LOG_TWO_PI + volume, slope


def pypesto_problem(problem: PetabProblem) -> Any:
    """The problem for pyPESTO, with our objective and gradient.

    Raises
    ------
    UnsupportedError
        Without the extra `inference`.
    """
    library = pypesto()
    low, high = problem.bounds
    objective = library.Objective(fun=problem.objective, grad=True)
    scales = [unknown.scale for unknown in problem.unknowns]
    return library.Problem(objective=objective, lb=low, ub=high, x_names=problem.names, x_scales=scales)


def _prior(unknown: Unknown, theta: float, value: float) -> tuple[float, float]:
    if unknown.prior is None:
        return 0.0, 0.0
    on_scale, mean, sd = unknown.prior
    far = ((theta if on_scale else value) - mean) / sd
    along = far / sd * (1.0 if on_scale else natural_slope(value, unknown.scale))
    return 0.5 * far**2 + math.log(sd) + _HALF_LOG_TWO_PI, along


def _value(cell: str | float, known: Mapping[str, float]) -> float:
    return known[cell] if isinstance(cell, str) else cell


def scaled(value: float, scale: str) -> float:
    """A value on a scale."""
    return value if scale == "lin" else math.log(value) / (_TEN if scale == "log10" else 1.0)


def natural(value: float, scale: str) -> float:
    """A value off its scale."""
    return value if scale == "lin" else math.exp(value * (_TEN if scale == "log10" else 1.0))


def natural_slope(value: float, scale: str) -> float:
    """Derivative of `natural` where it is `value`."""
    return 1.0 if scale == "lin" else value * (_TEN if scale == "log10" else 1.0)
