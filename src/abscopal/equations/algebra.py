"""The equations as ordered assignments and sparse derivatives: what every kernel is generated from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy as sp

from abscopal.equations.cache import cached_by_digest
from abscopal.equations.checks import ordered_quantities
from abscopal.equations.model import Model
from abscopal.equations.pieces import Quantity
from abscopal.equations.symbolic import derivative, symbol, symbols_of

Row = dict[sp.Symbol, sp.Expr]


@dataclass(frozen=True)
class Algebra:
    """A model in a form that a code generator can walk.

    Attributes
    ----------
    states, parameters : tuple of symbols
        In the order of the state and parameter vectors.
    initial : tuple of expressions
        In parameters.
    assignments : tuple of (symbol, expression)
        Quantities in an order in which each uses only earlier ones.
    rates : tuple of expressions
        One per state, in states, parameters, quantities and time. [state unit/day]
    """

    states: tuple[sp.Symbol, ...]
    parameters: tuple[sp.Symbol, ...]
    initial: tuple[sp.Expr, ...]
    assignments: tuple[tuple[sp.Symbol, sp.Expr], ...]
    rates: tuple[sp.Expr, ...]

    def derivatives(self, with_respect_to: Sequence[sp.Symbol]) -> tuple[Row, ...]:
        """Total derivative of each rate by each symbol, zeros left out.

        Returns
        -------
        tuple of dict, one per state
            Expressions in states, parameters, quantities and time. With `states` this is the sparse
            Jacobian; with `parameters`, the forcing of the forward sensitivity equations.
        """
        inner: dict[sp.Symbol, Row] = {}
        for name, expression in self.assignments:
            inner[name] = _total(expression, with_respect_to, inner)
        return tuple(_total(rate, with_respect_to, inner) for rate in self.rates)

    def jacobian(self) -> dict[tuple[int, int], sp.Expr]:
        """Non-zero entries of the Jacobian by (row, column)."""
        column = {state: k for k, state in enumerate(self.states)}
        return {
            (i, column[state]): entry
            for i, row in enumerate(self.derivatives(self.states))
            for state, entry in row.items()
        }


def _total(expression: sp.Expr, variables: Sequence[sp.Symbol], inner: Mapping[sp.Symbol, Row]) -> Row:
    wanted = set(variables)
    row: dict[sp.Symbol, list[sp.Expr]] = {}
    for used in sorted(symbols_of(expression), key=str):
        partial = derivative(expression, used)
        if partial == 0:
            continue
        if used in wanted:
            row.setdefault(used, []).append(partial)
        for variable, chain in inner.get(used, {}).items():
            row.setdefault(variable, []).append(partial * chain)
    totals = {variable: sp.Add(*parts) for variable, parts in row.items()}
    return {variable: total for variable, total in totals.items() if total != 0}


def _whole(model: Model, quantity: Quantity) -> sp.Expr:
    parts = [term.expression for term in model.terms if term.target == quantity.name]
    return sp.Add(quantity.base, *parts) if quantity.combine == "sum" else sp.Mul(quantity.base, *parts)


@cached_by_digest
def algebra(model: Model) -> Algebra:
    """The model as ordered assignments, rates and derivatives; cached by the model's digest."""
    return Algebra(
        states=tuple(symbol(state.name) for state in model.states),
        parameters=tuple(symbol(parameter.name) for parameter in model.parameters),
        initial=tuple(state.initial for state in model.states),
        assignments=tuple((symbol(q.name), _whole(model, q)) for q in ordered_quantities(model)),
        rates=tuple(
            sp.Add(*(term.expression for term in model.terms if term.target == state.name)) for state in model.states
        ),
    )
