"""SBML core as an `equations.Model`: reactions, rules, events, compartments and initial assignments.

A species means in formulas what SBML says: its concentration, or its amount where it has only substance units.
Where its compartment keeps its size the state is that value; where the size changes the state is the amount.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from abscopal.domain.errors import InputError, ModelError
from abscopal.domain.registry import unknown_name
from abscopal.domain.trajectory import Trajectory
from abscopal.equations.builder import ModelBuilder
from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME
from abscopal.equations.symbolic import expression, substitute, symbol, symbols_of
from abscopal.interchange.sbml_file import read_document
from abscopal.interchange.sbml_math import Formulas

_UNIT = "1"


@dataclass(frozen=True)
class SbmlModel:
    """A model read from SBML.

    Attributes
    ----------
    model : Model
        Its units are not compared: many files give none. Its clock runs in the file's own unit of time.
    species : dict of str to (str, bool)
        Compartment of each species, and whether its symbol is a concentration and not an amount.
    names : dict of str to str
        Symbol of each identifier of the file.
    """

    model: Model
    species: dict[str, tuple[str, bool]]
    names: dict[str, str]

    def values(self, course: Trajectory, name: str) -> NDArray[np.float64]:
        """The course of an identifier of the file, constant ones included, shape (n_t,).

        Raises
        ------
        InputError
            An identifier that the file does not have, with the close match.
        """
        if name not in self.names:
            raise unknown_name("reading a result of an SBML model", name, list(self.names))
        here = self.names[name]
        if here in course.names:
            return np.asarray(course[here])
        value = next((p.value for p in self.model.pieces.parameters if p.name == here), None)  # unused ones too
        return np.full(len(course.t), np.nan if value is None else value)


def read_sbml(source: str | Path) -> SbmlModel:
    """Read an SBML model, Level 2 Version 4 to Level 3 Version 2, core.

    Parameters
    ----------
    source : str or Path
        The text of a document, or the path of a file.

    Raises
    ------
    InputError
        A file that is malformed, inconsistent or incomplete, with element and line.
    UnsupportedError
        Algebraic rules, fast reactions, required packages and what else `docs/interchange.md` lists, by name.
    """
    document = read_document(source)
    return _Reader(document.getModel()).read()


@dataclass
class _Species:
    """What the symbol of a species means."""

    name: str
    compartment: str
    is_concentration: bool
    boundary: bool
    factor: str
    amount_state: bool = False


@dataclass
class _Reader:
    source: Any
    rules: dict[str, Any] = field(default_factory=dict)
    species: dict[str, _Species] = field(default_factory=dict)
    values: dict[str, float | None] = field(default_factory=dict)
    constant: dict[str, bool] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    pasts: dict[sp.Symbol, str] = field(default_factory=dict)
    rates: dict[str, sp.Symbol] = field(default_factory=dict)

    def read(self) -> SbmlModel:
        """The whole model."""
        self._collect()
        self.builder = ModelBuilder(self.source.getName() or self.source.getId() or "SBML model", checked_units=False)
        self.formulas = Formulas({old: symbol(new) for old, new in self.names.items()}, self._delayed, self._rate_of)
        self.assigned = {
            str(one.getSymbol()): self.formulas(one.getMath(), _where(one, "initialAssignment", one.getSymbol()))
            for one in _each(self.source.getListOfInitialAssignments())
            if one.isSetMath()
        }
        self.rule_math = {
            name: self.formulas(rule.getMath(), _where(rule, rule.getElementName(), name))
            for name, rule in self.rules.items()
        }
        self.stoichiometry = list(self._reactions())
        self.changing = self._changing()
        for one in self.species.values():
            own = self._varies(one.compartment)
            one.amount_state = one.is_concentration and own and one.name not in self.rules
        self.rate_math = {name: self._rate_math(name) for name in list(self.rates)}
        self.start = self._initial_values()
        self._declare()
        self._events()
        self._declare_rates()
        try:
            model = self.builder.build()
        except ModelError as exc:
            raise InputError(
                doing=f"reading {self._place(exc.found)}", found=exc.found, expected=exc.expected, try_=exc.try_
            ) from exc
        old = {new: name for name, new in self.names.items()}
        for parameter in model.parameters:  # those that something uses
            if parameter.value is None:
                raise _valueless(self.source.getElementBySId(old[parameter.name]), "element", old[parameter.name])
        meaning = {one.name: (one.compartment, one.is_concentration) for one in self.species.values()}
        return SbmlModel(model, meaning, self.names)

    def _place(self, found: str) -> str:
        """The element that a message about the built model speaks of."""
        words = re.findall(r"\w+", found)
        made = {here.name: where for here, where in self.pasts.items()}
        old = {new: name for name, new in self.names.items()}
        for word in words:
            if word in made:
                return made[word]
        for word in words:
            element = self.source.getElementBySId(old[word]) if word in old else None
            if element is not None:
                return _where(element, element.getElementName(), old[word])
        return f"the model {self.builder.name!r}"

    def _collect(self) -> None:
        """Names, values, what is constant, and the rules."""
        for rule in _each(self.source.getListOfRules()):
            if rule.isSetMath():  # Level 3 Version 2: a rule without a formula says nothing
                self.rules[str(rule.getVariable())] = rule
        for one in _each(self.source.getListOfCompartments()):
            self._quantity(one.getId(), one.getSize() if one.isSetSize() else None, constant=one.getConstant())
        for one in _each(self.source.getListOfParameters()):
            self._quantity(one.getId(), one.getValue() if one.isSetValue() else None, constant=one.getConstant())
        for one in _each(self.source.getListOfSpecies()):
            self._species(one)
        for reaction in _each(self.source.getListOfReactions()):
            self._name(reaction.getId())
            for part in (*_each(reaction.getListOfReactants()), *_each(reaction.getListOfProducts())):
                if part.isSetId():
                    value = part.getStoichiometry() if part.isSetStoichiometry() else None
                    self._quantity(part.getId(), value, constant=part.getConstant())

    def _name(self, name: str) -> str:
        self.names[name] = name if name != TIME.name else f"{name}_"
        return name

    def _quantity(self, name: str, value: float | None, *, constant: bool) -> None:
        self.values[self._name(name)] = None if value is None or value != value else float(value)  # noqa: PLR0124
        self.constant[name] = bool(constant)

    def _species(self, one: Any) -> None:
        compartment = self.source.getCompartment(one.getCompartment())
        if compartment is None:
            raise InputError(
                doing=f"reading {_where(one, 'species', one.getId())}",
                found=f"the unknown compartment {one.getCompartment()!r}", expected="a compartment of the file",
                try_="completing the file",
            )  # fmt: skip
        is_concentration = not one.getHasOnlySubstanceUnits() and compartment.getSpatialDimensionsAsDouble() != 0
        factor = one.getConversionFactor() or self.source.getConversionFactor()
        self._quantity(one.getId(), None, constant=one.getConstant())
        self.species[one.getId()] = _Species(
            one.getId(), one.getCompartment(), is_concentration, bool(one.getBoundaryCondition()), factor
        )

    def _varies(self, name: str) -> bool:
        return name in self.rules or name in self.changing

    def _changing(self) -> set[str]:
        """What reactions and events change."""
        found = {
            str(change.getVariable())
            for event in _each(self.source.getListOfEvents())
            for change in _each(event.getListOfEventAssignments())
        }
        return found | {name for name, _, _ in self.stoichiometry}

    def _reactions(self) -> Any:
        """(species, reaction, signed number) for every species that a reaction changes; declares nothing."""
        self.kinetics: dict[str, Any] = {}
        for reaction in _each(self.source.getListOfReactions()):
            name, law = reaction.getId(), reaction.getKineticLaw()
            if law is None or not law.isSetMath():
                raise InputError(
                    doing=f"reading {_where(reaction, 'reaction', name)}", found="no kinetic law",
                    expected="a rate", try_="completing the file",
                )  # fmt: skip
            self.kinetics[name] = self.formulas(law.getMath(), _where(law, "kineticLaw", name))
            for sign, parts in ((-1, reaction.getListOfReactants()), (1, reaction.getListOfProducts())):
                for part in _each(parts):
                    species = self.species[part.getSpecies()]
                    if not (species.boundary or self.constant[species.name]):
                        yield species.name, name, sign * self._number_of(part)

    def _number_of(self, part: Any) -> Any:
        if part.isSetId():
            return self.formulas.symbols[part.getId()]
        if part.isSetStoichiometry():
            return expression(part.getStoichiometry())
        raise InputError(
            doing=f"reading {_where(part, 'speciesReference', part.getSpecies())}", found="no stoichiometry",
            expected="a number, or an identifier that a rule sets", try_="completing the file",
        )  # fmt: skip

    # initial values

    def _initial_values(self) -> dict[Any, Any]:
        """The value of every symbol at the start, in constants alone."""
        given: dict[str, Any] = {}
        for name, value in self.values.items():
            if name in self.assigned:
                given[name] = self.assigned[name]
            elif name in self.rules and self.rules[name].isAssignment():
                given[name] = self.rule_math[name]
            elif name in self.species:
                given[name] = self._species_start(name)
            elif value is not None:
                given[name] = symbol(self.names[name]) if self._is_parameter(name) else expression(value)
        given |= self.kinetics
        rates = {self.rates[name]: value for name, value in self.rate_math.items()}
        return _resolved({symbol(self.names[name]): value for name, value in given.items()} | rates)

    def _species_start(self, name: str) -> Any:
        one, own = self.species[name], self.source.getSpecies(name)
        size = symbol(self.names[one.compartment])
        if own.isSetInitialAmount():
            amount = expression(own.getInitialAmount())
            return amount / size if one.is_concentration else amount
        if own.isSetInitialConcentration():
            concentration = expression(own.getInitialConcentration())
            return concentration if one.is_concentration else concentration * size
        if name in self.rules and self.rules[name].isAssignment():
            return self.rule_math[name]
        raise _valueless(own, "species", name)

    def _is_parameter(self, name: str) -> bool:
        """A finite number that nothing changes or computes."""
        is_computed = self._varies(name) or name in self.assigned or name in self.species
        return not is_computed and abs(self.values[name] or 0.0) != float("inf")

    # the model

    def _declare(self) -> None:
        b = self.builder
        for name in self.values:
            here = symbol(self.names[name])
            if name in self.species or not self._is_parameter(name):
                self._variable(name, here)
                continue
            b.parameter(here.name, _UNIT, name, value=self.values[name], minimum=None)
        for name, law in self.kinetics.items():
            b.quantity(self.names[name], _UNIT, f"rate of {name}", law, discontinuous=True)
        for name, reaction, number in self.stoichiometry:
            if name not in self.rules:
                rate = self._reaction_rate(name, reaction, number)
                b.rate(self._state_of(name), f"{reaction} {number}", rate, discontinuous=True)

    def _declare_rates(self) -> None:
        """Rates of change that formulas ask for; those of events too, so it comes after everything else is read."""
        for name in self.rates:
            math = self.rate_math.get(name)
            self.builder.quantity(
                self.rates[name].name, _UNIT, f"rate of change of {name}",
                self._rate_math(name) if math is None else math, discontinuous=True,
            )  # fmt: skip

    def _reaction_rate(self, name: str, reaction: str, number: Any) -> Any:
        """What a reaction adds to a state."""
        one = self.species[name]
        rate = number * symbol(self.names[reaction])
        rate = rate * symbol(self.names[one.factor]) if one.factor else rate
        return rate / symbol(self.names[one.compartment]) if one.is_concentration and not one.amount_state else rate

    def _rate_of(self, name: str) -> sp.Symbol:
        if name not in self.rates:
            self.rates[name] = symbol(self._free(f"rate_of_{name}"))
        return self.rates[name]

    def _free(self, name: str) -> str:
        """A name that no identifier of the file has."""
        while name in self.names.values():
            name += "_"
        return name

    def _rate_math(self, name: str) -> Any:
        """How fast an identifier changes between events."""
        if name in self.rules:
            return self.rule_math[name]
        own = [self._reaction_rate(*part) for part in self.stoichiometry if part[0] == name]
        rate = sum(own, sp.Integer(0))
        one = self.species.get(name)
        if one and one.amount_state:
            size = symbol(self.names[one.compartment])
            return (rate - symbol(self.names[name]) * self._rate_math(one.compartment)) / size
        return rate

    def _state_of(self, name: str) -> str:
        one = self.species.get(name)
        return f"{self.names[name]}_amount" if one and one.amount_state else self.names[name]

    def _variable(self, name: str, here: sp.Symbol) -> None:
        b, rule = self.builder, self.rules.get(name)
        if rule is not None and rule.isAssignment():
            b.quantity(here.name, _UNIT, name, self.rule_math[name], discontinuous=True)
            return
        if here not in self.start:
            raise _valueless(self.source.getElementBySId(name), "element", name)
        start = self.start[here]
        one = self.species.get(name)
        if one and one.amount_state:
            size = symbol(self.names[one.compartment])
            amount = b.state(
                self._state_of(name), _UNIT, f"amount of {name}", initial=start * self.start.get(size, size), lower=None
            )
            b.quantity(here.name, _UNIT, name, amount / size, discontinuous=True)
            return
        if not self._varies(name) and name not in self.species:
            b.quantity(here.name, _UNIT, name, start, discontinuous=True)
            return
        b.state(here.name, _UNIT, name, initial=start, lower=None)
        if rule is not None:
            b.rate(here.name, "rate rule", self.rule_math[name], discontinuous=True)

    def _delayed(self, of: Any, lag: Any) -> Any:
        """A value of the past; its lag must be constant."""
        name = self._free(f"past_{len(self.pasts) + 1}")
        made = self.builder.delayed(name, _UNIT, f"{of}, {lag} ago", of, lag)
        self.pasts[made] = self.formulas.where
        return made

    # events

    def _events(self) -> None:
        b = self.builder
        for place, event in enumerate(_each(self.source.getListOfEvents())):
            name = event.getId() or f"event_{place + 1}"
            trigger = event.getTrigger()
            assignments = [change for change in _each(event.getListOfEventAssignments()) if change.isSetMath()]
            if trigger is None or not trigger.isSetMath() or not assignments:
                continue  # without them it changes nothing
            b.impulse(name, event.getName() or name, [])
            changes = {
                str(change.getVariable()): self.formulas(
                    change.getMath(), _where(change, "eventAssignment", change.getVariable())
                )
                for change in assignments
            }
            for variable, value in changes.items():
                b.update(name, self._state_of(variable), self._as_state(variable, value, changes))
            delay, priority = event.getDelay(), event.getPriority()
            further: dict[str, Any] = {}
            if delay is not None and delay.isSetMath():
                further["delay"] = self.formulas(delay.getMath(), _where(delay, "delay", name))
            if priority is not None and priority.isSetMath():
                further["priority"] = self.formulas(priority.getMath(), _where(priority, "priority", name))
            b.when(
                name, self.formulas(trigger.getMath(), _where(trigger, "trigger", name), is_truth=True),
                persistent=bool(trigger.getPersistent()), initially=bool(trigger.getInitialValue()),
                values_then=bool(event.getUseValuesFromTriggerTime()), **further,
            )  # fmt: skip

    def _as_state(self, name: str, value: Any, changes: dict[str, Any]) -> Any:
        one = self.species.get(name)
        if one is None or not one.amount_state:
            return value
        return value * changes.get(one.compartment, symbol(self.names[one.compartment]))


def _resolved(given: dict[Any, Any]) -> dict[Any, Any]:
    """Values at time zero in terms of constants, each put into those that use it."""
    done: dict[Any, Any] = {}
    at_start = {TIME: sp.Integer(0)}

    def value(here: Any, above: tuple[Any, ...]) -> Any:
        if here in done:
            return done[here]
        if here in above:
            raise InputError(
                doing="computing initial values", found=f"{here} that depends on itself",
                expected="values that can be computed one after another", try_="correcting the initial assignments",
            )  # fmt: skip
        formula = given[here]
        if formula == here:
            done[here] = here
            return here
        inner = {used: value(used, (*above, here)) for used in symbols_of(formula) if used in given}
        try:
            done[here] = substitute(substitute(formula, at_start), inner)
        except TypeError as exc:
            raise InputError(
                doing=f"computing the initial value of {here}", found="a comparison with an undefined number",
                expected="numbers that can be compared", try_="correcting the initial assignments",
            ) from exc  # fmt: skip
        return done[here]

    return {here: value(here, ()) for here in given}


def _each(listed: Any) -> list[Any]:
    return [listed.get(k) for k in range(listed.size())]


def _where(element: Any, kind: str, name: str) -> str:
    return f"the {kind} {name!r} on line {element.getLine()}"


def _valueless(element: Any, kind: str, name: str) -> InputError:
    return InputError(
        doing=f"reading {_where(element, kind, name)}",
        found="no value",
        expected="an initial value, an initial assignment or a rule",
        try_="completing the file",
    )
