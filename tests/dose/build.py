"""Small DICOM RT files built in code: any patient position, spacing, offset form and defect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian

Array = NDArray[np.float64]
ROOT = "1.2.826.0.1.3680043.10.9999"
FRAME = f"{ROOT}.1"
OTHER_FRAME = f"{ROOT}.2"
DOSE_UID, STRUCT_UID, PLAN_UID, CT_SERIES = (f"{ROOT}.{n}" for n in (11, 12, 13, 14))
CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "RTDOSE": "1.2.840.10008.5.1.4.1.1.481.2",
    "RTSTRUCT": "1.2.840.10008.5.1.4.1.1.481.3",
    "RTPLAN": "1.2.840.10008.5.1.4.1.1.481.5",
}
ORIENTATIONS = {
    "HFS": ((1, 0, 0), (0, 1, 0)),
    "HFP": ((-1, 0, 0), (0, -1, 0)),
    "FFS": ((-1, 0, 0), (0, 1, 0)),
    "FFP": ((1, 0, 0), (0, -1, 0)),
    "HFDR": ((0, 1, 0), (-1, 0, 0)),
    "HFDL": ((0, -1, 0), (1, 0, 0)),
    "FFDR": ((0, -1, 0), (-1, 0, 0)),
    "FFDL": ((0, 1, 0), (1, 0, 0)),
}
"""Row and column directions in LPS."""
SECRETS = ("Doe", "Jane", "PID-778899", "19500102")


@dataclass(frozen=True)
class Field:
    """Values on a lattice with ascending LPS axes: values (nz, ny, nx), origin and spacing (x, y, z)."""

    values: Array
    origin: tuple[float, float, float] = (-30.0, 10.0, -45.0)
    spacing: tuple[float, float, float] = (2.0, 2.5, 3.0)

    def axes(self) -> tuple[Array, Array, Array]:
        nz, ny, nx = self.values.shape
        return tuple(o + s * np.arange(n) for o, s, n in zip(self.origin, self.spacing, (nx, ny, nz), strict=True))

    @classmethod
    def of(cls, function, shape=(16, 14, 12), origin=(-30.0, 10.0, -45.0), spacing=(2.0, 2.5, 3.0)) -> "Field":
        """Sample `function(x, y, z)`; `shape` is (nx, ny, nz)."""
        grid = cls(np.zeros(shape[::-1]), origin, spacing)
        x, y, z = grid.axes()
        zz, yy, xx = np.meshgrid(z, y, x, indexing="ij")
        return cls(np.asarray(function(xx, yy, zz), dtype=np.float64), origin, spacing)


def header(role: str, uid: str, *, frame: str | None = FRAME) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = CLASSES[role], uid, role
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Doe^Jane", "PID-778899", "19500102"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{ROOT}.5", uid + ".1"
    if frame is not None:
        ds.FrameOfReferenceUID = frame
    return ds


def _frames(field: Field, position: str, descending: bool) -> tuple[Array, Array, Array, float]:
    """Frames (k, j, i) as that position stores them, first voxel, (row, column) spacing, slice step."""
    row, column = (np.array(v) for v in ORIENTATIONS[position])
    normal = np.cross(row, column) * (-1 if descending else 1)
    size = np.array(field.values.shape[::-1])
    axis = [int(np.argmax(np.abs(v))) for v in (row, column, normal)]  # i, j, k
    sign = [int(v[a]) for v, a in zip((row, column, normal), axis, strict=True)]
    index = [np.arange(size[a])[::s] for a, s in zip(axis, sign, strict=True)]
    kk, jj, ii = np.meshgrid(index[2], index[1], index[0], indexing="ij")
    lps = [None, None, None]
    for a, grid in zip(axis, (ii, jj, kk), strict=True):
        lps[a] = grid
    values = field.values[lps[2], lps[1], lps[0]]
    start = np.array(field.origin)
    for a, s in zip(axis, sign, strict=True):
        start[a] += field.spacing[a] * (size[a] - 1) if s < 0 else 0
    return values, start, np.array([field.spacing[axis[1]], field.spacing[axis[0]]]), field.spacing[axis[2]]


def dose(
    field: Field,
    *,
    position: str = "HFS",
    offsets: str = "relative",
    descending: bool = False,
    scaling: float = 1e-4,
    uid: str = DOSE_UID,
    frame: str | None = FRAME,
    plan: str | None = PLAN_UID,
    struct: str | None = None,
    summation: str = "PLAN",
    beams: Sequence[int] = (),
) -> Dataset:
    """An RTDOSE with 32-bit pixels; `descending` stores the frames from the far end."""
    values, start, pixel, step = _frames(field, position, descending)
    ds = header("RTDOSE", uid, frame=frame)
    row, column = ORIENTATIONS[position]
    ds.ImagePositionPatient = [f"{v:.6g}" for v in start]
    ds.ImageOrientationPatient = [*row, *column]
    ds.PixelSpacing = [f"{v:g}" for v in pixel]
    count = values.shape[0]
    relative = np.arange(count) * step * (-1 if descending else 1)
    if offsets == "absolute":
        toward = np.cross(row, column)[2]
        relative = start[2] + relative * toward
    ds.NumberOfFrames, ds.Rows, ds.Columns = values.shape
    ds.FrameIncrementPointer = 0x3004000C
    ds.GridFrameOffsetVector = [f"{v:g}" for v in relative]
    ds.DoseUnits, ds.DoseType, ds.DoseSummationType, ds.DoseGridScaling = "GY", "PHYSICAL", summation, scaling
    pixels(ds, np.round(values / scaling).astype(np.uint32))
    if plan:
        ds.ReferencedRTPlanSequence = [reference("RTPLAN", plan)]
        if beams:
            group = Dataset()
            group.ReferencedFractionGroupNumber = 1
            group.ReferencedBeamSequence = DicomSequence([_beam_reference(n) for n in beams])
            ds.ReferencedRTPlanSequence[0].ReferencedFractionGroupSequence = [group]
    if struct:
        ds.ReferencedStructureSetSequence = [reference("RTSTRUCT", struct)]
    return ds


def pixels(ds: Dataset, values: NDArray[np.integer]) -> None:
    bits = values.dtype.itemsize * 8
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = int(values.dtype.kind == "i")
    ds.PixelData = values.tobytes()


def reference(role: str, uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CLASSES[role], uid
    return item


def _beam_reference(number: int) -> Dataset:
    item = Dataset()
    item.ReferencedBeamNumber = number
    return item


def struct(
    contours: Mapping[str, Sequence[Array]],
    *,
    uid: str = STRUCT_UID,
    frame: str | None = FRAME,
    roles: Mapping[str, str] | None = None,
    series: str | None = CT_SERIES,
) -> Dataset:
    """An RTSTRUCT with one ROI per name."""
    ds = header("RTSTRUCT", uid, frame=None)
    ds.StructureSetLabel = "set"
    if frame:
        images = Dataset()
        images.SeriesInstanceUID = series or ""
        study = Dataset()
        study.RTReferencedSeriesSequence = [images]
        place = Dataset()
        place.FrameOfReferenceUID, place.RTReferencedStudySequence = frame, DicomSequence([study] if series else [])
        ds.ReferencedFrameOfReferenceSequence = [place]
    rois, drawn, seen = [], [], []
    for number, (name, polygons) in enumerate(contours.items(), start=1):
        roi = Dataset()
        roi.ROINumber, roi.ROIName = number, name
        if frame:
            roi.ReferencedFrameOfReferenceUID = frame
        rois.append(roi)
        item = Dataset()
        item.ReferencedROINumber, item.ROIDisplayColor = number, [255, 0, number]
        if polygons:
            item.ContourSequence = DicomSequence([_polygon(points) for points in polygons])
        drawn.append(item)
        observation = Dataset()
        observation.ObservationNumber = observation.ReferencedROINumber = number
        observation.RTROIInterpretedType = (roles or {}).get(name, "ORGAN")
        seen.append(observation)
    ds.StructureSetROISequence, ds.ROIContourSequence = DicomSequence(rois), DicomSequence(drawn)
    ds.RTROIObservationsSequence = DicomSequence(seen)
    return ds


def _polygon(points: Array, shape: str = "CLOSED_PLANAR") -> Dataset:
    item = Dataset()
    item.ContourGeometricType, item.NumberOfContourPoints = shape, len(points)
    item.ContourData = [f"{v:.4f}" for v in np.asarray(points).ravel()]
    return item


def plan(
    *,
    uid: str = PLAN_UID,
    struct: str | None = STRUCT_UID,
    fractions: int = 5,
    prescription: float | None = 50.0,
    dose_rate: float | None = 600.0,
    metersets: Sequence[float] = (120.0, 180.0),
) -> Dataset:
    ds = header("RTPLAN", uid)
    ds.RTPlanLabel = "SBRT"
    if prescription is not None:
        target = Dataset()
        target.DoseReferenceType, target.TargetPrescriptionDose = "TARGET", prescription
        ds.DoseReferenceSequence = [target]
    group = Dataset()
    group.FractionGroupNumber, group.NumberOfFractionsPlanned = 1, fractions
    group.ReferencedBeamSequence = DicomSequence([])
    ds.BeamSequence = DicomSequence([])
    for number, meterset in enumerate(metersets, start=1):
        used = _beam_reference(number)
        used.BeamMeterset, used.BeamDose = meterset, 5.0
        group.ReferencedBeamSequence.append(used)
        ds.BeamSequence.append(_beam(number, dose_rate))
    ds.FractionGroupSequence = [group]
    setup = Dataset()
    setup.PatientPosition = "HFS"
    ds.PatientSetupSequence = [setup]
    if struct:
        ds.ReferencedStructureSetSequence = [reference("RTSTRUCT", struct)]
    return ds


def _beam(number: int, dose_rate: float | None) -> Dataset:
    beam = Dataset()
    beam.BeamNumber, beam.BeamName, beam.RadiationType = number, f"arc {number}", "PHOTON"
    beam.TreatmentDeliveryType, beam.PrimaryDosimeterUnit = "TREATMENT", "MU"
    beam.FinalCumulativeMetersetWeight = 1.0
    first, last = Dataset(), Dataset()
    first.NominalBeamEnergy, first.GantryAngle, first.CumulativeMetersetWeight = 6, 181, 0.0
    last.GantryAngle, last.CumulativeMetersetWeight = 179, 1.0
    if dose_rate is not None:
        first.DoseRateSet = dose_rate
    beam.ControlPointSequence = DicomSequence([first, last])
    return beam


def ct(
    heights: Sequence[float] = (0.0, 3.0, 6.0),
    *,
    frame: str | None = FRAME,
    series: str = CT_SERIES,
    position: str = "HFS",
) -> list[Dataset]:
    """Slices whose stored value is their z plus 1024, with slope 2 and intercept -1024."""
    row, column = ORIENTATIONS[position]
    slices = []
    for number, z in enumerate(heights, start=1):
        ds = header("CT", f"{series}.{number}", frame=frame)
        ds.SeriesInstanceUID, ds.InstanceNumber, ds.PatientPosition = series, number, position
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [-10.0, -20.0, z], [*row, *column]
        ds.PixelSpacing, ds.SliceThickness, ds.Rows, ds.Columns = [1.5, 1.0], 3.0, 4, 5
        ds.RescaleSlope, ds.RescaleIntercept = 2.0, -1024.0
        pixels(ds, np.full((4, 5), int(z) + 1024, dtype=np.int16))
        slices.append(ds)
    return slices


def stored(ds: Dataset) -> Dataset:
    """The data set as it comes back from a file."""
    stream = BytesIO()
    _write(ds, stream)
    stream.seek(0)
    return dcmread(stream)


def _write(ds: Dataset, target: "BytesIO | Path") -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.file_meta = meta
    ds.save_as(target, enforce_file_format=True)


def save(folder: Path, datasets: Mapping[str, Dataset]) -> Path:
    """Write data sets as DICOM files under the names given."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, ds in datasets.items():
        _write(ds, folder / name)
    return folder


def circle(radius: float, z: float, centre: tuple[float, float] = (0.0, 0.0), n: int = 128) -> Array:
    """A regular polygon with the area of a circle of that radius."""
    t = 2 * np.pi * np.arange(n) / n
    r = radius * np.sqrt(2 * np.pi / n / np.sin(2 * np.pi / n))
    return np.stack([centre[0] + r * np.cos(t), centre[1] + r * np.sin(t), np.full(n, z)], axis=1)


def square(half: float, z: float, centre: tuple[float, float] = (0.0, 0.0)) -> Array:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + np.array(centre)
    return np.column_stack([corners, np.full(4, z)])


def sphere(radius: float, centre: tuple[float, float, float], step: float) -> list[Array]:
    """Contours of a sphere in planes `step` apart, half a step off its poles."""
    heights = np.arange(-radius + step / 2, radius, step)
    return [circle(np.sqrt(radius**2 - h**2), centre[2] + h, centre[:2]) for h in heights]


def small_case(**parts: Dataset) -> dict[str, Dataset]:
    """A whole case: Heart and BODY in a smooth dose, plan with two arcs, three CT slices."""
    field = Field.of(lambda x, y, z: 40 + 0.3 * x + 0.2 * y - 0.1 * z)
    centre = (-15.0, 26.0, -28.0)
    contours = {"Heart": sphere(8.0, centre, 1.0), "BODY": [square(20.0, z, centre[:2]) for z in (-40.0, -37.0, -34.0)]}
    files = {"RD.dcm": dose(field), "RS.dcm": struct(contours), "RP.dcm": plan()}
    files |= {f"CT{n}.dcm": one for n, one in enumerate(ct())}
    return {name: parts.get(name.split(".")[0].lower(), ds) for name, ds in files.items()}
