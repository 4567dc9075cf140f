"""One step of the Rosenbrock method on every lane, each with its own time and step size."""

from typing import Any

from llvmlite import ir

from abscopal.simulation.kernels.code import POINTER, Code
from abscopal.simulation.kernels.functions import Writer
from abscopal.simulation.kernels.summaries import write_summary_update
from abscopal.simulation.rosenbrock import RODAS4

_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 6.0
_NEGATIVE_SHRINK, _BROKEN_SHRINK = 0.3, 0.1
_SMALLEST, _SMALLEST_AT_ZERO = 1e-14, 1e-30  # of the time reached, and [day]: a shorter step no longer moves the clock


def write_step(w: Writer) -> None:
    """Write `step(job) -> mask`: the lanes that reached a stop or cannot go on."""
    mask = ir.IntType(w.width)
    c = w.code("step", [POINTER], mask)
    c.job = c.function.args[0]
    c.workspace = c.address("workspace")
    v, n = c.v, w.program.n_states
    now, stop, wanted = c.load("T"), c.load("STOP"), c.load("H")
    left = v.sub(stop, now)
    hit = v.compare(">=", v.mul(wanted, v.number(1.0001)), left)
    near = v.compare(">", v.mul(wanted, v.number(2.0)), left)
    h = v.choose(hit, left, v.choose(near, v.mul(v.number(0.5), left), wanted))  # no sliver before a stop
    end = v.choose(hit, stop, v.add(now, h))
    with c.loop(n) as i:
        c.store(c.load("Y", i), "YS", i)
    c.store(now, "TS")
    c.call("linearise", c.workspace)
    if w.program.observed:
        c.call("observe0", c.workspace)
    inverse = v.inverse(h)
    c.store(v.mul(inverse, v.number(1.0 / RODAS4.gamma)), "SHIFT")
    c.call("factorise", c.workspace)
    for stage in range(RODAS4.stages):
        _stage(w, c, stage, now, end, h, inverse)
    error, negative = _error(c, n)
    fits = v.compare("<=", error, v.number(1.0))
    good = c.b.and_(fits, c.b.not_(negative))
    following = v.mul(h, _factor(c, error, negative, good))
    shortened = v.compare("<", h, wanted)
    kept = v.choose(c.b.and_(shortened, v.compare("<", following, wanted)), wanted, following)
    c.store(v.choose(good, kept, following), "H")
    if w.program.observed:
        write_summary_update(w, c, good, end, h)
    with c.loop(n) as i:
        new, old, peak = c.load("YS", i), c.load("Y", i), c.load("PEAK", i)
        y = v.choose(good, new, old)
        c.store(y, "Y", i)
        size = v.abs(y)
        c.store(v.choose(v.compare(">", size, peak), size, peak), "PEAK", i)
    c.store(v.choose(good, end, now), "T")
    c.b.ret(_attention(c, good, hit, now, following))


def _stage(w: Writer, c: Code, stage: int, now: Any, end: Any, h: Any, inverse: Any) -> None:
    """Argument and rates of one stage, its right-hand side, and the solution."""
    v, n = c.v, w.program.n_states
    if stage:
        moment = {0.0: now, 1.0: end}.get(RODAS4.c[stage]) or v.add(now, v.mul(h, v.number(RODAS4.c[stage])))
        with c.loop(n) as i:
            total = c.load("Y", i)
            for j, a in enumerate(RODAS4.a[stage]):
                total = v.add(total, v.mul(v.number(a), c.load("U", _of_stage(c, j, n, i))))
            c.store(total, "YS", i)
        c.store(moment, "TS")
        c.call("rates", c.workspace)
    slope = RODAS4.d[stage] if w.program.time_rates else 0.0
    with c.loop(n) as i:
        total = v.number(0.0)
        for j, g in enumerate(RODAS4.g[stage]):
            total = v.add(total, v.mul(v.number(g), c.load("U", _of_stage(c, j, n, i))))
        total = v.add(c.load("F", i), v.mul(inverse, total)) if stage else c.load("F", i)
        if slope:
            total = v.add(total, v.mul(v.mul(h, v.number(slope)), c.load("FT", i)))
        c.store(total, "R", i)
    c.call("solve", c.workspace, c.place("U", stage * n))


def _of_stage(c: Code, stage: int, n: int, i: Any) -> Any:
    return c.b.add(i, c.int(stage * n))


def _error(c: Code, n: int) -> tuple[Any, Any]:
    """Mean square of the scaled error, and the lanes where a state fell below its limit; `YS` becomes the new state."""
    v = c.v
    relative, floor = c.splat(c.option("relative")), c.splat(c.option("floor"))
    allowed = c.splat(c.option("negative"))

    def body(i: Any, sums: list[Any]) -> list[Any]:
        error = c.load("U", _of_stage(c, RODAS4.stages - 1, n, i))
        old, peak, absolute = c.load("Y", i), c.load("PEAK", i), c.load("ATOL", i)
        new = v.add(c.load("YS", i), error)
        c.store(new, "YS", i)
        was, is_ = v.abs(old), v.abs(new)
        size = v.choose(v.compare(">", was, is_), was, is_)  # a NaN is in the error already
        scale = v.add(absolute, v.mul(relative, v.add(size, v.mul(floor, peak))))
        ratio = v.div(error, scale)
        limit = v.sub(c.load("LOWER", i), v.add(v.mul(allowed, peak), v.mul(v.number(1e3), absolute)))
        below = v.choose(v.compare("<", new, limit), v.number(1.0), sums[1])
        return [v.add(sums[0], v.mul(ratio, ratio)), below]

    total, below = c.fold(n, [v.number(0.0), v.number(0.0)], body)
    c.store(below, "NEGATIVE")
    return v.mul(total, v.number(1.0 / n)), v.compare(">", below, v.number(0.5))


def _factor(c: Code, error: Any, negative: Any, good: Any) -> Any:
    """By how much the next step differs from this one; a NaN in the error shrinks it."""
    v = c.v
    root = v.sqrt(v.sqrt(v.sqrt(error)))
    factor = v.div(v.number(_SAFETY), root)
    factor = v.choose(v.compare("<", factor, v.number(_GROW)), factor, v.number(_GROW))
    factor = v.choose(v.compare(">", factor, v.number(_SHRINK)), factor, v.number(_SHRINK))
    finite = v.compare("<", error, v.number(1e30))
    factor = v.choose(finite, factor, v.number(_BROKEN_SHRINK))
    low = c.b.and_(negative, v.compare(">", factor, v.number(_NEGATIVE_SHRINK)))
    factor = v.choose(low, v.number(_NEGATIVE_SHRINK), factor)
    again = v.compare(">", c.load("AGAIN"), v.number(0.5))
    capped = c.b.and_(again, v.compare(">", factor, v.number(1.0)))
    c.store(v.choose(good, v.number(0.0), v.number(1.0)), "AGAIN")
    return v.choose(capped, v.number(1.0), factor)


def _attention(c: Code, good: Any, hit: Any, now: Any, following: Any) -> Any:
    """Lanes in use that reached their stop, ran out of steps, or whose step became too small."""
    v = c.v
    steps = v.add(c.load("STEPS"), v.number(1.0))
    c.store(steps, "STEPS")
    c.store(v.add(c.load("REJECTED"), v.choose(good, v.number(0.0), v.number(1.0))), "REJECTED")
    smallest = v.add(v.mul(v.abs(now), v.number(_SMALLEST)), v.number(_SMALLEST_AT_ZERO))
    stuck = c.b.and_(c.b.not_(good), v.compare("<", following, smallest))
    exhausted = v.compare(">=", steps, c.splat(c.option("max_steps")))
    wanted = c.b.or_(c.b.or_(c.b.and_(good, hit), stuck), exhausted)
    alive = v.compare(">", c.load("ALIVE"), v.number(0.5))
    return c.b.bitcast(c.b.and_(wanted, alive), ir.IntType(c.width))
