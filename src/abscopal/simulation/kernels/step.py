"""One step of the Rosenbrock method on every lane, each with its own time and step size."""

from typing import Any

from llvmlite import ir

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
from abscopal.simulation.kernels.tangent_code import after_stage, take_sensitivities
from abscopal.simulation.rosenbrock import RODAS4


def write_rosenbrock_step(w: Writer) -> None:
    """Write `step(job) -> mask`: the lanes that reached a stop or cannot go on."""
    c = w.code("step", [POINTER], ir.IntType(w.width))
    c.job = c.function.args[0]
    c.workspace = c.address("workspace")
    v, n = c.v, w.program.n_states
    s = stride(c)
    copy(c, n, "Y", "YS")
    c.store(s.now, "TS")
    c.call("linearise", c.workspace)
    if w.program.observed:
        c.call("observe0", c.workspace)
    if w.program.tangent:
        c.call("second", c.workspace)
    inverse = v.inverse(s.h)
    c.store(v.mul(inverse, v.number(1.0 / RODAS4.gamma)), "SHIFT")
    c.call("factorise", c.workspace)
    for stage in range(RODAS4.stages):
        _stage(w, c, stage, s, inverse)
        if w.program.tangent:
            after_stage(w, c, w.program.tangent, stage)

    def change(i: Any) -> tuple[Any, Any]:
        error = c.load("U", _of_stage(c, RODAS4.stages - 1, n, i))
        return error, v.add(c.load("YS", i), error)

    error, negative, _ = error_size(c, n, change)
    good = c.b.and_(v.compare("<=", error, v.number(1.0)), c.b.not_(negative))
    root = v.sqrt(v.sqrt(v.sqrt(error)))  # the error estimate is of order four
    following = plan_next(c, good, s, step_factor(c, error, root, negative, good))
    if w.program.observed:
        c.store(s.end, "TS")
        c.call("rates", c.workspace)
        write_summary_update(w, c, good, s)
    if w.program.tangent:
        take_sensitivities(w, c, w.program.tangent, good, s, inverse)
    accept(c, n, good, s)
    c.b.ret(attention(c, good, s, following))


def _stage(w: Writer, c: Code, stage: int, s: Stride, inverse: Any) -> None:
    """Argument and rates of one stage, its right-hand side, and the solution."""
    v, n = c.v, w.program.n_states
    if stage:
        moment = {0.0: s.now, 1.0: s.end}.get(RODAS4.c[stage]) or v.add(s.now, v.mul(s.h, v.number(RODAS4.c[stage])))
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
            total = v.add(total, v.mul(v.mul(s.h, v.number(slope)), c.load("FT", i)))
        c.store(total, "R", i)
    c.call("solve", c.workspace, c.place("U", stage * n))


def _of_stage(c: Code, stage: int, n: int, i: Any) -> Any:
    return c.b.add(i, c.whole(stage * n))
