"""Structure sets and plans as DICOM objects."""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, RTPlanStorage, RTStructureSetStorage

from abscopal.dose.dicom.common import Geometry, Names, decimal, item, new_object
from abscopal.dose.dicom.records import BeamRecord, PlanRecord, StudyRecord
from abscopal.dose.grid import FloatArray
from abscopal.dose.structures import Structure

STUDY_COMPONENT = "1.2.840.10008.3.1.2.3.1"  # Detached Study Management, which the attribute still asks for
MM_DECIMALS = 2
NOT_SEQUENCED = "Fluence of a research optimiser, not sequenced: no meterset, no leaf positions; cannot be delivered"


def structure_set(record: StudyRecord, names: Names) -> Dataset:
    """The contours as an RT Structure Set that refers to the CT slices they lie on."""
    made = new_object(record, names, RTStructureSetStorage, names.uid("rtstruct"), "RTSTRUCT")
    made.Modality = "RTSTRUCT"
    made.SeriesNumber = 2
    made.OperatorsName = ""
    made.InstanceNumber = 1
    made.StructureSetLabel = "Structures"
    made.StructureSetDescription = record.identity.comment
    made.StructureSetDate, made.StructureSetTime = record.identity.date, record.identity.time
    made.ReferencedFrameOfReferenceSequence = [_referenced_frame(record, names)]
    made.StructureSetROISequence = [
        item(
            ROINumber=structure.number,
            ReferencedFrameOfReferenceUID=names.frame,
            ROIName=structure.name,
            ROIGenerationAlgorithm="" if structure.number in record.drawn else "AUTOMATIC",
        )
        for structure in record.structures
    ]
    planes = _Planes(record, names)
    made.ROIContourSequence = [_roi_contours(structure, planes) for structure in record.structures]
    made.RTROIObservationsSequence = [
        item(
            ObservationNumber=structure.number,
            ReferencedROINumber=structure.number,
            RTROIInterpretedType=structure.role,
            ROIInterpreter="",
        )
        for structure in record.structures
    ]
    made.ApprovalStatus = "UNAPPROVED"
    return made


def _referenced_frame(record: StudyRecord, names: Names) -> Dataset:
    images = [_image(names, k) for k in range(record.ct.values.shape[0]) if names.ct_image(k)]
    series = item(SeriesInstanceUID=names.ct_series, ContourImageSequence=images)
    study = item(
        ReferencedSOPClassUID=STUDY_COMPONENT,
        ReferencedSOPInstanceUID=names.study,
        RTReferencedSeriesSequence=[series],
    )
    return item(FrameOfReferenceUID=names.frame, RTReferencedStudySequence=[study])


def _image(names: Names, k: int) -> Dataset:
    return item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=names.ct_image(k))


class _Planes:
    """Finds the CT slice a contour lies on."""

    def __init__(self, record: StudyRecord, names: Names) -> None:
        geometry = Geometry.of(record.ct.affine, "CT")
        self.names = names
        self.normal = geometry.cosines[:, 2]
        self.first = float(geometry.affine[:3, 3] @ self.normal)
        self.step = float(geometry.steps[2])
        self.count = record.ct.values.shape[0]

    def image_of(self, contour: FloatArray) -> list[Dataset]:
        """The reference to the slice, empty where the contour lies off the CT."""
        k = round((float(np.mean(contour @ self.normal)) - self.first) / self.step)
        return [_image(self.names, k)] if 0 <= k < self.count and self.names.ct_image(k) else []


def _roi_contours(structure: Structure, planes: _Planes) -> Dataset:
    made = item(ReferencedROINumber=structure.number)
    if structure.color is not None:
        made.ROIDisplayColor = list(structure.color)
    if structure.contours:
        made.ContourSequence = [_contour(contour, planes) for contour in structure.contours]
    return made


def _contour(contour: FloatArray, planes: _Planes) -> Dataset:
    images = planes.image_of(contour)
    made = item(ContourImageSequence=images) if images else Dataset()
    made.ContourGeometricType = "CLOSED_PLANAR" if len(contour) > 1 else "POINT"
    made.NumberOfContourPoints = len(contour)
    made.ContourData = [f"{value:.{MM_DECIMALS}f}" for value in (contour + 0.0).ravel()]
    return made


def plan_object(record: StudyRecord, plan: PlanRecord, names: Names) -> Dataset:
    """The plan as an RT Plan with one fraction group that refers to the structure set."""
    made = new_object(record, names, RTPlanStorage, names.uid("rtplan"), "RTPLAN")
    made.Modality = "RTPLAN"
    made.SeriesNumber = 3
    made.OperatorsName = ""
    made.InstanceNumber = 1
    made.RTPlanLabel = plan.label
    made.RTPlanDescription = record.identity.comment
    made.RTPlanDate, made.RTPlanTime = record.identity.date, record.identity.time
    made.PlanIntent = "RESEARCH"
    made.RTPlanGeometry = "PATIENT"
    made.DoseReferenceSequence = [_prescription(plan, names)]
    made.FractionGroupSequence = [_fraction_group(plan)]
    made.PatientSetupSequence = [item(PatientSetupNumber=1, PatientPosition=record.patient_position)]
    if plan.beams:
        made.BeamSequence = [_beam(beam, plan) for beam in plan.beams]
    made.ReferencedStructureSetSequence = [
        item(ReferencedSOPClassUID=RTStructureSetStorage, ReferencedSOPInstanceUID=names.uid("rtstruct"))
    ]
    made.ApprovalStatus = "UNAPPROVED"
    return made


def _prescription(plan: PlanRecord, names: Names) -> Dataset:
    return item(
        ReferencedROINumber=plan.target_number,
        DoseReferenceNumber=1,
        DoseReferenceUID=names.uid("prescription"),
        DoseReferenceStructureType="VOLUME",
        DoseReferenceType="TARGET",
        TargetPrescriptionDose=decimal(plan.prescription_gy),
    )


def _fraction_group(plan: PlanRecord) -> Dataset:
    made = item(
        FractionGroupNumber=1,
        NumberOfFractionsPlanned=plan.n_fractions,
        NumberOfBeams=len(plan.beams),
        NumberOfBrachyApplicationSetups=0,
        ReferencedDoseReferenceSequence=[item(ReferencedDoseReferenceNumber=1)],
    )
    if plan.beams:
        made.ReferencedBeamSequence = [_share(beam) for beam in plan.beams]
    return made


def _share(beam: BeamRecord) -> Dataset:
    """What a beam gives in one fraction, as far as it is known."""
    made = item(ReferencedBeamNumber=beam.number)
    if beam.dose_gy is not None:
        made.BeamDose = decimal(round(beam.dose_gy, 4))
    if beam.meterset is not None:
        made.BeamMeterset = decimal(round(beam.meterset, 3))
    return made


def _beam(beam: BeamRecord, plan: PlanRecord) -> Dataset:
    made = item(
        BeamNumber=beam.number,
        BeamName=beam.name,
        BeamType="STATIC",
        RadiationType=beam.radiation,
        TreatmentMachineName=plan.machine,
        Manufacturer="abscopal",
        PrimaryDosimeterUnit="MU",
        SourceAxisDistance=decimal(beam.sad_mm),
        BeamLimitingDeviceSequence=_devices(beam),
        ReferencedPatientSetupNumber=1,
        TreatmentDeliveryType="TREATMENT",
        NumberOfWedges=0,
        NumberOfCompensators=0,
        NumberOfBoli=0,
        NumberOfBlocks=0,
        FinalCumulativeMetersetWeight="1",
        NumberOfControlPoints=2,
        ControlPointSequence=[_first_point(beam), item(ControlPointIndex=1, CumulativeMetersetWeight="1")],
    )
    told = [] if beam.dose_point is None else [f"BeamDose is given at LPS {', '.join(_point(beam.dose_point))} mm"]
    told += [] if beam.meterset is not None else [NOT_SEQUENCED]
    made.BeamDescription = ". ".join(told)
    mode = item(FluenceMode="STANDARD")
    if beam.flattening_filter_free:
        mode = item(FluenceMode="NON_STANDARD", FluenceModeID="FFF")
    made.PrimaryFluenceModeSequence = [mode]
    return made


def _devices(beam: BeamRecord) -> list[Dataset]:
    devices = [item(RTBeamLimitingDeviceType=kind, NumberOfLeafJawPairs=1) for kind in ("ASYMX", "ASYMY")]
    if beam.leaf_boundaries is not None:
        devices.append(
            item(
                RTBeamLimitingDeviceType="MLCX",
                NumberOfLeafJawPairs=len(beam.leaf_boundaries) - 1,
                LeafPositionBoundaries=_tenths(beam.leaf_boundaries),
            )
        )
    return devices


def _first_point(beam: BeamRecord) -> Dataset:
    positions = [
        item(RTBeamLimitingDeviceType=kind, LeafJawPositions=_tenths(np.array(pair)))
        for kind, pair in zip(("ASYMX", "ASYMY"), beam.jaws, strict=True)
    ]
    if beam.leaf_tips is not None:
        positions.append(item(RTBeamLimitingDeviceType="MLCX", LeafJawPositions=_tenths(beam.leaf_tips)))
    made = item(
        ControlPointIndex=0,
        BeamLimitingDevicePositionSequence=positions,
        GantryAngle=decimal(beam.gantry),
        GantryRotationDirection="NONE",
        BeamLimitingDeviceAngle="0",
        BeamLimitingDeviceRotationDirection="NONE",
        PatientSupportAngle=decimal(beam.couch),
        PatientSupportRotationDirection="NONE",
        TableTopEccentricAngle="0",
        TableTopEccentricRotationDirection="NONE",
        TableTopVerticalPosition=None,
        TableTopLongitudinalPosition=None,
        TableTopLateralPosition=None,
        IsocenterPosition=_point(beam.isocentre),
        CumulativeMetersetWeight="0",
    )
    if beam.energy_mv is not None:
        made.NominalBeamEnergy = decimal(beam.energy_mv)
    if beam.dose_rate is not None:
        made.DoseRateSet = decimal(beam.dose_rate)
    return made


def _point(position: tuple[float, float, float]) -> list[str]:
    return [f"{value + 0.0:.{MM_DECIMALS}f}" for value in position]


def _tenths(values: FloatArray) -> list[str]:
    return [f"{value:.1f}" for value in np.asarray(values, dtype=float).ravel() + 0.0]
