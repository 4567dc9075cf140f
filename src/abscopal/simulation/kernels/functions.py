"""The model's own functions inside a kernel: rates, Jacobian, factors, solve, impulses, quantities."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from abscopal.simulation.kernels.code import POINTER, Code
from abscopal.simulation.kernels.elementary import DOUBLE, INT
from abscopal.simulation.kernels.emit import emit
from abscopal.simulation.kernels.layout import Layout, Method
from abscopal.simulation.kernels.program import Program

REGIONS = {
    "state": "YS", "parameter": "P", "time": "TS", "entry": "J", "factor": "LU", "right": "R", "rate": "F",
    "shift": "SHIFT", "bent": "BENT",
}  # fmt: skip


@dataclass(frozen=True)
class Writer:
    """Prints a program's functions into a module."""

    module: ir.Module
    program: Program
    where: Layout
    width: int
    method: Method = "rosenbrock"

    def code(self, name: str, arguments: list[Any], result: Any = None) -> Code:
        """A new function."""
        return Code(self.module, name, arguments, result or ir.VoidType(), self.width, self.where)

    def all(self) -> None:
        """Write every function of the model."""
        p = self.program
        rates = [("F", i, node) for i, node in enumerate(p.rates)]
        self.vector("rates", rates)
        if self.method == "rosenbrock":
            self._linear_algebra(rates)
        else:
            self.pointed("rates_at", 1, [(0, i, node) for i, node in enumerate(p.rates)])
        self._prepare()
        self._initial()
        self._quantities()
        for k, impulse in enumerate(p.impulses):
            self._impulse(k, impulse)
        if p.observed:
            for end in "01":
                pairs = [(f"Q{end}", k, value) for k, (value, _) in enumerate(p.observed)]
                pairs += [(f"D{end}", k, slope) for k, (_, slope) in enumerate(p.observed)]
                self.vector(f"observe{end}", pairs)

    def _linear_algebra(self, rates: list[tuple[str, int, int]]) -> None:
        """Rates with Jacobian, factors and solve."""
        p = self.program
        jacobian, times = list(p.jacobian.values()), p.time_rates
        slopes = [("FT", i, times.get(i, p.graph.zero)) for i in range(p.n_states)] if times else []
        self.vector("linearise", [*rates, *(("J", k, node) for k, node in enumerate(jacobian)), *slopes])
        factors = [p.factors.nodes[place] for place in p.factor_places]
        self.vector("factorise", [("LU", k, node) for k, node in enumerate(factors)])
        self._solve()

    def vector(self, name: str, outputs: Sequence[tuple[str, int, int]]) -> None:
        """A function of the workspace on all lanes; reads `YS` at the times `TS`."""
        c = self.code(name, [POINTER])
        values = emit(
            self.program.graph,
            [node for *_, node in outputs],
            c.v,
            lambda kind, k: c.load(REGIONS[kind], k),
            self._table(c.load),
        )
        for (region, k, _), value in zip(outputs, values, strict=True):
            c.store(value, region, k)
        c.b.ret_void()

    def pointed(
        self, name: str, pointers: int, outputs: Sequence[tuple[int, int, int]], direction: int | None = None
    ) -> None:
        """A function like `vector` that writes to addresses, as (which, place, node); one may hold `direction`."""
        c = self.code(name, [POINTER] * (pointers + 1))
        addresses = c.function.args[1:]

        def at(which: int, k: int) -> Any:
            return c.b.gep(addresses[which], [c.whole(k)], source_etype=c.v.type)

        def load(kind: str, k: int) -> Any:
            if kind != "direction" or direction is None:
                return c.load(REGIONS[kind], k)
            value = c.b.load(at(direction, k), typ=c.v.type)
            value.align = 8 * self.width
            return value

        values = emit(self.program.graph, [node for *_, node in outputs], c.v, load, self._table(c.load))
        for (which, k, _), value in zip(outputs, values, strict=True):
            c.b.store(value, at(which, k)).align = 8 * self.width
        c.b.ret_void()

    def lane_values(
        self, c: Code, lane: Any, nodes: Sequence[int], regions: Mapping[str, str], arguments: Any = None
    ) -> list[Any]:
        """Values of nodes on one lane; an impulse's arguments are read from an address."""

        def load(kind: str, k: int) -> Any:
            if kind == "argument":
                return c.b.load(c.b.gep(arguments, [c.whole(k)], source_etype=DOUBLE), typ=DOUBLE)
            return c.lane(lane, regions[kind], k)

        return emit(self.program.graph, nodes, c.s, load, self._lane_table(c, lane))

    def _table(self, load: Callable[[str, int], Any]) -> Callable[[int], Any | None]:
        place = {node: k for k, node in enumerate(self.program.table)}
        return lambda node: load("C", place[node]) if node in place else None

    def _solve(self) -> None:
        """Solve for the right-hand side `R` and write the solution to an address."""
        c = self.code("solve", [POINTER, POINTER])
        values = emit(
            self.program.graph, self.program.solution, c.v, lambda kind, k: c.load(REGIONS[kind], k), lambda _: None
        )
        for i, value in enumerate(values):
            place = c.b.gep(c.function.args[1], [c.whole(i)], source_etype=c.v.type)
            c.b.store(value, place).align = 8 * self.width
        c.b.ret_void()

    def _prepare(self) -> None:
        """Fill one lane's table of what depends on parameters alone."""
        c = self.code("prepare", [POINTER, INT])
        lane = c.function.args[1]
        values = emit(self.program.graph, self.program.table, c.s, lambda _, k: c.lane(lane, "P", k), lambda _: None)
        for k, value in enumerate(values):
            c.set_lane(value, lane, "C", k)
        c.b.ret_void()

    def _initial(self) -> None:
        """Set one lane's states to the model's initial values."""
        c = self.code("initial", [POINTER, INT])
        lane = c.function.args[1]
        values = emit(
            self.program.graph, self.program.initial, c.s, lambda _, k: c.lane(lane, "P", k), self._lane_table(c, lane)
        )
        for i, value in enumerate(values):
            c.set_lane(value, lane, "Y", i)
        c.b.ret_void()

    def _lane_table(self, c: Code, lane: Any) -> Callable[[int], Any | None]:
        return self._table(lambda region, k: c.lane(lane, region, k))

    def _quantities(self) -> None:
        """From one lane's states at an address, write its quantities behind them."""
        c = self.code("quantities", [POINTER, INT, POINTER])
        lane, row = c.function.args[1:]

        def load(kind: str, k: int) -> Any:
            if kind == "state":
                return c.b.load(c.b.gep(row, [c.whole(k)], source_etype=DOUBLE), typ=DOUBLE)
            return c.lane(lane, "T" if kind == "time" else "P", k)

        values = emit(self.program.graph, self.program.quantities, c.s, load, self._lane_table(c, lane))
        for k, value in enumerate(values):
            c.b.store(value, c.b.gep(row, [c.whole(self.program.n_states + k)], source_etype=DOUBLE))
        c.b.ret_void()

    def _impulse(self, number: int, updates: dict[int, int]) -> None:
        """Apply an impulse to one lane's states, all updates seeing the values just before it."""
        c = self.code(f"impulse{number}", [POINTER, INT, POINTER])
        lane, arguments = c.function.args[1:]

        nodes, regions = list(updates.values()), {"state": "Y", "time": "T", "parameter": "P"}
        values = self.lane_values(c, lane, nodes, regions, arguments)
        for i, value in zip(updates, values, strict=True):
            c.set_lane(value, lane, "Y", i)
        c.b.ret_void()
