"""A model written once, as symbols. Right-hand side, Jacobian, kernels, tables and LaTeX all come from it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import sympy as sp

from abscopal.domain.registry import unknown_name
from abscopal.equations.checks import check, checked_value
from abscopal.equations.pieces import (
    NOT,
    Condition,
    Delay,
    Impulse,
    Parameter,
    Pieces,
    Quantity,
    State,
    Term,
    Update,
    Window,
)
from abscopal.equations.symbolic import symbols_of

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Model:
    """States, parameters, named rate terms, algebraic quantities and impulses.

    Build one with `ModelBuilder`. Turning a switch off removes every piece that needs it; the
    remaining equations are checked again.

    Attributes
    ----------
    name : str
    pieces : Pieces
        Everything, also what is switched off.
    off : frozenset of str
        Switches that are off.

    Raises
    ------
    ModelError
        On construction: an unknown symbol, a unit mismatch or an algebraic loop, naming the term.
    """

    name: str
    pieces: Pieces
    off: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        check(self)

    def _on(self, needs: tuple[str, ...]) -> bool:
        return all((name.removeprefix(NOT) in self.off) == name.startswith(NOT) for name in needs)

    @cached_property
    def states(self) -> tuple[State, ...]:
        """Active states, in the order of the state vector."""
        return tuple(state for state in self.pieces.states if self._on(state.needs))

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """Active algebraic quantities, in the order they were declared."""
        return tuple(quantity for quantity in self.pieces.quantities if self._on(quantity.needs))

    @cached_property
    def impulses(self) -> tuple[Impulse, ...]:
        """Active impulses."""
        return tuple(impulse for impulse in self.pieces.impulses if self._on(impulse.needs))

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """Active rate windows; each is a state and two impulses as well."""
        return tuple(window for window in self.pieces.windows if self._on(window.needs))

    @cached_property
    def delays(self) -> tuple[Delay, ...]:
        """Active values of the past."""
        return tuple(delay for delay in self.pieces.delays if self._on(delay.needs))

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Conditions of active impulses."""
        active = {impulse.name for impulse in self.impulses}
        return tuple(condition for condition in self.pieces.conditions if condition.impulse in active)

    @property
    def needs_history(self) -> bool:
        """Whether it has delays or conditions, which the compiled kernels do not solve."""
        return bool(self.delays or self.conditions)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Active terms whose target is active too."""
        targets = {state.name for state in self.states} | {quantity.name for quantity in self.quantities}
        declared = {state.name for state in self.pieces.states} | {q.name for q in self.pieces.quantities}
        return tuple(
            term
            for term in self.pieces.terms
            if self._on(term.needs) and (term.target in targets or term.target not in declared)
        )

    @cached_property
    def updates(self) -> tuple[Update, ...]:
        """Active updates of active states at active impulses."""
        states = {state.name for state in self.states}
        impulses = {impulse.name for impulse in self.impulses}
        declared = {state.name for state in self.pieces.states}
        return tuple(
            update
            for update in self.pieces.updates
            if self._on(update.needs)
            and update.impulse in impulses
            and (update.state in states or update.state not in declared)
        )

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Parameters that the active equations use, in the order of the parameter vector."""
        used = {symbol.name for expression in self._expressions() for symbol in symbols_of(expression)}
        return tuple(parameter for parameter in self.pieces.parameters if parameter.name in used)

    @property
    def switches(self) -> dict[str, bool]:
        """Every switch and whether it is on."""
        return {switch.name: switch.name not in self.off for switch in self.pieces.switches}

    def with_switches(self, **settings: bool) -> "Model":
        """The same model with some switches turned on or off.

        Raises
        ------
        InputError
            Unknown switch, with the close match.
        """
        known = list(self.switches)
        for name in settings:
            if name not in known:
                raise unknown_name(f"switching '{name}' of the model {self.name!r}", name, known)
        off = (self.off | {name for name, on in settings.items() if not on}) - {n for n, on in settings.items() if on}
        return self if off == self.off else replace(self, off=frozenset(off))

    @cached_property
    def digest(self) -> str:
        """sha256 of the active equations; parameter values are not part of it."""
        lines = [f"{s.name}|{s.unit}|{sp.srepr(s.initial)}|{s.lower}" for s in self.states]
        lines += [f"{p.name}|{p.unit}" for p in self.parameters]
        lines += [f"{q.name}|{q.unit}|{q.combine}|{sp.srepr(q.base)}" for q in self.quantities]
        lines += [f"{t.target}|{sp.srepr(t.expression)}" for t in self.terms]
        lines += [f"{i.name}|{[(a.name, a.unit) for a in i.arguments]}|{i.every}|{i.first}" for i in self.impulses]
        lines += [f"{u.impulse}|{u.state}|{sp.srepr(u.expression)}" for u in self.updates]
        lines += [f"{d.name}|{d.unit}|{sp.srepr(d.of)}|{sp.srepr(d.lag)}|{d.history}" for d in self.delays]
        lines += [
            f"{c.impulse}|{sp.srepr(c.when)}|{sp.srepr(c.delay)}|{c.priority}|{c.persistent}|{c.initially}|{c.values_then}"
            for c in self.conditions
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def impulse(self, name: str) -> Impulse:
        """The impulse called `name`; an unknown name answers with the close match."""
        for impulse in self.impulses:
            if impulse.name == name:
                return impulse
        raise unknown_name(
            f"looking up an impulse of the model {self.name!r}", name, [impulse.name for impulse in self.impulses]
        )

    def window(self, name: str) -> Window:
        """The rate window called `name`; an unknown name answers with the close match."""
        for window in self.windows:
            if window.name == name:
                return window
        raise unknown_name(
            f"looking up a rate window of the model {self.name!r}", name, [window.name for window in self.windows]
        )

    def parameter_vector(self, overrides: Mapping[str, float] | None = None) -> list[float]:
        """Values in the order of `parameters`, defaults replaced by `overrides`.

        An override of a parameter that a switch has removed is ignored, so that one set of values
        serves a model and its ablations.

        Raises
        ------
        InputError
            A name the model never had.
        ModelError
            A value that is missing, not finite, or below its minimum.
        """
        given = dict(overrides or {})
        known = [parameter.name for parameter in self.pieces.parameters]
        for name in given:
            if name not in known:
                raise unknown_name(f"setting a parameter of the model {self.name!r}", name, known)
        return [checked_value(parameter, given.get(parameter.name, parameter.value)) for parameter in self.parameters]

    def with_values(self, values: Mapping[str, float]) -> "Model":
        """The same equations with other default values."""
        self.parameter_vector(values)
        parameters = tuple(
            replace(parameter, value=values.get(parameter.name, parameter.value))
            for parameter in self.pieces.parameters
        )
        return replace(self, pieces=replace(self.pieces, parameters=parameters))

    def latex(self) -> str:
        """The equations as a LaTeX `align*` block, one line per quantity, state and update."""
        from abscopal.equations.render import latex

        return latex(self)

    def table(self) -> "pandas.DataFrame":
        """States and parameters with symbol, kind, unit, value, meaning and knowledge key."""
        from abscopal.equations.render import table

        return table(self)

    def _expressions(self) -> Iterator[sp.Basic]:
        yield from (state.initial for state in self.states)
        yield from (quantity.base for quantity in self.quantities)
        yield from (term.expression for term in self.terms)
        yield from (update.expression for update in self.updates)
        for delay in self.delays:
            yield from (delay.of, delay.lag, *([] if delay.history is None else [delay.history]))
        for condition in self.conditions:
            yield from (condition.when, condition.delay, *([] if condition.priority is None else [condition.priority]))
