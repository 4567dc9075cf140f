"""The sensitivities' part of a kernel."""

from collections.abc import Iterator, Sequence
from typing import Any

from abscopal.simulation.kernels.code import POINTER, Code
from abscopal.simulation.kernels.elementary import INT
from abscopal.simulation.kernels.factor import Place
from abscopal.simulation.kernels.functions import Writer
from abscopal.simulation.kernels.stepping import Stride
from abscopal.simulation.kernels.tangent import Entries, Tangent
from abscopal.simulation.rosenbrock import RODAS4


def write_tangent_functions(w: Writer, t: Tangent) -> None:
    """Write the model's own functions that sensitivities need."""
    n = w.program.n_states
    jacobian = w.program.jacobian
    w.pointed(
        "tangent", 2,
        [(0, k, node) for k, node in enumerate(jacobian.values())]
        + [(1, k * n + a, node) for (a, k), node in t.force.items()],
    )  # fmt: skip
    w.vector(
        "second",
        [("BENT", k, node) for k, node in enumerate(t.bent)]
        + [("FTS", k, node) for k, node in enumerate(t.time_state.values())]
        + [("FTP", k * n + a, node) for (a, k), node in t.time_direction.items()],
    )
    w.pointed(
        "bend", 3,
        [(1, k, node) for k, node in enumerate(t.bend_state.values())]
        + [(2, k * n + a, node) for (a, k), node in t.bend_direction.items()],
        direction=0,
    )  # fmt: skip
    _product(w, "take_jacobian", list(jacobian))
    _product(w, "take_bend", list(t.bend_state))
    if w.program.time_rates:
        _product(w, "take_time", list(t.time_state))
    _initial(w, t)
    _quantities(w, t)
    for k, (by_state, by_direction) in enumerate(t.impulses):
        _jolt(w, t, k, by_state, by_direction)


def _product(w: Writer, name: str, pattern: Sequence[Place]) -> None:
    """`name(workspace, entries, x)`: subtract a sparse matrix times x from `R`."""
    c = w.code(name, [POINTER, POINTER, POINTER])
    _, entries, x = c.function.args

    def read(place: Any, k: int) -> Any:
        value = c.b.load(c.b.gep(place, [c.whole(k)], source_etype=c.v.type), typ=c.v.type)
        value.align = 8 * w.width
        return value

    totals: dict[int, Any] = {}
    for k, (a, b) in enumerate(pattern):
        if a not in totals:
            totals[a] = c.load("R", a)
        totals[a] = c.v.sub(totals[a], c.v.mul(read(entries, k), read(x, b)))
    for a, total in totals.items():
        c.store(total, "R", a)
    c.b.ret_void()


def _initial(w: Writer, t: Tangent) -> None:
    """`initial_tangent(workspace, lane)`: sensitivities of the initial states."""
    c = w.code("initial_tangent", [POINTER, INT])
    lane, n = c.function.args[1], w.program.n_states
    values = w.lane_values(c, lane, list(t.initial.values()), {"parameter": "P"})
    with c.loop(n * len(t.directions)) as i:
        c.set_lane(c.s.number(0.0), lane, "S", i)
    for (i, k), value in zip(t.initial, values, strict=True):
        c.set_lane(value, lane, "S", k * n + i)
    c.b.ret_void()


def _jolt(w: Writer, t: Tangent, number: int, by_state: Entries, by_direction: Entries) -> None:
    """`jolt(workspace, lane, arguments)`: sensitivities just after an impulse, from the states just before it."""
    c = w.code(f"jolt{number}", [POINTER, INT, POINTER])
    lane, arguments = c.function.args[1:]
    n, updated = w.program.n_states, list(w.program.impulses[number])
    for k, a, total in _chained(w, c, t, lane, updated, (by_state, by_direction), arguments):
        c.set_lane(total, lane, "S", k * n + a)
    c.b.ret_void()


def _chained(
    w: Writer,
    c: Code,
    t: Tangent,
    lane: Any,
    rows: Sequence[int],
    slopes: tuple[Entries, Entries],
    arguments: Any = None,
) -> Iterator[tuple[int, int, Any]]:
    """Each direction and row with its derivative by the chain rule; all read the sensitivities as they were."""
    by_state, by_direction = slopes
    nodes = [*by_state.values(), *by_direction.values()]
    values = w.lane_values(c, lane, nodes, {"state": "Y", "time": "T", "parameter": "P"}, arguments)
    slope_of = dict(zip(by_state, values, strict=False))
    force_of = dict(zip(by_direction, values[len(by_state) :], strict=True))
    for k in range(len(t.directions)):
        before = {b: c.lane(lane, "S", k * w.program.n_states + b) for b in sorted({b for _, b in by_state})}
        for a in rows:
            total = force_of.get((a, k), c.s.number(0.0))
            for (row, b), slope in slope_of.items():
                if row == a:
                    total = c.s.add(total, c.s.mul(slope, before[b]))
            yield k, a, total


def _quantities(w: Writer, t: Tangent) -> None:
    """`quantity_tangent(workspace, lane)`: sensitivities of states and quantities side by side in `SO`."""
    c = w.code("quantity_tangent", [POINTER, INT])
    lane, n, more = c.function.args[1], w.program.n_states, len(w.program.quantities)
    for k in range(len(t.directions)):
        with c.loop(n) as i:
            c.set_lane(c.lane(lane, "S", c.b.add(i, c.whole(k * n))), lane, "SO", c.b.add(i, c.whole(k * (n + more))))
    for k, j, total in _chained(w, c, t, lane, range(more), t.quantities):
        c.set_lane(total, lane, "SO", k * (n + more) + n + j)
    c.b.ret_void()


def after_stage(w: Writer, c: Code, t: Tangent, stage: int) -> None:
    """Keep what the sensitivities need of a stage; `YS` and `TS` hold its argument and time."""
    n = w.program.n_states
    dense, jacobian, bend = n * len(t.directions), len(w.program.jacobian), len(t.bend_state)
    c.call("tangent", c.workspace, c.place("SJ", stage * jacobian), c.place("SG", stage * dense))
    u = c.place("U", stage * n)
    c.call("bend", c.workspace, u, c.place("SM", stage * bend), c.place("SQ", stage * dense))


def take_sensitivities(w: Writer, c: Code, t: Tangent, good: Any, s: Stride, inverse: Any) -> None:
    """Carry every sensitivity over the step; where it was not good they stay."""
    n = w.program.n_states
    with c.loop(len(t.directions)) as k:
        first = c.b.mul(k, c.whole(n))
        for stage in range(RODAS4.stages):
            _stage(w, c, t, stage, first, s, inverse)
        with c.loop(n) as i:
            place = c.b.add(first, i)
            last = c.b.add(i, c.whole((RODAS4.stages - 1) * n))
            new = c.v.add(c.load("DY", i), c.load("DU", last))
            c.store(c.v.choose(good, new, c.load("S", place)), "S", place)


def _stage(w: Writer, c: Code, t: Tangent, stage: int, first: Any, s: Stride, inverse: Any) -> None:
    v, n = c.v, w.program.n_states
    dense, jacobian, bend = n * len(t.directions), len(w.program.jacobian), len(t.bend_state)
    slope = RODAS4.d[stage] if w.program.time_rates else 0.0
    moved = v.mul(s.h, v.number(slope)) if slope else None
    if moved is not None:  # -∂(∂f/∂t)/∂y·s goes in with the size of the step, then is turned over
        with c.loop(n) as i:
            c.store(v.number(0.0), "R", i)
        c.call("take_time", c.workspace, c.place("FTS"), c.place("S", first))
    with c.loop(n) as i:
        place = c.b.add(first, i)
        y, total = c.load("S", place), v.number(0.0)
        for j in range(stage):
            du = c.load("DU", c.b.add(i, c.whole(j * n)))
            y = v.add(y, v.mul(v.number(RODAS4.a[stage][j]), du))
            total = v.add(total, v.mul(v.number(RODAS4.g[stage][j]), du))
        c.store(y, "DY", i)
        here = c.b.add(place, c.whole(stage * dense))
        right = v.add(v.sub(c.load("SG", here), c.load("SQ", here)), v.mul(inverse, total))
        if moved is not None:
            right = v.add(right, v.mul(moved, v.sub(c.load("FTP", place), c.load("R", i))))
        c.store(right, "R", i)
    c.call("take_jacobian", c.workspace, c.place("SJ", stage * jacobian), c.place("DY"))
    c.call("take_bend", c.workspace, c.place("SM", stage * bend), c.place("S", first))
    c.call("solve", c.workspace, c.place("DU", stage * n))


def clear_given(c: Code, t: Tangent, lane: Any, n: int, i: Any, given: Any) -> None:
    """An initial state that a caller gives does not depend on parameters."""
    own = c.b.fcmp_unordered("uno", given, given)
    for k, (kind, _) in enumerate(t.directions):
        if kind == "parameter":
            place = c.b.add(i, c.whole(k * n))
            kept = c.s.choose(own, c.lane(lane, "S", place), c.s.number(0.0))
            c.set_lane(kept, lane, "S", place)


def write_sense_row(w: Writer, c: Code, t: Tangent, lane: Any, patient: Any, out: Any) -> None:
    """Report the sensitivities of one lane's requested columns at an output time."""
    c.call("quantity_tangent", c.workspace, lane)
    columns, each = c.slot("n_columns"), w.program.n_states + len(w.program.quantities)
    row = c.b.mul(c.b.add(c.b.mul(patient, c.slot("n_times")), out), c.whole(len(t.directions)))
    with c.if_(c.b.icmp_signed(">", columns, c.whole(0))), c.loop(len(t.directions)) as k:
        base, first = c.b.mul(c.b.add(row, k), columns), c.b.mul(k, c.whole(each))
        with c.loop(columns) as i:
            place = c.b.add(first, c.item("columns", i, kind=INT))
            c.set_item(c.lane(lane, "SO", place), "senses", c.b.add(base, i))
