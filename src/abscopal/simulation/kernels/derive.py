"""Sparse forward differentiation of a graph."""

import math
from collections.abc import Callable, Iterable

from abscopal.simulation.kernels.graph import CONDITIONS, LEAVES, Graph

Row = dict[int, int]


class Derivatives:
    """Derivatives of nodes by chosen leaves, zeros left out; every intermediate result is kept.

    Parameters
    ----------
    graph : Graph
    leaves : iterable of int
        Nodes to differentiate by.
    """

    def __init__(self, graph: Graph, leaves: Iterable[int]) -> None:
        self.graph = graph
        self.leaves = frozenset(leaves)
        self._rows: dict[int, Row] = {}

    def __call__(self, node: int) -> Row:
        """Derivative of `node` by each leaf it depends on, as nodes."""
        for each in self.graph.reachable([node]):
            if each not in self._rows:
                self._rows[each] = self._row(each)
        return self._rows[node]

    def _row(self, node: int) -> Row:
        if node in self.leaves:
            return {node: self.graph.one}
        op, args = self.graph[node].op, self.graph[node].args
        if op in LEAVES or op in CONDITIONS:
            return {}
        if op in {"select", "max", "min"}:
            return self._choice(op, args)
        return self._sum([(self._rows[a], f) for a, f in zip(args, self._factors(node), strict=True) if self._rows[a]])

    def _sum(self, parts: list[tuple[Row, int]]) -> Row:
        g = self.graph
        gathered: dict[int, list[int]] = {}
        for row, factor in parts:
            for leaf, inner in row.items():
                gathered.setdefault(leaf, []).append(g.mul(factor, inner))
        totals = {leaf: g.total(found) for leaf, found in gathered.items()}
        return {leaf: whole for leaf, whole in totals.items() if whole != g.zero}

    def _factors(self, node: int) -> list[int]:
        """Partial derivative of an operation by each of its arguments."""
        g = self.graph
        op, args = g[node].op, g[node].args
        if op == "power":
            return self._power(node, *args)
        rules: dict[str, Callable[[], list[int]]] = {
            "add": lambda: [g.one, g.one],
            "sub": lambda: [g.one, g.number(-1.0)],
            "neg": lambda: [g.number(-1.0)],
            "mul": lambda: [args[1], args[0]],
            "inverse": lambda: [g.neg(g.mul(node, node))],
            "exp": lambda: [node],
            "log": lambda: [g.inverse(args[0])],
            "sqrt": lambda: [self._root(node, args[0])],
            "tanh": lambda: [g.add(g.one, g.neg(g.mul(node, node)))],
            "erf": lambda: [self._bell(args[0])],
            "abs": lambda: [g.apply("select", g.apply("lt", args[0], g.zero), g.number(-1.0), g.one)],
        }
        return rules[op]()

    def _bell(self, x: int) -> int:
        """Slope of the error function."""
        g = self.graph
        return g.mul(g.number(2 / math.sqrt(math.pi)), g.apply("exp", g.neg(g.mul(x, x))))

    def _root(self, node: int, base: int) -> int:
        """Slope of a square root; zero at zero, where it is infinite."""
        g = self.graph
        slope = g.mul(g.number(0.5), g.inverse(node))
        return g.apply("select", g.apply("lt", g.zero, base), slope, g.zero)

    def _power(self, node: int, base: int, exponent: int) -> list[int]:
        g = self.graph
        lower = g.add(exponent, g.number(-1.0))
        less = g.numeric_power(base, g[lower].value) if g.is_number(lower) else g.apply("power", base, lower)
        by_base = g.mul(exponent, self._finite_slope(base, lower, less))
        if not self._rows[exponent]:
            return [by_base, g.zero]
        positive = g.apply("lt", g.zero, base)
        safe = g.apply("select", positive, base, g.one)  # 0^p·log 0 is 0 for p > 0
        return [by_base, g.mul(node, g.apply("log", safe))]

    def _finite_slope(self, base: int, lower: int, less: int) -> int:
        """x^(p-1), or zero at x = 0 where p < 1 makes it infinite: a Jacobian must be finite to be of use."""
        g = self.graph
        if g.is_number(lower):
            return less if g[lower].value >= 0 else g.apply("select", g.apply("lt", g.zero, base), less, g.zero)
        defined = g.apply("or", g.apply("lt", g.zero, base), g.apply("le", g.zero, lower))
        return g.apply("select", defined, less, g.zero)

    def _choice(self, op: str, args: tuple[int, ...]) -> Row:
        g = self.graph
        if op == "select":
            condition, yes, no = args
        else:
            yes, no = args
            condition = g.apply("lt", no, yes) if op == "max" else g.apply("lt", yes, no)
        first, second = self._rows[yes], self._rows[no]
        leaves = list(dict.fromkeys([*first, *second]))
        return {
            leaf: g.apply("select", condition, first.get(leaf, g.zero), second.get(leaf, g.zero)) for leaf in leaves
        }
