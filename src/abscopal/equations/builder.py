"""How a mechanism writes its part of a model."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import sympy as sp

from abscopal.equations.model import Model
from abscopal.equations.pieces import (
    Argument,
    Impulse,
    Parameter,
    Pieces,
    Quantity,
    State,
    Switch,
    Term,
    Update,
)
from abscopal.equations.symbolic import expression as as_expression
from abscopal.equations.symbolic import symbol


class ModelBuilder:
    """Collects the pieces of a model; `build` checks them and returns the model.

    Examples
    --------
    >>> m = ModelBuilder("decay")
    >>> k = m.parameter("k", "1/day", "rate constant", value=0.5)
    >>> A = m.state("A", "mg", "amount", initial=0)
    >>> m.rate("A", "elimination", -k * A)
    >>> m.impulse("dose", "bolus", [Argument("mg", "mg", "amount given", source="amount")])
    >>> m.update("dose", "A", A + m["mg"])
    >>> [state.name for state in m.build().states]
    ['A']
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._states: list[State] = []
        self._parameters: dict[str, Parameter] = {}
        self._quantities: list[Quantity] = []
        self._terms: list[Term] = []
        self._impulses: list[Impulse] = []
        self._updates: list[Update] = []
        self._switches: dict[str, Switch] = {}
        self._mechanism = ""
        self._needs: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> sp.Symbol:
        """The symbol called `name`, declared already or later by another mechanism."""
        return symbol(name)

    @contextmanager
    def mechanism(self, name: str, *, switch: str = "", meaning: str = "") -> Iterator[None]:
        """Everything declared inside belongs to this mechanism and, if named, to its switch."""
        before = self._mechanism, self._needs
        self._mechanism = name
        if switch:
            self._switches.setdefault(switch, Switch(switch, meaning or name))
            self._needs = (*self._needs, switch)
        try:
            yield
        finally:
            self._mechanism, self._needs = before

    def parameter(
        self,
        name: str,
        unit: str,
        meaning: str,
        *,
        value: float | None = None,
        minimum: float | None = 0.0,
        key: str = "",
    ) -> sp.Symbol:
        """Declare a parameter; declaring the same one again is allowed."""
        self._parameters.setdefault(name, Parameter(name, unit, meaning, value, minimum, key))
        return symbol(name)

    def state(
        self, name: str, unit: str, meaning: str, *, initial: sp.Expr | float, lower: float | None = 0.0
    ) -> sp.Symbol:
        """Declare a state with its initial value, a number or an expression in parameters."""
        self._states.append(State(name, unit, meaning, as_expression(initial), lower, self._mechanism, self._needs))
        return symbol(name)

    def quantity(
        self,
        name: str,
        unit: str,
        meaning: str,
        base: sp.Expr | float = 0,
        *,
        combine: Literal["sum", "product"] = "sum",
    ) -> sp.Symbol:
        """Declare an algebraic quantity to which mechanisms add terms or factors."""
        self._quantities.append(
            Quantity(name, unit, meaning, as_expression(base), combine, self._mechanism, self._needs)
        )
        return symbol(name)

    def rate(self, state: str, name: str, expression: sp.Expr, *, needs: Sequence[str] = ()) -> None:
        """Add a named term to the rate of a state."""
        self.contribute(state, name, expression, needs=needs)

    def contribute(self, target: str, name: str, expression: sp.Expr, *, needs: Sequence[str] = ()) -> None:
        """Add a named term (or factor) to a quantity; `needs` names further switches it depends on."""
        self._terms.append(
            Term(target, name, as_expression(expression), self._mechanism, tuple(dict.fromkeys((*self._needs, *needs))))
        )

    def impulse(self, name: str, meaning: str, arguments: Sequence[Argument], *, trigger: str = "") -> None:
        """Declare an impulse and its arguments."""
        self._impulses.append(Impulse(name, meaning, tuple(arguments), trigger, self._mechanism, self._needs))

    def update(self, impulse: str, state: str, expression: sp.Expr) -> None:
        """Set the new value of a state at an impulse, in the values just before it."""
        self._updates.append(Update(impulse, state, as_expression(expression), self._mechanism, self._needs))

    def build(self) -> Model:
        """The checked model, all switches on."""
        return Model(
            self.name,
            Pieces(
                tuple(self._states),
                tuple(self._parameters.values()),
                tuple(self._quantities),
                tuple(self._terms),
                tuple(self._impulses),
                tuple(self._updates),
                tuple(self._switches.values()),
            ),
        )
