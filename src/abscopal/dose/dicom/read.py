"""DICOM RT objects to the package's own types: RTDOSE, RTSTRUCT, CT slices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from abscopal.domain.errors import DicomError
from abscopal.dose.dicom.conversions import read_conversion
from abscopal.dose.dicom.elements import floats, items, number, parsing, text
from abscopal.dose.grid import DoseGrid, DoseKind, FloatArray, Volume
from abscopal.dose.structures import Structure

MAX_VOXELS = 150_000_000
SPACING_TOLERANCE = 0.01  # of the slice spacing
POSITION_TOLERANCE_MM = 0.01
KINDS: dict[str, DoseKind] = {"PHYSICAL": "physical", "EFFECTIVE": "RBE"}


def read_dose(dataset: Dataset, *, kind: DoseKind | None = None) -> DoseGrid:
    """The dose grid of an RT Dose file.

    Parameters
    ----------
    dataset : pydicom.Dataset
        Complete, with pixel data.
    kind : {"physical", "RBE"}, optional
        What the dose is where the file leaves DoseType out. Never guessed.

    Raises
    ------
    DicomError
        Relative units, negative doses, an unstated or unusable DoseType, unequal frame spacing,
        damaged pixel data.

    Notes
    -----
    DICOM PS3.3 C.8.8.3.2: a GridFrameOffsetVector that starts at zero counts along the cross product of
    row and column directions from ImagePositionPatient; one that starts at ImagePositionPatient's z
    holds patient z.
    """
    with parsing("the RTDOSE"):
        _require_gray(dataset)
        stated, alpha_beta = (kind, None) if kind else _kind(dataset)
        affine = _dose_affine(dataset)
        scaling = floats(dataset, "DoseGridScaling", "the RTDOSE", count=1)[0]
        pixels = _pixels(dataset, "the RTDOSE")
        values = pixels.astype(np.float64) * scaling
        frame = text(dataset, "FrameOfReferenceUID")
        return DoseGrid(values, affine, stated, alpha_beta, frame_of_reference_uid=frame)


def _require_gray(dataset: Dataset) -> None:
    units = text(dataset, "DoseUnits")
    if units != "GY":
        raise DicomError(
            doing="reading the RTDOSE",
            found=f"DoseUnits {units or 'missing'}",
            expected="absolute dose, DoseUnits GY",
            try_="exporting the plan dose in Gy",
        )


def _kind(dataset: Dataset) -> tuple[DoseKind, float | None]:
    """The kind of dose, and the α/β of an EQD2 that states it as this package writes it."""
    stated = text(dataset, "DoseType")
    conversion = read_conversion(text(dataset, "DoseComment")) if stated == "EFFECTIVE" else None
    if conversion is not None and conversion.quantity == "BED":
        raise DicomError(
            doing="reading the RTDOSE",
            found=f"a BED with α/β {conversion.alpha_beta:g} Gy",
            expected="a physical, RBE-weighted or EQD2 dose",
            try_="the physical dose of the same plan",
        )
    if conversion is not None:
        return "EQD2", conversion.alpha_beta
    if stated not in KINDS:
        raise DicomError(
            doing="reading the RTDOSE",
            found=f"DoseType {stated or 'missing'}",
            expected="PHYSICAL or EFFECTIVE",
            try_="dose_kind='physical' or 'RBE' if you know what the dose is",
        )
    return KINDS[stated], None


def _axes(dataset: Dataset, what: str) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Position, column step (i), row step (j) and slice normal of an image plane."""
    position = floats(dataset, "ImagePositionPatient", what, count=3)
    cosines = floats(dataset, "ImageOrientationPatient", what, count=6)
    spacing = floats(dataset, "PixelSpacing", what, count=2)  # between rows, between columns
    along_row, along_column = cosines[:3], cosines[3:]
    lengths = np.linalg.norm([along_row, along_column], axis=1)
    if np.abs(lengths - 1).max() > 1e-3 or abs(along_row @ along_column) > 1e-3 or spacing.min() <= 0:
        raise DicomError(
            doing=f"placing {what} in the patient",
            found=f"ImageOrientationPatient {cosines.tolist()} with PixelSpacing {spacing.tolist()}",
            expected="two perpendicular unit vectors and positive spacings",
            try_="exporting the file again",
        )
    return position, along_row * spacing[1], along_column * spacing[0], np.cross(along_row, along_column)


def _affine(position: FloatArray, i: FloatArray, j: FloatArray, k: FloatArray) -> FloatArray:
    affine = np.eye(4)
    affine[:3] = np.stack([i, j, k, position], axis=1)
    return affine


def _dose_affine(dataset: Dataset) -> FloatArray:
    position, i, j, normal = _axes(dataset, "the RTDOSE")
    frames = int(number(dataset, "NumberOfFrames") or 1)
    if frames == 1:
        return _affine(position, i, j, normal * _single_frame_thickness(dataset))
    offsets = floats(dataset, "GridFrameOffsetVector", "the RTDOSE", count=frames)
    if abs(offsets[0]) < POSITION_TOLERANCE_MM:
        direction = normal
    elif abs(offsets[0] - position[2]) < POSITION_TOLERANCE_MM and abs(normal[2]) > 1 - 1e-6:
        direction = np.array([0.0, 0.0, 1.0])  # patient z, whichever way the normal points
    else:
        raise DicomError(
            doing="reading the RTDOSE",
            found=f"a GridFrameOffsetVector that starts at {offsets[0]:g} with the first plane at z {position[2]:g} mm",
            expected="a start at 0 or at the first plane's z",
            try_="exporting the dose again",
        )
    step = _uniform_step(offsets, "GridFrameOffsetVector")
    return _affine(position, i, j, direction * step)


def _uniform_step(offsets: FloatArray, what: str) -> float:
    steps = np.diff(offsets)
    step = float((offsets[-1] - offsets[0]) / (len(offsets) - 1))
    if step == 0 or np.abs(steps - step).max() > max(SPACING_TOLERANCE * abs(step), POSITION_TOLERANCE_MM):
        raise DicomError(
            doing="reading the RTDOSE",
            found=f"{what} in steps from {steps.min():g} to {steps.max():g} mm",
            expected="equally spaced dose planes",
            try_="exporting the dose on a regular grid",
        )
    return step


def _single_frame_thickness(dataset: Dataset) -> float:
    thickness = number(dataset, "SliceThickness")
    if not thickness or thickness <= 0:
        raise DicomError(
            doing="reading the RTDOSE",
            found="a single dose plane without SliceThickness",
            expected="a multi-frame dose, or a plane with its thickness",
            try_="exporting the three-dimensional plan dose",
        )
    return thickness


def _pixels(dataset: Dataset, what: str) -> NDArray[np.integer]:
    count = [int(number(dataset, key) or 1) for key in ("NumberOfFrames", "Rows", "Columns")]
    if int(np.prod(count, dtype=np.int64)) > MAX_VOXELS:
        raise DicomError(
            doing=f"reading {what}",
            found=f"{count[0]} × {count[1]} × {count[2]} voxels",
            expected=f"at most {MAX_VOXELS} voxels",
            try_="exporting on a coarser grid",
        )
    if "PixelData" not in dataset:
        raise DicomError(
            doing=f"reading {what}",
            found="no PixelData",
            expected="a grid of doses" if "DOSE" in what else "an image",
            try_="exporting the file again; a truncated file ends before its pixels",
        )
    return np.asarray(dataset.pixel_array).reshape(count)


def sum_doses(grids: Sequence[DoseGrid]) -> DoseGrid:
    """The sum of doses on one and the same grid.

    Raises
    ------
    DicomError
        The grids differ in geometry, kind or frame of reference.
    """
    first = grids[0]
    for other in grids[1:]:
        same = other.values.shape == first.values.shape and np.allclose(other.affine, first.affine, atol=1e-3)
        if not same or other.kind != first.kind or other.frame_of_reference_uid != first.frame_of_reference_uid:
            raise DicomError(
                doing="summing the doses of a plan's parts",
                found="dose grids that differ in geometry, kind or frame of reference",
                expected="all parts on one grid",
                try_="exporting the plan dose (DoseSummationType PLAN)",
            )
    total = np.sum([grid.values for grid in grids], axis=0)
    return DoseGrid(total, first.affine, first.kind, frame_of_reference_uid=first.frame_of_reference_uid)


@dataclass(frozen=True)
class ReadStructures:
    """The ROIs of a structure set, their frames of reference by ROI number, and what was left out."""

    structures: tuple[Structure, ...]
    frames: dict[int, str]
    skipped: tuple[tuple[str, str], ...]


def read_structures(dataset: Dataset) -> ReadStructures:
    """Every ROI of an RT Structure Set, empty ones included; names not yet mapped.

    Contours that are not closed polygons, or cannot be read, are left out with a reason.
    """
    with parsing("the RTSTRUCT"):
        default = text(dataset, "FrameOfReferenceUID") or next(
            (text(item, "FrameOfReferenceUID") for item in items(dataset, "ReferencedFrameOfReferenceSequence")), ""
        )
        roles = {
            int(reference): text(item, "RTROIInterpretedType")
            for item in items(dataset, "RTROIObservationsSequence")
            if (reference := number(item, "ReferencedROINumber")) is not None
        }
        drawn = {
            int(reference): item
            for item in items(dataset, "ROIContourSequence")
            if (reference := number(item, "ReferencedROINumber")) is not None
        }
        structures, frames, skipped = [], {}, []
        for position, roi in enumerate(items(dataset, "StructureSetROISequence"), start=1):
            key = int(number(roi, "ROINumber") or position)
            name = text(roi, "ROIName") or f"ROI {key}"
            contours, reasons = _contours(drawn.get(key, Dataset()))
            skipped += [(name, reason) for reason in reasons]
            structures.append(
                Structure(key, name, None, roles.get(key, ""), contours, _color(drawn.get(key, Dataset())))
            )
            frames[key] = text(roi, "ReferencedFrameOfReferenceUID") or default
        return ReadStructures(tuple(structures), frames, tuple(skipped))


def _contours(roi: Dataset) -> tuple[tuple[FloatArray, ...], list[str]]:
    contours, left_out = [], dict[str, int]()
    for item in items(roi, "ContourSequence"):
        shape = text(item, "ContourGeometricType")
        if shape not in {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR", ""}:
            reason = f"{shape.lower()} contour(s) enclose nothing"
        elif (points := _points(item)) is None:
            reason = "contour(s) whose ContourData cannot be read"
        else:
            contours.append(points)
            continue
        left_out[reason] = left_out.get(reason, 0) + 1
    return tuple(contours), [f"{count} {reason}" for reason, count in left_out.items()]


def _points(item: Dataset) -> FloatArray | None:
    try:
        data = floats(item, "ContourData", "a contour")
    except DicomError:
        return None
    return data.reshape(-1, 3) if data.size % 3 == 0 else None


def _color(roi: Dataset) -> tuple[int, int, int] | None:
    try:
        red, green, blue = np.clip(floats(roi, "ROIDisplayColor", "a colour", count=3), 0, 255).astype(int)
    except DicomError:
        return None
    return int(red), int(green), int(blue)


@dataclass(frozen=True)
class ReadCT:
    """A CT volume and remarks on gaps and assumptions."""

    volume: Volume
    notes: tuple[str, ...]


def read_ct(slices: Sequence[Dataset]) -> ReadCT:
    """The slices of one CT series as one volume, sorted by position.

    Parameters
    ----------
    slices : sequence of pydicom.Dataset
        With pixel data, in any order; one is enough.

    Returns
    -------
    ReadCT
        Hounsfield units (float32, slope and intercept applied). Missing slices are filled by linear
        interpolation and reported.

    Raises
    ------
    DicomError
        Slices that differ in size, spacing or direction, or lie at irregular positions.
    """
    with parsing("the CT series"):
        _, i, j, normal = _axes(slices[0], "the CT")
        _require_alike(slices)
        along = np.array([floats(one, "ImagePositionPatient", "the CT", count=3) @ normal for one in slices])
        order = np.argsort(along)
        images = [_hounsfield(slices[index]) for index in order]
        first = floats(slices[order[0]], "ImagePositionPatient", "the CT", count=3)
        values, step, notes = _regular(images, along[order], slices[0])
        frame = text(slices[0], "FrameOfReferenceUID")
        return ReadCT(Volume(values, _affine(first, i, j, normal * step), frame), notes)


def _require_alike(slices: Sequence[Dataset]) -> None:
    keys = ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient")
    kinds = {tuple(tuple(floats(one, key, "the CT").round(3)) for key in keys) for one in slices}
    if len(kinds) > 1:
        raise DicomError(
            doing="reading the CT series",
            found=f"{len(kinds)} kinds of slices that differ in size, spacing or direction",
            expected="one size, spacing and direction throughout",
            try_="removing localisers and second reconstructions from the folder",
        )


def _hounsfield(one: Dataset) -> NDArray[np.float32]:
    slope, intercept = number(one, "RescaleSlope"), number(one, "RescaleIntercept")
    pixels: NDArray[np.float32] = _pixels(one, "the CT")[0].astype(np.float32)
    return pixels * np.float32(1.0 if slope is None else slope) + np.float32(intercept or 0.0)


def _regular(
    images: list[NDArray[np.float32]], at: FloatArray, first: Dataset
) -> tuple[NDArray[np.float32], float, tuple[str, ...]]:
    """Slices at positions `at` (ascending) as equally spaced ones."""
    if len(at) == 1:
        thickness = number(first, "SliceThickness")
        notes = () if thickness else ("one CT slice without SliceThickness; taken as 1 mm thick",)
        return np.stack(images), thickness or 1.0, notes
    steps = np.diff(at)
    step = float(np.median(steps))
    counts = np.round(steps / step) if step > 0 else np.zeros_like(steps)
    if step <= 0 or counts.min() < 1 or np.abs(steps - counts * step).max() > 0.1 * step:
        raise DicomError(
            doing="reading the CT series",
            found=f"slices {steps.min():.3g} to {steps.max():.3g} mm apart",
            expected="one slice per position, equally spaced",
            try_="keeping a single reconstruction of the planning CT",
        )
    missing = int(counts.sum()) - len(steps)
    filled = [images[0]]
    for index, count in enumerate(counts.astype(int)):
        low, high = images[index], images[index + 1]
        filled += [low + (high - low) * np.float32(part / count) for part in range(1, count)] + [high]
    exact = float((at[-1] - at[0]) / (len(filled) - 1))
    note = f"{missing} of {len(filled)} CT slices missing; filled by linear interpolation"
    return np.stack(filled), exact, (note,) if missing else ()
