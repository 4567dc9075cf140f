"""Expressions as a graph in which equal parts are one node: what every kernel is printed from.

Building the graph is the common-subexpression elimination: a node is looked up before it is made.
Nodes that depend on parameters alone are marked, so a kernel computes them once per patient.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LEAVES = (
    "number",
    "state",
    "parameter",
    "time",
    "argument",
    "entry",
    "factor",
    "right",
    "rate",
    "shift",
    "bent",
    "direction",
)

CONDITIONS = ("lt", "le", "eq", "ne", "and", "or", "not")


@dataclass(frozen=True)
class Node:
    """An operation and what it is applied to.

    Attributes
    ----------
    op : str
        One of `LEAVES`, an arithmetic operation, a function, a comparison or `select`.
    args : tuple of int
        Nodes; for a leaf its place in the vector it is read from.
    value : float
        Of a number.
    constant : bool
        Whether it depends on parameters alone.
    """

    op: str
    args: tuple[int, ...] = ()
    value: float = 0.0
    constant: bool = False


class Graph:
    """Nodes in an order in which each comes after those it uses."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[tuple[str, tuple[int, ...], float], int] = {}
        self.zero, self.one = self.number(0.0), self.number(1.0)

    def __getitem__(self, node: int) -> Node:
        return self.nodes[node]

    def number(self, value: float) -> int:
        """The node of a number."""
        return self._make("number", (), float(value), constant=True)

    def leaf(self, kind: str, place: int = 0) -> int:
        """The node of a value read from memory, such as the state in `place`."""
        return self._make(kind, (place,), constant=kind == "parameter")

    def apply(self, op: str, *args: int) -> int:
        """The node of a function or comparison with no simplification but that of numbers."""
        return self._make(op, args, constant=all(self.nodes[a].constant for a in args))

    def _make(self, op: str, args: tuple[int, ...], value: float = 0.0, *, constant: bool = False) -> int:
        key = (op, args, value)
        if key not in self._known:
            self._known[key] = len(self.nodes)
            self.nodes.append(Node(op, args, value, constant))
        return self._known[key]

    def is_number(self, node: int) -> bool:
        """Whether the node is a number known now."""
        return self.nodes[node].op == "number"

    def add(self, a: int, b: int) -> int:
        """A + b, with a subtraction where one of them is negated."""
        if a == self.zero:
            return b
        if b == self.zero:
            return a
        first, second = self.nodes[a], self.nodes[b]
        if first.op == second.op == "number":
            return self.number(first.value + second.value)
        if second.op == "neg":
            return self.zero if second.args[0] == a else self.apply("sub", a, second.args[0])
        if first.op == "neg":
            return self.zero if first.args[0] == b else self.apply("sub", b, first.args[0])
        return self.apply("add", *sorted((a, b)))

    def neg(self, a: int) -> int:
        """-a, pushed into a constant factor where there is one."""
        node = self.nodes[a]
        if node.op == "number":
            return self.number(-node.value)
        if node.op == "neg":
            return node.args[0]
        if node.op == "sub":
            return self.apply("sub", node.args[1], node.args[0])
        return self.apply("neg", a)

    def mul(self, a: int, b: int) -> int:
        """a·b, constants gathered on the left and signs taken out."""
        if self.zero in (a, b):
            return self.zero
        if self.one in (a, b):
            return b if a == self.one else a
        if self.is_number(a) and self.is_number(b):
            return self.number(self.nodes[a].value * self.nodes[b].value)
        for one, other in ((a, b), (b, a)):
            if self.nodes[one].op == "neg":
                return self.neg(self.mul(self.nodes[one].args[0], other))
            if self.nodes[one].value == -1.0 and self.is_number(one):
                return self.neg(other)
        return self._gathered(a, b)

    def _gathered(self, a: int, b: int) -> int:
        """A product whose constant factor, if any, is one node on the left."""
        if self.nodes[b].constant and not self.nodes[a].constant:
            a, b = b, a
        if self._scaled(b):
            scale, rest = self.nodes[b].args
            if self.nodes[a].constant:
                return self.mul(self.mul(a, scale), rest)
            return self.mul(scale, self.mul(a, rest))
        if self._scaled(a):
            scale, rest = self.nodes[a].args
            return self.mul(scale, self.mul(rest, b))
        if self.nodes[a].constant != self.nodes[b].constant:
            return self.apply("mul", a, b)
        return self.apply("mul", *sorted((a, b)))

    def _scaled(self, node: int) -> bool:
        """Whether the node is a constant times something that is not."""
        found = self.nodes[node]
        return found.op == "mul" and not found.constant and self.nodes[found.args[0]].constant

    def inverse(self, a: int) -> int:
        """1/a; shared by every quotient with this denominator."""
        node = self.nodes[a]
        if node.op == "number" and node.value != 0.0:
            return self.number(1.0 / node.value)
        if node.op == "inverse":
            return node.args[0]
        if node.op == "neg":
            return self.neg(self.inverse(node.args[0]))
        if node.op == "mul" and self.nodes[node.args[0]].constant and not node.constant:
            return self.mul(self.inverse(node.args[0]), self.inverse(node.args[1]))
        return self.apply("inverse", a)

    def total(self, parts: Iterable[int]) -> int:
        """Sum as a balanced tree: parameters first, short dependency chains."""
        listed = list(parts)
        fixed = [p for p in listed if self.nodes[p].constant]
        free = [p for p in listed if not self.nodes[p].constant]
        whole = self._balanced(sorted(fixed), self.zero)
        return self._balanced([whole, *free] if whole != self.zero else free, self.zero)

    def _balanced(self, parts: Sequence[int], empty: int) -> int:
        if not parts:
            return empty
        if len(parts) == 1:
            return parts[0]
        half = (len(parts) + 1) // 2
        return self.add(self._balanced(parts[:half], empty), self._balanced(parts[half:], empty))

    def product(self, parts: Iterable[int]) -> int:
        """Product with the parameters gathered into one factor."""
        listed = sorted(parts)
        result = self.one
        for part in [p for p in listed if self.nodes[p].constant]:
            result = self.mul(result, part)
        free = self.one
        for part in [p for p in listed if not self.nodes[p].constant]:
            free = self.mul(free, part)
        return self.mul(result, free)

    def integer_power(self, base: int, exponent: int) -> int:
        """Power by repeated squaring."""
        if exponent < 0:
            return self.inverse(self.integer_power(base, -exponent))
        result, square = self.one, base
        while exponent:
            if exponent & 1:
                result = self.mul(result, square)
            exponent >>= 1
            if exponent:
                square = self.mul(square, square)
        return result

    def numeric_power(self, base: int, exponent: float) -> int:
        """Power with a known exponent: products and square roots where those do, else exp and log."""
        if exponent == int(exponent) and abs(exponent) <= 64:
            return self.integer_power(base, int(exponent))
        if 2 * exponent == int(2 * exponent) and abs(exponent) <= 32:
            whole = math.floor(exponent)
            return self.mul(self.apply("sqrt", base), self.integer_power(base, whole))
        return self.apply("power", base, self.number(exponent))

    def reachable(self, outputs: Iterable[int]) -> list[int]:
        """Nodes that the outputs need, each after those it uses, in depth-first order."""
        seen: set[int] = set()
        order: list[int] = []
        for output in outputs:
            stack = [(output, False)]
            while stack:
                node, ready = stack.pop()
                if ready:
                    order.append(node)
                elif node not in seen:
                    seen.add(node)
                    stack.append((node, True))
                    if self.nodes[node].op not in LEAVES:
                        stack.extend((a, False) for a in reversed(self.nodes[node].args) if a not in seen)
        return list(dict.fromkeys(order))
