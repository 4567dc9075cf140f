"""Everything a kernel computes, as nodes of one graph, before it is printed for a processor."""

from collections.abc import Sequence
from dataclasses import dataclass

from abscopal.equations.algebra import algebra
from abscopal.equations.checks import ordered_quantities
from abscopal.equations.model import Model
from abscopal.equations.symbolic import symbol
from abscopal.simulation.kernels.derive import Derivatives
from abscopal.simulation.kernels.factor import Factors, Place, factorise, solved
from abscopal.simulation.kernels.graph import CONDITIONS, LEAVES, Graph
from abscopal.simulation.kernels.tangent import Tangent, directions_of, tangent
from abscopal.simulation.kernels.translate import Translator


@dataclass(frozen=True)
class Program:
    """A model's equations as a graph.

    Attributes
    ----------
    rates, initial, quantities : list of int
        Nodes, one per state, state and quantity.
    jacobian : dict of (row, column) to int
        Non-zero entries of -J; stored in this order and read back as the leaf `entry`.
    time_rates : dict of state to int
        ∂f/∂t of the states whose rate depends on time explicitly.
    factors : Factors
        Written in the leaves `entry` and `shift`; stored in sorted order and read back as the leaf `factor`.
    solution : list of int
        Solution of the factored system with right-hand side in the leaf `right`.
    impulses : list of dict of state to int
        New values, in the order of the model's impulses.
    clocks : tuple of int
        Places of the impulses that are steps of a clock; they come before the outputs of their day.
    observed : list of (int, int)
        Value and time derivative of each quantity or state to be summarised; rates are the leaf `rate`.
    table : list of int
        Nodes that depend on parameters alone and are computed once per patient.
    tangent : Tangent, optional
        What sensitivities need.
    """

    graph: Graph
    n_states: int
    n_parameters: int
    rates: list[int]
    initial: list[int]
    quantities: list[int]
    jacobian: dict[Place, int]
    time_rates: dict[int, int]
    factors: Factors
    solution: list[int]
    impulses: list[dict[int, int]]
    observed: list[tuple[int, int]]
    table: list[int]
    clocks: tuple[int, ...] = ()
    tangent: Tangent | None = None

    @property
    def factor_places(self) -> list[Place]:
        """Places of the stored factors, in their order in memory."""
        return sorted(self.factors.nodes)


def program(model: Model, observed: Sequence[str] = (), sensitivities: Sequence[str] = ()) -> Program:
    """The graph of a model's kernel.

    Parameters
    ----------
    model : Model
    observed : sequence of str
        States and quantities that are summarised while solving.
    sensitivities : sequence of str
        Parameters and initial states to differentiate by.
    """
    made = algebra(model)
    graph = Graph()
    translate = Translator(graph, model, made)
    rates = [translate(rate) for rate in made.rates]
    initial = [translate(value) for value in made.initial]
    names = [quantity.name for quantity in ordered_quantities(model)]
    quantities = [translate(symbol(name)) for name in names]
    impulses = [_impulse(model, translate, impulse.name) for impulse in model.impulses]
    time = graph.leaf("time")
    states = [graph.leaf("state", k) for k in range(len(rates))]
    derivatives = Derivatives(graph, [*states, time])
    jacobian = {
        (i, graph[leaf].args[0]): graph.neg(node)
        for i, rate in enumerate(rates)
        for leaf, node in sorted(derivatives(rate).items())
        if leaf != time
    }
    time_rates = {i: derivatives(rate)[time] for i, rate in enumerate(rates) if time in derivatives(rate)}
    entries = {place: graph.leaf("entry", k) for k, place in enumerate(jacobian)}
    factors = factorise(graph, len(rates), entries, graph.leaf("shift"))
    places = {place: graph.leaf("factor", k) for k, place in enumerate(sorted(factors.nodes))}
    right = [graph.leaf("right", k) for k in range(len(rates))]
    values = dict(zip([state.name for state in model.states], states, strict=True)) | dict(
        zip(names, quantities, strict=True)
    )
    watched = [(values[name], _along(graph, derivatives, values[name], time)) for name in observed]
    outputs = [*rates, *jacobian.values(), *time_rates.values(), *quantities, *initial]
    outputs += [node for impulse in impulses for node in impulse.values()]
    outputs += [node for pair in watched for node in pair]
    more = None
    if sensitivities:
        chosen = directions_of(model, sensitivities)
        more = tangent(graph, chosen, rates, jacobian, time_rates, initial, impulses, quantities)
        outputs += more.outputs()
    return Program(
        graph=graph,
        n_states=len(rates),
        n_parameters=len(made.parameters),
        rates=rates,
        initial=initial,
        quantities=quantities,
        jacobian=jacobian,
        time_rates=time_rates,
        factors=factors,
        solution=solved(graph, factors, places, right),
        impulses=impulses,
        observed=watched,
        table=table_of(graph, outputs),
        clocks=tuple(k for k, impulse in enumerate(model.impulses) if impulse.every),
        tangent=more,
    )


def _impulse(model: Model, translate: Translator, name: str) -> dict[int, int]:
    place = {state.name: k for k, state in enumerate(model.states)}
    arguments = model.impulse(name).arguments
    translate.with_arguments({symbol(argument.name): k for k, argument in enumerate(arguments)})
    return {place[u.state]: translate(u.expression) for u in model.updates if u.impulse == name}


def _along(graph: Graph, derivatives: Derivatives, value: int, time: int) -> int:
    """Derivative of a quantity along the solution."""
    parts = [
        node if leaf == time else graph.mul(node, graph.leaf("rate", graph[leaf].args[0]))
        for leaf, node in sorted(derivatives(value).items())
    ]
    return graph.total(parts)


def table_of(graph: Graph, outputs: Sequence[int]) -> list[int]:
    """Nodes worth keeping per patient: those of parameters alone that something else is computed from."""
    unstored = {"number", "parameter", *CONDITIONS}

    def stored(node: int) -> bool:
        return graph[node].constant and graph[node].op not in unstored

    found = {node for node in outputs if stored(node)}
    for node in graph.reachable(outputs):
        if not stored(node) and graph[node].op not in LEAVES:
            found |= {a for a in graph[node].args if stored(a)}
    return sorted(found)
