"""Forward sensitivities: derivatives of a Rosenbrock step, with its step size held, by parameters and initial states.

Differentiating a stage gives a linear system with the same matrix, so each sensitivity costs solves with factors
that are there already. Its right-hand side needs the Jacobian at the stage and the derivative of the step's
Jacobian along the sensitivity, which is taken exactly. What comes out is the derivative of the numbers the solver
returns, not an approximation of another equation; jumps are differentiated too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from abscopal.equations.model import Model
from abscopal.simulation.kernels.derive import Derivatives
from abscopal.simulation.kernels.factor import Place
from abscopal.simulation.kernels.graph import Graph
from abscopal.simulation.rosenbrock import RODAS4

Entries = dict[Place, int]


@dataclass(frozen=True)
class Tangent:
    """What sensitivities need beyond the program; all dictionaries hold the non-zero entries only.

    Attributes
    ----------
    directions : tuple of (str, int)
        `("parameter", place)` or `("state", place)` for an initial state.
    force : dict of (state, direction) to int
        ∂f/∂p.
    bent : list of int
        Second derivatives of -f, stored and read back as the leaf `bent`.
    bend_state, bend_direction : dict to int
        Derivative of -J·u by states and by directions, with u in the leaf `direction`.
    time_state, time_direction : dict to int
        Derivatives of ∂f/∂t.
    initial : dict of (state, direction) to int
    impulses : list of (dict of (state, state), dict of (state, direction))
        Derivatives of the updated states.
    quantities : (dict of (quantity, state), dict of (quantity, direction))
    """

    directions: tuple[tuple[str, int], ...]
    force: Entries
    bent: list[int]
    bend_state: Entries
    bend_direction: Entries
    time_state: Entries
    time_direction: Entries
    initial: Entries
    impulses: list[tuple[Entries, Entries]]
    quantities: tuple[Entries, Entries]

    def outputs(self) -> list[int]:
        """Every node that is computed from states and parameters."""
        groups = [self.force, self.time_state, self.time_direction, self.initial]
        groups += [entries for pair in (*self.impulses, self.quantities) for entries in pair]
        return [*self.bent, *(node for group in groups for node in group.values())]


def directions_of(model: Model, names: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """Places of parameters and initial states by name."""
    states = {state.name: ("state", k) for k, state in enumerate(model.states)}
    known = states | {parameter.name: ("parameter", k) for k, parameter in enumerate(model.parameters)}
    return tuple(known[name] for name in names)


def tangent(
    graph: Graph,
    directions: tuple[tuple[str, int], ...],
    rates: Sequence[int],
    jacobian: Entries,
    time_rates: dict[int, int],
    initial: Sequence[int],
    impulses: Sequence[dict[int, int]],
    quantities: Sequence[int],
) -> Tangent:
    """Differentiate a program once more, by states and by the chosen directions."""
    states = {graph.leaf("state", k): k for k in range(len(rates))}
    chosen = {graph.leaf(kind, place): k for k, (kind, place) in enumerate(directions) if kind == "parameter"}
    derivatives = Derivatives(graph, [*states, *chosen])

    def split(row: int, node: int) -> tuple[Entries, Entries]:
        found = derivatives(node)
        by_state = {(row, states[leaf]): inner for leaf, inner in found.items() if leaf in states}
        return by_state, {(row, chosen[leaf]): inner for leaf, inner in found.items() if leaf in chosen}

    force: Entries = {}
    for i, rate in enumerate(rates):
        force |= split(i, rate)[1]
    bent, bend_state, bend_direction = _bend(graph, jacobian, split)
    time_state: Entries = {}
    time_direction: Entries = {}
    for i, rate in time_rates.items():
        by_state, by_direction = split(i, rate)
        time_state |= by_state
        time_direction |= by_direction
    start: Entries = {}
    for i, node in enumerate(initial):
        start |= split(i, node)[1]
    start |= {(place, k): graph.one for k, (kind, place) in enumerate(directions) if kind == "state"}

    def gathered(nodes: dict[int, int]) -> tuple[Entries, Entries]:
        pairs = [split(i, node) for i, node in nodes.items()]
        return {p: n for a, _ in pairs for p, n in a.items()}, {p: n for _, b in pairs for p, n in b.items()}

    return Tangent(
        directions, force, bent, bend_state, bend_direction, time_state, time_direction, start,
        [gathered(updates) for updates in impulses], gathered(dict(enumerate(quantities))),
    )  # fmt: skip


def _bend(graph: Graph, jacobian: Entries, split: object) -> tuple[list[int], Entries, Entries]:
    """Contract the second derivatives with a vector."""
    bent: dict[int, int] = {}
    sums: tuple[dict[Place, list[int]], dict[Place, list[int]]] = ({}, {})
    for (a, b), entry in jacobian.items():
        vector = graph.leaf("direction", b)
        for target, entries in zip(sums, split(a, entry), strict=True):  # type: ignore[operator]
            for place, node in entries.items():
                index = bent.setdefault(node, len(bent))
                target.setdefault(place, []).append(graph.mul(graph.leaf("bent", index), vector))
    by_state, by_direction = ({place: graph.total(parts) for place, parts in s.items()} for s in sums)
    return list(bent), by_state, by_direction


def tangent_sizes(n: int, quantities: int, jacobian: int, timed: bool, t: Tangent) -> dict[str, int]:
    """Sizes of the regions that sensitivities need."""
    stages, dense = RODAS4.stages, n * len(t.directions)
    found = {"S": dense, "SJ": stages * jacobian, "SG": stages * dense, "SQ": stages * dense, "BENT": len(t.bent)}
    found |= {"SM": stages * len(t.bend_state), "DY": n, "DU": stages * n}
    found["SO"] = (n + quantities) * len(t.directions)
    return found | {"FTS": len(t.time_state) if timed else 0, "FTP": dense if timed else 0}
