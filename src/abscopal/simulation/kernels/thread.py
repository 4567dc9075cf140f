"""The form of a kernel for a graphics processor: every thread solves one patient, with a workspace of its own.

The solver inside is the one that runs on the lanes of a CPU, at a width of one.
"""

from typing import Any

from llvmlite import ir

from abscopal.simulation.kernels.code import POINTER, Code
from abscopal.simulation.kernels.elementary import DOUBLE, INT
from abscopal.simulation.kernels.functions import Writer
from abscopal.simulation.kernels.layout import JOB

_THREAD = "llvm.nvvm.read.ptx.sreg."


def write_thread(w: Writer, *, grid: bool) -> None:
    """Write `thread(job, number)`, which solves patient `next` + `number` of a job if it has that many.

    Parameters
    ----------
    w : Writer
    grid : bool
        Also write `entry(job)`, what a graphics processor starts: each thread takes its own number.
    """
    c = w.code("thread", [POINTER, INT])
    shared = c.job = c.function.args[0]
    number = c.b.add(c.slot("next"), c.function.args[1])
    with c.if_(c.b.icmp_signed("<", number, c.slot("last"))):
        job = _room(c, len(JOB), INT)
        with c.loop(len(JOB)) as k:
            c.b.store(c.b.load(_at(c, shared, k, INT), typ=INT), _at(c, job, k, INT))
        c.job = job
        for name, size in (("workspace", w.where.total), ("scratch", w.program.n_states + len(w.program.quantities))):
            room = _room(c, size, DOUBLE)
            with c.loop(size) as k:
                c.b.store(c.s.number(0.0), _at(c, room, k, DOUBLE))
            c.set_slot(c.b.ptrtoint(room, INT), name)
        c.set_slot(number, "next")
        c.set_slot(c.b.add(number, c.whole(1)), "last")
        c.call("run", job)
    c.b.ret_void()
    if grid:
        _write_entry(w)


def _room(c: Code, size: int, kind: Any) -> Any:
    """Memory of the thread's own, reserved on entry."""
    with c.b.goto_entry_block():
        place = c.b.alloca(kind, size=size)
    place.align = 8
    return place


def _at(c: Code, place: Any, k: Any, kind: Any) -> Any:
    return c.b.gep(place, [k], source_etype=kind)


def _write_entry(w: Writer) -> None:
    """`entry(job)`: one thread of a grid of blocks."""
    c = w.code("entry", [POINTER])
    c.function.calling_convention = "ptx_kernel"

    def register(name: str) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [])
        return c.b.zext(c.b.call(ir.Function(w.module, kind, _THREAD + name), []), INT)

    number = c.b.add(c.b.mul(register("ctaid.x"), register("ntid.x")), register("tid.x"))
    c.call("thread", c.function.args[0], number)
    c.b.ret_void()
