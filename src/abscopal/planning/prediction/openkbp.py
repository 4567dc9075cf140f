"""Reading the OpenKBP layout: one npz file per patient, never a pickle.

Source of the data: Babier A et al., Medical Physics 2021;48:5549, doi 10.1002/mp.14845.
"""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.planning.prediction.anatomy import LARGEST_AXIS, LARGEST_GRID, STRUCTURES, Anatomy, Example

SPLITS = ("train", "validation", "test")
ARRAYS = {
    "ct": "i", "dose_cgy": "u", "possible_dose_mask": "b", "mask_bits": "u", "mask_names": "U", "voxel_size_mm": "f",
}  # fmt: skip
"""Arrays read and the kind of number each must hold."""
VOLUMES = ("ct", "dose_cgy", "possible_dose_mask", "mask_bits")
LARGEST_FILE = 64_000_000
MOST_FILES = 1000
CT_TOP = 4095  # the organisers clip there


def read_openkbp(path: Path | str) -> Example:
    """One patient.

    Parameters
    ----------
    path : path
        `<split>_<patient>.npz` with ct, dose_cgy, possible_dose_mask, mask_bits, mask_names, voxel_size_mm.

    Raises
    ------
    InputError
        Not such a file, too large, an array missing or of the wrong type or shape, no target.
    """
    path = Path(path)
    arrays = _arrays(path)
    shape = arrays["ct"].shape
    if any(arrays[name].shape != shape for name in VOLUMES) or arrays["voxel_size_mm"].shape != (3,):
        raise _refused(path, "arrays of different shapes", "ct, dose, mask_bits and possible_dose_mask on one grid")
    names, bits = [str(name) for name in arrays["mask_names"]], arrays["mask_bits"]
    if len(set(names)) != len(names) or not set(names) <= set(STRUCTURES) or len(names) > 8 * bits.itemsize:
        raise _refused(path, f"{len(names)} mask names", f"names among {', '.join(STRUCTURES)}, each once")
    masks = {name: (bits >> k) & 1 == 1 for k, name in enumerate(names)}
    size = arrays["voxel_size_mm"]
    anatomy = Anatomy(
        ct=np.clip(arrays["ct"], 0, CT_TOP).astype(np.float32),
        masks=MappingProxyType({name: mask for name, mask in masks.items() if mask.any()}),
        region=arrays["possible_dose_mask"],
        voxel_mm=(float(size[0]), float(size[1]), float(size[2])),
    )
    return Example(path.stem, anatomy, arrays["dose_cgy"].astype(np.float32) / np.float32(100.0))


def openkbp_files(folder: Path | str, split: str) -> tuple[Path, ...]:
    """The files of one split in order of name.

    Raises
    ------
    InputError
        Unknown split, no such folder, no file of that split, or too many.
    """
    folder = Path(folder)
    if split not in SPLITS:
        raise InputError(
            doing="reading an OpenKBP folder", found=f"split {split!r}", expected=f"one of {', '.join(SPLITS)}",
            try_="train",
        )  # fmt: skip
    found = tuple(sorted(folder.glob(f"{split}_*.npz"))) if folder.is_dir() else ()
    if not 0 < len(found) <= MOST_FILES:
        raise InputError(
            doing=f"reading the {split} patients of {folder.name}", found=f"{len(found)} files {split}_*.npz",
            expected=f"1 to {MOST_FILES} of them", try_="the folder that holds the npz files",
        )  # fmt: skip
    return found


def read_split(folder: Path | str, split: str) -> tuple[Example, ...]:
    """Every patient of one split, with progress."""
    return tuple(read_openkbp(path) for path in track(openkbp_files(folder, split), f"reading {split} patients"))


def digest(files: Sequence[Path]) -> str:
    """sha256 over names and contents of the files in order; says which data a model saw."""
    whole = hashlib.sha256()
    for path in files:
        whole.update(path.name.encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file() or path.stat().st_size > LARGEST_FILE:
        raise _refused(path, "no such file, or one that is too large", f"an npz of at most {LARGEST_FILE} bytes")
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: _array(archive, path, name, kind) for name, kind in ARRAYS.items()}
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as exc:
        raise _refused(
            path, f"a file that cannot be read ({type(exc).__name__})", "the arrays " + ", ".join(ARRAYS)
        ) from exc


def _array(archive: zipfile.ZipFile, path: Path, name: str, kind: str) -> NDArray[Any]:
    """One array, its header judged before anything is unpacked."""
    with archive.open(f"{name}.npy") as member:
        version = npy.read_magic(member)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(member)
    if dtype.kind != kind or dtype.itemsize > 256 or len(shape) > 3 or np.prod(shape, dtype=np.float64) > LARGEST_GRID:
        raise _refused(path, f"{name} of type {dtype} and shape {shape}", f"kind '{kind}' of bounded size")
    if any(size > LARGEST_AXIS for size in shape):
        raise _refused(path, f"{name} of shape {shape}", f"axes of at most {LARGEST_AXIS}")
    with archive.open(f"{name}.npy") as member:
        whole: NDArray[Any] = npy.read_array(member, allow_pickle=False)
    return whole


def _refused(path: Path, found: str, expected: str) -> InputError:
    return InputError(
        doing=f"reading the OpenKBP patient {path.name}", found=found, expected=expected,
        try_="a file laid out as docs/dose-prediction.md says",
    )  # fmt: skip
