"""A model read from elsewhere made ready for the compiled kernels: conditions on time alone become timed events."""

from dataclasses import replace
from typing import Any

import sympy as sp

from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME, Condition
from abscopal.equations.symbolic import substitute, symbol
from abscopal.simulation.events import Event


def timed(model: Model) -> tuple[Model, tuple[Event, ...]] | None:
    """The model without its conditions and the events they amount to; None where one depends on more than time.

    Conditions of the form `t >= c`, with `c` a number or a parameter that has a value, come once: at `c`, or at the
    start if that is later and they were false before it.

    Parameters
    ----------
    model : Model

    Returns
    -------
    tuple of Model and tuple of Event, or None
        Events ascend in time; those of one time are in the order of their priorities.
    """
    if model.delays:
        return None
    values = {symbol(p.name): sp.sympify(p.value) for p in model.parameters if p.value is not None}
    found: list[tuple[float, float, Event]] = []
    for condition in model.conditions:
        moment = _moment(condition, values)
        if moment is None:
            return None
        day, priority = moment
        if day >= 0:
            found.append((day, -priority, Event(day, condition.impulse)))
    found.sort(key=lambda row: row[:2])
    return replace(model, pieces=replace(model.pieces, conditions=())), tuple(event for *_, event in found)


def _moment(condition: Condition, values: dict[Any, Any]) -> tuple[float, float] | None:
    """When a condition comes and its priority; a negative time where it never does."""
    when: Any = condition.when
    if isinstance(when, sp.LessThan):
        when = when.reversed
    if not isinstance(when, sp.GreaterThan) or when.lhs != TIME:
        return None
    numbers = [_number(part, values) for part in (when.rhs, condition.delay, condition.priority or sp.Integer(0))]
    if None in numbers:
        return None
    day, delay, priority = (float(number) for number in numbers if number is not None)
    if day <= 0:
        day = 0.0 if not condition.initially else -1.0
    if day < 0:
        return -1.0, priority
    return None if delay and condition.values_then else (day + delay, priority)


def _number(part: sp.Expr, values: dict[Any, Any]) -> float | None:
    written = substitute(part, values)
    return float(written) if written.is_number else None
