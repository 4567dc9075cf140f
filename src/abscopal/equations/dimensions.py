"""Units of symbolic expressions, so that a term with the wrong unit is refused when a model is built.

The factor to base units is followed as well as the dimension: adding litres to millilitres is
an error here, because nothing inside a kernel converts.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from math import isclose
from typing import Any

import sympy as sp
from sympy.core.relational import Relational

from abscopal.domain.units import parse_unit


class DimensionMismatch(ValueError):  # noqa: N818 - internal signal; the model turns it into a ModelError
    """Two parts of an expression cannot be combined; the message names them."""


@dataclass(frozen=True)
class Dimension:
    """A product of base dimensions and the factor to base units.

    Attributes
    ----------
    exponents : tuple of (str, float)
        Sorted by name; empty for a dimensionless quantity.
    factor : float
        Size of one unit in base units.
    """

    exponents: tuple[tuple[str, float], ...] = ()
    factor: float = 1.0

    def times(self, other: "Dimension") -> "Dimension":
        """The unit of a product."""
        total = dict(self.exponents)
        for name, power in other.exponents:
            total[name] = total.get(name, 0.0) + power
        kept = tuple(sorted((name, power) for name, power in total.items() if abs(power) > 1e-12))
        return Dimension(kept, self.factor * other.factor)

    def power(self, exponent: float) -> "Dimension":
        """The unit of a power with a numeric exponent."""
        return Dimension(tuple((name, power * exponent) for name, power in self.exponents), self.factor**exponent)

    def same(self, other: "Dimension") -> bool:
        """Whether the two can be added without a conversion."""
        return self.exponents == other.exponents and isclose(self.factor, other.factor, rel_tol=1e-9)

    @property
    def is_pure(self) -> bool:
        """Whether the quantity is a plain number."""
        return not self.exponents and isclose(self.factor, 1.0, rel_tol=1e-9)


PURE = Dimension()


@cache
def dimension_of_unit(text: str) -> Dimension:
    """The dimension of a written unit such as `mg/L` or `1/day`."""
    base = parse_unit(text).to_base_units()
    exponents = tuple(sorted((str(name), float(power)) for name, power in dict(base.dimensionality).items()))
    return Dimension(exponents, float(base.magnitude))


def dimension_of(expression: sp.Basic, units: Mapping[str, str]) -> Dimension | None:
    """The dimension of an expression; None for a zero or a bare infinity, which fit any unit.

    Parameters
    ----------
    expression : sympy expression
    units : mapping
        Unit of every symbol, by name. All symbols of the expression must be there.

    Raises
    ------
    DimensionMismatch
        With the parts that do not fit.
    """
    if isinstance(expression, sp.Symbol):
        return dimension_of_unit(units[expression.name])
    if expression.is_number:
        return None if expression.is_zero or expression.is_infinite else PURE
    for kind, rule in _RULES:
        if isinstance(expression, kind):
            return rule(expression, units)
    return _function(expression, units)


def _sum(expression: sp.Basic, units: Mapping[str, str]) -> Dimension | None:
    return _alike(expression.args, units)


def _choice(expression: sp.Basic, units: Mapping[str, str]) -> Dimension | None:
    for branch in expression.args:
        for comparison in branch.args[1].atoms(Relational):
            _alike(comparison.args, units)
    return _alike([branch.args[0] for branch in expression.args], units)


def _product(expression: sp.Basic, units: Mapping[str, str]) -> Dimension | None:
    total = PURE
    for factor in expression.args:
        part = dimension_of(factor, units)
        if part is None:
            return None
        total = total.times(part)
    return total


def _power(expression: Any, units: Mapping[str, str]) -> Dimension | None:
    base, exponent = expression.as_base_exp()
    _pure(exponent, units, "the exponent")
    if exponent.is_number:
        inner = dimension_of(base, units)
        return None if inner is None else inner.power(float(exponent))
    _pure(base, units, "the base of a power with a symbolic exponent")
    return PURE


def _alike(parts: Iterable[sp.Basic], units: Mapping[str, str]) -> Dimension | None:
    first: Dimension | None = None
    shown: sp.Basic | None = None
    for part in parts:
        dimension = dimension_of(part, units)
        if dimension is None:
            continue
        if first is None:
            first, shown = dimension, part
        elif not first.same(dimension):
            raise DimensionMismatch(f"{shown} and {part} have different units")
    return first


def _step(expression: sp.Basic, units: Mapping[str, str]) -> Dimension:
    dimension_of(expression.args[0], units)  # only the sign counts, so any unit will do
    return PURE


def _function(expression: sp.Basic, units: Mapping[str, str]) -> Dimension:
    if not isinstance(expression, sp.exp | sp.log | sp.tanh | sp.erf):
        raise DimensionMismatch(f"the function {type(expression).__name__} is not part of the model language")
    for argument in expression.args:
        _pure(argument, units, f"the argument of {type(expression).__name__}")
    return PURE


def _pure(expression: sp.Basic, units: Mapping[str, str], what: str) -> None:
    dimension = dimension_of(expression, units)
    if dimension is not None and not dimension.is_pure:
        raise DimensionMismatch(f"{what}, {expression}, is not a plain number")


_Rule = Callable[[Any, Mapping[str, str]], Dimension | None]
_RULES: tuple[tuple[Any, _Rule], ...] = (
    (sp.Mul, _product),
    (sp.exp, _function),
    (sp.Pow, _power),
    ((sp.Add, sp.Max, sp.Min, sp.Abs, Relational), _sum),
    (sp.Piecewise, _choice),
    (sp.Heaviside, _step),
)
