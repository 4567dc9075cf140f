"""A model's equations as Python source for the peers: the same graph that this package compiles."""

from collections.abc import Sequence

from abscopal.simulation.kernels.graph import LEAVES, Graph
from abscopal.simulation.kernels.program import Program

_BINARY = {"add": "+", "sub": "-", "mul": "*", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}
_LEAF = {"state": "y", "parameter": "p", "argument": "a"}


def statements(program: Program, outputs: Sequence[int], *, constants: bool) -> list[str]:
    """One assignment per node; what depends on parameters alone is read from `c` unless `constants`."""
    graph = program.graph
    stored = {} if constants else {node: f"c[{k}]" for k, node in enumerate(program.table)}
    lines, done = [], set()

    def visit(node: int) -> None:
        if node in done:
            return
        done.add(node)
        if node not in stored and graph[node].op not in LEAVES:
            for inner in graph[node].args:
                visit(inner)
        lines.append(f"v{node} = {stored.get(node) or _text(graph, node)}")

    for output in outputs:
        visit(output)
    return lines


def _text(graph: Graph, node: int) -> str:
    op, args, value = graph[node].op, graph[node].args, graph[node].value
    if op == "number":
        return repr(value)
    if op == "time":
        return "t"
    if op in LEAVES:
        return f"{_LEAF[op]}[{args[0]}]"
    names = [f"v{a}" for a in args]
    if op in _BINARY:
        return f"{names[0]} {_BINARY[op]} {names[1]}"
    if op in {"neg", "inverse"}:
        return f"-{names[0]}" if op == "neg" else f"1.0 / {names[0]}"
    return f"{op}_({', '.join(names)})"


def function(
    name: str, arguments: str, program: Program, outputs: Sequence[int], *, result: str, constants: bool = False
) -> str:
    """Source of a function; `result` is a format for the list of output names, such as `[{}]`."""
    lines = statements(program, outputs, constants=constants)
    body = "".join(f"    {line}\n" for line in lines)
    return f"def {name}({arguments}):\n{body}    return {result.format(', '.join(f'v{o}' for o in outputs))}\n"


def after_impulse(program: Program, number: int) -> list[int]:
    """Nodes of every state just after an impulse."""
    return [program.impulses[number].get(i, program.graph.leaf("state", i)) for i in range(program.n_states)]
