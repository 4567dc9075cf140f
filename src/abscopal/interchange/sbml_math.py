"""Formulas of SBML as expressions of the model language."""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

import sympy as sp
from sympy.logic.boolalg import Boolean

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.equations.pieces import TIME
from abscopal.equations.symbolic import expression

_sympy: Any = sp
_AVOGADRO = 6.02214179e23
"""The value that SBML Level 3 gives its symbol."""


def _root(*args: Any) -> Any:
    return _sympy.sqrt(args[0]) if len(args) == 1 else args[1] ** (1 / args[0])


def _log(*args: Any) -> Any:
    return _sympy.log(args[-1]) / _sympy.log(args[0] if len(args) > 1 else 10)


def _is_truth(a: Any) -> bool:
    return isinstance(a, Boolean) and not isinstance(a, sp.Symbol)


def _as_number(a: Any) -> Any:
    """A truth value where a number is meant is 1 or 0 (Level 3 Version 2)."""
    return _sympy.Piecewise((1, a), (0, True)) if _is_truth(a) else a


def _as_truth(a: Any) -> Any:
    """A number where a truth value is meant is true unless it is zero (Level 3 Version 2)."""
    return a if _is_truth(a) else _sympy.Ne(a, 0)


def _chain(kind: Any) -> Callable[..., Any]:
    return lambda *args: _sympy.And(*(kind(a, b) for a, b in pairwise(args)))


def _xor(*args: Any) -> Any:
    result: Any = sp.false
    for a in args:
        result = (result & ~a) | (~result & a)
    return result


def _piecewise(*args: Any) -> Any:
    pairs = [(_as_number(args[k]), _as_truth(args[k + 1])) for k in range(0, len(args) - 1, 2)]
    if len(args) % 2:
        pairs.append((_as_number(args[-1]), True))
    return _sympy.Piecewise(*pairs)


def _minus(*args: Any) -> Any:
    return -args[0] if len(args) == 1 else args[0] - args[1]


_RULES: dict[str, Callable[..., Any]] = {
    "PLUS": _sympy.Add,
    "TIMES": _sympy.Mul,
    "MINUS": _minus,
    "DIVIDE": operator.truediv,
    "POWER": operator.pow,
    "FUNCTION_POWER": operator.pow,
    "FUNCTION_ROOT": _root,
    "FUNCTION_ABS": _sympy.Abs,
    "FUNCTION_EXP": _sympy.exp,
    "FUNCTION_LN": _sympy.log,
    "FUNCTION_LOG": _log,
    "FUNCTION_FLOOR": _sympy.floor,
    "FUNCTION_CEILING": _sympy.ceiling,
    "FUNCTION_FACTORIAL": lambda a: _sympy.gamma(a + 1),
    "FUNCTION_SEC": lambda a: 1 / _sympy.cos(a),
    "FUNCTION_CSC": lambda a: 1 / _sympy.sin(a),
    "FUNCTION_COT": lambda a: 1 / _sympy.tan(a),
    "FUNCTION_SECH": lambda a: 1 / _sympy.cosh(a),
    "FUNCTION_CSCH": lambda a: 1 / _sympy.sinh(a),
    "FUNCTION_COTH": lambda a: 1 / _sympy.tanh(a),
    "FUNCTION_ARCSEC": lambda a: _sympy.acos(1 / a),
    "FUNCTION_ARCCSC": lambda a: _sympy.asin(1 / a),
    "FUNCTION_ARCCOT": lambda a: _sympy.atan(1 / a),
    "FUNCTION_ARCSECH": lambda a: _sympy.acosh(1 / a),
    "FUNCTION_ARCCSCH": lambda a: _sympy.asinh(1 / a),
    "FUNCTION_ARCCOTH": lambda a: _sympy.atanh(1 / a),
    "FUNCTION_MAX": _sympy.Max,
    "FUNCTION_MIN": _sympy.Min,
    "FUNCTION_QUOTIENT": lambda a, b: _whole(a / b),
    "FUNCTION_REM": lambda a, b: a - b * _whole(a / b),
    "FUNCTION_PIECEWISE": _piecewise,
    "RELATIONAL_EQ": _chain(sp.Eq),
    "RELATIONAL_NEQ": _sympy.Ne,
    "RELATIONAL_LT": _chain(sp.Lt),
    "RELATIONAL_LEQ": _chain(sp.Le),
    "RELATIONAL_GT": _chain(sp.Gt),
    "RELATIONAL_GEQ": _chain(sp.Ge),
    "LOGICAL_AND": _sympy.And,
    "LOGICAL_OR": _sympy.Or,
    "LOGICAL_NOT": _sympy.Not,
    "LOGICAL_XOR": _xor,
    "LOGICAL_IMPLIES": lambda a, b: _sympy.Or(_sympy.Not(a), b),
}
for _name in ("SIN", "COS", "TAN", "SINH", "COSH", "TANH"):
    _RULES[f"FUNCTION_{_name}"] = getattr(sp, _name.lower())
    _RULES[f"FUNCTION_ARC{_name}"] = getattr(sp, f"a{_name.lower()}")


def _whole(a: Any) -> Any:
    """Towards zero."""
    return _sympy.Piecewise((_sympy.floor(a), a >= 0), (_sympy.ceiling(a), True))


@dataclass
class Formulas:
    """Translates formulas of one document.

    Attributes
    ----------
    symbols : mapping
        What each identifier stands for.
    delayed : callable
        (expression, lag) to the symbol of a value of the past.
    rate_of : callable, optional
        An identifier to the symbol of its rate of change; without it such rates are refused.
    where : str
        Element and line of the formula at hand, for messages.
    """

    symbols: Mapping[str, sp.Basic]
    delayed: Callable[[Any, Any], Any]
    rate_of: Callable[[str], Any] | None = None
    where: str = field(default="")

    def __call__(self, node: Any, where: str, *, is_truth: bool = False) -> Any:
        """A formula, as a number or a truth value; `where` names its element and line.

        Raises
        ------
        InputError
            No formula, an unknown identifier.
        UnsupportedError
            A construct that is not read.
        """
        self.where = where
        if node is None:
            raise InputError(
                doing=f"reading {where}", found="no formula", expected="a math element", try_="completing the file"
            )
        found = self._read(node)
        return _as_truth(found) if is_truth else _as_number(found)

    def _read(self, node: Any) -> Any:
        kind = _kinds()[node.getType()]
        if kind in {"INTEGER", "REAL", "REAL_E", "RATIONAL"}:
            return self._number(node, kind)
        if kind == "NAME":
            return self._name(str(node.getName()))
        fixed = {
            "NAME_TIME": TIME, "NAME_AVOGADRO": expression(_AVOGADRO), "CONSTANT_PI": sp.pi, "CONSTANT_E": sp.E,
            "CONSTANT_TRUE": sp.true, "CONSTANT_FALSE": sp.false,
        }  # fmt: skip
        if kind in fixed:
            return fixed[kind]
        if kind == "FUNCTION_RATE_OF" and self.rate_of is not None:
            self._read(node.getChild(0))  # refuses an identifier that is not known
            return self.rate_of(str(node.getChild(0).getName()))
        parts = [self._read(node.getChild(k)) for k in range(node.getNumChildren())]
        if kind == "FUNCTION_DELAY":
            return self.delayed(*parts)
        if kind not in _RULES:
            raise UnsupportedError(
                doing=f"reading {self.where}",
                found=f"{node.getName() or kind.lower()}",
                expected="the arithmetic, functions and conditions of SBML core",
                try_="docs/interchange.md, which lists what is not read",
            )
        if kind.startswith("LOGICAL"):
            parts = [_as_truth(part) for part in parts]
        elif kind != "FUNCTION_PIECEWISE":
            parts = [_as_number(part) for part in parts]
        try:
            return _RULES[kind](*parts)
        except TypeError as exc:
            raise InputError(
                doing=f"reading {self.where}",
                found=f"{kind.lower()} with {len(parts)} arguments",
                expected="as many arguments as it takes",
                try_="correcting the formula",
            ) from exc

    def _number(self, node: Any, kind: str) -> Any:
        if kind == "INTEGER":
            return sp.Integer(node.getInteger())
        if kind == "RATIONAL":
            return sp.Rational(node.getNumerator(), node.getDenominator())
        value = float(node.getReal())
        if not math.isfinite(value):
            return sp.nan if math.isnan(value) else expression(value)
        return sp.Integer(int(value)) if value == int(value) and abs(value) < 2**53 else expression(value)

    def _name(self, name: str) -> Any:
        if name not in self.symbols:
            raise InputError(
                doing=f"reading {self.where}",
                found=f"the unknown identifier {name!r}",
                expected="a species, parameter, compartment or reaction of the file",
                try_="correcting the formula",
            )
        return self.symbols[name]


@cache
def _kinds() -> dict[int, str]:
    from abscopal.interchange.extra import libsbml

    module = libsbml()
    return {getattr(module, name): name.removeprefix("AST_") for name in dir(module) if name.startswith("AST_")}
