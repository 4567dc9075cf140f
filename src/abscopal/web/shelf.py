"""What the sessions brought: cases without identifiers, and tables. Nothing outlives the server.

Everything lies in one folder that only this user can read and that is deleted at the end. Names that a
person gave a file are never used: they may name a patient.
"""

import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from abscopal.domain.errors import InputError
from abscopal.dose.dicom.deidentify import deidentify
from abscopal.dose.dicom.intake import Case, read_case
from abscopal.dose.dvh import DVH
from abscopal.dose.planes import Cutter
from abscopal.web.settings import Settings

PICTURE_STEP = 2.0  # mm between the points of a plane
SUFFIXES = (".csv", ".toml", ".json", ".skops", ".xml", ".omex")
FILE_BYTES = 50 * 1024**2
HELD = "held-"  # folders of what sessions brought: held-PROCESS-…


@dataclass
class HeldCase:
    """One case of one session.

    Attributes
    ----------
    folder : path
        Its DICOM files, without identifiers.
    names : dict
        Structure name in the file to TG-263 name, as the user gave it.
    """

    id: str
    owner: str
    folder: Path
    case: Case
    names: dict[str, str] = field(default_factory=dict)
    used: float = field(default_factory=time.time)

    @cached_property
    def cutter(self) -> Cutter:
        """Planes through the case, prepared once."""
        return Cutter(self.case.dose, PICTURE_STEP, self.case.structures, self.case.ct)

    @cached_property
    def dvhs(self) -> dict[str, DVH]:
        """Dose-volume histograms, computed once."""
        from abscopal.assessment.organs import case_dvhs

        return case_dvhs(self.case)


class Shelf:
    """Cases and files by their unguessable id; each is seen by its own session only."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        _clear(settings.state)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{HELD}{os.getpid()}-", dir=settings.state))
        self._cases: dict[str, HeldCase] = {}
        self._files: dict[str, tuple[str, Path]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def upload_folder(self) -> Path:
        """A fresh folder for the bytes of one upload; whoever asks deletes it."""
        return Path(tempfile.mkdtemp(prefix="upload-", dir=self.folder))

    def take_case(self, owner: str, upload: Path) -> HeldCase:
        """Read an upload (a folder, or one zip archive), keep it without identifiers.

        Raises
        ------
        InputError
            Not a usable case, or too many of them.
        """
        self.sweep()
        if sum(held.owner == owner for held in self._cases.values()) >= self._settings.cases_per_session:
            raise InputError(
                doing="taking a case",
                found=f"{self._settings.cases_per_session} cases already open in this session",
                expected="fewer",
                try_="closing one of them",
            )
        read_case(upload)  # refuses what cannot be used before anything is kept
        case_id = secrets.token_urlsafe(16)
        folder = self.folder / case_id
        try:
            deidentify(upload, folder)
            held = HeldCase(case_id, owner, folder, read_case(folder))
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            self._cases[case_id] = held
        return held

    def rename(self, held: HeldCase, names: Mapping[str, str]) -> HeldCase:
        """The same case with other TG-263 names for some structures."""
        chosen = {name: target for name, target in names.items() if target}
        again = HeldCase(held.id, held.owner, held.folder, read_case(held.folder, names=chosen), chosen)
        with self._lock:
            self._cases[held.id] = again
        return again

    def case(self, owner: str, case_id: str) -> HeldCase | None:
        """The case, if it is this session's."""
        with self._lock:
            held = self._cases.get(case_id)
            if held is None or held.owner != owner:
                return None
            held.used = time.time()
            return held

    def cases(self, owner: str) -> list[HeldCase]:
        """The session's cases."""
        return [held for held in self._cases.values() if held.owner == owner]

    def drop_case(self, owner: str, case_id: str) -> bool:
        """Delete a case."""
        held = self.case(owner, case_id)
        if held is None:
            return False
        with self._lock:
            del self._cases[case_id]
        shutil.rmtree(held.folder, ignore_errors=True)
        return True

    def sweep(self) -> None:
        """Delete the cases that nobody used for longer than the server keeps them."""
        oldest = time.time() - self._settings.case_ttl_s
        for held in list(self._cases.values()):
            if held.used < oldest:
                self.drop_case(held.owner, held.id)

    def put_file(self, owner: str, content: bytes, suffix: str) -> str:
        """Keep a table or a TOML text; its id ends in the suffix.

        Raises
        ------
        InputError
            Another kind of file, too large, or too many of them.
        """
        kept = sum(held_by == owner for held_by, _ in self._files.values())
        problem = ""
        if suffix not in SUFFIXES:
            problem = f"a file of kind '{suffix[:12]}'"
        elif len(content) > FILE_BYTES:
            problem = f"a file of {len(content) // 1024**2} MiB"
        elif kept >= self._settings.files_per_session:
            problem = f"{kept} files already in this session"
        if problem:
            raise InputError(
                doing="taking a file",
                found=problem,
                expected=f"one of {', '.join(SUFFIXES)}, at most {FILE_BYTES // 1024**2} MiB",
                try_="a smaller table as CSV",
            )
        file_id = secrets.token_urlsafe(16) + suffix
        path = self.folder / file_id
        path.write_bytes(content)
        with self._lock:
            self._files[file_id] = (owner, path)
        return file_id

    def file(self, owner: str, file_id: str) -> Path | None:
        """Where a session's file lies."""
        held_by, path = self._files.get(file_id, ("", None))
        return path if held_by == owner else None


def _clear(state: Path) -> None:
    """Delete what servers left that were killed before they could."""
    for left in state.glob(f"{HELD}*"):
        number = left.name.removeprefix(HELD).partition("-")[0]
        if not number.isdigit() or not _runs(int(number)):
            shutil.rmtree(left, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
