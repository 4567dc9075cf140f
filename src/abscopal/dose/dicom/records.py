"""What a written study says beside its arrays: who, which plan, which beams."""

from dataclasses import dataclass, field

from abscopal.dose.grid import DoseGrid, FloatArray, Volume
from abscopal.dose.structures import Structure


@dataclass(frozen=True)
class Identity:
    """Dummy identifiers and the words that say what the study is.

    Attributes
    ----------
    patient_name, patient_id : str
        Dummies; never those of a person.
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
    """

    patient_name: str = "Phantom^Synthetic"
    patient_id: str = "SYNTHETIC"
    patient_sex: str = ""
    date: str = "20000101"
    time: str = "120000"
    description: str = "Synthetic phantom"
    body_part: str = ""
    comment: str = "Synthetic phantom computed by abscopal; not a patient. Research use only."


@dataclass(frozen=True)
class BeamRecord:
    """One static photon field of one fraction.

    Attributes
    ----------
    number : int
    name : str
    gantry : float
        IEC 61217. [degree]
    energy_mv : float
        Nominal photon energy. [MV]
    meterset : float
        Monitor units of one fraction.
    dose_gy : float
        Dose of one fraction at `dose_point`. [Gy]
    dose_point : tuple of float
        LPS. [mm]
    dose_rate : float
        [MU/min]
    isocentre : tuple of float
        LPS. [mm]
    jaws : tuple of two pairs
        Extent in X and in Y at the isocentre distance. [mm]
    sad_mm : float
        Source to axis distance. [mm]
    flattening_filter_free : bool
    leaf_boundaries : array, shape (n + 1,), optional
        Leaf edges along Y. [mm]
    leaf_tips : array, shape (2, n), optional
        Left and right leaf tips along X. [mm]
    """

    number: int
    name: str
    gantry: float
    energy_mv: float
    meterset: float
    dose_gy: float
    dose_point: tuple[float, float, float]
    dose_rate: float
    isocentre: tuple[float, float, float]
    jaws: tuple[tuple[float, float], tuple[float, float]]
    sad_mm: float
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
    """

    ct: Volume
    structures: tuple[Structure, ...] = ()
    dose: DoseGrid | None = None
    plan: PlanRecord | None = None
    identity: Identity = field(default_factory=Identity)
    seed: str = "abscopal"
    patient_position: str = "HFS"
    dose_bits: int = 16
