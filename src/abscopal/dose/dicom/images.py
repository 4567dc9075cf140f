"""CT slices and dose grids as DICOM objects."""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, RTDoseStorage, RTPlanStorage

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.dose.dicom.common import Geometry, Names, decimal, decimals, item, new_object
from abscopal.dose.dicom.conversions import conversion_comment
from abscopal.dose.dicom.records import Conversion, PlanRecord, StudyRecord
from abscopal.dose.grid import DoseGrid, FloatArray, require_convertible
from abscopal.radiobiology.isoeffect import bed, eqd2_of_total

RESCALE_INTERCEPT = -1024
SIGNED_16 = (-32768, 32767)
RBE_WEIGHTED = "RBE-weighted dose"
FRAME_OFFSETS = Tag("GridFrameOffsetVector")


def ct_slices(record: StudyRecord, names: Names) -> list[Dataset]:
    """One CT Image per slice, in index order.

    Raises
    ------
    InputError
        Sheared axes, or values that do not fit 16 bits.
    """
    geometry = Geometry.of(record.ct.affine, "CT")
    stored = np.rint(np.asarray(record.ct.values, dtype=float) - RESCALE_INTERCEPT)
    if not np.isfinite(stored).all() or stored.min() < SIGNED_16[0] or stored.max() > SIGNED_16[1]:
        raise InputError(
            doing="writing the CT",
            found=f"values from {np.min(record.ct.values):g} to {np.max(record.ct.values):g}",
            expected="finite Hounsfield units that fit 16 bits",
            try_="clipping the image to -1024 ... 3071 HU",
        )
    return [_ct_slice(record, names, geometry, plane.astype("<i2"), k) for k, plane in enumerate(stored)]


def _ct_slice(
    record: StudyRecord,
    names: Names,
    geometry: Geometry,
    plane: np.ndarray[tuple[int, int], np.dtype[np.int16]],
    k: int,
) -> Dataset:
    made = new_object(record, names, CTImageStorage, names.ct_image(k), "CT")
    made.Modality = "CT"
    made.SeriesNumber = 1
    made.PatientPosition = record.patient_position
    if record.identity.body_part:
        made.BodyPartExamined = record.identity.body_part
    else:
        made.Laterality = ""
    made.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    made.InstanceNumber = k + 1
    made.AcquisitionNumber = 1
    made.KVP = None
    made.ImageComments = record.identity.comment
    made.SliceLocation = decimal(float(geometry.position(k) @ geometry.normal))
    geometry.set_plane(made, k)
    _pixel_module(made, plane.shape, bits=16, signed=True)
    made.RescaleIntercept = str(RESCALE_INTERCEPT)
    made.RescaleSlope = "1"
    made.RescaleType = "HU"
    made.PixelData = plane.tobytes()
    return made


def _pixel_module(made: Dataset, shape: tuple[int, ...], *, bits: int, signed: bool) -> None:
    made.SamplesPerPixel = 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.Rows, made.Columns = shape[-2:]
    made.BitsAllocated = made.BitsStored = bits
    made.HighBit = bits - 1
    made.PixelRepresentation = int(signed)


def dose_object(record: StudyRecord, dose: DoseGrid, names: Names) -> Dataset:
    """The plan dose, physical or RBE-weighted, as a multi-frame RT Dose.

    Raises
    ------
    UnsupportedError
        The dose is an EQD2, or `dose_bits` is neither 16 nor 32.
    InputError
        Sheared axes, or a frame of reference other than that of the CT.
    """
    _require_writable(record, dose, names)
    made = _dose_object(record, dose.values, dose.affine, names, names.uid("rtdose"))
    made.DoseType = "PHYSICAL" if dose.kind == "physical" else "EFFECTIVE"
    made.DoseComment = (record.identity.description if dose.kind == "physical" else RBE_WEIGHTED)[:64]
    return made


def converted_dose_object(
    record: StudyRecord, dose: DoseGrid, plan: PlanRecord, conversion: Conversion, names: Names
) -> Dataset:
    """EQD2 or BED of the plan dose as an RT Dose of type EFFECTIVE, in Gy, with α/β and fractions in its comment.

    Raises
    ------
    UnsupportedError, InputError
        As `dose_object`, and an α/β that is not positive.
    """
    _require_writable(record, dose, names)
    ratio = conversion.alpha_beta
    require_convertible(dose.kind, ratio, plan.n_fractions)
    values = eqd2_of_total(dose.values, plan.n_fractions, ratio)
    if conversion.quantity == "BED":
        values = bed(dose.values / plan.n_fractions, plan.n_fractions, ratio)
    instance = names.uid("rtdose", conversion.quantity, decimal(ratio))
    made = _dose_object(record, values, dose.affine, names, instance)
    made.DoseType = "EFFECTIVE"
    made.DoseComment = conversion_comment(conversion, plan.n_fractions)
    made.InstanceNumber = 2 + record.conversions.index(conversion)
    return made


def _dose_object(record: StudyRecord, values: FloatArray, affine: FloatArray, names: Names, instance: str) -> Dataset:
    geometry = Geometry.of(affine, "dose grid")
    made = new_object(record, names, RTDoseStorage, instance, "RTDOSE")
    made.Modality = "RTDOSE"
    made.SeriesNumber = 4
    made.OperatorsName = ""
    made.InstanceNumber = 1
    if record.identity.date:
        made.InstanceCreationDate, made.InstanceCreationTime = record.identity.date, record.identity.time
    geometry.set_plane(made, 0)
    scaling, stored = _scaled(values, record.dose_bits)
    _pixel_module(made, stored.shape, bits=record.dose_bits, signed=False)
    made.NumberOfFrames = stored.shape[0]
    made.FrameIncrementPointer = FRAME_OFFSETS
    made.GridFrameOffsetVector = decimals(np.arange(stored.shape[0]) * float(geometry.affine[:3, 2] @ geometry.normal))
    made.DoseUnits = "GY"
    made.DoseSummationType = "PLAN"
    made.TissueHeterogeneityCorrection = "IMAGE"
    made.DoseGridScaling = scaling
    if record.plan is not None:
        made.ReferencedRTPlanSequence = [
            item(ReferencedSOPClassUID=RTPlanStorage, ReferencedSOPInstanceUID=names.uid("rtplan"))
        ]
    made.PixelData = stored.tobytes()
    return made


def _scaled(values: FloatArray, bits: int) -> tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.unsignedinteger]]]:
    """DoseGridScaling as it is written, and the stored integers made with just that number."""
    top, highest = 2**bits - 1, float(values.max())
    scaling = f"{highest / (top - 1):.9e}" if highest > 0 else "1"
    stored = np.rint(values / float(scaling))
    return scaling, stored.astype(f"<u{bits // 8}")


def _require_writable(record: StudyRecord, dose: DoseGrid, names: Names) -> None:
    if dose.kind == "EQD2" or record.dose_bits not in (16, 32):
        raise UnsupportedError(
            doing="writing the RTDOSE",
            found=f"a dose of kind {dose.kind} in {record.dose_bits} bits",
            expected="a physical or RBE-weighted dose in 16 or 32 bits",
            try_="the dose the conversion started from with `conversions`, and dose_bits=16",
        )
    if dose.frame_of_reference_uid not in ("", names.frame):
        raise InputError(
            doing="writing the RTDOSE",
            found=f"dose frame of reference {dose.frame_of_reference_uid}, CT frame {names.frame}",
            expected="one frame of reference",
            try_="registering dose and CT first",
        )
