"""Which drawn patients are plausible: named conditions on parameters, covariates or a short simulation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from abscopal.domain.errors import InputError, UnitError
from abscopal.domain.regimen import Regimen
from abscopal.domain.registry import unknown_name
from abscopal.domain.units import parse_unit, quantity, same_dimension
from abscopal.equations.checks import ordered_quantities
from abscopal.equations.model import Model
from abscopal.simulation.dataset import BY_REFERENCE
from abscopal.simulation.expressions import Expression
from abscopal.simulation.many import simulate_many
from abscopal.simulation.summaries import Summary

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Columns = Mapping[str, FloatArray]
Predicate = Callable[[Columns], BoolArray]
"""A condition in Python: takes arrays of shape (n,) by name, says for each patient whether it holds. It must judge
each patient alone, or the same patient would be kept in one run and dropped in another."""
SOLVED = "check solved"
"""Name of the condition that the simulation of the checks reached its end."""


def _is_formula(text: str) -> str:
    Expression(text)
    return text


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Filter(_Frozen):
    """A formula that must lie between two bounds, such as `alpha / beta` between `3 Gy` and `15 Gy`.

    Attributes
    ----------
    name : str
    of : str
        Formula over parameters, covariates and the measures of the check.
    low, high : str or float, optional
        Bounds, both included; text with a unit, or a number for a plain ratio.
    """

    name: str = Field(min_length=1)
    of: Annotated[str, AfterValidator(_is_formula)]
    low: str | float | None = None
    high: str | float | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.low is None and self.high is None:
            raise ValueError(f"the filter {self.name!r} has neither low nor high")
        return self


class Measure(_Frozen):
    """One number of the check's simulation, by a name that filters use.

    Attributes
    ----------
    quantity : str
        State or quantity of the model.
    kind : str
        `value` on a day, or a summary over the whole check (see `Summary`).
    day : float, optional
        For `value`. [day]
    threshold : float, optional
        For `above` and `below`, in the quantity's unit.
    """

    name: str = Field(min_length=1)
    quantity: str
    kind: Literal["value", "minimum", "maximum", "area", "above", "below", "crossing"]
    day: float | None = Field(None, allow_inf_nan=False)
    threshold: float | None = Field(None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.kind == "value") != (self.day is not None):
            raise ValueError(f"the measure {self.name!r}: give a day to a value, and to nothing else")
        return self


class CheckRun(_Frozen):
    """The short simulation that some filters look at.

    Attributes
    ----------
    horizon : float
        [day]
    regimen : Regimen
        No treatment unless given; days and Gy, mg.
    measures : tuple of Measure
    """

    horizon: float = Field(gt=0, allow_inf_nan=False)
    regimen: Regimen = Regimen()
    measures: tuple[Measure, ...] = Field(min_length=1)

    @field_validator("measures")
    @classmethod
    def _named_once(cls, measures: tuple[Measure, ...]) -> tuple[Measure, ...]:
        names = [measure.name for measure in measures]
        if len(set(names)) < len(names):
            raise ValueError("two measures have the same name")
        return measures

    def units(self, model: Model) -> dict[str, str]:
        """Unit of each measure.

        Raises
        ------
        InputError
            A quantity the model does not have; a day after the horizon.
        """
        known = {piece.name: piece.unit for piece in (*model.states, *ordered_quantities(model))}
        found = {}
        for measure in self.measures:
            doing = f"measuring {measure.name!r} for the plausibility check"
            if measure.quantity not in known:
                raise unknown_name(doing, measure.quantity, list(known))
            if measure.day is not None and not 0 <= measure.day <= self.horizon:
                raise InputError(
                    doing=doing,
                    found=f"day {measure.day:g}",
                    expected=f"a day from 0 to the horizon, {self.horizon:g}",
                    try_="a later horizon",
                )
            own = known[measure.quantity]
            found[measure.name] = {"area": f"({own})*day", "value": own, "minimum": own, "maximum": own}.get(
                measure.kind, "day"
            )
        return found

    def run(self, model: Model, parameters: Columns) -> tuple[dict[str, FloatArray], BoolArray]:
        """The measures of each patient, shape (n,), and whether the simulation reached its end."""
        days = sorted({measure.day for measure in self.measures if measure.day is not None} | {self.horizon})
        shown = list(dict.fromkeys(measure.quantity for measure in self.measures if measure.kind == "value"))
        summaries = [
            Summary(measure.quantity, measure.kind, measure.threshold, measure.name)
            for measure in self.measures
            if measure.kind != "value"
        ]
        result = simulate_many(
            model, self.regimen, days, parameters=dict(parameters), outputs=shown, summaries=summaries, fallback=0
        )
        values = {
            measure.name: np.ascontiguousarray(
                result[measure.name].values
                if measure.day is None
                else result[measure.quantity].values[:, days.index(measure.day)]
            )
            for measure in self.measures
        }
        return values, np.isin(result["status"].values, (0, BY_REFERENCE))


@dataclass(frozen=True)
class FilterCount:
    """How many candidates met a condition, of those that had met all before it."""

    name: str
    tested: int
    passed: int


@dataclass(frozen=True)
class _Condition:
    """A condition, and what it reads."""

    name: str
    holds: Predicate
    measured: bool


class Gate:
    """All conditions of a population, checked once when it is made.

    Parameters
    ----------
    units : mapping
        Unit of each parameter and covariate.
    model : Model, optional
        Needed with a check.

    Raises
    ------
    InputError
        Two conditions of one name, a formula with an unknown name, a check without a model.
    UnitError
        A bound of another dimension than its formula, or bounds the wrong way round.
    """

    def __init__(
        self,
        filters: Sequence[Filter],
        check: CheckRun | None,
        predicates: Mapping[str, Predicate],
        units: Mapping[str, str],
        model: Model | None,
    ) -> None:
        self._check, self._model, self._units = check, model, dict(units)
        measured = self._measured()
        every = {**self._units, **measured}
        conditions = [_formula(item, every, set(measured)) for item in filters]
        conditions += [_Condition(name, function, measured=False) for name, function in predicates.items()]
        first = next((k for k, condition in enumerate(conditions) if condition.measured), None)
        if first is not None:
            conditions.insert(first, _Condition(SOLVED, lambda columns: columns[SOLVED].astype(bool), measured=True))
        self._conditions = conditions
        self.names = [condition.name for condition in conditions]
        twice = next((name for name in self.names if self.names.count(name) > 1), None)
        if twice is not None:
            raise InputError(
                doing="setting up plausibility filters",
                found=f"two of the name {twice!r}",
                expected="one name each, so that counts can be told apart",
                try_="another name",
            )

    def _measured(self) -> dict[str, str]:
        if self._check is None:
            return {}
        if self._model is None:
            raise InputError(
                doing="setting up plausibility filters",
                found="a check that simulates, but no model",
                expected="the model to simulate",
                try_="model=...",
            )
        units = self._check.units(self._model)
        for name in units:
            if name in self._units:
                raise InputError(
                    doing="setting up plausibility filters",
                    found=f"a measure and a parameter or covariate both called {name!r}",
                    expected="one meaning for each name",
                    try_="renaming the measure",
                )
        return units

    def first_failed(self, columns: Columns, parameters: Callable[[BoolArray], Columns]) -> NDArray[np.int64]:
        """Place of the first condition that each candidate fails, shape (n,); the number of conditions for none.

        Parameters
        ----------
        columns : mapping of name to array of shape (n,)
            Parameters and covariates in the units of the spec.
        parameters : callable
            Gives those of some candidates in the model's units, for the check.
        """
        n = len(next(iter(columns.values())))
        failed = np.full(n, len(self._conditions), dtype=np.int64)
        alive = np.ones(n, dtype=bool)
        seen: dict[str, FloatArray] = {}
        for place, condition in enumerate(self._conditions):
            if condition.measured and not seen:
                seen = self._simulated(alive, parameters)
            rows = {name: np.ascontiguousarray(values[alive]) for name, values in {**columns, **seen}.items()}
            holds = _answer(condition, rows, int(alive.sum()))
            where = np.flatnonzero(alive)[~holds]
            failed[where] = place
            alive[where] = False
        return failed

    def _simulated(self, alive: BoolArray, parameters: Callable[[BoolArray], Columns]) -> dict[str, FloatArray]:
        if self._check is None or self._model is None or not alive.any():
            return {name: np.full(len(alive), np.nan) for name in (SOLVED, *self._measured())}
        values, solved = self._check.run(self._model, parameters(alive))
        seen = {}
        for name, found in {**values, SOLVED: solved.astype(np.float64)}.items():
            seen[name] = np.full(len(alive), np.nan)
            seen[name][alive] = found
        return seen

    def counts(self, failed: NDArray[np.int64]) -> tuple[FilterCount, ...]:
        """How many candidates each condition let through."""
        return tuple(
            FilterCount(name, int((failed >= place).sum()), int((failed > place).sum()))
            for place, name in enumerate(self.names)
        )


def _answer(condition: _Condition, rows: Columns, n: int) -> BoolArray:
    answer = np.asarray(condition.holds(rows)) if n else np.empty(0, dtype=bool)
    if answer.dtype == bool and answer.shape == (n,):
        return answer
    raise InputError(
        doing=f"applying the plausibility filter {condition.name!r}",
        found=f"an answer of shape {answer.shape} and type {answer.dtype}",
        expected=f"one boolean for each of {n} patients",
        try_="a condition on arrays, such as columns['a'] > 1",
    )


def _formula(item: Filter, units: Mapping[str, str], measured: set[str]) -> _Condition:
    expression = Expression(item.of)
    if not expression.names:
        raise InputError(
            doing=f"reading the plausibility filter {item.name!r}",
            found="a formula without a name",
            expected="a formula over parameters, covariates or measures",
            try_="naming one",
        )
    base = str(expression.unit(units).units) or "dimensionless"
    low = -np.inf if item.low is None else _bound(item, "low", item.low, base)
    high = np.inf if item.high is None else _bound(item, "high", item.high, base)
    if low > high:
        raise UnitError(
            doing=f"reading the plausibility filter {item.name!r}",
            found=f"low {item.low} above high {item.high}",
            expected="bounds in order",
            try_="exchanging them",
        )

    def holds(columns: Columns) -> BoolArray:
        values = expression.evaluate(columns, units)
        return (values >= low) & (values <= high)  # false where the formula gives NaN

    return _Condition(item.name, holds, measured=not measured.isdisjoint(expression.names))


def _bound(item: Filter, which: str, written: str | float, base: str) -> float:
    """A bound in the formula's base unit."""
    name = f"{which} of the filter {item.name!r}"
    if not isinstance(written, str) and same_dimension(base, "1"):
        return float(written) * float(parse_unit(base).to_base_units().magnitude) ** -1
    value = quantity(written, base, name=name)
    if np.isfinite(value):
        return value
    raise UnitError(doing=f"reading {name}", found=str(written), expected="a finite bound", try_="leaving it out")
