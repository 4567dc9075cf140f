"""Smallest and largest value, area and first crossings, kept while solving so that no trajectory is stored.

Between two steps a quantity is the cubic through its values and slopes at both ends, which is as accurate
as the method itself.
"""

from typing import Any

from abscopal.simulation.kernels.code import POINTER, Code
from abscopal.simulation.kernels.elementary import INT
from abscopal.simulation.kernels.functions import Writer
from abscopal.simulation.kernels.stepping import Stride

_BISECTIONS = 50


def write_summary_update(w: Writer, c: Code, good: Any, stride: Stride) -> None:
    """Take an accepted step into the summaries; `YS`, `F` and `TS` hold the new state, its rates and its time."""
    v, end, h = c.v, stride.end, stride.h
    c.call("observe1", c.workspace)
    now = c.load("T")
    with c.loop(len(w.program.observed)) as k:
        cubic = _Cubic(c, k, h)
        low, high = cubic.extremes()
        _keep(c, good, "MINIMUM", k, v.smaller(c.load("MINIMUM", k), low))
        _keep(c, good, "MAXIMUM", k, v.larger(c.load("MAXIMUM", k), high))
        _keep(c, good, "AREA", k, v.add(c.load("AREA", k), cubic.area()))
        level = c.load("LEVEL", k)
        for region, sign in (("ABOVE", ">="), ("BELOW", "<=")):
            already = v.compare(sign, cubic.q0, level)
            crossed = c.b.or_(already, v.compare(sign, cubic.q1, level))
            new = c.b.and_(c.b.and_(good, crossed), v.compare(">", c.load(region, k), end))
            any_new = c.b.icmp_unsigned("!=", _bits(c, new), _bits(c, c.b.xor(new, new)))
            with c.if_(any_new):
                inside = v.add(now, v.mul(h, cubic.crossing(level, sign)))
                when = v.choose(already, now, inside)
                _keep(c, new, region, k, when)


def write_last_look(w: Writer) -> None:
    """`last_look(workspace, lane)`: also count the values after the last impulses of a run."""
    c = w.code("last_look", [POINTER, INT])
    lane, s = c.function.args[1], c.s
    nodes = [value for value, _ in w.program.observed]
    values = w.lane_values(c, lane, nodes, {"state": "Y", "time": "T", "parameter": "P"})
    now = c.lane(lane, "T")
    for k, value in enumerate(values):
        c.set_lane(s.smaller(c.lane(lane, "MINIMUM", k), value), lane, "MINIMUM", k)
        c.set_lane(s.larger(c.lane(lane, "MAXIMUM", k), value), lane, "MAXIMUM", k)
        for region, sign in (("ABOVE", ">="), ("BELOW", "<=")):
            known = c.lane(lane, region, k)
            new = c.b.and_(s.compare(sign, value, c.lane(lane, "LEVEL", k)), s.compare(">", known, now))
            c.set_lane(s.choose(new, now, known), lane, region, k)
    c.b.ret_void()


def _bits(c: Code, mask: Any) -> Any:
    from llvmlite import ir

    return c.b.bitcast(mask, ir.IntType(c.width))


def _keep(c: Code, where: Any, region: str, k: Any, value: Any) -> None:
    c.store(c.v.choose(where, value, c.load(region, k)), region, k)


class _Cubic:
    """The Hermite cubic of one quantity over one step, in s from 0 to 1."""

    def __init__(self, c: Code, k: Any, h: Any) -> None:
        v = c.v
        self.c, self.h = c, h
        self.q0, self.q1 = c.load("Q0", k), c.load("Q1", k)
        self.d0, self.d1 = v.mul(h, c.load("D0", k)), v.mul(h, c.load("D1", k))
        gap = v.sub(self.q1, self.q0)
        self.square = v.sub(v.sub(v.mul(v.number(3.0), gap), v.mul(v.number(2.0), self.d0)), self.d1)
        self.cube = v.add(v.sub(self.d0, v.mul(v.number(2.0), gap)), self.d1)

    def at(self, s: Any) -> Any:
        """Value at s."""
        v = self.c.v
        return v.add(self.q0, v.mul(s, v.add(self.d0, v.mul(s, v.add(self.square, v.mul(s, self.cube))))))

    def area(self) -> Any:
        """Integral over the step."""
        v = self.c.v
        ends = v.mul(v.number(0.5), v.add(self.q0, self.q1))
        return v.mul(self.h, v.add(ends, v.mul(v.number(1 / 12), v.sub(self.d0, self.d1))))

    def extremes(self) -> tuple[Any, Any]:
        """Smallest and largest value at the ends and at a turning point between them."""
        v = self.c.v
        low, high = v.smaller(self.q0, self.q1), v.larger(self.q0, self.q1)
        turns = v.compare("<", v.mul(self.d0, self.d1), v.number(0.0))
        # root of d0 + 2·square·s + 3·cube·s² between 0 and 1, in the form that does not cancel
        three = v.mul(v.number(3.0), self.cube)
        root = v.sqrt(v.larger(v.sub(v.mul(self.square, self.square), v.mul(three, self.d0)), v.number(0.0)))
        signed = v.choose(v.compare("<", self.d0, v.number(0.0)), v.neg(root), root)
        value = self.at(v.div(self.d0, v.sub(signed, self.square)))
        inner_low = v.choose(self.c.b.and_(turns, v.compare("<", value, low)), value, low)
        inner_high = v.choose(self.c.b.and_(turns, v.compare(">", value, high)), value, high)
        return inner_low, inner_high

    def crossing(self, level: Any, sign: str) -> Any:
        """Where the cubic reaches a level, by bisection."""
        c, v = self.c, self.c.v
        start = c.b.block
        body, after = c.b.append_basic_block("bisect"), c.b.append_basic_block("found")
        c.b.branch(body)
        c.b.position_at_end(body)
        count, low, high = c.b.phi(c.whole(0).type), c.b.phi(v.type), c.b.phi(v.type)
        middle = v.mul(v.number(0.5), v.add(low, high))
        reached = v.compare(sign, self.at(middle), level)
        new_low, new_high = v.choose(reached, low, middle), v.choose(reached, middle, high)
        following = c.b.add(count, c.whole(1))
        for phi, first, later in (
            (count, c.whole(0), following),
            (low, v.number(0.0), new_low),
            (high, v.number(1.0), new_high),
        ):
            phi.add_incoming(first, start)
            phi.add_incoming(later, body)
        c.b.cbranch(c.b.icmp_signed("<", following, c.whole(_BISECTIONS)), body, after)
        c.b.position_at_end(after)
        return new_high
