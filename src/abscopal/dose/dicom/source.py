"""The study a case was read from: UIDs and, on request, whose it is, for objects that are to be filed with it."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from abscopal.domain.errors import DicomError, InputError
from abscopal.dose.dicom.elements import floats, lenient_parser, text
from abscopal.dose.dicom.files import case_files
from abscopal.dose.dicom.links import choose_ct, choose_dose, choose_plan, choose_structures
from abscopal.dose.dicom.records import Identity, StudyImages
from abscopal.dose.dicom.scan import scan
from abscopal.dose.grid import FloatArray, Volume

SAME_PLACE = 0.1
"""Share of the slice spacing within which a file is the slice of the volume."""
COPIED: Mapping[str, str] = {
    "patient_name": "PatientName",
    "patient_id": "PatientID",
    "patient_sex": "PatientSex",
    "birth_date": "PatientBirthDate",
    "study_id": "StudyID",
    "date": "StudyDate",
    "time": "StudyTime",
    "description": "StudyDescription",
}


def source_study(path: Path | str, ct: Volume) -> tuple[StudyImages, Identity]:
    """References to the CT that a case was read from, and the patient's own identifiers.

    The one place where identifiers are read to be written again. They go into the objects made for this study and
    nowhere else.

    Parameters
    ----------
    path : path
        Folder or archive, as given to `read_case`.
    ct : Volume
        The CT of the case.

    Returns
    -------
    (StudyImages, Identity)

    Raises
    ------
    DicomError
        No CT series, or one without StudyInstanceUID.
    InputError
        The series does not lie where the volume does.
    """
    with lenient_parser(), case_files(Path(path)) as files:
        found = scan(files)
        dose = choose_dose(found)[0]
        structures = choose_structures(found, dose, choose_plan(found, dose)[0])[0]
        slices = [one.read() for one in choose_ct(found, structures, dose.frame)[0]]
        study = text(slices[0], "StudyInstanceUID") if slices else ""
        if not study:
            raise DicomError(
                doing="filing a plan with the study it was made on",
                found="no CT series with a StudyInstanceUID",
                expected="the planning CT in the folder of the case",
                try_="writing a study of its own, which brings its CT along",
            )
        normal = np.cross(ct.affine[:3, 0], ct.affine[:3, 1])
        normal /= np.linalg.norm(normal)
        at = np.array([floats(one, "ImagePositionPatient", "the CT", count=3) @ normal for one in slices])
        uids = [text(one, "SOPInstanceUID") for one in slices]
        images = _by_slice(ct, normal, at, uids)
        series = text(slices[0], "SeriesInstanceUID")
        who = {name: text(slices[0], keyword) for name, keyword in COPIED.items()}
    return StudyImages(study, series, images), Identity(**who, removed="")


def _by_slice(ct: Volume, normal: FloatArray, at: FloatArray, uids: list[str]) -> tuple[str, ...]:
    step = float(ct.affine[:3, 2] @ normal)
    heights = float(ct.affine[:3, 3] @ normal) + step * np.arange(ct.values.shape[0])
    near = np.abs(heights[:, None] - at[None, :])
    place = near.argmin(axis=1)
    met = near[np.arange(len(heights)), place] <= SAME_PLACE * abs(step)
    if not met.any():
        raise InputError(
            doing="filing a plan with the study it was made on",
            found="a CT series that lies elsewhere than the CT of the case",
            expected="the folder the case was read from",
            try_="the same path for both",
        )
    return tuple(uids[k] if seen else "" for k, seen in zip(place, met, strict=True))
