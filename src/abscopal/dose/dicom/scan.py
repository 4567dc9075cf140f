"""Looking through the files of a case: what each one is, what it refers to, which cannot be used.

Who the patient is stays in this module: it serves to refuse files of two patients and to keep names out
of messages, and is dropped with the scan.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Literal

import pydicom
from pydicom.dataset import Dataset

from abscopal.domain.errors import DicomError
from abscopal.domain.progress import track
from abscopal.dose.dicom.conversions import read_conversion
from abscopal.dose.dicom.elements import is_truncated, items, parsing, referenced, text
from abscopal.dose.dicom.files import MAX_FILE_BYTES, CaseFile
from abscopal.dose.dicom.names import vocabulary

Role = Literal["CT", "RTSTRUCT", "RTPLAN", "RTDOSE"]
ROLES: dict[str, Role] = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.481.2": "RTDOSE",
    "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
    "1.2.840.10008.5.1.4.1.1.481.5": "RTPLAN",
    "1.2.840.10008.5.1.4.1.1.481.8": "RTPLAN",  # RT Ion Plan
}
PREAMBLE = 128
REDACTED = "[redacted]"


@dataclass(frozen=True)
class Found:
    """One usable DICOM file.

    Attributes
    ----------
    role : {"CT", "RTSTRUCT", "RTPLAN", "RTDOSE"}
    label : str
        Path in the case, without identifiers.
    sha256 : str
        Of the file as it is.
    uid, series, frame : str
        SOPInstanceUID, SeriesInstanceUID, FrameOfReferenceUID.
    refers_to : frozenset of str
        SOPInstanceUIDs (and, for structure sets, SeriesInstanceUIDs) the file names.
    position : str
        PatientPosition, such as HFS; '' when absent.
    summation : str
        DoseSummationType of an RTDOSE.
    dose_type : str
        DoseType of an RTDOSE.
    converted : bool
        An RTDOSE that says it is an EQD2 or BED, in the words written here.
    """

    role: Role
    label: str
    sha256: str
    uid: str
    series: str
    frame: str
    refers_to: frozenset[str]
    position: str
    summation: str
    dose_type: str
    converted: bool
    source: CaseFile

    def read(self) -> Dataset:
        """The whole file again, pixels included."""
        with parsing(f"'{self.label}'"):
            return pydicom.dcmread(BytesIO(self.source.read()))


@dataclass
class Scan:
    """What was found, what was skipped and why, and which words must not be repeated."""

    found: list[Found] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)
    _ids: set[str] = field(default_factory=set)
    _patients: set[str] = field(default_factory=set)

    def of(self, role: Role) -> list[Found]:
        """The files of one role, in order of their names."""
        return [one for one in self.found if one.role == role]

    def scrub(self, words: str) -> str:
        """`words` (a file or plan name) without identifiers: patient, referring physician, institution."""
        words = self.scrub_ids(words)
        for name in self._names:
            words = self._without(name, words)
        return words

    @staticmethod
    def _without(name: str, words: str) -> str:
        return re.sub(rf"(?<![^\W\d_]){re.escape(name)}(?![^\W\d_])", REDACTED, words, flags=re.IGNORECASE)

    def scrub_roi(self, words: str) -> str:
        """A structure's name without identifiers; words of anatomy stay: one may be called Heart."""
        words = self.scrub_ids(words)
        anatomy = vocabulary()
        for name in self._names:
            if name.lower() not in anatomy:
                words = self._without(name, words)
        return words

    def scrub_ids(self, words: str) -> str:
        """`words` without id, birth date and institution."""
        for word in self._ids:
            words = re.sub(re.escape(word), REDACTED, words, flags=re.IGNORECASE)
        return words

    def keep_in_mind(self, dataset: Dataset) -> None:
        """Remember whose file this is, to recognise a second patient and to scrub names."""
        identity, birth = text(dataset, "PatientID"), text(dataset, "PatientBirthDate")
        people = " ".join(text(dataset, key) for key in ("PatientName", "ReferringPhysicianName"))
        names = re.split(r"[\^=\s,]+", people)
        places = text(dataset, "InstitutionName")
        self._ids |= {word for word in (identity, birth, places) if len(word) >= 4}
        self._names |= {word for word in names if len(word) >= 3}
        if identity:
            self._patients.add(identity)

    @property
    def n_patients(self) -> int:
        """How many different PatientIDs were met."""
        return len(self._patients)


def scan(files: Iterable[CaseFile]) -> Scan:
    """Classify files by SOPClassUID; what cannot be used is listed with the reason.

    Raises
    ------
    DicomError
        No usable file, or files of more than one patient.
    """
    result, met = Scan(), set[str]()
    files = list(files)
    for file in track(files, "reading files"):
        one = _classify(file, result)
        if isinstance(one, str):
            result.skipped.append((file.label, one))
        elif (one.uid or one.sha256) in met:
            result.skipped.append((file.label, "a second copy of the same object"))
        else:
            met.add(one.uid or one.sha256)
            result.found.append(one)
    result.skipped = [(result.scrub(label), reason) for label, reason in result.skipped]
    result.found = [_scrubbed(one, result) for one in result.found]
    _require_usable(result, len(files))
    return result


def _classify(file: CaseFile, result: Scan) -> Found | str:
    if file.size > MAX_FILE_BYTES:
        return "larger than any file of a plan"
    data = file.read()
    if data[PREAMBLE : PREAMBLE + 4] != b"DICM":
        return "not a DICOM file"
    try:
        with parsing("a file"):
            dataset = pydicom.dcmread(BytesIO(data))
            broken = is_truncated(dataset)
            result.keep_in_mind(dataset)
            sop_class = text(dataset, "SOPClassUID")
            found = None if sop_class not in ROLES else _facts(dataset, ROLES[sop_class], file, data)
    except DicomError:
        return "a damaged DICOM file"
    if broken:
        return "truncated: the file ends in the middle of an element"
    if found is None:
        name = pydicom.uid.UID(sop_class).name if sop_class else "no SOPClassUID; incomplete"
        return f"not needed here ({name})"
    return found


def _facts(dataset: Dataset, role: Role, file: CaseFile, data: bytes) -> Found:
    setups = items(dataset, "PatientSetupSequence")
    refers_to = referenced(dataset, "ReferencedRTPlanSequence", "ReferencedStructureSetSequence")
    return Found(
        role=role,
        label=file.label,
        sha256=hashlib.sha256(data).hexdigest(),
        uid=text(dataset, "SOPInstanceUID"),
        series=text(dataset, "SeriesInstanceUID"),
        frame=_frame(dataset, role),
        refers_to=frozenset(refers_to + _image_series(dataset)),
        position=text(dataset, "PatientPosition") or (text(setups[0], "PatientPosition") if setups else ""),
        summation=text(dataset, "DoseSummationType"),
        dose_type=text(dataset, "DoseType"),
        converted=read_conversion(text(dataset, "DoseComment")) is not None,
        source=file,
    )


def _frame(dataset: Dataset, role: Role) -> str:
    """Where the file's coordinates are; a structure set's are those of its ROIs."""
    if role == "RTSTRUCT":
        rois = [text(roi, "ReferencedFrameOfReferenceUID") for roi in items(dataset, "StructureSetROISequence")]
        frames = [text(one, "FrameOfReferenceUID") for one in items(dataset, "ReferencedFrameOfReferenceSequence")]
        return next((frame for frame in (*rois, *frames) if frame), text(dataset, "FrameOfReferenceUID"))
    return text(dataset, "FrameOfReferenceUID")


def _image_series(dataset: Dataset) -> list[str]:
    return [
        text(series, "SeriesInstanceUID")
        for frame in items(dataset, "ReferencedFrameOfReferenceSequence")
        for study in items(frame, "RTReferencedStudySequence")
        for series in items(study, "RTReferencedSeriesSequence")
    ]


def _scrubbed(one: Found, result: Scan) -> Found:
    return Found(**{**one.__dict__, "label": result.scrub(one.label)})


def _require_usable(result: Scan, count: int) -> None:
    if not result.found:
        label, reason = result.skipped[0]
        raise DicomError(
            doing="reading a case",
            found=f"no CT, RTSTRUCT, RTPLAN or RTDOSE among {count} file(s); '{label}' is {reason}",
            expected="DICOM files with a preamble and an RT SOP class",
            try_="the folder of the plan export",
        )
    if result.n_patients > 1:
        raise DicomError(
            doing="reading a case",
            found=f"files of {result.n_patients} patients",
            expected="the files of one patient",
            try_="one folder per patient",
        )
