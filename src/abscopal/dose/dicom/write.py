"""Writing a study as DICOM: CT slices, structure set, plan and doses that refer to each other.

The same record gives the same bytes on every run: all UIDs but those of an existing CT derive
from its seed, and dates are given.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pydicom.dataset import Dataset

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.dose.dicom.common import Names
from abscopal.dose.dicom.images import converted_dose_object, ct_slices, dose_object
from abscopal.dose.dicom.records import BeamRecord, Conversion, Identity, PlanRecord, StudyImages, StudyRecord
from abscopal.dose.dicom.rt import plan_object, structure_set

__all__ = [
    "BeamRecord",
    "Conversion",
    "Identity",
    "PlanRecord",
    "StudyImages",
    "StudyRecord",
    "study_objects",
    "write_case",
]


def write_case(out: Path, record: StudyRecord) -> tuple[Path, ...]:
    """Write a study into a folder and return its files.

    Parameters
    ----------
    out : Path
        Folder; made where absent. No file of the study may be there already.
    record : StudyRecord
        Grids in Hounsfield units and Gy, contours in LPS mm.

    Returns
    -------
    tuple of Path
        ``ct_001.dcm`` and so on (not where the record names an existing CT), ``rtstruct.dcm``, ``rtplan.dcm``,
        ``rtdose.dcm``, and for each conversion a file such as ``rtdose_eqd2_10.dcm``.

    Raises
    ------
    InputError
        A record that contradicts itself, or files that would be overwritten. Nothing is
        written then.
    UnsupportedError
        A dose that is an EQD2 already.
    """
    objects = study_objects(record)
    taken = sorted(name for name in objects if (out / name).exists())
    if taken:
        raise InputError(
            doing=f"writing a study into '{out}'",
            found=f"{len(taken)} files of the same name, such as {taken[0]}",
            expected="a folder without them",
            try_="another folder",
        )
    out.mkdir(parents=True, exist_ok=True)
    for name, dataset in track(objects.items(), "writing DICOM", len(objects)):
        dataset.save_as(out / name, enforce_file_format=True)
    return tuple(out / name for name in objects)


def study_objects(record: StudyRecord) -> dict[str, Dataset]:
    """The DICOM objects of a study by file name, not written anywhere."""
    _require_consistent(record)
    names = Names.of(record)
    objects: dict[str, Dataset] = {}
    if record.images is None:
        objects |= {f"ct_{k:03d}.dcm": image for k, image in enumerate(ct_slices(record, names), start=1)}
    if record.structures:
        objects["rtstruct.dcm"] = structure_set(record, names)
    if record.plan is not None:
        objects["rtplan.dcm"] = plan_object(record, record.plan, names)
    if record.dose is not None:
        objects["rtdose.dcm"] = dose_object(record, record.dose, names)
        if record.plan is not None:
            for one in record.conversions:
                objects[file_of(one)] = converted_dose_object(record, record.dose, record.plan, one, names)
    return objects


def file_of(conversion: Conversion) -> str:
    """Name of the file of a converted dose, such as `rtdose_eqd2_10.dcm`."""
    return f"rtdose_{conversion.quantity.lower()}_{conversion.alpha_beta:g}.dcm"


def _require_consistent(record: StudyRecord) -> None:
    numbers = [structure.number for structure in record.structures]
    _require_unique("ROI numbers", numbers)
    if record.images is not None and len(record.images.images) != record.ct.values.shape[0]:
        raise InputError(
            doing="writing a study",
            found=f"{len(record.images.images)} images for a CT of {record.ct.values.shape[0]} slices",
            expected="one reference for each slice",
            try_="reading case and references from the same folder",
        )
    _require_unique("conversions of the dose", [file_of(one) for one in record.conversions])
    if record.plan is None:
        return
    _require_unique("beam numbers", [beam.number for beam in record.plan.beams])
    if record.plan.target_number not in numbers:
        raise InputError(
            doing="writing a study",
            found=f"a plan prescribed to ROI {record.plan.target_number}",
            expected=f"one of the structures {sorted(numbers)}",
            try_="giving the plan the number of its target",
        )


def _require_unique(what: str, numbers: Iterable[int | str]) -> None:
    repeated = [number for number, count in Counter(numbers).items() if count > 1]
    if repeated:
        raise InputError(
            doing="writing a study",
            found=f"{what} used twice: {repeated}",
            expected="each once",
            try_="numbering them 1, 2, 3, ..., and one conversion for each α/β",
        )
