"""One step of the explicit method on every lane, and whether stability holds a patient back."""

from typing import Any

from llvmlite import ir

from abscopal.simulation.explicit import CALM_AFTER, ERROR, STAGES, STIFF_AFTER, A, C
from abscopal.simulation.kernels.code import POINTER, Code
from abscopal.simulation.kernels.functions import Writer
from abscopal.simulation.kernels.stepping import (
    Stride,
    accept,
    attention,
    copy,
    error_size,
    plan_next,
    step_factor,
    stride,
)
from abscopal.simulation.kernels.summaries import write_summary_update

LAST = STAGES - 1


def write_explicit_step(w: Writer) -> None:
    """Write `step(job) -> mask`: the lanes that reached a stop, turned out stiff, or cannot go on."""
    c = w.code("step", [POINTER], ir.IntType(w.width))
    c.job = c.function.args[0]
    c.workspace = c.address("workspace")
    v, n = c.v, w.program.n_states
    s = stride(c)
    _first_stage(w, c, n, s)
    for stage in range(1, STAGES):
        _stage(c, stage, n, s)
    h = s.h

    def change(i: Any) -> tuple[Any, Any]:
        total = v.number(0.0)
        for j, e in enumerate(ERROR):
            if e:
                total = v.add(total, v.mul(v.number(e), c.load("U", _place(c, j, n, i))))
        return v.mul(h, total), c.load("YS", i)

    def stability(i: Any, inverse: Any) -> list[Any]:
        slope = v.sub(c.load("U", _place(c, LAST, n, i)), c.load("U", _place(c, LAST - 1, n, i)))
        moved = v.sub(c.load("YS", i), c.load("R", i))
        return [v.mul(x, x) for x in (v.mul(slope, inverse), v.mul(moved, inverse))]

    error, negative, (slopes, moves) = error_size(c, n, change, stability)
    good = c.b.and_(v.compare("<=", error, v.number(1.0)), c.b.not_(negative))
    root = v.exp(v.mul(v.number(0.1), v.log(error)))  # the error estimate is of order five
    following = plan_next(c, good, s, step_factor(c, error, root, negative, good))
    stiff = _stiffness(c, good, v.mul(v.mul(h, h), slopes), moves)
    if w.program.observed:
        with c.loop(n) as i:
            c.store(c.load("U", _place(c, LAST, n, i)), "F", i)
        write_summary_update(w, c, good, s)
    accept(c, n, good, s)
    with c.loop(n) as i:
        last = c.load("U", _place(c, LAST, n, i))
        c.store(v.choose(good, last, c.load("U", i)), "U", i)
    c.b.ret(attention(c, good, s, following, stiff))


def _place(c: Code, stage: int, n: int, i: Any) -> Any:
    return c.b.add(i, c.whole(stage * n))


def _first_stage(w: Writer, c: Code, n: int, s: Stride) -> None:
    """Rates at the start: those of the last stage before, unless some lane's state was changed since."""
    changed = c.b.icmp_signed("!=", c.slot("changed"), c.whole(0))
    with c.if_(changed):
        copy(c, n, "Y", "YS")
        c.store(s.now, "TS")
        c.call("rates_at", c.workspace, c.place("U"))
        c.set_slot(c.whole(0), "changed")
    if w.program.observed:
        copy(c, n, "Y", "YS")
        copy(c, n, "U", "F")
        c.store(s.now, "TS")
        c.call("observe0", c.workspace)


def _stage(c: Code, stage: int, n: int, s: Stride) -> None:
    v = c.v
    factors = [(j, v.mul(s.h, v.number(a))) for j, a in enumerate(A[stage]) if a]
    with c.loop(n) as i:
        total = c.load("Y", i)
        for j, factor in factors:
            total = v.add(total, v.mul(factor, c.load("U", _place(c, j, n, i))))
        c.store(total, "YS", i)
        if stage == LAST - 1:  # at the same time as the last stage: what stability is judged by
            c.store(total, "R", i)
    c.store(s.end if C[stage] == 1.0 else v.add(s.now, v.mul(s.h, v.number(C[stage]))), "TS")
    c.call("rates_at", c.workspace, c.place("U", stage * n))


def _stiffness(c: Code, good: Any, slopes: Any, moves: Any) -> Any:
    """Lanes whose steps have been at the limit of stability too often, counted as DOPRI5 does."""
    v = c.v
    limit = c.splat(c.option("stable"))
    held = c.b.and_(good, v.compare(">", slopes, v.mul(v.mul(limit, limit), moves)))
    free = c.b.and_(good, c.b.not_(held))
    count, calm = c.load("STIFF"), c.load("CALM")
    count = v.choose(held, v.add(count, v.number(1.0)), count)
    calm = v.choose(held, v.number(0.0), v.choose(free, v.add(calm, v.number(1.0)), calm))
    rested = v.compare(">=", calm, v.number(CALM_AFTER))
    count = v.choose(rested, v.number(0.0), count)
    c.store(count, "STIFF")
    c.store(calm, "CALM")
    return v.compare(">=", count, v.number(STIFF_AFTER))
