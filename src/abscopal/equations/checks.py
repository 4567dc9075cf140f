"""What is refused when a model is built: unknown symbols, wrong units, loops, double names."""

from collections import Counter
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import sympy as sp
from sympy.core.relational import Relational

from abscopal.domain.errors import ModelError
from abscopal.domain.registry import unknown_name
from abscopal.equations.continuity import check_continuity
from abscopal.equations.dimensions import DimensionMismatch, dimension_of, dimension_of_unit
from abscopal.equations.pieces import NOT, TIME, Impulse, Named, Parameter, Quantity, State, Term, Update
from abscopal.equations.symbolic import symbol, symbols_of

if TYPE_CHECKING:
    from abscopal.equations.model import Model


def check(model: "Model") -> None:
    """Refuse an ill-formed model with an error that names the term."""
    doing = f"building the model {model.name!r}"
    _names_are_unique(model, doing)
    _targets_exist(model, doing)
    _values_are_allowed(model, doing)
    units = known_units(model) if model.pieces.checked_units else _Any(known_units(model))
    parameters = {parameter.name: parameter.unit for parameter in model.pieces.parameters}
    parameters = parameters if model.pieces.checked_units else _Any(parameters)
    for state in model.states:
        if state.initial.is_number:  # a bare number is in the state's own unit
            continue
        _check_expression(state.initial, state.unit, parameters, f"the initial value of {state.name}", doing)
    for quantity in model.quantities:
        if quantity.base.is_number:
            continue
        _check_expression(quantity.base, quantity.unit, units, f"the base of {quantity.name}", doing)
    _check_terms(model, units, doing)
    ordered_quantities(model)
    _check_updates(model, units, doing)
    check_past_and_conditions(model, units, doing)
    check_continuity(model)


def known_units(model: "Model") -> dict[str, str]:
    """Unit of every symbol that a rate term may use."""
    pieces: list[Named] = [*model.states, *model.quantities, *model.delays, *model.pieces.parameters]
    return {piece.name: piece.unit for piece in pieces} | {TIME.name: "day"}


def ordered_quantities(model: "Model") -> tuple[Quantity, ...]:
    """Quantities so that each comes after those it uses.

    Raises
    ------
    ModelError
        An algebraic loop, naming the quantities in it.
    """
    by_name = {quantity.name: quantity for quantity in model.quantities}
    uses: dict[str, set[str]] = {name: _names(quantity.base) & set(by_name) for name, quantity in by_name.items()}
    for term in model.terms:
        if term.target in uses:
            uses[term.target] |= _names(term.expression) & set(by_name)
    try:
        return tuple(by_name[name] for name in TopologicalSorter(uses).static_order())
    except CycleError as exc:
        raise ModelError(
            doing=f"building the model {model.name!r}",
            found="an algebraic loop: " + " needs ".join(exc.args[1]),
            expected="quantities that can be computed one after another",
            try_="turning one of them into a state, or writing the equation without it",
        ) from exc


def nested_delays(model: "Model") -> dict[str, frozenset[str]]:
    """The delays that each delay's expression uses at its own time, also through quantities.

    Raises
    ------
    ModelError
        A past that needs itself.
    """
    uses: dict[str, set[str]] = {delay.name: _names(delay.of) for delay in model.delays}
    uses |= {quantity.name: _names(quantity.base) for quantity in model.quantities}
    for term in model.terms:
        if term.target in uses:
            uses[term.target] |= _names(term.expression)
    known = {name: used & set(uses) for name, used in uses.items()}
    try:
        order = tuple(TopologicalSorter(known).static_order())
    except CycleError as exc:
        raise ModelError(
            doing=f"building the model {model.name!r}",
            found="a past that needs itself: " + " needs ".join(exc.args[1]),
            expected="values of the past that can be computed one after another",
            try_="turning one of them into a state",
        ) from exc
    delays = {delay.name for delay in model.delays}
    within: dict[str, frozenset[str]] = {}
    for name in order:  # a delay inside another is used at its own time and hides what is inside it
        parts = known[name]
        within[name] = frozenset(parts & delays).union(*(within[part] for part in parts - delays))
    return {name: within[name] for name in delays}


def _names(expression: sp.Basic) -> set[str]:
    return {used.name for used in symbols_of(expression)}


def _names_are_unique(model: "Model", doing: str) -> None:
    pieces: list[Named] = [
        *model.pieces.states, *model.pieces.quantities, *model.pieces.delays, *model.pieces.parameters,
    ]  # fmt: skip
    names = [*(piece.name for piece in pieces), TIME.name]
    arguments = {argument.name for impulse in model.pieces.impulses for argument in impulse.arguments}
    double = [name for name, count in Counter([*names, *arguments]).items() if count > 1]
    double += [
        f"{state} at {impulse}"
        for (impulse, state), count in Counter(
            (u.impulse, u.state) for u in model.pieces.updates if not _replaced(model, u)
        ).items()
        if count > 1
    ]
    if double:
        raise ModelError(
            doing=doing,
            found=f"the name {double[0]!r} given twice",
            expected="one piece per name and one update per state and impulse",
            try_="renaming one of them, or writing both changes in one update",
        )


def _replaced(model: "Model", update: Update) -> bool:
    """Whether another update takes this one's place: one of them needs a switch on, the other off."""
    wanted = {NOT + name for name in update.needs}
    return any(
        other.impulse == update.impulse and other.state == update.state and not wanted.isdisjoint(other.needs)
        for other in model.pieces.updates
    )


def _targets_exist(model: "Model", doing: str) -> None:
    targets = [*(state.name for state in model.states), *(quantity.name for quantity in model.quantities)]
    for term in model.terms:
        if term.target not in targets:
            raise unknown_name(f"{doing}: {term.label}", term.target, targets)
    states = [state.name for state in model.states]
    for update in model.updates:
        if update.state not in states:
            raise unknown_name(f"{doing}: {update.label}", update.state, states)
    declared = {impulse.name for impulse in model.pieces.impulses}
    for update in model.pieces.updates:
        if update.impulse not in declared:
            raise unknown_name(f"{doing}: {update.label}", update.impulse, sorted(declared))
    switches = [switch.name for switch in model.pieces.switches]
    pieces: list[State | Quantity | Term | Update | Impulse] = [
        *model.pieces.states, *model.pieces.quantities, *model.pieces.terms,
        *model.pieces.impulses, *model.pieces.updates,
    ]  # fmt: skip
    for piece in pieces:
        for name in piece.needs:
            if name.removeprefix(NOT) not in switches:
                raise unknown_name(f"{doing}: a piece of {piece.mechanism}", name, switches)


def _values_are_allowed(model: "Model", doing: str) -> None:
    """Numbers written into the model: defaults of parameters and arguments, initial values."""
    for parameter in model.pieces.parameters:
        if parameter.value is not None:
            checked_value(parameter, parameter.value)
    for state in model.pieces.states:
        low = float("-inf") if state.lower is None else state.lower
        if state.initial.is_number and not (state.initial.is_finite and state.initial >= low):
            raise ModelError(
                doing=doing,
                found=f"the initial value {state.initial} of {state.name}",
                expected="a finite number" + ("" if state.lower is None else f", at least {low:g}"),
                try_=f"another initial value, or another lower limit of {state.name}",
            )
    for impulse in model.pieces.impulses:
        for argument in impulse.arguments:
            if not 0 <= argument.default < float("inf"):
                raise ModelError(
                    doing=doing,
                    found=f"the default {argument.default:g} of {argument.name} of the impulse {impulse.name!r}",
                    expected="a finite number that is not negative",
                    try_="writing the sign into the update",
                )


def checked_value(parameter: Parameter, value: float | None) -> float:
    """The value of a parameter; one that is missing, not finite or below its minimum is refused."""
    low = parameter.minimum
    if value is not None and abs(value) < float("inf") and (low is None or value >= low):
        return float(value)
    raise ModelError(
        doing=f"setting the parameter {parameter.name}",
        found="no value" if value is None else f"{value:g}",
        expected=f"a finite number in {parameter.unit}" + ("" if low is None else f", at least {low:g}"),
        try_=f"giving {parameter.name} ({parameter.meaning}) a value",
    )


def _check_terms(model: "Model", units: dict[str, str], doing: str) -> None:
    states = {state.name: state.unit for state in model.states}
    quantities = {quantity.name: quantity for quantity in model.quantities}
    for term in model.terms:
        if term.target in states:
            wanted = f"({states[term.target]})/day"
        else:
            quantity = quantities[term.target]
            wanted = quantity.unit if quantity.combine == "sum" else "1"
        _check_expression(term.expression, wanted, units, f"the term {term.label}", doing)


def _check_updates(model: "Model", units: dict[str, str], doing: str) -> None:
    states = {state.name: state.unit for state in model.states}
    for update in model.updates:
        arguments = {argument.name: argument.unit for argument in model.impulse(update.impulse).arguments}
        known = {**units, **arguments}
        known = _Any(known) if isinstance(units, _Any) else known
        _check_expression(update.expression, states[update.state], known, update.label, doing)


def check_past_and_conditions(model: "Model", units: dict[str, str], doing: str) -> None:
    """Delays that do not need themselves, by a time made of parameters; conditions."""
    kind = type(units)
    nested_delays(model)
    parameters = kind({parameter.name: parameter.unit for parameter in model.pieces.parameters})
    for delay in model.delays:
        _check_expression(delay.of, delay.unit, units, f"what {delay.name} is the past of", doing)
        if not delay.lag.is_number:
            _check_expression(delay.lag, "day", parameters, f"the lag of {delay.name}", doing)
        elif not (delay.lag.is_finite and delay.lag.is_positive):
            raise ModelError(
                doing=doing,
                found=f"a lag of {delay.lag} days of {delay.name}",
                expected="a time above zero",
                try_="the state itself, for no delay",
            )
        if delay.history is not None and not delay.history.is_number:
            past = kind({**parameters, TIME.name: "day"})
            _check_expression(delay.history, delay.unit, past, f"the history of {delay.name}", doing)
    for condition in model.conditions:
        label = f"the condition of {condition.impulse!r}"
        if model.impulse(condition.impulse).arguments:
            raise ModelError(
                doing=doing,
                found=f"{label}, an impulse with arguments",
                expected="an impulse without arguments",
                try_="parameters in their place",
            )
        parts: list[tuple[sp.Basic, str]] = [(condition.delay, "day")] if not condition.delay.is_number else []
        parts += [] if condition.priority is None or condition.priority.is_number else [(condition.priority, "1")]
        for compared in condition.when.atoms(Relational):
            parts.append((compared.args[0] - compared.args[1], ""))  # type: ignore[operator]
        for part, wanted in parts:
            _check_expression(part, wanted, units, label, doing)


class _Any(dict[str, str]):
    """Symbols that are known, with units that nobody compares."""


def _check_expression(expression: sp.Basic, wanted: str, units: dict[str, str], label: str, doing: str) -> None:
    for used in sorted(symbols_of(expression), key=str):
        if used.name not in units:
            raise _unknown_symbol(used.name, units, label, doing)
        if used != symbol(used.name):
            raise ModelError(
                doing=doing,
                found=f"{label} with another kind of symbol called {used.name!r}",
                expected="the symbol that the builder returned",
                try_=f"builder[{used.name!r}]",
            )
    if expression.has(sp.nan, sp.zoo, sp.oo, -sp.oo, sp.I):
        raise ModelError(
            doing=doing,
            found=f"{label} = {expression}",
            expected="an expression with finite real numbers",
            try_="looking for a division by zero or the root of a negative number",
        )
    if isinstance(units, _Any):
        return
    try:
        dimension = dimension_of(expression, units)
    except DimensionMismatch as exc:
        raise ModelError(
            doing=doing,
            found=f"{label}: {exc}",
            expected="an expression whose parts have matching units",
            try_="checking the units of its parameters",
        ) from exc
    if dimension is not None and wanted and not dimension.same(dimension_of_unit(wanted)):
        raise ModelError(
            doing=doing,
            found=f"{label} = {expression} with the wrong unit",
            expected=f"the unit {wanted}",
            try_="checking the units of its parameters",
        )


def _unknown_symbol(name: str, units: dict[str, str], label: str, doing: str) -> ModelError:
    near = unknown_name(doing, name, sorted(units))
    return ModelError(
        doing=doing,
        found=f"the unknown symbol {name!r} in {label}",
        expected="a state, quantity, parameter or argument of this model that is switched on",
        try_=near.try_,
    )
