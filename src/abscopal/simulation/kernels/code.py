"""Loops, branches and workspace access on top of an IR builder."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from abscopal.simulation.kernels.elementary import DOUBLE, INT, Arithmetic
from abscopal.simulation.kernels.layout import JOB, OPTIONS, Layout

POINTER = ir.PointerType()


class Code:
    """One function under construction.

    Parameters
    ----------
    module : llvmlite.ir.Module
    name : str
    arguments : list of types
        The first is the workspace, or the job for the functions that need one.
    width : int
        Lanes.
    """

    def __init__(
        self, module: ir.Module, name: str, arguments: list[Any], result: Any, width: int, where: Layout
    ) -> None:
        self.function = ir.Function(module, ir.FunctionType(result, arguments), name)
        self.function.attributes.add("nounwind")
        self.b = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.width, self.where = width, where
        self.v = Arithmetic(self.b, width)
        self.s = Arithmetic(self.b, 1)
        self.workspace: Any = self.function.args[0]
        self.job: Any = None

    # integers and control flow

    def whole(self, value: int) -> Any:
        """An integer constant."""
        return ir.Constant(INT, value)

    @contextmanager
    def loop(self, count: Any) -> Iterator[Any]:
        """Repeat for i from 0 while i < count; count is at least one."""
        count = self.whole(count) if isinstance(count, int) else count
        before, body, after = self.b.block, self.b.append_basic_block("loop"), self.b.append_basic_block("after")
        self.b.branch(body)
        self.b.position_at_end(body)
        i = self.b.phi(INT)
        i.add_incoming(self.whole(0), before)
        yield i
        following = self.b.add(i, self.whole(1))
        i.add_incoming(following, self.b.block)
        self.b.cbranch(self.b.icmp_signed("<", following, count), body, after)
        self.b.position_at_end(after)

    def fold(self, count: int, first: list[Any], body: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
        """Repeat `body(i, values) -> values` for i from 0 to `count`, the values kept in registers."""
        before, block, after = self.b.block, self.b.append_basic_block("fold"), self.b.append_basic_block("after")
        self.b.branch(block)
        self.b.position_at_end(block)
        i, carried = self.b.phi(INT), [self.b.phi(value.type) for value in first]
        later = [self.b.add(i, self.whole(1)), *body(i, list(carried))]
        for phi, start, following in zip([i, *carried], [self.whole(0), *first], later, strict=True):
            phi.add_incoming(start, before)
            phi.add_incoming(following, self.b.block)
        self.b.cbranch(self.b.icmp_signed("<", later[0], self.whole(count)), block, after)
        self.b.position_at_end(after)
        return later[1:]

    @contextmanager
    def while_(self, condition: Callable[[], Any]) -> Iterator[None]:
        """Repeat while the condition, computed anew each time, holds."""
        head, body, after = (self.b.append_basic_block(name) for name in ("head", "body", "after"))
        self.b.branch(head)
        self.b.position_at_end(head)
        self.b.cbranch(condition(), body, after)
        self.b.position_at_end(body)
        yield
        self.b.branch(head)
        self.b.position_at_end(after)

    def if_(self, condition: Any) -> Any:
        """Context manager: run what follows where the condition holds."""
        return self.b.if_then(condition)

    # workspace, vectors

    def place(self, region: str, i: Any = 0) -> Any:
        """Address of vector i of a region."""
        offset = self.where.offsets[region]
        index = self.whole(offset + i) if isinstance(i, int) else self.b.add(i, self.whole(offset))
        return self.b.gep(self.workspace, [index], source_etype=self.v.type)

    def load(self, region: str, i: Any = 0) -> Any:
        """Vector i of a region."""
        value = self.b.load(self.place(region, i), typ=self.v.type)
        value.align = 8 * self.width
        return value

    def store(self, value: Any, region: str, i: Any = 0) -> None:
        """Write vector i of a region."""
        self.b.store(value, self.place(region, i)).align = 8 * self.width

    # workspace, one lane

    def lane_place(self, lane: Any, region: str, i: Any = 0) -> Any:
        """Address of one lane of vector i of a region."""
        offset = self.where.offsets[region]
        if isinstance(i, int):
            index = self.b.add(lane, self.whole((offset + i) * self.width))
        else:
            index = self.b.add(lane, self.b.mul(self.b.add(i, self.whole(offset)), self.whole(self.width)))
        return self.b.gep(self.workspace, [index], source_etype=DOUBLE)

    def lane(self, lane: Any, region: str, i: Any = 0, *, kind: Any = DOUBLE) -> Any:
        """One lane of vector i of a region."""
        return self.b.load(self.lane_place(lane, region, i), typ=kind)

    def set_lane(self, value: Any, lane: Any, region: str, i: Any = 0) -> None:
        """Write one lane of vector i of a region."""
        self.b.store(value, self.lane_place(lane, region, i))

    # the job

    def slot(self, name: str) -> Any:
        """An integer slot of the job."""
        place = self.b.gep(self.job, [self.whole(JOB.index(name))], source_etype=INT)
        return self.b.load(place, typ=INT)

    def address(self, name: str) -> Any:
        """An address slot of the job."""
        return self.b.inttoptr(self.slot(name), POINTER)

    def set_slot(self, value: Any, name: str) -> None:
        """Write an integer slot of the job."""
        self.b.store(value, self.b.gep(self.job, [self.whole(JOB.index(name))], source_etype=INT))

    def option(self, name: str) -> Any:
        """A float64 setting of the call."""
        return self.item("options", self.whole(OPTIONS.index(name)))

    def item(self, name: str, index: Any, *, kind: Any = DOUBLE) -> Any:
        """Element of one of the job's arrays."""
        return self.b.load(self.b.gep(self.address(name), [index], source_etype=kind), typ=kind)

    def set_item(self, value: Any, name: str, index: Any) -> None:
        """Write an element of one of the job's arrays."""
        kind = INT if value.type == INT else DOUBLE
        self.b.store(value, self.b.gep(self.address(name), [index], source_etype=kind))

    def splat(self, value: Any) -> Any:
        """A scalar in every lane."""
        if self.width == 1:
            return value
        empty = ir.Constant(self.v.type, ir.Undefined)
        one = self.b.insert_element(empty, value, self.whole(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.width), [0] * self.width)
        return self.b.shuffle_vector(one, empty, mask)

    def call(self, name: str, *args: Any) -> Any:
        """Call another function of the module."""
        return self.b.call(self.b.module.get_global(name), list(args))
