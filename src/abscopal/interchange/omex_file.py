"""The files of a COMBINE archive, read into memory: bounded, named by plain paths, nothing unpacked to disk."""

import posixpath
import zipfile
import zlib
from pathlib import Path

from abscopal.domain.errors import InputError
from abscopal.interchange.xml_text import parsed, xml_text

LARGEST = 64 * 2**20
"""Bytes of an archive at most, and of one file in it."""
MOST_BYTES = 256 * 2**20
"""Bytes of all files together at most."""
MOST_FILES = 1000
_MANIFEST = "manifest.xml"
_SPACE = "{http://identifiers.org/combine.specifications/omex-manifest}"
_ENCRYPTED = 1


class OmexFiles:
    """Files of an archive by their path, and what the manifest says of each.

    Attributes
    ----------
    files : dict of str to bytes
    formats : dict of str to str
        Format of each listed file.
    master : str
        The file that a program should open first; empty unless said.
    """

    def __init__(self, path: Path) -> None:
        self.files = _unpacked(path)
        self.formats: dict[str, str] = {}
        self.master = ""
        if _MANIFEST not in self.files:
            raise _wrong("no manifest.xml", "a COMBINE archive")
        root = parsed(xml_text(self.files[_MANIFEST], f"reading {_MANIFEST}"), f"reading {_MANIFEST}")
        if root.tag != f"{_SPACE}omexManifest":
            raise _wrong(f"a manifest whose root is {root.tag[:80]!r}", "an omexManifest")
        for entry in root.iter(f"{_SPACE}content"):
            location = entry.get("location", "")
            if location in {".", "./", ""}:
                continue
            name = _inside(location, "the manifest")
            if name not in self.files:
                raise _wrong(f"{location[:80]!r} in the manifest, which is not in the archive", "the files it lists")
            self.formats[name] = entry.get("format", "")
            if entry.get("master") == "true":
                self.master = name

    def of_format(self, part: str) -> list[str]:
        """Files whose format holds a word, the master first."""
        found = [name for name, kind in self.formats.items() if part in kind.lower()]
        return sorted(found, key=lambda name: name != self.master)

    def resolve(self, source: str, beside: str) -> str:
        """The path of a file that another one names.

        Raises
        ------
        InputError
            A path out of the archive, an address elsewhere, or a file that is not there.
        """
        if ":" in source:
            raise _wrong(f"{source[:80]!r} in {beside}, which lies elsewhere", "files of the archive")
        name = _inside(posixpath.join(posixpath.dirname(beside), source), beside)
        if name not in self.files:
            raise _wrong(f"{source[:80]!r} in {beside}, which is not in the archive", "files of the archive")
        return name


def _unpacked(path: Path) -> dict[str, bytes]:
    if not path.is_file() or path.stat().st_size > LARGEST:
        found = "no such file" if not path.is_file() else f"{path.stat().st_size / 2**20:.0f} MiB"
        raise _wrong(found, f"an archive of {LARGEST // 2**20} MiB at most")
    try:
        with zipfile.ZipFile(path) as archive:
            return _members(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        raise _wrong(f"a file that cannot be unpacked ({type(exc).__name__})", "a zip archive") from exc


def _members(archive: zipfile.ZipFile) -> dict[str, bytes]:
    listed = [one for one in archive.infolist() if not one.is_dir()]
    if len(listed) > MOST_FILES:
        raise _wrong(f"{len(listed)} files", f"{MOST_FILES} at most")
    files: dict[str, bytes] = {}
    left = MOST_BYTES
    for one in listed:
        name = _inside(one.filename, "the archive")
        if name in files or one.flag_bits & _ENCRYPTED:
            raise _wrong(f"{name[:80]!r} twice or encrypted", "each file once, readable")
        most = min(LARGEST, left)
        with archive.open(one) as stream:
            content = stream.read(most + 1)  # what a header claims of its size is not believed
        if len(content) > most:
            raise _wrong(f"{name[:80]!r}, which unpacks to more than {most / 2**20:.0f} MiB", "a smaller file")
        files[name] = content
        left -= len(content)
    return files


def _inside(location: str, where: str) -> str:
    name = posixpath.normpath(location)
    if name.startswith(("/", "..")) or "\\" in name or "\0" in name or ":" in name or name == ".":
        raise _wrong(f"the path {location[:80]!r} in {where}", "paths inside the archive")
    return name


def _wrong(found: str, expected: str) -> InputError:
    return InputError(
        doing="reading a COMBINE archive", found=found, expected=expected, try_="an archive made by abscopal or COMBINE"
    )
