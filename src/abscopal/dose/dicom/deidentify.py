"""Copies of a case's files without what says who the patient is.

What is kept is listed, not what is dropped: numbers, codes, pixels and sequences, a few names that the
reader needs (with the patient's own names taken out of them), and UIDs replaced by others that still
join the files. Dates, free text, the patient module and private elements are left behind.
"""

import secrets
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.uid import generate_uid

from abscopal.dose.dicom.elements import lenient_parser, parsing
from abscopal.dose.dicom.files import case_files
from abscopal.dose.dicom.scan import Found, Scan, scan

KEPT_VRS = {
    "AT", "CS", "DS", "FD", "FL", "IS", "OB", "OD", "OF", "OL", "OV", "OW", "SL", "SQ", "SS", "SV", "UI", "UL", "US",
    "UV",
}  # fmt: skip
KEPT_TEXT = {"BeamName", "ROIName", "RTPlanLabel"}
PATIENT_GROUP = 0x0010
KEPT_UIDS = {"SOPClassUID", "ReferencedSOPClassUID"}
NOBODY = "anonymous"


def deidentify(path: Path, out: Path) -> int:
    """Write the DICOM RT files of a folder or zip archive into `out` without identifiers.

    Parameters
    ----------
    path : path
        Folder or zip archive, as for `read_case`.
    out : path
        Folder to fill; made if it is not there.

    Returns
    -------
    int
        Number of files written.

    Raises
    ------
    InputError, DicomError
        As `read_case` does for files that cannot be used.
    """
    salt = secrets.token_hex(16)
    with lenient_parser(), case_files(path) as files:
        found = scan(files)
        out.mkdir(parents=True, exist_ok=True)
        for index, one in enumerate(found.found):
            with parsing(f"'{one.label}'"):
                _write(one, found, salt, out / f"{one.role}_{index:05d}.dcm")
        return len(found.found)


def _write(one: Found, found: Scan, salt: str, target: Path) -> None:
    dataset = one.read()
    syntax = dataset.file_meta.TransferSyntaxUID
    clean = _cleaned(dataset, found, salt)
    clean.PatientID = clean.PatientName = NOBODY
    clean.file_meta = FileMetaDataset()
    clean.file_meta.TransferSyntaxUID = syntax
    clean.save_as(target, enforce_file_format=True)


def _cleaned(dataset: Dataset, found: Scan, salt: str) -> Dataset:
    clean = Dataset()
    for element in dataset:
        tag = element.tag
        if tag.is_private or tag.group == PATIENT_GROUP:
            continue
        if element.VR == "SQ":
            setattr(clean, element.keyword, [_cleaned(item, found, salt) for item in element.value])
        elif element.VR == "UI" and element.keyword not in KEPT_UIDS:
            clean.add_new(tag, "UI", _replaced(element.value, salt))
        elif element.VR in KEPT_VRS:
            clean.add(element)
        elif element.keyword in KEPT_TEXT:
            scrub = found.scrub_roi if element.keyword == "ROIName" else found.scrub
            clean.add_new(tag, element.VR, scrub(str(element.value)))
    return clean


def _replaced(value: object, salt: str) -> object:
    """The same UID gives the same replacement within one call, and tells nothing outside it."""
    if isinstance(value, MultiValue):
        return [_replaced(one, salt) for one in value]
    return generate_uid(entropy_srcs=[salt, str(value)]) if value else value
