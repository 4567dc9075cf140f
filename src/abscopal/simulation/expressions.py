"""Arithmetic that a person writes in a file, with units; read as a tree and never run as Python."""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pint
from numpy.typing import NDArray

from abscopal.domain.errors import InputError, UnitError
from abscopal.domain.registry import unknown_name
from abscopal.domain.units import parse_unit, registry

FloatArray = NDArray[np.float64]
_MAX_LENGTH, _MAX_NODES, _MAX_POWER = 500, 200, 10
_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "abs": np.abs,
}


class Expression:
    """A formula such as `alpha / beta` over named values.

    Takes names, numbers, + - * / and powers with a constant exponent, `exp`, `log`, `log10`, `sqrt`, `abs`,
    and brackets.

    Raises
    ------
    InputError
        Anything else, or a text of more than 500 characters.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > _MAX_LENGTH:
            raise _refused(text[:40] + "…", f"{len(text)} characters")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
            raise _refused(text, "text that is not arithmetic") from exc
        if sum(1 for _ in ast.walk(self._tree)) > _MAX_NODES:
            raise _refused(text[:40] + "…", "too long a formula")
        self.names = tuple(sorted(self._check(self._tree)))

    def _check(self, node: ast.expr) -> set[str]:
        match node:
            case ast.Name(id=name):
                return {name}
            case ast.Constant(value=bool()):
                pass
            case ast.Constant(value=int() | float() as value) if abs(value) < 1e300:
                return set()
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=inner):
                return self._check(inner)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self._check(left) | self._check_power(right)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
                return self._check(left) | self._check(right)
            case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in _FUNCTIONS:
                return self._check(inner)
            case _:
                pass
        raise _refused(self.text, f"{ast.unparse(node)[:60]!r}")

    def _check_power(self, node: ast.expr) -> set[str]:
        if self._check(node) or abs(float(_walk(node, {}))) > _MAX_POWER:
            raise _refused(self.text, f"the exponent {ast.unparse(node)[:60]!r}")
        return set()

    def unit(self, units: Mapping[str, str]) -> Any:
        """Base unit of the result, given the unit of each name.

        Raises
        ------
        InputError
            An unknown name, with the close match.
        UnitError
            Units that do not fit, such as a sum of a dose and a time.
        """
        for name in self.names:
            if name not in units:
                raise unknown_name(f"reading the formula {self.text!r}", name, sorted(units))
        values = {}
        for k, name in enumerate(self.names):  # unequal values, so that a difference is not zero by chance
            values[name] = registry().Quantity(1.37 + 0.11 * k, parse_unit(units[name]).to_base_units().units)
        try:
            found = _walk(self._tree, values)
        except (pint.DimensionalityError, pint.OffsetUnitCalculusError, ZeroDivisionError) as exc:
            raise UnitError(
                doing=f"checking the units of the formula {self.text!r}",
                found=str(exc),
                expected="sums of like quantities, and functions of plain numbers",
                try_="dividing by a reference value first",
            ) from exc
        return registry().Quantity(1.0, getattr(found, "units", "dimensionless"))

    def evaluate(self, values: Mapping[str, FloatArray], units: Mapping[str, str]) -> FloatArray:
        """Values in the base unit that `unit` tells, shape (n,); what cannot be computed is NaN or infinite."""
        scaled = {name: values[name] * _scale(units[name]) for name in self.names}
        with np.errstate(all="ignore"):
            return np.asarray(_walk(self._tree, scaled), dtype=np.float64)


def _scale(unit: str) -> float:
    return float(parse_unit(unit).to_base_units().magnitude)


def _walk(node: ast.expr, values: Mapping[str, Any]) -> Any:
    """The value of a checked tree."""
    match node:
        case ast.Name(id=name):
            return values[name]
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.UnaryOp(op=sign, operand=inner):
            return -_walk(inner, values) if isinstance(sign, ast.USub) else _walk(inner, values)
        case ast.BinOp(left=left, op=op, right=right):
            return _apply(_BINARY[type(op)], _walk(left, values), _walk(right, values))
        case ast.Call(func=ast.Name(id=name), args=[inner]):
            return _FUNCTIONS[name](_walk(inner, values))
    raise TypeError(node)  # the check lets nothing else through


def _apply(operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    try:
        return operation(left, right)
    except OverflowError:  # two constants
        return math.inf


def _refused(text: str, found: str) -> InputError:
    return InputError(
        doing=f"reading the formula {text!r}",
        found=found,
        expected="names, numbers, + - * / **, exp, log, log10, sqrt, abs and brackets",
        try_="a formula such as 'alpha / beta'",
    )
