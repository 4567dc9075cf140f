"""Jumps in a right-hand side: found when a model is built, and refused unless they are declared.

A solver steps across a jump it does not know of and loses its order there. A jump at a known time
belongs in an impulse or a rate window.
"""

from collections.abc import Iterator, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy.core.relational import Relational

from abscopal.domain.errors import ModelError
from abscopal.equations.symbolic import symbol, symbols_of

if TYPE_CHECKING:
    from abscopal.equations.model import Model

_NUMBER: Any = sp.Rational
_NEAR = _NUMBER(1, 10**150)  # distance from the boundary, on each side
_SAME = _NUMBER(1, 10**30)  # over that distance a fifth root changes less
_DIGITS = 400
_TRIES, _ENOUGH = 40, 4


def check_continuity(model: "Model") -> None:
    """Refuse a term that jumps and reaches the rate of a state, naming it and the condition.

    Raises
    ------
    ModelError
        Also where the condition is too complicated to see whether the term jumps.
    """
    reaching = _reaching(model)
    constants = {symbol(parameter.name): parameter.value for parameter in model.pieces.parameters}
    parts = [(f"the base of {q.name}", q.name, q.base, q.discontinuous) for q in model.quantities]
    parts += [(f"the term {t.label}", t.target, t.expression, t.discontinuous) for t in model.terms]
    for label, target, expression, declared in parts:
        if declared or target not in reaching:
            continue
        for boundary, certain in jumps(expression, constants):
            raise ModelError(
                doing=f"building the model {model.name!r}",
                found=f"{label}, which {'jumps' if certain else 'cannot be seen not to jump'} where {boundary} = 0",
                expected="rates that are continuous between impulses",
                try_="a rate window or an impulse for a change at a known time, a smooth form such as hill(), or "
                "discontinuous=True if the jump is meant",
            )


def jumps(expression: sp.Basic, constants: Mapping[sp.Symbol, float | None]) -> Iterator[tuple[sp.Basic, bool]]:
    """Boundaries (expressions that are zero there) where an expression jumps in time or in a state.

    Parameters
    ----------
    expression : sympy expression
    constants : mapping
        The parameters. Their values matter only for which of several thresholds comes first.

    Yields
    ------
    boundary : sympy expression
    certain : bool
        False where it cannot be seen whether there is a jump.
    """
    if not expression.has(sp.Piecewise, sp.Heaviside):
        return
    for boundary in _boundaries(expression):
        moving = symbols_of(boundary) - set(constants)
        continuous = not moving or _continuous_at(expression, boundary, moving, constants)
        if not continuous:
            yield boundary, continuous is not None


def _reaching(model: "Model") -> set[str]:
    """States, and the quantities that their rates use directly or through others."""
    uses: dict[str, set[str]] = {q.name: {s.name for s in symbols_of(q.base)} for q in model.quantities}
    for term in model.terms:
        uses.setdefault(term.target, set()).update(s.name for s in symbols_of(term.expression))
    found: set[str] = set()
    waiting = [state.name for state in model.states]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(uses.get(name, ()))
    return found


def _boundaries(expression: Any) -> list[Any]:
    conditions = [pair[1] for choice in expression.atoms(sp.Piecewise) for pair in choice.args]
    compared = [c.lhs - c.rhs for condition in conditions for c in condition.atoms(Relational)]
    compared += [step.args[0] for step in expression.atoms(sp.Heaviside)]
    return sorted({b for b in compared if not b.is_number}, key=str)


def _continuous_at(
    expression: Any, boundary: Any, moving: set[sp.Symbol], constants: Mapping[sp.Symbol, float | None]
) -> bool | None:
    """Whether values on both sides agree at random points of the boundary; None if that cannot be tried."""
    solved = _solved(boundary, moving)
    if solved is None:
        return None
    chosen, place = solved
    others = sorted((symbols_of(expression) | symbols_of(boundary)) - {chosen}, key=str)
    random, agreed = Random(1), 0  # noqa: S311 - points to try, not secrets
    for _ in range(_TRIES):
        point = {other: _drawn(constants.get(other), random) for other in others}
        at = place.xreplace(point)
        sides: list[Any] = [_value(expression, point | {chosen: at + step}) for step in (-_NEAR, _NEAR)]
        if None in sides:
            continue
        if abs(sides[0] - sides[1]) > _SAME:
            return False
        agreed += 1
        if agreed == _ENOUGH:
            return True
    return None


def _drawn(value: float | None, random: Random) -> Any:
    """A value near the default of a parameter, or any positive one."""
    return _NUMBER(value) * _NUMBER(random.randint(95, 105), 100) if value else _NUMBER(random.randint(1, 400), 100)


def _solved(boundary: Any, moving: set[sp.Symbol]) -> tuple[sp.Symbol, Any] | None:
    """A symbol in which the boundary is linear, and where it lies."""
    for candidate in sorted(moving, key=str):
        slope = boundary.diff(candidate)
        if slope != 0 and not slope.has(candidate):
            return candidate, -boundary.xreplace({candidate: sp.Integer(0)}) / slope
    return None


def _value(expression: Any, point: Any) -> Any:
    """The real value at a point, with enough digits to see past the distance; None if there is none."""
    value = expression.xreplace(point).evalf(_DIGITS)
    return value if value.is_number and value.is_extended_real and value.is_finite else None
