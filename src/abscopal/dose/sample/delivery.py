"""Handing a sample over as a whole: a folder appears complete or not at all."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from abscopal.domain.errors import InputError


@dataclass(frozen=True)
class SampleInfo:
    """A sample on disk.

    Attributes
    ----------
    name : str
    folder : Path
    files : tuple of str
        Names inside the folder.
    origin : str
        Where it comes from.
    licence : str
    notes : tuple of str
        What to know before using it.
    already_present : bool
        The folder held exactly this sample before.
    """

    name: str
    folder: Path
    files: tuple[str, ...]
    origin: str
    licence: str
    notes: tuple[str, ...]
    already_present: bool = False


def deliver(out: Path, fill: Callable[[Path], None]) -> bool:
    """Fill a hidden folder beside `out` and rename it; True where `out` already held the same.

    Parameters
    ----------
    out : Path
        Absent, empty, or holding exactly what `fill` writes.
    fill : callable
        Writes the files into the folder it is given. An error leaves `out` untouched.

    Raises
    ------
    InputError
        `out` holds something else, is a file, or its place cannot be written.
    """
    require_folder(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as hidden:
            made = Path(hidden) / "made"
            made.mkdir()
            fill(made)
            if is_filled(out):
                require_same(out, fingerprints(made))
                return True
            if out.exists():
                out.rmdir()
            made.rename(out)
    except OSError as exc:
        raise InputError(
            doing=f"writing the sample into '{out}'",
            found=str(exc),
            expected="a folder that can be written, on a disk with room",
            try_="another folder",
        ) from exc
    return False


def is_filled(out: Path) -> bool:
    """Whether `out` exists and holds anything."""
    return out.exists() and any(out.iterdir())


def require_folder(out: Path) -> None:
    """Refuse a path that is something other than a folder."""
    if out.exists() and not out.is_dir():
        raise InputError(
            doing="choosing where the sample goes",
            found=f"'{out}', which is not a folder",
            expected="a folder, or a path where none is yet",
            try_="another path",
        )


def require_same(out: Path, expected: dict[str, str]) -> None:
    """Refuse a filled folder that holds anything but the expected files (name to SHA-256)."""
    differing = sorted({path.name for path in out.iterdir()} ^ set(expected))  # names first: the folder may be large
    if not differing:
        found = fingerprints(out)
        differing = sorted(name for name in expected if found.get(name) != expected[name])
    if not differing:
        return
    raise InputError(
        doing=f"writing the sample into '{out}'",
        found=f"a folder with other content ({len(differing)} files differ, such as {differing[0]})",
        expected="an absent or empty folder, or exactly this sample",
        try_="another folder; nothing was changed in this one",
    )


def fingerprints(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in `folder` by name; samples have no folders inside."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir()) if path.is_file()
    }
