"""A weighted average of the last days as ordinary equations: the past held as Legendre polynomials.

Voelker, Kajić and Eliasmith (2019) write the best approximation of a sliding window of the past as a linear system
of a few states. Any weight on that window is then a fixed sum of them. The error falls faster than any power of the
number of states where the past is smooth.
"""

from collections.abc import Callable

import sympy as sp
from scipy.integrate import quad
from scipy.special import eval_sh_legendre

from abscopal.equations.builder import ModelBuilder

STATES = 16


def legendre_memory(
    m: ModelBuilder,
    name: str,
    unit: str,
    meaning: str,
    of: sp.Expr,
    window: float,
    weight: Callable[[float], float],
    *,
    states: int = STATES,
) -> sp.Symbol:
    r"""Declare the quantity :math:`\int_0^{w} f(s)\, u(t - s)\, ds` of an expression u, zero before the start.

    Parameters
    ----------
    m : ModelBuilder
    name, unit, meaning : str
        Of the quantity; u has the same unit.
    of : expression
        u.
    window : float
        w. [day]
    weight : callable
        f, zero outside 0 to w. [day^-1]
    states : int

    References
    ----------
    .. [1] Voelker A, Kajić I, Eliasmith C 2019, Legendre memory units, Advances in Neural Information Processing
       Systems 32.
    """
    width = m.parameter(f"{name}_window", "day", f"window of {meaning}", value=window)
    held = [
        m.state(f"{name}_{i}", unit, f"{meaning}: polynomial {i} of the past", initial=0, lower=None)
        for i in range(states)
    ]
    for i, state in enumerate(held):
        change = sp.S.NegativeOne**i * of
        for j, other in enumerate(held):
            change = change + (-1 if i < j else (-1) ** (i - j + 1)) * other
        m.rate(state.name, "sliding window", (2 * i + 1) * change / width)
    shares = [
        quad(lambda s, i=i: weight(s) * eval_sh_legendre(i, s / window), 0.0, window, limit=400, epsabs=1e-12)[0]
        for i in range(states)
    ]
    total = sum((float(share) * state for share, state in zip(shares, held, strict=True)), sp.S.Zero)
    return m.quantity(name, unit, meaning, total)
