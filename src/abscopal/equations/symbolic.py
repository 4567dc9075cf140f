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


def saturation(x: sp.Expr, half: sp.Expr) -> sp.Expr:
    """Saturation from 0 to 1 without a threshold (Michaelis and Menten): x/(half + x)."""
    made: sp.Expr = x / (half + x)
    return made


def piecewise(*cases: tuple[sp.Basic | bool, sp.Expr | float], otherwise: sp.Expr | float) -> sp.Expr:
    """The value of the first condition that holds, such as `piecewise((x < a, f), otherwise=g)`.

    Conditions compare two expressions of the same unit and may be joined with `&`, `|` and `~`; the
    values have one unit too. A rate may bend at a condition; one that jumps has to be declared
    (`ModelBuilder.rate(..., discontinuous=True)`). A value is only evaluated where its condition holds.
    """
    made: sp.Expr = _sympy.Piecewise(*((value, condition) for condition, value in cases), (otherwise, True))
    return made


def derivative(of: sp.Expr, by: sp.Symbol) -> sp.Expr:
    """Partial derivative that can be evaluated wherever the expression can.

    The corner of Max, Min and Abs is a two-way choice, a jump has slope zero, and a power of zero has the
    slope zero where it would be infinite or 0/0: a Jacobian must be finite to be of use.
    """
    held = _sympy.sympify(of).replace(_is_real_power, lambda e: _Power(*e.as_base_exp()))
    slope: Any = _sympy.diff(held, by)
    for kind, written in _WRITTEN.items():
        slope = slope.replace(kind, written)
    made: sp.Expr = slope
    return made


def _is_real_power(e: Any) -> bool:
    return isinstance(e, _sympy.Pow) and not e.exp.is_Integer


class _Power(sp.Function):
    """A power whose slopes are finite at a base of zero; stands in while a derivative is taken."""

    def fdiff(self, argindex: int = 1) -> Any:
        base: Any
        exponent: Any
        base, exponent = self.args
        if argindex == 2:
            return _choose(base**exponent * _sympy.log(base), base > 0)
        slope = exponent * base ** (exponent - 1)
        return slope if (exponent >= 1) == True else _choose(slope, (base > 0) | (exponent >= 1))  # noqa: E712


def _choose(value: Any, condition: Any, otherwise: float = 0) -> Any:
    return _sympy.Piecewise((value, condition), (otherwise, True))


_WRITTEN: dict[Any, Any] = {
    _Power: lambda base, exponent: base**exponent,
    sp.Heaviside: lambda x, *_: _choose(1, x > 0),
    sp.DiracDelta: lambda *_: sp.Integer(0),
    sp.sign: lambda x: _choose(-1, x < 0, 1),
}


def substitute(into: sp.Expr, values: Mapping[Any, sp.Expr]) -> sp.Expr:
    """Replace symbols (or whole parts), all at once and without simplification."""
    made: sp.Expr = _sympy.sympify(into).xreplace(dict(values))
    return made


def common_subexpressions(
    expressions: Sequence[sp.Expr], prefix: str
) -> tuple[list[tuple[sp.Symbol, sp.Expr]], list[sp.Expr]]:
    """Shared parts as ordered assignments to `prefix0, prefix1, …`, and what is left of each expression."""
    shared, rest = _sympy.cse(list(expressions), symbols=_sympy.numbered_symbols(prefix), order="none")
    return list(shared), list(rest)
