"""What every step of a lane shares: how far to go, the size of the error, and what follows from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from abscopal.simulation.kernels.code import Code

_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 6.0
_NEGATIVE_SHRINK, _BROKEN_SHRINK = 0.3, 0.1
_SMALLEST = 1e-14  # of the time reached: a shorter step no longer moves the clock
_SMALLEST_AT_ZERO = 1e-30  # [day]


@dataclass(frozen=True)
class Stride:
    """Times of one step on every lane: start, end, size, the size wanted, and whether it ends at the stop."""

    now: Any
    end: Any
    h: Any
    wanted: Any
    hit: Any


def stride(c: Code) -> Stride:
    """How far each lane goes: to its stop exactly, or as far as it wants without leaving a sliver before it."""
    v = c.v
    now, stop, wanted = c.load("T"), c.load("STOP"), c.load("H")
    left = v.sub(stop, now)
    hit = v.compare(">=", v.mul(wanted, v.number(1.0001)), left)
    near = v.compare(">", v.mul(wanted, v.number(2.0)), left)
    h = v.choose(hit, left, v.choose(near, v.mul(v.number(0.5), left), wanted))
    return Stride(now, v.choose(hit, stop, v.add(now, h)), h, wanted, hit)


def copy(c: Code, n: int, source: str, target: str) -> None:
    """Copy the first n vectors of a region."""
    with c.loop(n) as i:
        c.store(c.load(source, i), target, i)


def error_size(
    c: Code, n: int, change: Callable[[Any], tuple[Any, Any]], more: Callable[[Any, Any], list[Any]] | None = None
) -> tuple[Any, Any, list[Any]]:
    """Mean square of the scaled error, the lanes where a state fell below its limit, and further sums.

    Parameters
    ----------
    change : callable
        i to the error and the new value of state i; the new value is stored in `YS`.
    more : callable, optional
        (i, 1/scale) to two further summands.
    """
    v = c.v
    relative, floor = c.splat(c.option("relative")), c.splat(c.option("floor"))
    allowed = c.splat(c.option("negative"))

    def body(i: Any, sums: list[Any]) -> list[Any]:
        error, new = change(i)
        old, peak, absolute = c.load("Y", i), c.load("PEAK", i), c.load("ATOL", i)
        c.store(new, "YS", i)
        was, is_ = v.abs(old), v.abs(new)
        size = v.choose(v.compare(">", was, is_), was, is_)  # a NaN is in the error already
        inverse = v.inverse(v.add(absolute, v.mul(relative, v.add(size, v.mul(floor, peak)))))
        ratio = v.mul(error, inverse)
        limit = v.sub(c.load("LOWER", i), v.add(v.mul(allowed, peak), v.mul(v.number(1e3), absolute)))
        below = v.choose(v.compare("<", new, limit), v.number(1.0), sums[1])
        further = [v.add(a, b) for a, b in zip(sums[2:], more(i, inverse), strict=True)] if more else []
        return [v.add(sums[0], v.mul(ratio, ratio)), below, *further]

    zeros = [v.number(0.0)] * (4 if more else 2)
    total, below, *further = c.fold(n, zeros, body)
    c.store(below, "NEGATIVE")
    return v.mul(total, v.number(1.0 / n)), v.compare(">", below, v.number(0.5)), further


def accept(c: Code, n: int, good: Any, s: Stride) -> None:
    """Where the step was good, move on to the state in `YS`."""
    v = c.v
    with c.loop(n) as i:
        new, old, peak = c.load("YS", i), c.load("Y", i), c.load("PEAK", i)
        y = v.choose(good, new, old)
        c.store(y, "Y", i)
        size = v.abs(y)
        c.store(v.choose(v.compare(">", size, peak), size, peak), "PEAK", i)
    c.store(v.choose(good, s.end, s.now), "T")


def plan_next(c: Code, good: Any, s: Stride, factor: Any) -> Any:
    """Store the size of the next step and return this one's times `factor`."""
    v = c.v
    following = v.mul(s.h, factor)
    shortened = v.compare("<", s.h, s.wanted)
    kept = v.choose(c.b.and_(shortened, v.compare("<", following, s.wanted)), s.wanted, following)
    c.store(v.choose(good, kept, following), "H")
    return following


def step_factor(c: Code, error: Any, root: Any, negative: Any, good: Any) -> Any:
    """By how much the next step differs from this one, from the error and its root; a NaN shrinks it."""
    v = c.v
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


def attention(c: Code, good: Any, s: Stride, following: Any, also: Any = None) -> Any:
    """Lanes in use that reached their stop, ran out of steps, or whose step became too small."""
    v = c.v
    steps = v.add(c.load("STEPS"), v.number(1.0))
    c.store(steps, "STEPS")
    c.store(v.add(c.load("REJECTED"), v.choose(good, v.number(0.0), v.number(1.0))), "REJECTED")
    smallest = v.add(v.mul(v.abs(s.now), v.number(_SMALLEST)), v.number(_SMALLEST_AT_ZERO))
    stuck = c.b.and_(c.b.not_(good), v.compare("<", following, smallest))
    exhausted = v.compare(">=", steps, c.splat(c.option("max_steps")))
    wanted = c.b.or_(c.b.or_(c.b.and_(good, s.hit), stuck), exhausted)
    wanted = wanted if also is None else c.b.or_(wanted, also)
    alive = v.compare(">", c.load("ALIVE"), v.number(0.5))
    return c.b.bitcast(c.b.and_(wanted, alive), ir.IntType(c.width))
