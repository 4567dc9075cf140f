# ruff: noqa: E501 - the cases are written as data
"""Own cases in the layout of the SBML Test Suite, with closed forms as the expected results."""

import numpy as np

L3 = (
    '<sbml xmlns="http://www.sbml.org/sbml/level3/version2/core" level="3" version="2">'
    '<model id="m" timeUnits="second" extentUnits="mole" substanceUnits="mole">'
)
L2 = '<sbml xmlns="http://www.sbml.org/sbml/level2/version4" level="2" version="4"><model id="m">'
TIME = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/time">t</csymbol>'
DELAY = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/delay">d</csymbol>'
AVOGADRO = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/avogadro">a</csymbol>'
RATE_OF = '<csymbol encoding="text" definitionURL="http://www.sbml.org/sbml/symbols/rateOf">r</csymbol>'


def math(inner):
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML">{inner}</math>'


def ap(op, *args):
    """An application; words are identifiers, numbers are numbers."""
    return f"<apply>{op if op.startswith('<') else f'<{op}/>'}{''.join(leaf(a) for a in args)}</apply>"


def leaf(a):
    if isinstance(a, str) and not a.startswith("<"):
        return f"<ci>{a}</ci>"
    return a if isinstance(a, str) else f"<cn>{a!r}</cn>"


def document(*lists, head=L3, before=""):
    order = ("FunctionDefinitions", "Compartments", "Species", "Parameters", "InitialAssignments", "Rules",
             "Reactions", "Events")  # fmt: skip
    given = dict(lists)
    body = "".join(f"<listOf{name}>{given[name]}</listOf{name}>" for name in order if name in given)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{before}{head}\n{body}\n</model></sbml>'


def compartment(size=1.0, constant="true"):
    return f'<compartment id="C" size="{size}" constant="{constant}" spatialDimensions="3"/>'


def species(name, amount, *, only="false", boundary="false", constant="false", more=""):
    return (
        f'<species id="{name}" compartment="C" initialAmount="{amount}" hasOnlySubstanceUnits="{only}" '
        f'boundaryCondition="{boundary}" constant="{constant}" substanceUnits="mole" {more}/>'
    )


def parameter(name, value=None, constant="true"):
    own = "" if value is None else f' value="{value}"'
    return f'<parameter id="{name}"{own} constant="{constant}"/>'


def rule(kind, variable, formula):
    return f'<{kind}Rule variable="{variable}">{math(formula)}</{kind}Rule>'


def reaction(name, left, right, law, local=""):
    def side(kind, parts):
        refs = "".join(
            p if p.startswith("<") else f'<speciesReference species="{p}" stoichiometry="1" constant="true"/>'
            for p in parts
        )
        return f"<{kind}>{refs}</{kind}>" if parts else ""

    return (
        f'<reaction id="{name}" reversible="false">{side("listOfReactants", left)}{side("listOfProducts", right)}'
        f"<kineticLaw>{math(law)}{local}</kineticLaw></reaction>"
    )


def event(trigger, changes, *, delay="", priority="", then="true", persistent="true", initial="true"):
    made = "".join(f'<eventAssignment variable="{v}">{math(leaf(f))}</eventAssignment>' for v, f in changes.items())
    more = f"<delay>{math(leaf(delay))}</delay>" if delay != "" else ""
    first = f"<priority>{math(leaf(priority))}</priority>" if priority != "" else ""
    return (
        f'<event useValuesFromTriggerTime="{then}"><trigger initialValue="{initial}" persistent="{persistent}">{math(trigger)}'
        f"</trigger>{first}{more}<listOfEventAssignments>{made}</listOfEventAssignments></event>"
    )


K = parameter("k", 0.5)
DECAY = reaction("J", ["A"], ["B"], ap("times", "C", "k", "A"))
AB = species("A", 3.0) + species("B", 0.0)
T = np.linspace(0, 4, 9)
E = np.exp(-0.5 * T)
CLOCK = ("Parameters", parameter("x", 0.0, "false") + K)
RISE = rule("rate", "x", leaf(1.0))
STEP = T >= 2

CASES = {
    # name: (tags, document, {column: values}, amounts, concentrations)
    "00001": (
        "Compartment, Species, Reaction, Parameter",
        document(("Compartments", compartment(2.0)), ("Species", AB), ("Parameters", K), ("Reactions", DECAY)),
        {"A": 3 * E, "B": 3 - 3 * E},
        "A, B",
        "",
    ),
    "00002": (
        "Compartment, Species, Reaction, Parameter",
        document(("Compartments", compartment(2.0)), ("Species", AB), ("Parameters", K), ("Reactions", DECAY)),
        {"A": 1.5 * E, "J": 1.5 * E},
        "",
        "A",
    ),
    "00003": (
        "FunctionDefinition, Species, Reaction",
        document(
            (
                "FunctionDefinitions",
                f'<functionDefinition id="f">{math("<lambda><bvar><ci>u</ci></bvar><bvar><ci>v</ci></bvar>" + ap("times", "u", "v") + "</lambda>")}</functionDefinition>',
            ),
            ("Compartments", compartment()),
            ("Species", AB),
            ("Parameters", parameter("k", 99.0)),
            (
                "Reactions",
                reaction(
                    "J",
                    ["A"],
                    ["B"],
                    ap("<ci>f</ci>", "k", "A"),
                    '<listOfLocalParameters><localParameter id="k" value="0.5"/></listOfLocalParameters>',
                ),
            ),
        ),
        {"A": 3 * E, "B": 3 - 3 * E},
        "A, B",
        "",
    ),
    "00004": (
        "RateRule, AssignmentRule, Parameter",
        document(
            ("Parameters", parameter("y", 2.0, "false") + parameter("z", None, "false") + K),
            (
                "Rules",
                rule("rate", "y", ap("minus", ap("times", "k", "y"))) + rule("assignment", "z", ap("plus", "y", 1.0)),
            ),
        ),
        {"y": 2 * E, "z": 2 * E + 1},
        "",
        "",
    ),
    "00005": (
        "RateRule, EventNoDelay",
        document(
            ("Parameters", parameter("x", 0.0, "false")),
            ("Rules", RISE),
            ("Events", event(ap("geq", "x", 1.7), {"x": 0.0})),
        ),
        {"x": np.mod(T, 1.7)},
        "",
        "",
    ),
    "00006": (
        "RateRule, EventWithDelay",
        document(
            ("Parameters", parameter("x", 0.0, "false") + parameter("seen", 0.0, "false")),
            ("Rules", RISE),
            ("Events", event(ap("geq", "x", 1.2), {"seen": "x"}, delay=0.5)),
        ),
        {"seen": np.where(T >= 1.7, 1.2, 0.0)},
        "",
        "",
    ),
    "00007": (
        "RateRule, EventWithDelay",
        document(
            ("Parameters", parameter("x", 0.0, "false") + parameter("seen", 0.0, "false")),
            ("Rules", RISE),
            ("Events", event(ap("geq", "x", 1.2), {"seen": "x"}, delay=0.5, then="false")),
        ),
        {"seen": np.where(T >= 1.7, 1.7, 0.0)},
        "",
        "",
    ),
    "00008": (
        "EventPriority",
        document(
            ("Parameters", parameter("x", 1.0, "false")),
            (
                "Events",
                event(ap("geq", TIME, 2.0), {"x": ap("times", 2.0, "x")}, priority=1.0, then="false")
                + event(ap("geq", TIME, 2.0), {"x": ap("plus", "x", 10.0)}, priority=2.0, then="false"),
            ),
        ),
        {"x": np.where(STEP, 22.0, 1.0)},
        "",
        "",
    ),
    "00009": (
        "EventIsNotPersistent",
        document(
            ("Parameters", parameter("x", 1.0, "false")),
            (
                "Events",
                event(ap("and", ap("gt", TIME, 1.0), ap("lt", TIME, 2.0)), {"x": 5.0}, delay=1.5, persistent="false"),
            ),
        ),
        {"x": np.ones(9)},
        "",
        "",
    ),
    "00010": (
        "EventIsPersistent",
        document(
            ("Parameters", parameter("x", 1.0, "false")),
            ("Events", event(ap("and", ap("gt", TIME, 1.0), ap("lt", TIME, 2.0)), {"x": 5.0}, delay=1.25)),
        ),
        {"x": np.where(T > 2.25, 5.0, 1.0)},
        "",
        "",
    ),
    "00011": (
        "InitialValueReassigned",
        document(
            ("Parameters", parameter("a", 2.0) + parameter("b", None) + parameter("y", None, "false")),
            (
                "InitialAssignments",
                f'<initialAssignment symbol="b">{math(ap("times", "a", 3.0))}</initialAssignment><initialAssignment symbol="y">{math(ap("plus", "b", 1.0))}</initialAssignment>',
            ),
            ("Rules", rule("rate", "y", ap("divide", "b", 2.0))),
        ),
        {"b": np.full(9, 6.0), "y": 7 + 3 * T},
        "",
        "",
    ),
    "00012": (
        "NonConstantCompartment, RateRule",
        document(
            ("Compartments", compartment(1.0, "false")),
            ("Species", species("A", 6.0)),
            ("Rules", rule("rate", "C", leaf(0.5))),
        ),
        {"A": 6 / (1 + 0.5 * T), "C": 1 + 0.5 * T},
        "",
        "A",
    ),
    "00013": (
        "VariableStoichiometry, AssignmentRule",
        document(
            ("Compartments", compartment()),
            ("Species", species("A", 3.0) + species("B", 0.0)),
            ("Parameters", K),
            ("Rules", rule("assignment", "n", ap("times", 2.0, 1.5))),
            (
                "Reactions",
                reaction(
                    "J", ["A"], ['<speciesReference id="n" species="B" constant="false"/>'], ap("times", "k", "A")
                ),
            ),
        ),
        {"A": 3 * E, "B": 9 - 9 * E, "n": np.full(9, 3.0)},
        "A, B",
        "",
    ),
    "00014": (
        "BoundaryCondition, ConversionFactors",
        document(
            ("Compartments", compartment()),
            ("Species", species("A", 3.0, boundary="true") + species("B", 0.0, more='conversionFactor="f"')),
            ("Parameters", K + parameter("f", 4.0)),
            ("Reactions", reaction("J", ["A"], ["B"], ap("times", "k", "A"))),
        ),
        {"A": np.full(9, 3.0), "B": 6 * T},
        "A, B",
        "",
    ),
    "00015": (
        "HasOnlySubstanceUnits",
        document(
            ("Compartments", compartment(2.0)),
            ("Species", species("A", 3.0, only="true")),
            ("Parameters", K),
            ("Reactions", reaction("J", ["A"], [], ap("times", "k", "A"))),
        ),
        {"A": 1.5 * E},
        "",
        "A",
    ),
    "00016": (
        "CSymbolTime, AssignmentRule",
        document(
            ("Parameters", parameter("y", None, "false")),
            (
                "Rules",
                rule(
                    "assignment",
                    "y",
                    f"<piecewise><piece>{ap('sin', TIME)}{ap('lt', TIME, 2.0)}</piece><otherwise>{ap('power', TIME, 2.0)}</otherwise></piecewise>",
                ),
            ),
        ),
        {"y": np.where(T < 2, np.sin(T), T**2)},
        "",
        "",
    ),
    "00017": (
        "CSymbolDelay",
        document(
            ("Parameters", parameter("x", 1.0, "false") + parameter("y", None, "false")),
            ("Rules", rule("rate", "x", leaf(1.0)) + rule("assignment", "y", ap(DELAY, "x", 1.0))),
        ),
        {"y": 1 + np.maximum(T - 1, 0)},
        "",
        "",
    ),
    "00018": (
        "EventNoDelay, InitialValueFalse",
        document(
            ("Parameters", parameter("x", 1.0, "false")),
            ("Events", event(ap("geq", TIME, 0.0), {"x": 4.0}, initial="false")),
        ),
        {"x": np.full(9, 4.0)},
        "",
        "",
    ),
    "00019": (
        "EventNoDelay, NonConstantCompartment",
        document(
            ("Compartments", compartment(1.0, "false")),
            ("Species", species("A", 6.0)),
            ("Events", event(ap("geq", TIME, 2.0), {"C": 3.0})),
        ),
        {"A": np.where(STEP, 2.0, 6.0)},
        "",
        "A",
    ),
    "00020": (
        "EventNoDelay, NonConstantCompartment",
        document(
            ("Compartments", compartment(1.0, "false")),
            ("Species", species("A", 6.0)),
            ("Events", event(ap("geq", TIME, 2.0), {"C": 3.0, "A": 5.0})),
        ),
        {"A": np.where(STEP, 15.0, 6.0)},
        "A",
        "",
    ),
    "00021": (
        "L3v2MathML",
        document(
            ("Parameters", "".join(parameter(n, None, "false") for n in "abcd")),
            (
                "Rules",
                rule("assignment", "a", ap("max", TIME, 1.0, 2.0))
                + rule("assignment", "b", ap("rem", ap("minus", 7.0), 3.0))
                + rule("assignment", "c", ap("quotient", 7.0, 3.0))
                + rule(
                    "assignment",
                    "d",
                    f"<piecewise><piece><cn>1</cn>{ap('implies', ap('gt', TIME, 1.0), ap('gt', TIME, 3.0))}</piece><otherwise><cn>0</cn></otherwise></piecewise>",
                ),
            ),
        ),
        {
            "a": np.maximum(T, 2),
            "b": np.full(9, -1.0),
            "c": np.full(9, 2.0),
            "d": np.where((T > 1) & (T <= 3), 0.0, 1.0),
        },
        "",
        "",
    ),
    "00022": (
        "StoichiometryMath, Level2",
        document(
            ("Compartments", '<compartment id="C" size="1"/>'),
            (
                "Species",
                '<species id="A" compartment="C" initialAmount="3"/><species id="B" compartment="C" initialAmount="0"/>',
            ),
            ("Parameters", '<parameter id="k" value="0.5"/>'),
            (
                "Reactions",
                f'<reaction id="J" reversible="false"><listOfReactants><speciesReference species="A"/></listOfReactants><listOfProducts><speciesReference species="B"><stoichiometryMath>{math(ap("plus", "k", 1.5))}</stoichiometryMath></speciesReference></listOfProducts><kineticLaw>{math(ap("times", "k", "A"))}</kineticLaw></reaction>',
            ),
            (
                "Events",
                f'<event><trigger>{math(ap("gt", TIME, 1.75))}</trigger><listOfEventAssignments><eventAssignment variable="A">{math(leaf(0.0))}</eventAssignment></listOfEventAssignments></event>',
            ),
            head=L2,
        ),
        {"A": np.where(T > 1.75, 0.0, 3 * E), "B": 6 * (1 - np.exp(-0.5 * np.minimum(T, 1.75)))},
        "A, B",
        "",
    ),
    "00023": (
        "Species named t",
        document(("Parameters", parameter("t", 1.0, "false")), ("Rules", rule("rate", "t", ap("times", 2.0, TIME)))),
        {"t": 1 + T**2},
        "",
        "",
    ),
    "00024": (
        "Root, log, factorial",
        document(
            ("Parameters", parameter("a", None, "false") + parameter("b", None, "false")),
            (
                "Rules",
                rule(
                    "assignment",
                    "a",
                    ap(
                        "plus",
                        "<apply><root/><degree><cn>3</cn></degree><cn>27</cn></apply>",
                        "<apply><log/><logbase><cn>2</cn></logbase><cn>8</cn></apply>",
                    ),
                )
                + rule("assignment", "b", ap("factorial", 4.0)),
            ),
        ),
        {"a": np.full(9, 6.0), "b": np.full(9, 24.0)},
        "",
        "",
    ),
    "00025": (
        "EventPriority, EventIsPersistent, EventIsNotPersistent, EventUsesAssignmentTimeValues",
        document(
            ("Parameters", "".join(parameter(n, 0.0, "false") for n in ("on", "x", "y", "z"))),
            (
                "Events",
                "".join(
                    event(ap("geq", TIME, 1.75), {"on": value}, priority=priority)
                    for value, priority in ((1.0, 9.0), (0.0, 8.0), (1.0, 7.0), (0.0, 6.0), (1.0, 5.0))
                )
                + event(ap("gt", "on", 0.5), {"x": ap("plus", "x", 1.0)}, priority=1.0, then="false")
                + event(ap("gt", "on", 0.5), {"y": ap("plus", "y", 1.0)}, priority=1.0)
                + event(
                    ap("gt", "on", 0.5), {"z": ap("plus", "z", 1.0)}, priority=1.0, then="false", persistent="false"
                ),
            ),
        ),
        {"x": np.where(STEP, 3.0, 0.0), "y": np.where(STEP, 1.0, 0.0), "z": np.where(STEP, 1.0, 0.0)},
        "",
        "",
    ),
    "00026": (
        "EventPriority computed anew after each event",
        document(
            ("Parameters", parameter("a", 0.0, "false") + parameter("b", 1.0, "false")),
            (
                "Events",
                event(ap("geq", TIME, 1.75), {"a": 1.0, "b": 0.0}, priority=10.0)
                + event(ap("geq", TIME, 1.75), {"a": 2.0, "b": 1.0}, priority=ap("times", "b", 2.0))
                + event(ap("geq", TIME, 1.75), {"a": 3.0, "b": 2.0}, priority=ap("times", "a", 2.0)),
            ),
        ),
        {"a": np.where(STEP, 2.0, 0.0), "b": np.ones(9)},
        "",
        "",
    ),
    "00027": (
        "CSymbolRateOf, Reaction, Species",
        document(
            ("Compartments", compartment(2.0)),
            ("Species", AB),
            ("Parameters", K + parameter("z", None, "false") + parameter("w", 7.0)),
            ("Rules", rule("assignment", "z", ap("plus", ap(RATE_OF, "A"), ap(RATE_OF, "w")))),
            ("Reactions", DECAY),
        ),
        {"A": 1.5 * E, "z": -0.75 * E},
        "",
        "A",
    ),
    "00028": (
        "CSymbolRateOf, NonConstantCompartment, VolumeConcentrationRates",
        document(
            ("Compartments", compartment(1.0, "false")),
            ("Species", species("A", 3.0)),
            ("Parameters", K + parameter("z", None, "false")),
            ("Rules", rule("rate", "C", leaf(1.0)) + rule("assignment", "z", ap(RATE_OF, "A"))),
            ("Reactions", reaction("J", ["A"], [], ap("times", "C", "k", "A"))),
        ),
        {"A": 3 * E / (1 + T), "z": -3 * E * (0.5 * (1 + T) + 1) / (1 + T) ** 2},
        "",
        "A",
    ),
    "00029": (
        "CSymbolRateOf, EventNoDelay, InitialAssignment",
        document(
            ("Parameters", parameter("y", 2.0, "false") + parameter("s", 0.0, "false") + parameter("i", None) + K),
            ("InitialAssignments", f'<initialAssignment symbol="i">{math(ap(RATE_OF, "y"))}</initialAssignment>'),
            ("Rules", rule("rate", "y", ap("minus", ap("times", "k", "y")))),
            ("Events", event(ap("geq", TIME, 1.75), {"s": ap(RATE_OF, "y")})),
        ),
        {"y": 2 * E, "s": np.where(STEP, -np.exp(-0.875), 0.0), "i": np.full(9, -1.0)},
        "",
        "",
    ),
    "00030": (
        "BoolNumericSwap, RateRule, EventNoDelay",
        document(
            ("Parameters", parameter("x", 0.0, "false") + parameter("y", 0.0, "false") + parameter("z", None, "false")),
            (
                "Rules",
                rule("rate", "x", "<true/>")
                + rule("assignment", "z", ap("plus", ap("gt", TIME, 1.75), ap("and", "x", 1.0), 1.0)),
            ),
            ("Events", event(ap("max", 0.0, ap("geq", TIME, 1.75)), {"y": ap("not", 0.0)})),
        ),
        {"x": T, "y": np.where(STEP, 1.0, 0.0), "z": 1 + (T > 1.75) + (T > 0)},
        "",
        "",
    ),
    "00031": (
        "NoMathML, RateRule, AssignmentRule, EventNoDelay, InitialAssignment",
        document(
            ("Parameters", "".join(parameter(name, 3.0, "false") for name in "abcd")),
            ("InitialAssignments", '<initialAssignment symbol="a"/>'),
            ("Rules", '<rateRule variable="a"/><assignmentRule variable="b"/><algebraicRule/>'),
            (
                "Events",
                '<event useValuesFromTriggerTime="true"><trigger initialValue="true" persistent="true"/>'
                '<listOfEventAssignments><eventAssignment variable="c">'
                + math(leaf(9.0))
                + "</eventAssignment></listOfEventAssignments></event>"
                + '<event useValuesFromTriggerTime="true"><trigger initialValue="true" persistent="true">'
                + math(ap("geq", TIME, 1.75))
                + "</trigger><priority/><delay/>"
                + '<listOfEventAssignments><eventAssignment variable="c"/><eventAssignment variable="d">'
                + math(leaf(5.0))
                + "</eventAssignment></listOfEventAssignments></event>",
            ),
        ),
        {"a": np.full(9, 3.0), "b": np.full(9, 3.0), "c": np.full(9, 3.0), "d": np.where(STEP, 5.0, 3.0)},
        "",
        "",
    ),
    "00032": (
        "CSymbolAvogadro, AssignmentRule",
        document(
            ("Parameters", parameter("y", None, "false")),
            ("Rules", rule("assignment", "y", ap("divide", AVOGADRO, 1e23))),
        ),
        {"y": np.full(9, 6.02214179)},
        "",
        "",
    ),
    "00033": (
        "ReversibleReaction, NonUnityStoichiometry",
        document(
            ("Compartments", compartment(1.0)),
            ("Species", AB),
            ("Parameters", K),
            (
                "Reactions",
                reaction(
                    "J",
                    ['<speciesReference species="A" stoichiometry="2" constant="true"/>'],
                    ["B"],
                    ap("times", "C", ap("minus", ap("times", 0.25, "A"), ap("times", "k", "B"))),
                ),
            ),
        ),
        {"A": 1.5 + 1.5 * np.exp(-T), "B": 0.75 - 0.75 * np.exp(-T)},
        "",
        "A, B",
    ),
    "00034": (
        "ConstantSpecies, MultiCompartment",
        document(
            ("Compartments", compartment(2.0) + '<compartment id="D" size="4" constant="true" spatialDimensions="2"/>'),
            (
                "Species",
                species("A", 3.0, boundary="true", constant="true")
                + species("B", 0.0).replace('compartment="C"', 'compartment="D"'),
            ),
            ("Parameters", K),
            ("Reactions", reaction("J", ["A"], ["B"], ap("times", "k", "A"))),
        ),
        {"A": np.full(9, 1.5), "B": 0.75 * T / 4},
        "",
        "A, B",
    ),
    "00035": (
        "EventT0Firing, EventUsesTriggerTimeValues, EventWithDelay",
        document(
            CLOCK,
            ("Rules", RISE),
            ("Events", event(ap("geq", TIME, 0.0), {"x": ap("plus", "x", 2.0)}, delay=1.75, initial="false")),
        ),
        {"x": np.where(STEP, T + 0.25, T)},
        "",
        "",
    ),
    "00036": (
        "SpeciesReferenceInMath, AssignedConstantStoichiometry, InitialAssignment",
        document(
            ("Compartments", compartment(1.0)),
            ("Species", AB),
            ("Parameters", K + parameter("y", None, "false")),
            (
                "InitialAssignments",
                f'<initialAssignment symbol="n">{math(ap("times", 2.0, "k", 3.0))}</initialAssignment>',
            ),
            ("Rules", rule("assignment", "y", ap("times", "n", 10.0))),
            (
                "Reactions",
                reaction(
                    "J", ["A"], ['<speciesReference id="n" species="B" constant="true"/>'], ap("times", "C", "k", "A")
                ),
            ),
        ),
        {"A": 3 * E, "B": 9 - 9 * E, "y": np.full(9, 30.0)},
        "A, B",
        "",
    ),
    "00037": (
        "FunctionDefinition, UncommonMathML",
        document(
            (
                "FunctionDefinitions",
                f'<functionDefinition id="g">{math("<lambda><bvar><ci>u</ci></bvar>" + ap("times", "u", "u") + "</lambda>")}</functionDefinition>'
                f'<functionDefinition id="f">{math("<lambda><bvar><ci>u</ci></bvar>" + ap("plus", ap("<ci>g</ci>", "u"), 1.0) + "</lambda>")}</functionDefinition>',
            ),
            (
                "Parameters",
                parameter("y", None, "false") + parameter("z", None, "false") + parameter("w", None, "false"),
            ),
            (
                "Rules",
                rule("assignment", "y", ap("<ci>f</ci>", TIME))
                + rule(
                    "assignment",
                    "z",
                    ap("plus", ap("sech", TIME), ap("arccsc", 2.0), ap("log", "<logbase><cn>2</cn></logbase>", 8.0)),
                )
                + rule("assignment", "w", ap("implies", ap("gt", TIME, 1.75), ap("lt", TIME, 3.75))),
            ),
        ),
        {"y": T**2 + 1, "z": 1 / np.cosh(T) + np.arcsin(0.5) + 3, "w": np.where((T > 1.75) & (T >= 3.75), 0.0, 1.0)},
        "",
        "",
    ),
    "00038": (
        "0D-Compartment, Amount",
        document(
            ("Compartments", '<compartment id="C" constant="true" spatialDimensions="0"/>'),
            ("Species", species("A", 3.0, only="true")),
            ("Parameters", K),
            ("Reactions", reaction("J", ["A"], [], ap("times", "k", "A"))),
        ),
        {"A": 3 * E},
        "A",
        "",
    ),
    "00039": (
        "CSymbolDelay, EventNoDelay, EventWithDelay",
        document(
            (
                "Parameters",
                "".join(parameter(n, v, "false") for n, v in (("x", 0.0), ("y", 0.0), ("w", 0.0)))
                + parameter("z", None, "false"),
            ),
            ("Rules", rule("rate", "x", leaf(1.0)) + rule("assignment", "z", ap(DELAY, "x", 1.0))),
            (
                "Events",
                event(ap("geq", ap(DELAY, "x", 1.0), 0.75), {"y": ap(DELAY, "x", 1.5)})
                + event(ap("geq", "z", 1.25), {"w": "z"}, delay=0.5, then="false"),
            ),
        ),
        {"y": np.where(STEP, 0.25, 0.0), "z": np.maximum(T - 1, 0), "w": np.where(T >= 2.75, 1.75, 0.0)},
        "",
        "",
    ),
    "00040": (
        "RandomEventExecution, EventPriority, EventIsNotPersistent",
        document(
            (
                "Parameters",
                parameter("s", None, "false")
                + "".join(parameter(n, 0.0, "false") for n in ("q", "r", "last", "biased")),
            ),
            ("Rules", rule("assignment", "s", ap("plus", "q", "r"))),
            (
                "Events",
                "".join(
                    event(
                        ap("geq", ap("minus", TIME, "last"), 0.0078125),
                        {"last": TIME, one: ap("plus", one, 1.0)},
                        priority=1.0,
                        persistent="false",
                    )
                    for one in ("q", "r")
                )
                + event(ap("geq", ap("abs", ap("minus", "q", "r")), 90.0), {"biased": 1.0}),
            ),
        ),
        {"s": 128 * T, "biased": np.zeros(9)},
        "",
        "",
    ),
    "00041": (
        "InitialAssignment, Parameter, infinite numbers",
        document(
            ("Parameters", parameter("p", "INF") + parameter("n") + parameter("u") + parameter("y", None, "false")),
            (
                "InitialAssignments",
                f'<initialAssignment symbol="n">{math(ap("minus", "<infinity/>"))}</initialAssignment>'
                f'<initialAssignment symbol="u">{math("<notanumber/>")}</initialAssignment>',
            ),
            ("Rules", rule("assignment", "y", ap("min", ap("times", "<pi/>", "<exponentiale/>"), "p"))),
        ),
        {"p": np.full(9, np.inf), "n": np.full(9, -np.inf), "u": np.full(9, np.nan), "y": np.full(9, np.pi * np.e)},
        "",
        "",
    ),
    "00042": (
        "CSymbolDelay, AssignmentRule",
        document(
            (
                "Parameters",
                parameter("x", 1.0, "false")
                + parameter("y", None, "false")
                + parameter("z", None, "false")
                + parameter("w", None, "false"),
            ),
            (
                "Rules",
                rule("rate", "x", leaf(2.0))
                + rule("assignment", "y", ap(DELAY, "x", 1.0))
                + rule("assignment", "z", ap(DELAY, ap(DELAY, "x", 0.5), 1.25))
                + rule("assignment", "w", ap(DELAY, ap("plus", "x", "y"), 0.75)),
            ),
        ),
        {
            "y": 1 + 2 * np.maximum(T - 1, 0),
            "z": 1 + 2 * np.maximum(T - 1.75, 0),
            "w": 2 + 2 * np.maximum(T - 0.75, 0) + 2 * np.maximum(T - 1.75, 0),
        },
        "",
        "",
    ),
}

UNSUPPORTED = {
    "90001": ("AlgebraicRule", document(("Parameters", parameter("x", 1.0, "false")), ("Rules", f"<algebraicRule>{math(ap('minus', 'x', TIME))}</algebraicRule>")), "an algebraic rule"),
    "90002": ("FastReaction", document(("Compartments", '<compartment id="C" size="1"/>'), ("Species", '<species id="A" compartment="C" initialAmount="3"/>'), ("Reactions", f'<reaction id="J" fast="true"><listOfReactants><speciesReference species="A"/></listOfReactants><kineticLaw>{math(leaf("A"))}</kineticLaw></reaction>'), head=L2), "a fast reaction"),
}  # fmt: skip


def write(folder, name, tags, text, columns, amounts, concentrations):
    """One case as files."""
    here = folder / name
    here.mkdir(parents=True)
    (here / f"{name}-sbml-l3v2.xml").write_text(text, encoding="utf-8")
    names = ", ".join(columns)
    (here / f"{name}-settings.txt").write_text(
        f"start: 0\nduration: 4\nsteps: 8\nvariables: {names}\nabsolute: 1e-7\nrelative: 1e-6\n"
        f"amount: {amounts}\nconcentration: {concentrations}\n"
    )
    (here / f"{name}-model.m").write_text(f"(*\ncategory: Test\ncomponentTags: {tags}\ntestTags:\n*)\n")
    rows = [",".join(["time", *columns])]
    rows += [",".join(map(repr, map(float, row))) for row in np.column_stack([T, *columns.values()])]
    (here / f"{name}-results.csv").write_text("\n".join(rows) + "\n")
