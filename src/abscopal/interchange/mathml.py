"""Expressions of the model language as content MathML, every number with its unit."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import sympy as sp
from sympy.core.relational import Relational

from abscopal.domain.errors import UnsupportedError
from abscopal.equations.dimensions import PURE, Dimension, dimension_of
from abscopal.equations.pieces import TIME

_SPACES = 'xmlns="http://www.w3.org/1998/Math/MathML" xmlns:sbml="http://www.sbml.org/sbml/level3/version2/core"'
_TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">time</csymbol>'
_PLAIN = {
    "Mul": "times", "exp": "exp", "log": "ln", "tanh": "tanh", "Abs": "abs", "sin": "sin", "cos": "cos", "tan": "tan",
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "sinh": "sinh", "cosh": "cosh", "floor": "floor",
    "ceiling": "ceiling", "And": "and", "Or": "or", "Not": "not",
}  # fmt: skip
_ALIKE = {
    "Add": "plus", "Max": "max", "Min": "min", "StrictLessThan": "lt", "LessThan": "leq", "StrictGreaterThan": "gt",
    "GreaterThan": "geq", "Equality": "eq", "Unequality": "neq",
}  # fmt: skip
_FIXED: dict[Any, str] = {TIME: _TIME, sp.true: "<true/>", sp.false: "<false/>"}


class MathWriter:
    """Writes expressions over named symbols.

    Parameters
    ----------
    units : mapping
        Unit of every symbol, by name.
    unit_id : callable
        The identifier of a unit in the document.
    """

    def __init__(self, units: Mapping[str, str], unit_id: Callable[[Dimension], str]) -> None:
        self._units, self._id = units, unit_id

    def math(self, expression: sp.Basic, wanted: Dimension = PURE, known: Mapping[str, str] | None = None) -> str:
        """A whole `math` element.

        Parameters
        ----------
        expression : sympy expression
        wanted : Dimension
            Of the whole, for a number that stands alone.
        known : mapping, optional
            Units of further symbols.

        Raises
        ------
        UnsupportedError
            A function that SBML does not have.
        """
        inner = _Walk({**self._units, **(known or {})}, self._id)
        return f"<math {_SPACES}>{inner.write(expression, wanted)}</math>"


class _Walk:
    def __init__(self, units: Mapping[str, str], unit_id: Callable[[Dimension], str]) -> None:
        self.units, self.id = units, unit_id

    def write(self, e: Any, wanted: Dimension) -> str:
        if e in _FIXED:
            return _FIXED[e]
        if isinstance(e, sp.Symbol):
            return f"<ci>{e.name}</ci>"
        if e.is_number:
            return self.number(float(e), wanted if e.is_zero else PURE)
        name = type(e).__name__
        if name in _ALIKE:
            return _apply(_ALIKE[name], [self.write(a, self.alike(e.args)) for a in e.args])
        if name in _PLAIN:
            return _apply(_PLAIN[name], [self.write(a, PURE) for a in e.args])
        return self.special(e, wanted)

    def special(self, e: Any, wanted: Dimension) -> str:
        if isinstance(e, sp.Pow):
            return self.power(e)
        if isinstance(e, sp.Piecewise):
            return self.piecewise(e, wanted)
        if isinstance(e, sp.Heaviside):
            whole: Any = e
            return self.write(whole.rewrite(sp.Piecewise), PURE)
        raise _unsupported(e)

    def number(self, value: float, unit: Dimension) -> str:
        whole = f"{value:.17g}"
        text = repr(value) if float(repr(value)) == value else whole
        mantissa, _, exponent = text.partition("e")
        kind = ' type="e-notation"' if exponent else ""
        inner = f"{mantissa}<sep/>{int(exponent)}" if exponent else mantissa
        return f"<cn{kind} sbml:units={quoteattr(self.id(unit))}>{inner}</cn>"

    def alike(self, parts: Sequence[Any]) -> Dimension:
        """The unit that parts of a sum or comparison share."""
        if any(isinstance(part, Relational | sp.And | sp.Or | sp.Not) for part in parts):
            return PURE
        return next((d for d in (dimension_of(part, self.units) for part in parts) if d is not None), PURE)

    def power(self, e: Any) -> str:
        base, exponent = e.as_base_exp()
        if exponent == -1:
            return _apply("divide", [self.number(1.0, PURE), self.write(base, PURE)])
        if exponent == sp.Rational(1, 2):
            return _apply("root", [self.write(base, PURE)])
        if exponent.is_Integer:
            return _apply(
                "power", [self.write(base, PURE), f'<cn type="integer" sbml:units="{self.id(PURE)}">{exponent}</cn>']
            )
        return _apply("power", [self.write(base, PURE), self.write(exponent, PURE)])

    def piecewise(self, e: Any, wanted: Dimension) -> str:
        shared = self.alike([value for value, _ in e.args])
        unit = wanted if shared.is_pure else shared
        parts = []
        for value, condition in e.args:
            text = self.write(value, unit)
            certain = condition in (True, sp.true)
            parts.append(
                f"<otherwise>{text}</otherwise>" if certain else f"<piece>{text}{self.write(condition, PURE)}</piece>"
            )
        return f"<piecewise>{''.join(parts)}</piecewise>"


def _apply(name: str, parts: Sequence[str]) -> str:
    return f"<apply><{name}/>{''.join(parts)}</apply>"


def _unsupported(e: Any) -> UnsupportedError:
    return UnsupportedError(
        doing="writing an expression as MathML",
        found=f"the function {type(e).__name__} in {str(e)[:80]}",
        expected="arithmetic, powers, exp, log, hyperbolic and trigonometric functions, Max, Min, Abs, Piecewise",
        try_="another form of the term; SBML has no such function",
    )
