"""A user's own case on the grid and channel layout that the predictors know, and the predicted dose back again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.dose.dicom import intake
from abscopal.dose.grid import DoseGrid, Lattice, Volume
from abscopal.dose.structures import Structure, occupancy
from abscopal.knowledge.load import load
from abscopal.planning.prediction.anatomy import LEVELS, SHEET, Anatomy, FloatArray, Mask
from abscopal.planning.prediction.geometry import signed_distance

ORGAN_NAMES = {
    "Brainstem": "Brainstem", "SpinalCord": "SpinalCord", "RightParotid": "Parotid_R", "LeftParotid": "Parotid_L",
    "Esophagus": "Esophagus", "Larynx": "Larynx", "Mandible": "Bone_Mandible",
}  # fmt: skip
"""OpenKBP name to TG-263 name."""
OF_THE_HEAD = ("Brainstem", "RightParotid", "LeftParotid", "Larynx", "Mandible")
BODY = "External"
TOP = max(LEVELS.values())


@dataclass(frozen=True, eq=False)
class PlacedAnatomy:
    """An anatomy made from a case, and where it lies in the patient.

    Attributes
    ----------
    anatomy : Anatomy
    lattice : Lattice
        The working grid in patient coordinates.
    frame_of_reference_uid : str
    prescribed : mapping of str to float
        Structure taken as a target to its prescribed dose. [Gy]
    scale : float
        What a predicted dose is multiplied by, since the predictors know a highest prescription of 70 Gy. [1]
    """

    anatomy: Anatomy
    lattice: Lattice
    frame_of_reference_uid: str
    prescribed: Mapping[str, float]
    scale: float

    def dose_grid(self, predicted: FloatArray) -> DoseGrid:
        """A predicted dose as a dose grid in the patient, scaled to the prescription [Gy]."""
        affine = np.diag([*self.lattice.spacing, 1.0])
        affine[:3, 3] = self.lattice.origin
        values = np.maximum(to_patient_order(predicted), 0.0) * self.scale
        return DoseGrid(np.ascontiguousarray(values), affine, "physical", None, self.frame_of_reference_uid)

    def sampled(self, planned: DoseGrid) -> NDArray[np.float32]:
        """A dose of the case on the anatomy's grid, 0 outside its own [Gy]."""
        return to_model_order(planned.resample(self.dose_grid(np.zeros(self.anatomy.shape))).values)


def anatomy_of(
    case: intake.Case | intake.Anatomy, prescribed: Mapping[str, float] = MappingProxyType({})
) -> PlacedAnatomy:
    """The predictors' view of a head-and-neck case.

    Parameters
    ----------
    case : Case or Anatomy
        As `read_case` or `read_anatomy` gives it.
    prescribed : mapping, optional
        Target structure to its prescribed dose [Gy]; by default read from names such as PTV_7000 or PTV70.

    Raises
    ------
    InputError
        No CT, no target, a target that is not there or a dose that is not one.
    UnsupportedError
        No organ of the head and neck is contoured: the training patients say nothing of such a case.
    """
    if case.ct is None:
        raise _wrong("no planning CT", "CT and structures", "exporting the CT with the structures")
    given = dict(prescribed) or prescribed_by_name(case.structures)
    levels = _levels(given, case.structures)
    if not any(ORGAN_NAMES[name] in case.structures for name in OF_THE_HEAD):
        raise UnsupportedError(
            doing="preparing a case for dose prediction",
            found="none of " + ", ".join(ORGAN_NAMES[name] for name in OF_THE_HEAD),
            expected="a head-and-neck case: the predictors learned from nothing else",
            try_="naming the organs by TG-263, or planning the case",
        )  # fmt: skip
    grid = _working_grid(case.ct)
    ct = to_model_order(_ct_numbers(case.ct, grid))
    body, notes = _body(case.structures.get(BODY), ct, grid)
    masks = {
        name: mask for name, standard in ORGAN_NAMES.items()
        if standard in case.structures and (mask := _filled(case.structures[standard], grid)).any()
    }  # fmt: skip
    top = max(given.values())
    if top != TOP:
        notes.append(f"highest prescription {top:g} Gy; predicted for {TOP:g} Gy and scaled by {top / TOP:.4g}")
    masks |= _targets({name: _filled(case.structures[name], grid) for name in given}, levels, body, _voxel(grid))
    anatomy = Anatomy(
        ct=ct, masks=MappingProxyType(masks), region=_region(body, masks, _voxel(grid)[2]), voxel_mm=_voxel(grid),
        notes=tuple(notes),
    )  # fmt: skip
    return PlacedAnatomy(anatomy, grid.lattice, case.ct.frame_of_reference_uid, MappingProxyType(given), top / TOP)


def prescribed_by_name(structures: Mapping[str, Structure]) -> dict[str, float]:
    """Targets whose names say their dose: PTV_7000 (cGy), PTV70, PTV_63.0, PTV56Gy [Gy]."""
    found = {}
    for name in structures:
        match = re.fullmatch(r"(?i)PTV[a-z]{0,4}[_ ]?(\d{2}(?:\.\d+)?|\d{4})(?:_?c?Gy)?", name)
        if match:
            value = float(match[1])
            found[name] = value / 100.0 if value >= 1000 else value
    return found


def to_model_order(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """From (z, y, x) ascending in LPS to (front-back, right-left, head-feet)."""
    return np.ascontiguousarray(values.transpose(1, 2, 0)[:, :, ::-1], dtype=np.float32)


def to_patient_order(values: NDArray[np.floating]) -> FloatArray:
    """The inverse of `to_model_order`."""
    return np.asarray(values[:, :, ::-1].transpose(2, 0, 1), dtype=np.float64)


def _levels(prescribed: Mapping[str, float], structures: Mapping[str, Structure]) -> dict[str, str]:
    """Structure to the model's target level with the nearest share of the highest prescription."""
    missing = [name for name in prescribed if name not in structures]
    wrong = [f"{name} {dose:g} Gy" for name, dose in prescribed.items() if not 1.0 <= dose <= 200.0]
    if not prescribed or missing or wrong:
        targets = [name for name in structures if name.upper().startswith(("PTV", "CTV", "GTV"))]
        raise _wrong(
            f"targets {missing or wrong or 'whose names say no dose'}",
            "targets with prescriptions of 1 to 200 Gy over the course",
            f"--target NAME=DOSE for {', '.join(targets[:6]) or 'the target structures'}",
        )
    top = max(prescribed.values())
    return {
        name: min(LEVELS, key=lambda level: abs(LEVELS[level] / TOP - dose / top)) for name, dose in prescribed.items()
    }


def _working_grid(ct: Volume) -> Volume:
    """A grid with the training patients' voxel size over the whole CT."""
    sheet, lattice = load(SHEET), ct.lattice
    axial = sheet["working_voxel_axial"]
    size = np.array([axial, axial, sheet["working_voxel_along"]])
    n = np.ceil((lattice.upper - lattice.lower) / size).astype(int)
    affine = np.diag([*size, 1.0])
    affine[:3, 3] = lattice.lower + size / 2
    return Volume(np.zeros((n[2], n[1], n[0]), dtype=np.float32), affine, ct.frame_of_reference_uid)


def _voxel(grid: Volume) -> tuple[float, float, float]:
    x, y, z = grid.lattice.spacing
    return y, x, z


def _ct_numbers(ct: Volume, grid: Volume) -> FloatArray:
    """CT on the working grid, trilinear; air at 0 and water at 1000; air off the CT."""
    ours, theirs = grid.lattice, ct.lattice
    axes = [
        (ours.origin[k] + ours.spacing[k] * np.arange(ours.shape[k]) - theirs.origin[k]) / theirs.spacing[k]
        for k in (2, 1, 0)
    ]
    index = np.stack(np.meshgrid(*axes, indexing="ij"))
    values = ndimage.map_coordinates(ct.on_lattice(), index, order=1, mode="nearest", output=np.float64)
    return np.asarray(np.clip(values + 1000.0, 0.0, 4095.0), dtype=np.float64)


def _filled(structure: Structure, grid: Volume) -> Mask:
    return to_model_order(occupancy(structure, grid)) >= 0.5


def _body(contour: Structure | None, ct: NDArray[np.float32], grid: Volume) -> tuple[Mask, list[str]]:
    """The body contour, or a rough one from the CT."""
    if contour is not None:
        return _filled(contour, grid), []
    threshold = load(SHEET)["rough_body_ct"]
    labels, count = ndimage.label(ct > threshold)
    largest = labels == 1 + np.argmax(np.bincount(labels.ravel())[1:]) if count else labels > 0
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in np.moveaxis(largest, 2, 0)], axis=2)
    return filled, [f"no body contour ({BODY}); the largest part of the CT above {threshold - 1000:g} HU taken"]


def _targets(
    contoured: Mapping[str, Mask], levels: Mapping[str, str], body: Mask, voxel: tuple[float, float, float]
) -> dict[str, Mask]:
    """Targets by level without overlap, the higher dose first, and clipped below the skin as in training."""
    free = signed_distance(body, voxel) <= -load(SHEET)["skin_clip"]
    found: dict[str, Mask] = {}
    for level in sorted(LEVELS, key=lambda name: -LEVELS[name]):
        parts = [mask for name, mask in contoured.items() if levels[name] == level]
        union = np.logical_or.reduce(parts) & free if parts else np.zeros_like(body)
        if union.any():
            found[level] = union
        free &= ~union
    return found


def _region(body: Mask, masks: Mapping[str, Mask], slice_mm: float) -> Mask:
    """The body between a margin above and one below the targets."""
    target = np.logical_or.reduce([masks[name] for name in LEVELS if name in masks] or [np.zeros_like(body)])
    planes = np.flatnonzero(target.any(axis=(0, 1)))
    region = np.zeros_like(body)
    if planes.size:
        reach = round(load(SHEET)["region_margin"] / slice_mm)
        near = slice(max(0, planes[0] - reach), planes[-1] + reach + 1)
        region[:, :, near] = body[:, :, near]
    return region


def _wrong(found: str, expected: str, try_: str) -> InputError:
    return InputError(doing="preparing a case for dose prediction", found=found, expected=expected, try_=try_)
