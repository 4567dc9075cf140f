"""From a graph to LLVM instructions, for one lane or for many."""

from collections.abc import Callable, Iterable
from typing import Any

from abscopal.simulation.kernels.elementary import Arithmetic
from abscopal.simulation.kernels.graph import LEAVES, Graph

Loader = Callable[[str, int], Any]
_SIGNS = {"lt": "<", "le": "<=", "eq": "==", "ne": "!="}
_DIRECT = {"add", "sub", "mul", "neg", "inverse", "exp", "log", "sqrt", "tanh", "erf", "abs", "power"}
_NAMES = {"max": "larger", "min": "smaller", "select": "choose"}


def emit(
    graph: Graph,
    outputs: Iterable[int],
    arithmetic: Arithmetic,
    load: Loader,
    stored: Callable[[int], Any | None],
) -> list[Any]:
    """Write the instructions that compute `outputs` and return their values.

    Parameters
    ----------
    load : callable
        (kind, place) of a leaf to its value.
    stored : callable
        A node to its value read from the table of what depends on parameters alone; None where it is not there.
    """
    values: dict[int, Any] = {}
    wanted = list(outputs)
    for node in _needed(graph, wanted, stored, values):
        values[node] = _instruction(graph, node, arithmetic, load, values)
    return [values[node] for node in wanted]


def _needed(
    graph: Graph, wanted: list[int], stored: Callable[[int], Any | None], values: dict[int, Any]
) -> Iterable[int]:
    """Nodes to compute, in order; those read from the table are put into `values` where they are met first."""
    stack = [(node, False) for node in reversed(wanted)]
    done: set[int] = set()
    while stack:
        node, ready = stack.pop()
        if ready:
            yield node
            continue
        if node in done:
            continue
        done.add(node)
        kept = stored(node)
        if kept is not None:
            values[node] = kept
            continue
        stack.append((node, True))
        if graph[node].op not in LEAVES:
            stack.extend((a, False) for a in reversed(graph[node].args) if a not in done)


def _instruction(graph: Graph, node: int, arithmetic: Arithmetic, load: Loader, values: dict[int, Any]) -> Any:
    op, args = graph[node].op, graph[node].args
    if op == "number":
        return arithmetic.number(graph[node].value)
    if op in LEAVES:
        return load(op, args[0])
    inputs = [values[a] for a in args]
    if op in _DIRECT or op in _NAMES:
        return getattr(arithmetic, _NAMES.get(op, op))(*inputs)
    if op in _SIGNS:
        return arithmetic.compare(_SIGNS[op], *inputs)
    return {"and": arithmetic.b.and_, "or": arithmetic.b.or_, "not": arithmetic.b.not_}[op](*inputs)
