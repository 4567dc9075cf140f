"""From a model to machine code, and from machine code to a function."""

import ctypes
import json
from dataclasses import asdict, dataclass
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from abscopal.equations.model import Model
from abscopal.simulation.kernels.driver import write_driver
from abscopal.simulation.kernels.functions import Writer
from abscopal.simulation.kernels.layout import JOB, Method, layout
from abscopal.simulation.kernels.program import program
from abscopal.simulation.kernels.target import Target
from abscopal.simulation.kernels.thread import write_thread


@dataclass(frozen=True)
class Variant:
    """Which kernel of a model: the quantities it summarises, its method, and what it differentiates by."""

    observed: tuple[str, ...] = ()
    method: Method = "rosenbrock"
    sensitivities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """What a caller must know of a kernel.

    Attributes
    ----------
    workspace : int
        Float64 numbers of workspace.
    arguments : int
        Row length of the event table.
    """

    width: int
    workspace: int
    arguments: int
    n_states: int
    n_parameters: int
    n_quantities: int
    n_observed: int


def compile_object(model: Model, variant: Variant, target: Target) -> tuple[bytes, Shape]:
    """Machine code of a model's kernel as an object file (PTX for a graphics processor), and its shape."""
    made = program(model, variant.observed, variant.sensitivities)
    where = layout(made, max((len(i.arguments) for i in model.impulses), default=0), variant.method)
    module = ir.Module("abscopal")
    module.triple = target.triple
    writer = Writer(module, made, where, target.width, variant.method)
    writer.all()
    write_driver(writer)
    if target.width == 1:
        write_thread(writer, grid=target.is_gpu)
    called = "entry" if target.is_gpu else "thread" if target.width == 1 else "run"
    for function in module.functions:
        if not function.is_declaration and function.name not in {called, "run" if not target.is_gpu else ""}:
            function.linkage = "internal"
    shape = Shape(
        target.width, where.total * target.width, where.arguments, made.n_states, made.n_parameters,
        len(made.quantities), len(variant.observed),
    )  # fmt: skip
    return _machine_code(str(module), target), shape


def _machine_code(assembly: str, target: Target) -> bytes:
    machine = target.machine()
    parsed = llvm.parse_assembly(assembly)
    parsed.data_layout = str(machine.target_data)
    parsed.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=1))
    builder.getModulePassManager().run(parsed, builder)
    return machine.emit_assembly(parsed).encode() if target.is_gpu else bytes(machine.emit_object(parsed))


class Kernel:
    """A loaded kernel; calling it releases the interpreter lock.

    Parameters
    ----------
    code : bytes
        Object file from `compile_object`. Only pass code made on this machine or checked against its digest.
    """

    def __init__(self, code: bytes, shape: Shape, target: Target) -> None:
        self.shape = shape
        empty = llvm.parse_assembly("")
        empty.triple = target.triple
        self._engine = llvm.create_mcjit_compiler(empty, target.machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self._run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._engine.get_function_address("run"))

    def __call__(self, slots: dict[str, int]) -> None:
        """Run a job given as addresses and counts by slot name; a workspace is added."""
        job = np.zeros(len(JOB), dtype=np.int64)
        for name, value in slots.items():
            job[JOB.index(name)] = value
        workspace, scratch = _aligned(self.shape.workspace), np.zeros(self.shape.n_states + self.shape.n_quantities)
        job[JOB.index("workspace")] = workspace.ctypes.data
        job[JOB.index("scratch")] = scratch.ctypes.data
        self._run(job.ctypes.data)


def _aligned(size: int) -> NDArray[np.float64]:
    """Zeros that start on a 64-byte boundary."""
    raw = np.zeros(size + 8)
    skip = (-raw.ctypes.data // 8) % 8
    return raw[skip : skip + size]


def shape_text(shape: Shape) -> str:
    """A shape as JSON."""
    return json.dumps(asdict(shape))


def shape_from(text: str) -> Shape:
    """A shape from JSON."""
    fields: dict[str, Any] = json.loads(text)
    return Shape(**fields)
