"""Compiled kernels kept in memory and in the user's cache folder.

A file holds a kernel and the sha256 of everything in it. It is written whole under another name and then
renamed, so that processes that compile the same model at once never see half a file; one whose digest does
not match is rebuilt and never loaded. The folder holds machine code and is created for its owner only.
"""

import hashlib
import os
import sys
import tempfile
from collections import OrderedDict
from functools import cache
from pathlib import Path
from threading import Lock

import llvmlite
import llvmlite.binding as llvm

from abscopal.equations.model import Model
from abscopal.simulation.kernels.compile import Kernel, Shape, Variant, compile_object, shape_from, shape_text
from abscopal.simulation.kernels.gpu import GpuKernel
from abscopal.simulation.kernels.target import Target, host

_FORMAT = b"abscopal kernel 1\n"
_IN_MEMORY = 32

AnyKernel = Kernel | GpuKernel
_loaded: OrderedDict[str, AnyKernel] = OrderedDict()
_lock = Lock()


def cache_folder() -> Path:
    """Folder of the compiled kernels: `ABSCOPAL_CACHE` if set, else the system's place for caches."""
    if chosen := os.environ.get("ABSCOPAL_CACHE"):
        return Path(chosen) / "kernels"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home()))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "abscopal" / "kernels"


def kernel_for(model: Model, variant: Variant | None = None, target: Target | None = None) -> AnyKernel:
    """The kernel of a model, from memory, from the cache folder, or compiled now.

    Parameters
    ----------
    model : Model
    variant : Variant, optional
        The Rosenbrock kernel with no summaries unless given.
    target : Target, optional
        This machine's processor unless given.
    """
    target, variant = target or host(), variant or Variant()
    key = _key(model, variant, target)
    with _lock:
        if key not in _loaded:
            _loaded[key] = _load(*(_read(key) or _build(model, variant, target, key)), target)
            if len(_loaded) > _IN_MEMORY:
                _loaded.popitem(last=False)
        _loaded.move_to_end(key)
        return _loaded[key]


def _load(code: bytes, shape: Shape, target: Target) -> AnyKernel:
    return GpuKernel(code, shape) if target.is_gpu else Kernel(code, shape, target)


def forget_loaded() -> None:
    """Drop the kernels in memory, so that the next call reads the folder (tests and benchmarks)."""
    with _lock:
        _loaded.clear()


def _key(model: Model, variant: Variant, target: Target) -> str:
    versions = f"{llvmlite.__version__}|{llvm.llvm_version_info}|{_generator_digest()}"
    processor = f"{target.triple}|{target.cpu}|{target.features}|{target.width}"
    return hashlib.sha256(f"{model.digest}|{variant}|{versions}|{processor}".encode()).hexdigest()


@cache
def _generator_digest() -> str:
    """sha256 of the code that writes kernels: a kernel of another version is another kernel."""
    folder = Path(__file__).parent
    digest = hashlib.sha256()
    for source in (*sorted(folder.glob("*.py")), folder.parent / "rosenbrock.py", folder.parent / "explicit.py"):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _build(model: Model, variant: Variant, target: Target, key: str) -> tuple[bytes, Shape]:
    code, shape = compile_object(model, variant, target)
    _write(key, code, shape)
    return code, shape


def _digest(key: str, shape: bytes, code: bytes) -> bytes:
    return hashlib.sha256(b"|".join([key.encode(), shape, code])).hexdigest().encode()


def _write(key: str, code: bytes, shape: Shape) -> None:
    """Keep a kernel; a folder that cannot be written only costs a compilation next time."""
    folder, text = cache_folder(), shape_text(shape).encode()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=f"{key}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_FORMAT + _digest(key, text, code) + b"\n" + text + b"\n" + code)
            Path(name).replace(folder / f"{key}.kernel")
        except OSError:
            Path(name).unlink(missing_ok=True)
    except OSError:
        return


def _read(key: str) -> tuple[bytes, Shape] | None:
    """A kernel from the folder; None where there is none, or where it is not what was written."""
    try:
        whole = (cache_folder() / f"{key}.kernel").read_bytes()
    except OSError:
        return None
    if not whole.startswith(_FORMAT):
        return None
    digest, _, rest = whole[len(_FORMAT) :].partition(b"\n")
    text, _, code = rest.partition(b"\n")
    if digest != _digest(key, text, code):
        return None
    return code, shape_from(text.decode())
