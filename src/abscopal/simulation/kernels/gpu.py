"""Kernels on an NVIDIA graphics processor, loaded and started through CuPy."""

import importlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import UnsupportedError
from abscopal.simulation.kernels.compile import Shape
from abscopal.simulation.kernels.layout import JOB

_BLOCK = 64
"""Threads that share a multiprocessor's scheduler; each needs many registers."""

RESULTS = ("rows", "finals", "summaries", "senses", "counts", "facts")
"""Arrays of a job that the kernel writes."""


def why_no_gpu() -> str:
    """What is missing for solving on a graphics processor; empty if nothing is."""
    try:
        cupy = importlib.import_module("cupy")
    except ImportError:
        return "no CuPy"
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as exc:
        return f"no usable device ({exc})"
    return "" if count else "no device"


def require_gpu() -> None:
    """Refuse to go on without a graphics processor.

    Raises
    ------
    UnsupportedError
        No CuPy, or no device.
    """
    if missing := why_no_gpu():
        raise UnsupportedError(
            doing="solving patients on a graphics processor",
            found=missing,
            expected="an NVIDIA device, its driver and CuPy",
            try_="pip install cupy-cuda12x where there is a device, or device='cpu'",
        )


def gpu_name() -> str:
    """The device in use, as its driver names it."""
    cupy = importlib.import_module("cupy")
    name: bytes = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"]
    return name.decode()


class GpuKernel:
    """A kernel in PTX, handed to the driver.

    Parameters
    ----------
    code : bytes
        PTX from `compile_object`.
    """

    def __init__(self, code: bytes, shape: Shape) -> None:
        require_gpu()
        self.shape = shape
        self._cupy: Any = importlib.import_module("cupy")
        with tempfile.TemporaryDirectory(prefix="abscopal-") as folder:
            path = Path(folder) / "kernel.ptx"
            path.write_bytes(code)
            self._entry = self._cupy.RawModule(path=str(path)).get_function("entry")

    def __call__(self, arrays: Mapping[str, NDArray[Any]], counts: Mapping[str, int]) -> None:
        """Solve patients `next` to `last` of a job, one per thread, and write the results into `arrays`."""
        held = {name: self._cupy.asarray(array) for name, array in arrays.items()}
        job = np.zeros(len(JOB), dtype=np.int64)
        for name, array in held.items():
            job[JOB.index(name)] = array.data.ptr
        for name, value in counts.items():
            job[JOB.index(name)] = value
        blocks = -(-(counts["last"] - counts["next"]) // _BLOCK)
        self._entry((blocks,), (_BLOCK,), (self._cupy.asarray(job),))
        for name in RESULTS:
            arrays[name][...] = held[name].get()
