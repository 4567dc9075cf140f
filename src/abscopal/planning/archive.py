"""Arrays and facts in one file: a NumPy archive without pickle, written whole or not at all, bounded when read."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
MOST_BYTES = 8_000_000_000
"""Of an archive when unpacked; 50 plans of 20 million voxels are half of it."""


class ArchiveError(ValueError):
    """What is wrong with an archive, in words."""


UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error)
"""What reading a damaged archive, or putting its parts together, may raise."""


def write_archive(path: Path, facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a `.npz`; `facts`, which goes into JSON, has its `format`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.part")
    with hidden.open("wb") as stream:
        np.savez_compressed(stream, facts=np.array(json.dumps(facts)), **arrays)  # type: ignore[arg-type]
    hidden.replace(path)


def read_archive(path: Path, form: str) -> tuple[Arrays, dict[str, Any]]:
    """The arrays, and the facts without their format.

    Raises
    ------
    ArchiveError
        Another format than `form`, or more than can be meant.
    Exception
        Of `UNREADABLE`, for a damaged file.
    """
    with ZipFile(path) as parts:
        size = sum(part.file_size for part in parts.infolist())
    if size > MOST_BYTES:
        raise ArchiveError(f"an archive of {size / 1e9:.1f} GB unpacked, more than {MOST_BYTES / 1e9:g} GB")
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        facts = json.loads(str(stored["facts"]))
        if facts.pop("format", "") != form:
            raise ArchiveError("another format")
        return {name: stored[name] for name in stored.files if name != "facts"}, facts


def reason(problem: Exception) -> str:
    """Why an archive could not be read."""
    return str(problem) if isinstance(problem, ArchiveError) else type(problem).__name__
