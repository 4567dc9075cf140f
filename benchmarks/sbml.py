"""A minimal SBML export, enough to run a model with one regimen in libRoadRunner."""

from xml.sax.saxutils import quoteattr

import sympy as sp

from abscopal.equations.algebra import algebra
from abscopal.equations.model import Model
from abscopal.simulation.events import Event, argument_vector

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">'
_MATH = '<math xmlns="http://www.w3.org/1998/Math/MathML">{}</math>'
_TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">time</csymbol>'


def sbml(model: Model, events: tuple[Event, ...]) -> str:
    """The model as rate rules, assignment rules and events at fixed times."""
    made = algebra(model)
    values = dict(zip(made.parameters, model.parameter_vector(), strict=True))
    lines = [_HEAD, '<model id="model"><listOfParameters>']
    lines += [f'<parameter id={quoteattr("p_" + str(p))} value="{v!r}" constant="false"/>' for p, v in values.items()]
    lines += [
        f'<parameter id={quoteattr("p_" + str(s))} value="{float(e.xreplace(values))!r}" constant="false"/>'
        for s, e in zip(made.states, made.initial, strict=True)
    ]
    lines += [f'<parameter id={quoteattr("p_" + str(q))} constant="false"/>' for q, _ in made.assignments]
    lines.append("</listOfParameters><listOfRules>")
    for kind, pairs in (("assignmentRule", made.assignments), ("rateRule", zip(made.states, made.rates, strict=True))):
        lines += [f'<{kind} variable="p_{name}">{_MATH.format(mathml(e))}</{kind}>' for name, e in pairs]
    lines.append("</listOfRules><listOfEvents>")
    lines += [_event(model, event, k) for k, event in enumerate(events)]
    return "\n".join([*lines, "</listOfEvents></model></sbml>"])


def _event(model: Model, event: Event, number: int) -> str:
    arguments = dict(
        zip([a.name for a in model.impulse(event.impulse).arguments], argument_vector(model, event), strict=True)
    )
    given = {sp.Symbol(name, real=True): sp.Float(value) for name, value in arguments.items()}
    updates = [u for u in model.updates if u.impulse == event.impulse]
    changes = "".join(
        f'<eventAssignment variable="p_{u.state}">{_MATH.format(mathml(u.expression.xreplace(given)))}</eventAssignment>'
        for u in updates
    )
    trigger = _MATH.format(f"<apply><geq/>{_TIME}<cn>{event.day!r}</cn></apply>")
    return (
        f'<event id="e{number}" useValuesFromTriggerTime="true"><trigger initialValue="false" persistent="true">{trigger}'
        f"</trigger><listOfEventAssignments>{changes}</listOfEventAssignments></event>"
    )


def mathml(e: sp.Basic) -> str:
    """Content MathML of an expression of the model language."""
    if isinstance(e, sp.Symbol):
        return _TIME if e.name == "t" else f"<ci>p_{e.name}</ci>"
    if e.is_number:
        return f"<cn>{float(e)!r}</cn>"
    inner = [mathml(a) for a in e.args] if not isinstance(e, sp.Piecewise) else []
    tags = {"Add": "plus", "Mul": "times", "exp": "exp", "log": "ln", "tanh": "tanh", "Abs": "abs", "Pow": "power"}
    tags |= {"StrictLessThan": "lt", "LessThan": "leq", "StrictGreaterThan": "gt", "GreaterThan": "geq"}
    name = type(e).__name__
    if name in tags:
        return f"<apply><{tags[name]}/>{''.join(inner)}</apply>"
    if name in {"Max", "Min"}:
        first, second = inner if len(inner) == 2 else (inner[0], mathml(e.func(*e.args[1:])))
        sign = "geq" if name == "Max" else "leq"
        return f"<piecewise><piece>{first}<apply><{sign}/>{first}{second}</apply></piece><otherwise>{second}</otherwise></piecewise>"
    if isinstance(e, sp.Piecewise):
        pieces = "".join(f"<piece>{mathml(v)}{mathml(c)}</piece>" for v, c in e.args if c != True)  # noqa: E712
        rest = "".join(f"<otherwise>{mathml(v)}</otherwise>" for v, c in e.args if c == True)  # noqa: E712
        return f"<piecewise>{pieces}{rest}</piecewise>"
    raise NotImplementedError(name)
