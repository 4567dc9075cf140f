"""The few SymPy calls the package makes, typed; SymPy itself carries no annotations."""

from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp

_sympy: Any = sp


def symbol(name: str) -> sp.Symbol:
    """A real symbol; real, so that powers of products are not split."""
    made: sp.Symbol = _sympy.Symbol(name, real=True)
    return made


def expression(value: sp.Expr | float) -> sp.Expr:
    """A number or expression as an expression."""
    made: sp.Expr = _sympy.sympify(value)
    return made


def symbols_of(used_in: sp.Basic) -> set[sp.Symbol]:
    """The symbols an expression uses."""
    return {used for used in used_in.free_symbols if isinstance(used, sp.Symbol)}


def maximum(a: sp.Expr | float, b: sp.Expr | float) -> sp.Expr:
    """The larger of two."""
    made: sp.Expr = _sympy.Max(a, b)
    return made


def minimum(a: sp.Expr | float, b: sp.Expr | float) -> sp.Expr:
    """The smaller of two."""
    made: sp.Expr = _sympy.Min(a, b)
    return made


def exp(a: sp.Expr) -> sp.Expr:
    """The exponential."""
    made: sp.Expr = _sympy.exp(a)
    return made


def hill(x: sp.Expr, half: sp.Expr, steepness: sp.Expr) -> sp.Expr:
    """Saturation from 0 to 1, one half at `half`; a rounding error below zero counts as zero."""
    ratio = (maximum(0, x) / half) ** steepness
    made: sp.Expr = ratio / (1 + ratio)
    return made


def derivative(of: sp.Expr, by: sp.Symbol) -> sp.Expr:
    """Partial derivative, with the corner of Max and Min written as a two-way choice."""

    def step(x: sp.Expr, *_: sp.Expr) -> sp.Expr:
        made: sp.Expr = _sympy.Piecewise((1, x > 0), (0, True))
        return made

    made: sp.Expr = _sympy.diff(of, by).replace(_sympy.Heaviside, step)
    return made


def substitute(into: sp.Expr, values: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    """Replace symbols, all at once and without simplification."""
    made: sp.Expr = _sympy.sympify(into).xreplace(dict(values))
    return made


def common_subexpressions(
    expressions: Sequence[sp.Expr], prefix: str
) -> tuple[list[tuple[sp.Symbol, sp.Expr]], list[sp.Expr]]:
    """Shared parts as ordered assignments to `prefix0, prefix1, …`, and what is left of each expression."""
    shared, rest = _sympy.cse(list(expressions), symbols=_sympy.numbered_symbols(prefix), order="none")
    return list(shared), list(rest)
