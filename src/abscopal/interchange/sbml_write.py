"""A model with one course as SBML Level 3 Version 2: rate rules, assignment rules, and an event per impulse.

States are parameters with rate rules, since a model mixes volumes, amounts and concentrations; each has its unit, and
every number in a formula too, so that libSBML can check the units of the whole.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sympy as sp

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.regimen import Regimen
from abscopal.domain.version import __version__
from abscopal.equations.algebra import algebra
from abscopal.equations.checks import known_units, ordered_quantities
from abscopal.equations.dimensions import PURE, Dimension, dimension_of_unit
from abscopal.equations.model import Model
from abscopal.equations.pieces import TIME, Parameter
from abscopal.equations.symbolic import expression, substitute, symbol
from abscopal.interchange.extra import libsbml
from abscopal.interchange.mathml import MathWriter
from abscopal.knowledge.load import record
from abscopal.simulation.events import Event, argument_vector, checked_events, regimen_events
from abscopal.simulation.reference import initial_states

_KINDS = {
    "[length]": "UNIT_KIND_METRE", "[mass]": "UNIT_KIND_KILOGRAM", "[time]": "UNIT_KIND_SECOND",
    "[current]": "UNIT_KIND_AMPERE", "[temperature]": "UNIT_KIND_KELVIN", "[substance]": "UNIT_KIND_MOLE",
    "[luminosity]": "UNIT_KIND_CANDELA", "[cell]": "UNIT_KIND_ITEM",
}  # fmt: skip
_at_or_after: Any = sp.Ge
_FRAMEWORK, _RATE_CONSTANT, _QUANTITY = 293, 2, 2
"""SBO terms: non-spatial continuous framework; quantitative systems description parameter."""


def write_sbml(
    model: Model,
    course: Regimen | Sequence[Event] = (),
    *,
    parameters: Mapping[str, float] | None = None,
    initial: Mapping[str, float] | None = None,
    fraction_arguments: Mapping[str, float] | None = None,
    start: float = 0.0,
    horizon: float = 365.0,
) -> str:
    """SBML of a model and a course of fractions and doses.

    Parameters
    ----------
    model : Model
        Without delays: SBML leaves open what the past before the start is.
    course : Regimen or sequence of Event
        Written as events at fixed times, in the order in which they act.
    parameters, initial : mapping, optional
        Values that replace the model's.
    fraction_arguments : mapping, optional
        Further arguments of each fraction of a `Regimen`.
    start, horizon : float
        Time that an event must lie in; steps of a clock are written up to the horizon. [day]

    Returns
    -------
    str
        An SBML L3V2 document that libSBML finds consistent, units included.

    Raises
    ------
    UnsupportedError
        Delays; a function SBML does not have; without the extra `interchange`.
    InputError
        An event outside the time, or what libSBML finds inconsistent.
    """
    if model.delays:
        raise UnsupportedError(
            doing=f"writing the model {model.name!r} as SBML",
            found=f"the delay {model.delays[0].name}",
            expected="a model without values of the past",
            try_="a transit chain",
        )
    if isinstance(course, Regimen):
        course = regimen_events(model, course, fraction_arguments=fraction_arguments)
    writer = _Writer(model, model.parameter_vector(parameters), dict(initial or {}))
    writer.write(checked_events(model, course, start, horizon))
    return writer.text()


class _Writer:
    def __init__(self, model: Model, values: list[float], initial: dict[str, float]) -> None:
        self.sbml = libsbml()
        self.model, self.values = model, values
        self.initial = initial_states(model, values, initial)
        self.document: Any = self.sbml.SBMLDocument(3, 2)
        self.out: Any = self.document.createModel()
        self.units: dict[tuple[Any, ...], str] = {}
        self.math = MathWriter(known_units(model), self.unit)

    def unit(self, dimension: Dimension) -> str:
        """The identifier of a unit, defined when it is first used."""
        if dimension.is_pure:
            return "dimensionless"
        kinds = [(_KINDS.get(name, "UNIT_KIND_DIMENSIONLESS"), power) for name, power in dimension.exponents]
        key = (tuple(kinds), f"{dimension.factor:.12g}")
        if key not in self.units:
            made = self.out.createUnitDefinition()
            self.units[key] = f"unit_{len(self.units) + 1}"
            _ok(made.setId(self.units[key]))
            scale = dimension.factor ** (1 / kinds[0][1]) if kinds else dimension.factor
            for kind, power in kinds or [("UNIT_KIND_DIMENSIONLESS", 1.0)]:
                part = made.createUnit()
                _ok(part.setKind(getattr(self.sbml, kind)))
                _ok(part.setExponent(float(power)))
                _ok(part.setScale(0))
                _ok(part.setMultiplier(scale))
                scale = 1.0
        return self.units[key]

    def write(self, events: Sequence[Event]) -> None:
        """Fill the document."""
        made = algebra(self.model)
        day = self.unit(dimension_of_unit("day"))
        _ok(self.out.setId("model"))
        _ok(self.out.setName(self.model.name))
        _ok(self.out.setTimeUnits(day))
        _ok(self.out.setSBOTerm(_FRAMEWORK))
        self._note(f"Written by abscopal {__version__}. Time zero is the first day of the course.")
        for parameter, value in zip(self.model.parameters, self.values, strict=True):
            self._parameter(parameter.name, parameter.unit, parameter.meaning, value, constant=True)
            self._source(parameter)
        for state, value in zip(self.model.states, self.initial.tolist(), strict=True):
            self._parameter(state.name, state.unit, state.meaning, value)
        quantities = {quantity.name: quantity for quantity in ordered_quantities(self.model)}
        for name, formula in made.assignments:
            quantity = quantities[name.name]
            self._parameter(quantity.name, quantity.unit, quantity.meaning, None)
            rule = self.out.createAssignmentRule()
            _ok(rule.setVariable(quantity.name))
            self._set(rule, formula, dimension_of_unit(quantity.unit))
        for state, rate in zip(self.model.states, made.rates, strict=True):
            rule = self.out.createRateRule()
            _ok(rule.setVariable(state.name))
            self._set(rule, rate, dimension_of_unit(f"({state.unit})/day"))
        for place, event in enumerate(events):
            self._timed(event, place, len(events))
        for place, condition in enumerate(self.model.conditions):
            made_event = self._event(f"condition_{place + 1}", condition.impulse, {}, then=condition.values_then)
            self._trigger(made_event, condition.when, initially=condition.initially, persistent=condition.persistent)
            if condition.delay != 0:
                self._set(made_event.createDelay(), condition.delay, dimension_of_unit("day"))
            if condition.priority is not None:
                self._set(made_event.createPriority(), condition.priority, PURE)

    def _parameter(self, name: str, unit: str, meaning: str, value: float | None, *, constant: bool = False) -> None:
        made = self.out.createParameter()
        _ok(made.setId(name))
        _ok(made.setName(meaning))
        _ok(made.setUnits(self.unit(dimension_of_unit(unit))))
        _ok(made.setConstant(constant))
        _ok(made.setSBOTerm(_RATE_CONSTANT if constant else _QUANTITY))
        if value is not None:
            _ok(made.setValue(value))

    def _source(self, parameter: Parameter) -> None:
        """Where a number was read, as a MIRIAM annotation."""
        doi = record(parameter.key).source.doi if parameter.key else ""
        if not doi:
            return
        made = self.out.getParameter(parameter.name)
        _ok(made.setMetaId(f"meta_{parameter.name}"))
        term = self.sbml.CVTerm(self.sbml.BIOLOGICAL_QUALIFIER)
        term.setBiologicalQualifierType(self.sbml.BQB_IS_DESCRIBED_BY)
        term.addResource(f"https://identifiers.org/doi:{doi}")
        _ok(made.addCVTerm(term))

    def _note(self, text: str) -> None:
        _ok(self.out.setNotes(f'<p xmlns="http://www.w3.org/1999/xhtml">{text}</p>'))

    def _set(self, target: Any, formula: sp.Basic, unit: Dimension, known: Mapping[str, str] | None = None) -> None:
        text = self.math.math(formula, unit, known)
        tree = self.sbml.readMathMLFromString(text)
        if tree is None:
            raise InputError(
                doing="writing a formula as SBML", found=str(formula)[:120], expected="a formula that MathML can hold",
                try_="another form of the term",
            )  # fmt: skip
        _ok(target.setMath(tree))

    def _timed(self, event: Event, place: int, count: int) -> None:
        impulse = self.model.impulse(event.impulse)
        given = dict(zip([a.name for a in impulse.arguments], argument_vector(self.model, event), strict=True))
        made = self._event(f"event_{place + 1}", event.impulse, given, then=False)
        day = symbol(self._argument(f"{made.getId()}_day", "day", f"when {impulse.name} comes", event.day))
        self._trigger(made, _at_or_after(TIME, day), initially=False, persistent=True, known={day.name: "day"})
        self._set(made.createPriority(), expression(count - place), PURE)

    def _event(self, name: str, impulse: str, arguments: Mapping[str, float], *, then: bool) -> Any:
        made = self.out.createEvent()
        _ok(made.setId(name))
        _ok(made.setName(impulse))
        _ok(made.setUseValuesFromTriggerTime(then))
        units = {state.name: state.unit for state in self.model.states}
        own = {a.name: a for a in self.model.impulse(impulse).arguments}
        written = {
            symbol(n): symbol(self._argument(f"{name}_{n}", own[n].unit, own[n].meaning, v))
            for n, v in arguments.items()
        }
        known = {f"{name}_{n}": own[n].unit for n in arguments}
        for update in self.model.updates:
            if update.impulse == impulse:
                change = made.createEventAssignment()
                _ok(change.setVariable(update.state))
                unit = dimension_of_unit(units[update.state])
                self._set(change, substitute(update.expression, written), unit, known)
        return made

    def _argument(self, name: str, unit: str, meaning: str, value: float) -> str:
        self._parameter(name, unit, meaning, value, constant=True)
        return name

    def _trigger(
        self,
        event: Any,
        when: sp.Basic,
        *,
        initially: bool,
        persistent: bool,
        known: Mapping[str, str] | None = None,
    ) -> None:
        trigger = event.createTrigger()
        _ok(trigger.setInitialValue(initially))
        _ok(trigger.setPersistent(persistent))
        self._set(trigger, when, PURE, known)

    def text(self) -> str:
        """The document, once libSBML finds nothing wrong with it."""
        self.document.checkConsistency()
        wrong = [self.document.getError(k) for k in range(self.document.getNumErrors())]
        if wrong:
            first = wrong[0]
            said = " ".join(first.getMessage().split())[:300]
            raise InputError(
                doing=f"writing the model {self.model.name!r} as SBML",
                found=f"{len(wrong)} complaints of libSBML, the first {first.getErrorId()}: {said}",
                expected="a document that is consistent, units included",
                try_="reporting it with the model",
            )
        written: str = self.sbml.writeSBMLToString(self.document)
        return written


def _ok(code: int) -> None:
    """Stop where libSBML does not take a value."""
    if code:
        raise InputError(
            doing="writing SBML",
            found=f"a value that libSBML refuses (code {code})",
            expected="identifiers of letters, digits and underscores, and numbers that are finite",
            try_="other names in the model",
        )
