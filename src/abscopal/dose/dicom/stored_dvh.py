"""DVHs that a planning system stored beside its dose: read to be judged, never used for results."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from abscopal.domain.errors import DicomError
from abscopal.dose.dicom.elements import floats, items, number, parsing, text
from abscopal.dose.grid import FloatArray


@dataclass(frozen=True, eq=False)
class StoredDVH:
    """One entry of DVHSequence.

    Attributes
    ----------
    roi_number : int
    units : str
        DoseUnits as labelled, which may be wrong.
    mean, maximum : float, optional
        DVHMeanDose and DVHMaximumDose as stored.
    edges : array, shape (n,)
        Upper bin edges from DVHData, times DVHDoseScaling.
    volumes : array, shape (n,)
        Stored volume per edge.
    """

    roi_number: int
    units: str
    mean: float | None
    maximum: float | None
    edges: FloatArray
    volumes: FloatArray


def read_stored_dvhs(dataset: Dataset) -> tuple[StoredDVH, ...]:
    """The entries of DVHSequence, as stored; entries without a ROI or data are left out."""
    with parsing("the DVHSequence"):
        return tuple(dvh for item in items(dataset, "DVHSequence") if (dvh := _stored(item)) is not None)


def _stored(item: Dataset) -> StoredDVH | None:
    references = items(item, "DVHReferencedROISequence")
    roi = number(references[0], "ReferencedROINumber") if references else None
    scaling = number(item, "DVHDoseScaling") or 1.0
    try:
        data = floats(item, "DVHData", "the DVHSequence")
    except DicomError:
        return None
    if roi is None or data.size % 2:
        return None
    mean, maximum = (number(item, key) for key in ("DVHMeanDose", "DVHMaximumDose"))
    edges = np.cumsum(data[::2]) * scaling
    return StoredDVH(int(roi), text(item, "DoseUnits"), mean, maximum, edges, data[1::2])


def judge_stored_dvhs(dvhs: Sequence[StoredDVH], dose_max: float, prescription: float | None) -> tuple[bool, str]:
    """Whether stored DVHs agree with the dose grid, and what is wrong with them if not.

    Some planning systems write the statistics of a DVH in per cent of the prescription while labelling
    them GY. The highest dose of any structure cannot exceed the highest dose of the grid by much.

    Parameters
    ----------
    dvhs : sequence of StoredDVH
    dose_max : float
        Highest dose of the grid. [Gy]
    prescription : float, optional
        [Gy]
    """
    highest = max((dvh.maximum for dvh in dvhs if dvh.maximum is not None), default=None)
    count = f"{len(dvhs)} DVHs of the planning system"
    if highest is None or {dvh.units for dvh in dvhs} != {"GY"}:
        return False, f"{count}, not in absolute dose or without a maximum; not used"
    if highest <= 1.05 * dose_max:
        return (
            True,
            f"{count}, highest dose {highest:.4g} Gy against {dose_max:.4g} Gy in the grid; not used for results",
        )
    text_ = f"{count} labelled GY, but their highest dose is {highest:.4g} against {dose_max:.4g} Gy in the dose grid"
    if prescription and abs(highest * prescription / 100 - dose_max) <= 0.02 * dose_max:
        return False, f"{text_}: per cent of the {prescription:g} Gy prescription written as Gy; not used"
    return False, f"{text_}; not used"
