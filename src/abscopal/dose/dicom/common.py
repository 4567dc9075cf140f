"""Modules that every written DICOM object shares: patient, study, equipment, identifiers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid
from pydicom.valuerep import format_number_as_ds

from abscopal.domain.errors import InputError
from abscopal.dose.dicom.records import StudyImages, StudyRecord
from abscopal.dose.grid import FloatArray

PERPENDICULAR_TOLERANCE = 1e-4
IMPLEMENTATION = generate_uid(entropy_srcs=["abscopal", "implementation"])


def decimal(value: float) -> str:
    """A decimal string (DS) of at most 16 characters, the same on every run."""
    return format_number_as_ds(float(value) + 0.0)  # + 0.0 turns -0.0 into 0.0


def decimals(values: NDArray[np.floating]) -> list[str]:
    """Decimal strings of an array, in order."""
    return [decimal(value) for value in np.asarray(values, dtype=float).ravel()]


def item(**elements: object) -> Dataset:
    """A sequence item with the given keywords."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


@dataclass(frozen=True)
class Names:
    """UIDs of a study, derived from its seed but for those of an existing CT.

    Attributes
    ----------
    seed : str
    frame : str
        Frame of reference.
    existing : StudyImages, optional
        The study and CT that the objects are filed with.
    """

    seed: str
    frame: str
    existing: StudyImages | None = None

    @classmethod
    def of(cls, record: StudyRecord) -> "Names":
        """Names for a record, keeping the frame of reference its CT states."""
        derived = str(generate_uid(entropy_srcs=[record.seed, "frame of reference"]))
        return cls(record.seed, record.ct.frame_of_reference_uid or derived, record.images)

    def uid(self, *what: object) -> str:
        """The UID of one thing of the study."""
        return str(generate_uid(entropy_srcs=[self.seed, *(str(part) for part in what)]))

    @property
    def study(self) -> str:
        """StudyInstanceUID."""
        return self.uid("study") if self.existing is None else self.existing.study_uid

    @property
    def ct_series(self) -> str:
        """SeriesInstanceUID of the CT."""
        return self.uid("series", "CT") if self.existing is None else self.existing.series_uid

    def ct_image(self, k: int) -> str:
        """SOPInstanceUID of CT slice `k`; "" where the existing series has none there."""
        return self.uid("ct", k) if self.existing is None else self.existing.images[k]


def new_object(record: StudyRecord, names: Names, sop_class: str, instance: str, series: str) -> Dataset:
    """A dataset with file meta, SOP common, patient, study, series and equipment modules."""
    who = record.identity
    made = item(
        SpecificCharacterSet="ISO_IR 192",
        SOPClassUID=sop_class,
        SOPInstanceUID=instance,
        PatientName=who.patient_name,
        PatientID=who.patient_id,
        PatientBirthDate=who.birth_date,
        PatientSex=who.patient_sex,
        PatientIdentityRemoved="YES" if who.removed else "NO",
        PatientComments=who.comment,
        StudyInstanceUID=names.study,
        StudyDate=who.date,
        StudyTime=who.time,
        StudyID=who.study_id,
        StudyDescription=who.description,
        AccessionNumber="",
        ReferringPhysicianName="",
        SeriesInstanceUID=names.ct_series if series == "CT" else names.uid("series", series),
        SeriesDescription=f"{who.description}: {series}"[:64],
        Manufacturer="abscopal",
        ManufacturerModelName=who.model,
        SoftwareVersions="1",
        FrameOfReferenceUID=names.frame,
        PositionReferenceIndicator="",
    )
    if who.removed:
        made.DeidentificationMethod = who.removed
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    made.file_meta.MediaStorageSOPInstanceUID = UID(instance)
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.ImplementationClassUID = IMPLEMENTATION
    made.file_meta.ImplementationVersionName = "ABSCOPAL"
    return made


@dataclass(frozen=True)
class Geometry:
    """An affine taken apart into the attributes of the image plane module.

    Attributes
    ----------
    affine : array, shape (4, 4)
    steps : array, shape (3,)
        Spacing along i (columns), j (rows) and k (slices). [mm]
    cosines : array, shape (3, 3)
        Columns: unit directions of i, j and k.
    """

    affine: FloatArray
    steps: FloatArray
    cosines: FloatArray

    @classmethod
    def of(cls, affine: FloatArray, what: str) -> "Geometry":
        """Geometry of a grid whose three axes are perpendicular.

        Raises
        ------
        InputError
            Sheared axes, which DICOM cannot say.
        """
        directions = np.asarray(affine, dtype=float)[:3, :3]
        steps = np.linalg.norm(directions, axis=0)
        cosines = directions / steps
        if np.abs(cosines.T @ cosines - np.eye(3)).max() > PERPENDICULAR_TOLERANCE:
            raise InputError(
                doing=f"writing the {what}",
                found=f"axes that are not perpendicular (direction cosines {np.round(cosines, 4).tolist()})",
                expected="rows, columns and slices at right angles",
                try_="resampling it on a rectangular grid",
            )
        return cls(np.asarray(affine, dtype=float), steps, cosines)

    @property
    def normal(self) -> FloatArray:
        """Unit vector perpendicular to the slices, rows crossed with columns."""
        return np.cross(self.cosines[:, 0], self.cosines[:, 1])

    def position(self, k: int) -> FloatArray:
        """Centre of the first pixel of slice `k`, LPS. [mm]."""
        return np.asarray(self.affine[:3, 3] + k * self.affine[:3, 2], dtype=np.float64)

    def set_plane(self, dataset: Dataset, k: int) -> None:
        """Fill the image plane module for slice `k`."""
        dataset.PixelSpacing = decimals(self.steps[[1, 0]])
        dataset.ImageOrientationPatient = decimals(self.cosines[:, :2].T)
        dataset.ImagePositionPatient = decimals(self.position(k))
        dataset.SliceThickness = decimal(self.steps[2])
