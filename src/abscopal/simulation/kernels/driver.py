"""The loop around the steps: stops, impulses, outputs, and the queue from which a finished lane is refilled."""

from typing import Any

from llvmlite import ir

from abscopal.simulation.explicit import STIFF_AFTER
from abscopal.simulation.kernels.code import POINTER, Code
from abscopal.simulation.kernels.elementary import DOUBLE, INT
from abscopal.simulation.kernels.explicit_step import write_explicit_step
from abscopal.simulation.kernels.functions import Writer
from abscopal.simulation.kernels.layout import COUNTS, SUMMARIES
from abscopal.simulation.kernels.step import write_rosenbrock_step
from abscopal.simulation.kernels.summaries import write_last_look
from abscopal.simulation.kernels.tangent_code import clear_given, write_sense_row, write_tangent_functions

OK, MAX_STEPS, NOT_FINITE, STEP_TOO_SMALL, NEGATIVE = range(5)
STIFF = 9
"""Codes a kernel reports per patient."""

_REGION_OF = dict(zip(SUMMARIES, ("MINIMUM", "MAXIMUM", "AREA", "ABOVE", "BELOW"), strict=True))


def write_driver(w: Writer) -> None:
    """Write `run(job)` and what it calls."""
    if w.program.tangent:
        write_tangent_functions(w, w.program.tangent)
    (write_rosenbrock_step if w.method == "rosenbrock" else write_explicit_step)(w)
    if w.program.observed:
        write_last_look(w)
    _write_row(w)
    if w.program.clocks:
        _write_events(w, "steps", clocks=True)
    _write_events(w, "events")
    _write_advance(w)
    _write_finish(w)
    _write_start(w)
    _write_diagnose(w)
    _write_serve(w)
    _write_run(w)


def _lane_code(w: Writer, name: str, result: Any = None) -> tuple[Code, Any]:
    c = w.code(name, [POINTER, INT], result)
    c.job = c.function.args[0]
    c.workspace = c.address("workspace")
    return c, c.function.args[1]


def _write_row(w: Writer) -> None:
    """`row(job, lane)`: write the requested columns of the next output time, states no lower than their limit."""
    c, lane = _lane_code(w, "row")
    n = w.program.n_states
    out, patient = c.lane(lane, "OUT", kind=INT), c.lane(lane, "PATIENT", kind=INT)
    with c.loop(n) as i:
        y, lower = c.lane(lane, "Y", i), c.lane(lane, "LOWER", i)
        c.set_item(c.s.choose(c.s.compare("<", y, lower), lower, y), "scratch", i)
    with c.if_(c.b.icmp_signed("!=", c.slot("any_quantity"), c.whole(0))):
        c.call("quantities", c.workspace, lane, c.address("scratch"))
    columns = c.slot("n_columns")
    base = c.b.mul(c.b.add(c.b.mul(patient, c.slot("n_times")), out), columns)
    with c.if_(c.b.icmp_signed(">", columns, c.whole(0))), c.loop(columns) as k:
        value = c.item("scratch", c.item("columns", k, kind=INT))
        c.set_item(value, "rows", c.b.add(base, k))
    if w.program.tangent:
        write_sense_row(w, c, w.program.tangent, lane, patient, out)
    c.set_lane(c.b.add(out, c.whole(1)), lane, "OUT")
    c.b.ret_void()


def _write_events(w: Writer, name: str, *, clocks: bool = False) -> None:
    """`events(job, lane)`: apply every impulse due now; `steps(job, lane)`: those of clocks, which come first."""
    c, lane = _lane_code(w, name)
    due = _due_event(c, lane)
    with c.while_(_due_step(w, c, lane) if clocks else due):
        event = c.lane(lane, "EVENT", kind=INT)
        kind = c.item("event_kind", event, kind=INT)
        first = c.b.mul(event, c.whole(w.where.arguments))
        arguments = c.b.gep(c.address("event_arguments"), [first], source_etype=DOUBLE)
        after = c.b.append_basic_block("applied")
        choice = c.b.switch(kind, after)
        for k in range(len(w.program.impulses)):
            block = c.b.append_basic_block(f"kind{k}")
            choice.add_case(c.whole(k), block)
            c.b.position_at_end(block)
            if w.program.tangent:
                c.call(f"jolt{k}", c.workspace, lane, arguments)
            c.call(f"impulse{k}", c.workspace, lane, arguments)
            c.b.branch(after)
        c.b.position_at_end(after)
        c.set_lane(c.b.add(event, c.whole(1)), lane, "EVENT")
        _cut_step(c, lane)
        c.set_slot(c.whole(1), "changed")
    c.b.ret_void()


def _cut_step(c: Code, lane: Any) -> None:
    """After an impulse fast states may move again: start with a short step."""
    first, wanted = c.option("first_step"), c.lane(lane, "H")
    c.set_lane(c.s.choose(c.s.compare("<", wanted, first), wanted, first), lane, "H")


def _due_event(c: Code, lane: Any) -> Any:
    def due() -> Any:
        event, patient = c.lane(lane, "EVENT", kind=INT), c.lane(lane, "PATIENT", kind=INT)
        last = c.item("event_end", patient, kind=INT)
        left = c.b.icmp_signed("<", event, last)
        safe = c.b.select(left, event, c.whole(0))
        return c.b.and_(left, c.s.compare("<=", c.item("event_time", safe), c.lane(lane, "T")))

    return due


def _due_step(w: Writer, c: Code, lane: Any) -> Any:
    """Whether the next impulse is due and the step of a clock; they are first among those of a day."""
    due = _due_event(c, lane)

    def step_due() -> Any:
        now = due()
        event = c.b.select(now, c.lane(lane, "EVENT", kind=INT), c.whole(0))
        kind = c.item("event_kind", event, kind=INT)
        mine = ir.Constant(ir.IntType(1), 0)
        for k in w.program.clocks:
            mine = c.b.or_(mine, c.b.icmp_signed("==", kind, c.whole(k)))
        return c.b.and_(now, mine)

    return step_due


def _due_output(c: Code, lane: Any) -> Any:
    def due() -> Any:
        out = c.lane(lane, "OUT", kind=INT)
        left = c.b.icmp_signed("<", out, c.slot("n_times"))
        safe = c.b.select(left, out, c.whole(0))
        return c.b.and_(left, c.s.compare("<=", c.item("times", safe), c.lane(lane, "T")))

    return due


def _write_advance(w: Writer) -> None:
    """`advance(job, lane) -> done`: outputs and impulses due now, then the next stop."""
    c, lane = _lane_code(w, "advance", INT)
    after = c.s.compare(">", c.option("after"), c.s.number(0.5))
    if w.program.clocks:
        c.call("steps", c.job, lane)
    for side in (c.b.not_(after), after):
        with c.if_(side), c.while_(_due_output(c, lane)):
            c.call("row", c.job, lane)
        if side is not after:
            c.call("events", c.job, lane)
    out = c.lane(lane, "OUT", kind=INT)
    finished = c.b.icmp_signed(">=", out, c.slot("n_times"))
    with c.if_(finished):
        if w.program.observed:
            c.call("last_look", c.workspace, lane)
        c.b.ret(c.whole(1))
    stop = c.item("times", out)
    event, patient = c.lane(lane, "EVENT", kind=INT), c.lane(lane, "PATIENT", kind=INT)
    last = c.item("event_end", patient, kind=INT)
    left = c.b.icmp_signed("<", event, last)
    when = c.item("event_time", c.b.select(left, event, c.whole(0)))
    sooner = c.b.and_(left, c.s.compare("<", when, stop))
    c.set_lane(c.s.choose(sooner, when, stop), lane, "STOP")
    c.b.ret(c.whole(0))


def _write_finish(w: Writer) -> None:
    """`finish(job, lane, code, state)`: report a patient; rows not reached stay as they are."""
    c = w.code("finish", [POINTER, INT, INT, INT])
    c.job = c.function.args[0]
    c.workspace = c.address("workspace")
    lane, code, state = c.function.args[1:]
    n, watched = w.program.n_states, len(w.program.observed)
    patient = c.lane(lane, "PATIENT", kind=INT)
    with c.loop(n) as i:
        c.set_item(c.lane(lane, "Y", i), "finals", c.b.add(c.b.mul(patient, c.whole(n)), i))
    steps = [c.b.fptosi(c.lane(lane, region), INT) for region in ("STEPS", "REJECTED")]
    for k, value in enumerate([code, state, *steps]):
        c.set_item(value, "counts", c.b.add(c.b.mul(patient, c.whole(len(COUNTS))), c.whole(k)))
    c.set_item(c.lane(lane, "T"), "facts", patient)
    if watched:
        row = c.b.mul(patient, c.whole(watched * len(SUMMARIES)))
        with c.loop(watched) as k:
            first = c.b.add(row, c.b.mul(k, c.whole(len(SUMMARIES))))
            for j, name in enumerate(SUMMARIES):
                c.set_item(c.lane(lane, _REGION_OF[name], k), "summaries", c.b.add(first, c.whole(j)))
    c.b.ret_void()


def _write_start(w: Writer) -> None:
    """`start(job, lane)`: take the next patient from the queue, or leave the lane idle."""
    c, lane = _lane_code(w, "start")
    n, p = w.program.n_states, w.program.n_parameters
    waiting = _waiting(c, lane)
    with c.while_(waiting):
        place = c.slot("next")
        c.set_slot(c.b.add(place, c.whole(1)), "next")
        c.set_slot(c.whole(1), "changed")
        patient = c.item("order", place, kind=INT)
        c.set_lane(patient, lane, "PATIENT")
        if p:
            with c.loop(p) as k:
                c.set_lane(c.item("parameters", c.b.add(c.b.mul(patient, c.whole(p)), k)), lane, "P", k)
        c.call("prepare", c.workspace, lane)
        c.call("initial", c.workspace, lane)
        if w.program.tangent:
            c.call("initial_tangent", c.workspace, lane)
        with c.if_(c.b.icmp_signed("!=", c.slot("initial"), c.whole(0))), c.loop(n) as i:
            given, own = c.item("initial", c.b.add(c.b.mul(patient, c.whole(n)), i)), c.lane(lane, "Y", i)
            c.set_lane(c.s.choose(c.b.fcmp_unordered("uno", given, given), own, given), lane, "Y", i)
            if w.program.tangent:
                clear_given(c, w.program.tangent, lane, n, i, given)
        with c.loop(n) as i:
            c.set_lane(c.s.abs(c.lane(lane, "Y", i)), lane, "PEAK", i)
        for region in ("STEPS", "REJECTED", "AGAIN", "NEGATIVE", "STIFF", "CALM"):
            c.set_lane(c.s.number(0.0), lane, region)
        c.set_lane(c.whole(0), lane, "OUT")
        c.set_lane(c.item("event_begin", patient, kind=INT), lane, "EVENT")
        c.set_lane(c.option("start"), lane, "T")
        c.set_lane(c.option("first_step"), lane, "H")
        _reset_summaries(w, c, lane, patient)
        c.set_lane(c.s.number(1.0), lane, "ALIVE")
        done = c.call("advance", c.job, lane)
        with c.if_(c.b.icmp_signed("!=", done, c.whole(0))):
            c.set_lane(c.s.number(0.0), lane, "ALIVE")
            c.call("finish", c.job, lane, c.whole(OK), c.whole(-1))
    c.b.ret_void()


def _waiting(c: Code, lane: Any) -> Any:
    def waiting() -> Any:
        idle = c.s.compare("<", c.lane(lane, "ALIVE"), c.s.number(0.5))
        return c.b.and_(idle, c.b.icmp_signed("<", c.slot("next"), c.slot("last")))

    return waiting


def _reset_summaries(w: Writer, c: Code, lane: Any, patient: Any) -> None:
    watched = len(w.program.observed)
    if not watched:
        return
    infinite = float("inf")
    start = {"MINIMUM": infinite, "MAXIMUM": -infinite, "AREA": 0.0, "ABOVE": infinite, "BELOW": infinite}
    with c.loop(watched) as k:
        for region, value in start.items():
            c.set_lane(c.s.number(value), lane, region, k)
        level = c.item("thresholds", c.b.add(c.b.mul(patient, c.whole(watched)), k))
        c.set_lane(level, lane, "LEVEL", k)


def _write_diagnose(w: Writer) -> None:
    """`diagnose(job, lane)`: why a lane cannot go on, and in which state; then report it."""
    c, lane = _lane_code(w, "diagnose")
    n = w.program.n_states
    with c.loop(n) as i:
        c.store(c.load("YS", i), "R", i)  # the refused new states
        c.store(c.load("Y", i), "YS", i)
    c.store(c.load("T"), "TS")
    c.call("rates", c.workspace)
    code, state = c.b.alloca(INT), c.b.alloca(INT)
    tired = c.s.compare(">=", c.lane(lane, "STEPS"), c.option("max_steps"))
    stiff = c.s.compare(">=", c.lane(lane, "STIFF"), c.s.number(STIFF_AFTER))
    known = c.b.select(stiff, c.whole(STIFF), c.whole(STEP_TOO_SMALL))
    c.b.store(c.b.select(tired, c.whole(MAX_STEPS), known), code)
    c.b.store(c.whole(-1), state)
    with c.loop(n) as i:
        y, limit = c.lane(lane, "R", i), c.lane(lane, "LOWER", i)
        low = c.b.and_(c.s.compare("<", y, limit), c.s.compare(">", c.lane(lane, "NEGATIVE"), c.s.number(0.5)))
        with c.if_(c.b.and_(low, c.b.not_(tired))):
            c.b.store(c.whole(NEGATIVE), code)
            c.b.store(i, state)
    with c.loop(n) as i:
        sum_ = c.s.add(c.lane(lane, "F", i), c.lane(lane, "Y", i))
        finite = c.s.compare("<", c.s.abs(sum_), c.s.number(float("inf")))
        with c.if_(c.b.not_(finite)):
            c.b.store(c.whole(NOT_FINITE), code)
            c.b.store(i, state)
    c.call("finish", c.job, lane, c.b.load(code, typ=INT), c.b.load(state, typ=INT))
    c.b.ret_void()


def _write_serve(w: Writer) -> None:
    """`serve(job, lane)`: a lane reached its stop, or cannot go on."""
    c, lane = _lane_code(w, "serve")
    reached = c.s.compare(">=", c.lane(lane, "T"), c.lane(lane, "STOP"))
    with c.b.if_else(reached) as (yes, no):
        with yes:
            done = c.call("advance", c.job, lane)
            with c.if_(c.b.icmp_signed("!=", done, c.whole(0))):
                c.call("finish", c.job, lane, c.whole(OK), c.whole(-1))
                c.set_lane(c.s.number(0.0), lane, "ALIVE")
        with no:
            c.call("diagnose", c.job, lane)
            c.set_lane(c.s.number(0.0), lane, "ALIVE")
    c.call("start", c.job, lane)
    c.b.ret_void()


def _write_run(w: Writer) -> None:
    """`run(job)`: solve patients `next` to `last`."""
    c = w.code("run", [POINTER])
    c.job = c.function.args[0]
    c.workspace = c.address("workspace")
    n = w.program.n_states
    with c.loop(n) as i:
        c.store(c.splat(c.item("absolute", i)), "ATOL", i)
        c.store(c.splat(c.item("lower", i)), "LOWER", i)
    c.store(c.v.number(0.0), "ALIVE")
    with c.loop(w.width) as lane:
        c.call("start", c.job, lane)

    def any_alive() -> Any:
        alive = c.v.compare(">", c.load("ALIVE"), c.v.number(0.5))
        whole = c.b.bitcast(alive, ir.IntType(w.width))
        return c.b.icmp_unsigned("!=", whole, ir.Constant(ir.IntType(w.width), 0))

    with c.while_(any_alive):
        mask = c.call("step", c.job)
        with c.if_(c.b.icmp_unsigned("!=", mask, ir.Constant(mask.type, 0))), c.loop(w.width) as lane:
            narrow = c.b.trunc(lane, ir.IntType(w.width)) if w.width < 64 else lane
            bit = c.b.and_(c.b.lshr(mask, narrow), ir.Constant(mask.type, 1))
            with c.if_(c.b.icmp_unsigned("!=", bit, ir.Constant(mask.type, 0))):
                c.call("serve", c.job, lane)
    c.b.ret_void()
