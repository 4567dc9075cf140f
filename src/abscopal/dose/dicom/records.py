"""What a written study says beside its arrays: who, which plan, which beams."""

from dataclasses import dataclass, field
from typing import Literal

from abscopal.dose.grid import DoseGrid, FloatArray, Volume
from abscopal.dose.structures import Structure

Quantity = Literal["EQD2", "BED"]
Radiation = Literal["PHOTON", "PROTON"]


@dataclass(frozen=True)
class Identity:
    """Who the study is of, and the words that say what it is.

    Attributes
    ----------
    patient_name, patient_id, birth_date : str
        Dummies, unless the objects are to be filed with the study they were planned on.
    patient_sex : str
        M, F, O or empty.
    date, time : str
        DICOM DA and TM, fixed so that repeated runs give the same bytes.
    description : str
        StudyDescription, at most 64 characters.
    body_part : str
        BodyPartExamined such as CHEST, or empty.
    comment : str
        Longer text for PatientComments and the descriptions of the RT objects.
    study_id : str
    model : str
        What made the objects, beside the manufacturer.
    removed : str
        How identity was removed; "" where the identifiers are those of the source.
    """

    patient_name: str = "Phantom^Synthetic"
    patient_id: str = "SYNTHETIC"
    patient_sex: str = ""
    birth_date: str = ""
    date: str = "20000101"
    time: str = "120000"
    description: str = "Synthetic phantom"
    body_part: str = ""
    comment: str = "Synthetic phantom computed by abscopal; not a patient. Research use only."
    study_id: str = "1"
    model: str = "synthetic phantom"
    removed: str = "Synthetic phantom, no person behind it"


@dataclass(frozen=True)
class BeamRecord:
    """One static field of one fraction; None for what is not known of it.

    Attributes
    ----------
    number : int
    name : str
    gantry : float
        IEC 61217. [degree]
    energy_mv : float or None
        Nominal energy: MV of photons, MeV of protons.
    isocentre : tuple of float
        LPS. [mm]
    jaws : tuple of two pairs
        Extent in X and in Y at the isocentre distance. [mm]
    sad_mm : float
        Source to axis distance. [mm]
    meterset : float or None
        Monitor units of one fraction; None for a fluence that was never sequenced.
    dose_gy : float or None
        Dose of one fraction at `dose_point`. [Gy]
    dose_point : tuple of float or None
        LPS. [mm]
    dose_rate : float or None
        [MU/min]
    couch : float
        IEC 61217 patient support angle. [degree]
    radiation : {"PHOTON", "PROTON"}
    flattening_filter_free : bool
    leaf_boundaries : array, shape (n + 1,), optional
        Leaf edges along Y. [mm]
    leaf_tips : array, shape (2, n), optional
        Left and right leaf tips along X. [mm]
    """

    number: int
    name: str
    gantry: float
    energy_mv: float | None
    isocentre: tuple[float, float, float]
    jaws: tuple[tuple[float, float], tuple[float, float]]
    sad_mm: float
    meterset: float | None = None
    dose_gy: float | None = None
    dose_point: tuple[float, float, float] | None = None
    dose_rate: float | None = None
    couch: float = 0.0
    radiation: Radiation = "PHOTON"
    flattening_filter_free: bool = False
    leaf_boundaries: FloatArray | None = None
    leaf_tips: FloatArray | None = None


@dataclass(frozen=True)
class PlanRecord:
    """A plan with one fraction group and one prescription to one structure.

    Attributes
    ----------
    label : str
        At most 16 characters.
    n_fractions : int
    prescription_gy : float
        Total dose. [Gy]
    target_number : int
        ROI number of the structure the dose is prescribed to.
    beams : tuple of BeamRecord
    machine : str
        At most 16 characters.
    """

    label: str
    n_fractions: int
    prescription_gy: float
    target_number: int
    beams: tuple[BeamRecord, ...]
    machine: str = "PHANTOM"


@dataclass(frozen=True)
class Conversion:
    """A converted dose to write beside the physical one.

    Attributes
    ----------
    quantity : {"EQD2", "BED"}
    alpha_beta : float
        Above 0. [Gy]
    """

    quantity: Quantity
    alpha_beta: float


@dataclass(frozen=True)
class StudyImages:
    """The study a case was read from, for objects that are to be filed with it.

    Attributes
    ----------
    study_uid, series_uid : str
        StudyInstanceUID, and SeriesInstanceUID of the planning CT.
    images : tuple of str
        SOPInstanceUID of each slice of the CT volume; "" where a slice was interpolated.
    """

    study_uid: str
    series_uid: str
    images: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class StudyRecord:
    """All of one study; any part but the CT may be absent.

    Attributes
    ----------
    ct : Volume
        Hounsfield units; its rows, columns and slices along the patient axes.
    structures : tuple of Structure
    dose : DoseGrid, optional
        Physical dose of the plan.
    plan : PlanRecord, optional
    identity : Identity
    seed : str
        All UIDs derive from it: the same seed gives the same bytes.
    patient_position : str
        PatientPosition of CT and plan: HFS, HFP, FFS, FFP, HFDR, ...
    dose_bits : int
        16 or 32 bits per dose voxel.
    conversions : tuple of Conversion
        Written as further RTDOSE from `dose` and the plan's fraction count.
    images : StudyImages, optional
        An existing CT that the objects refer to; no CT is written then.
    drawn : frozenset of int
        ROI numbers of structures that were read from a file: how they were made is not known.
    """

    ct: Volume
    structures: tuple[Structure, ...] = ()
    dose: DoseGrid | None = None
    plan: PlanRecord | None = None
    identity: Identity = field(default_factory=Identity)
    seed: str = "abscopal"
    patient_position: str = "HFS"
    dose_bits: int = 16
    conversions: tuple[Conversion, ...] = ()
    images: StudyImages | None = None
    drawn: frozenset[int] = frozenset()
