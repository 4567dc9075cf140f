"""The files of a case, from a folder or a zip archive that is not trusted.

Nothing is written anywhere: members of an archive are read into memory one at a time, and only while
their declared and actual sizes stay within bounds.
"""

import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from abscopal.domain.errors import DicomError, InputError

MAX_FILES = 20_000
MAX_FILE_BYTES = 2 * 1024**3
MAX_TOTAL_BYTES = 8 * 1024**3
MAX_RATIO = 200  # a dose grid that is mostly zeros stays below this
RATIO_FREE_BYTES = 64 * 1024**2  # archives that unpack to less than this may compress as well as they like


@dataclass(frozen=True)
class CaseFile:
    """One file: where it is in the case, how large, and how to read it."""

    label: str
    size: int
    read: Callable[[], bytes]


@contextmanager
def case_files(path: Path) -> Iterator[list[CaseFile]]:
    """The files of a folder or zip archive, by name. Archives stay open inside the block.

    Raises
    ------
    InputError
        No such path, neither folder nor zip, or nothing in it.
    DicomError
        An archive that is damaged, encrypted, escapes its folder, holds links, or unpacks beyond bounds.
    """
    if path.is_dir():
        yield _bounded(path, _folder(path))
    elif path.is_file() and zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                yield _bounded(path, _members(archive))
        except zipfile.BadZipFile as exc:
            raise _refused("a damaged archive", "a complete zip archive", "zipping the folder again") from exc
    else:
        raise InputError(
            doing="opening a case",
            found=f"'{path.name}', which is not there" if not path.exists() else f"'{path.name}', a single file",
            expected="a folder of DICOM files or a zip archive of one",
            try_="the folder that holds RTDOSE and RTSTRUCT",
        )


def _bounded(path: Path, files: list[CaseFile]) -> list[CaseFile]:
    total = sum(file.size for file in files)
    if len(files) > MAX_FILES or total > MAX_TOTAL_BYTES:
        raise _refused(
            f"{len(files)} files of {total / 1024**3:.1f} GiB in all",
            f"at most {MAX_FILES} files and {MAX_TOTAL_BYTES // 1024**3} GiB",
            "a folder with this one case",
        )
    if not files:
        raise InputError(
            doing="opening a case",
            found=f"no file in '{path.name}'",
            expected="DICOM files",
            try_="the folder that holds RTDOSE and RTSTRUCT",
        )
    return sorted(files, key=lambda file: file.label)


def _folder(path: Path) -> list[CaseFile]:
    found = [one for one in path.rglob("*") if one.is_file()]
    return [CaseFile(one.relative_to(path).as_posix(), one.stat().st_size, one.read_bytes) for one in found]


def _members(archive: zipfile.ZipFile) -> list[CaseFile]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    for member in members:
        _require_plain(member)
    unpacked = sum(member.file_size for member in members)
    packed = max(1, sum(member.compress_size for member in members))
    if unpacked > RATIO_FREE_BYTES and unpacked / packed > MAX_RATIO:
        raise _refused(
            f"an archive that unpacks to {unpacked / packed:.0f} times its size",
            f"at most {MAX_RATIO} times",
            "unpacking it yourself, if you trust it, and giving the folder",
        )
    return [CaseFile(member.filename, member.file_size, _reader(archive, member)) for member in members]


def _require_plain(member: zipfile.ZipInfo) -> None:
    name = member.filename.replace("\\", "/")
    escapes = ".." in PurePosixPath(name).parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive
    problem = ""
    if member.flag_bits & 0x1:
        problem = "an encrypted member"
    elif escapes:
        problem = "a member whose path leaves the archive's folder"
    elif stat.S_ISLNK(member.external_attr >> 16):
        problem = "a symbolic link"
    if problem:
        raise _refused(problem, "plain files inside one folder", "zipping the DICOM files alone, without a password")


def _reader(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            with archive.open(member) as stream:
                data = stream.read(member.file_size + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as exc:
            raise _refused("a damaged member", "a complete zip archive", "zipping the folder again") from exc
        if len(data) > member.file_size:
            raise _refused("a member larger than it declares", "an honest archive", "zipping the folder again")
        return data

    return read


def _refused(found: str, expected: str, try_: str) -> DicomError:
    return DicomError(doing="opening a case", found=found, expected=expected, try_=try_)
