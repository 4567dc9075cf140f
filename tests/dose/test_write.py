"""Written DICOM against the attributes, references and numbers it must carry."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage, RTDoseStorage, RTPlanStorage, RTStructureSetStorage

from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.dose.dicom.intake import read_case
from abscopal.dose.dicom.write import BeamRecord, PlanRecord, StudyRecord, study_objects, write_case
from abscopal.dose.grid import DoseGrid, Volume
from abscopal.dose.structures import Structure

COMMON_TYPE_1 = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"]
COMMON_TYPE_2 = [
    *["PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"],
    *["ReferringPhysicianName", "AccessionNumber", "SeriesNumber", "Manufacturer", "InstanceNumber"],
]
PIXELS = [
    *["SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"],
    *["PixelRepresentation", "PixelData", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient"],
    "FrameOfReferenceUID",
]
TYPE_1 = {
    CTImageStorage: [*PIXELS, "ImageType", "RescaleIntercept", "RescaleSlope", "PatientPosition"],
    RTStructureSetStorage: [
        *["StructureSetLabel", "StructureSetROISequence", "ROIContourSequence", "RTROIObservationsSequence"],
        "ReferencedFrameOfReferenceSequence",
    ],
    RTPlanStorage: [
        *["RTPlanLabel", "RTPlanGeometry", "ReferencedStructureSetSequence", "FractionGroupSequence", "BeamSequence"],
        *["DoseReferenceSequence", "PatientSetupSequence"],
    ],
    RTDoseStorage: [
        *PIXELS,
        *["NumberOfFrames", "FrameIncrementPointer", "GridFrameOffsetVector", "DoseGridScaling", "DoseUnits"],
        *["DoseType", "DoseSummationType", "ReferencedRTPlanSequence"],
    ],
}
TYPE_2 = {
    CTImageStorage: ["KVP", "AcquisitionNumber", "SliceThickness", "PositionReferenceIndicator"],
    RTStructureSetStorage: ["StructureSetDate", "StructureSetTime", "OperatorsName"],
    RTPlanStorage: ["RTPlanDate", "RTPlanTime", "OperatorsName"],
    RTDoseStorage: ["OperatorsName", "PositionReferenceIndicator"],
}
BEAM_TYPE_1 = [
    *["BeamNumber", "BeamType", "RadiationType", "BeamLimitingDeviceSequence", "NumberOfWedges", "NumberOfBoli"],
    *["NumberOfCompensators", "NumberOfBlocks", "NumberOfControlPoints", "ControlPointSequence"],
    "FinalCumulativeMetersetWeight",
]


def affine(spacing: tuple[float, float, float], origin: tuple[float, float, float]) -> np.ndarray:
    made = np.diag([*spacing, 1.0])
    made[:3, 3] = origin
    return made


def square(number: int, name: str, role: str, half: float) -> Structure:
    corners = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
    planes = tuple(np.column_stack([corners, np.full(4, z)]) for z in (0.0, 3.0, 6.0))
    return Structure(number, name, name, role, planes, (255, 0, number))


def small_record(**changes: object) -> StudyRecord:
    rng = np.random.default_rng(1)
    beam = BeamRecord(
        number=1,
        name="AP",
        gantry=0.0,
        energy_mv=6.0,
        meterset=120.0,
        dose_gy=1.0,
        dose_point=(0.0, 0.0, 3.0),
        dose_rate=600.0,
        isocentre=(0.0, 0.0, 3.0),
        jaws=((-20.0, 20.0), (-10.0, 10.0)),
        sad_mm=1000.0,
    )
    record = StudyRecord(
        ct=Volume(rng.integers(-1000, 1500, (4, 12, 10)).astype(float), affine((4, 5, 3), (-18, -27.5, 0))),
        structures=(square(1, "External", "EXTERNAL", 15.0), square(4, "PTV", "PTV", 6.0)),
        dose=DoseGrid(rng.uniform(0, 54, (5, 9, 8)), affine((3.5, 4.5, 2.5), (-13, -19, -1.0)), "physical"),
        plan=PlanRecord("TEST", 3, 54.0, 4, (beam, replace(beam, number=2, name="LAT", gantry=90.0))),
        seed="test",
    )
    return replace(record, **changes)


@pytest.fixture
def written(tmp_path: Path) -> dict[str, pydicom.Dataset]:
    files = write_case(tmp_path / "case", small_record())
    return {path.name: pydicom.dcmread(path) for path in files}


def test_every_object_carries_the_attributes_its_definition_requires(written: dict[str, pydicom.Dataset]) -> None:
    assert len(written) == 4 + 3
    for dataset in written.values():
        kind = dataset.SOPClassUID
        for keyword in [*COMMON_TYPE_1, *TYPE_1[kind]]:
            assert dataset.get(keyword) not in (None, ""), (dataset.Modality, keyword)
        for keyword in [*COMMON_TYPE_2, *TYPE_2[kind]]:
            assert keyword in dataset, (dataset.Modality, keyword)
        assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
        assert "ynthetic" in dataset.PatientComments


def test_beams_carry_the_attributes_their_module_requires(written: dict[str, pydicom.Dataset]) -> None:
    for beam in written["rtplan.dcm"].BeamSequence:
        for keyword in BEAM_TYPE_1:
            assert keyword in beam
        first, last = beam.ControlPointSequence
        assert (first.CumulativeMetersetWeight, last.CumulativeMetersetWeight) == (0, 1)
        assert beam.NumberOfControlPoints == 2
        for keyword in ("NominalBeamEnergy", "GantryAngle", "IsocenterPosition", "DoseRateSet"):
            assert first.get(keyword) is not None
        for keyword in ("TableTopVerticalPosition", "TableTopLongitudinalPosition", "TableTopLateralPosition"):
            assert keyword in first


def test_references_lead_from_dose_to_plan_to_structures_to_slices(written: dict[str, pydicom.Dataset]) -> None:
    dose, plan, contours = written["rtdose.dcm"], written["rtplan.dcm"], written["rtstruct.dcm"]
    slices = {data.SOPInstanceUID: data for name, data in written.items() if name.startswith("ct_")}
    assert dose.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan.SOPInstanceUID
    assert plan.ReferencedStructureSetSequence[0].ReferencedSOPInstanceUID == contours.SOPInstanceUID
    frame = contours.ReferencedFrameOfReferenceSequence[0]
    series = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert {image.ReferencedSOPInstanceUID for image in series.ContourImageSequence} == set(slices)
    for roi in contours.ROIContourSequence:
        for contour in roi.ContourSequence:
            image = slices[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            assert image.ImagePositionPatient[2] == pytest.approx(contour.ContourData[2])
    assert len({dataset.FrameOfReferenceUID for dataset in written.values()}) == 1
    assert len({dataset.StudyInstanceUID for dataset in written.values()}) == 1
    assert len({dataset.SeriesInstanceUID for dataset in written.values()}) == 4
    assert plan.DoseReferenceSequence[0].ReferencedROINumber == 4


@pytest.mark.parametrize("bits", [16, 32])
def test_dose_comes_back_within_half_a_scaling_step(tmp_path: Path, bits: int) -> None:
    record = small_record(dose_bits=bits)
    write_case(tmp_path, record)
    dose = pydicom.dcmread(tmp_path / "rtdose.dcm")
    scaling = float(dose.DoseGridScaling)
    assert dose.BitsAllocated == bits
    assert np.abs(dose.pixel_array * scaling - record.dose.values).max() <= scaling / 2 * (1 + 1e-9)
    assert scaling < 54 / (2**bits - 3)


def test_all_zero_dose_is_written(tmp_path: Path) -> None:
    record = small_record(dose=DoseGrid(np.zeros((2, 3, 4)), np.eye(4), "physical"))
    write_case(tmp_path, record)
    assert not pydicom.dcmread(tmp_path / "rtdose.dcm").pixel_array.any()


def test_the_reader_gets_back_what_was_written(tmp_path: Path) -> None:
    record = small_record()
    write_case(tmp_path, record)
    case = read_case(tmp_path)
    np.testing.assert_array_equal(case.ct.values, record.ct.values)
    np.testing.assert_allclose(case.ct.affine, record.ct.affine, atol=1e-9)
    np.testing.assert_allclose(case.dose.affine, record.dose.affine, atol=1e-9)
    np.testing.assert_allclose(case.structures["PTV"].contours, record.structures[1].contours, atol=0.005)
    assert case.structures["PTV"].role == "PTV"
    assert (case.plan.n_fractions, case.plan.prescription_gy) == (3, 54.0)
    assert case.plan.beam_on_s == pytest.approx(2 * 120 / 600 * 60)
    assert case.patient_position == "HFS"


@settings(max_examples=20, deadline=None)
@given(
    spacing=st.tuples(*[st.floats(0.5, 9)] * 3),
    origin=st.tuples(*[st.floats(-400, 400)] * 3),
    flips=st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3),
)
def test_any_axial_grid_keeps_its_place(spacing: tuple, origin: tuple, flips: tuple) -> None:
    matrix = affine(tuple(s * f for s, f in zip(spacing, flips, strict=True)), origin)
    dose = study_objects(small_record(dose=DoseGrid(np.ones((3, 4, 5)), matrix, "physical")))["rtdose.dcm"]
    row, column = (np.array(dose.ImageOrientationPatient[k : k + 3], dtype=float) for k in (0, 3))
    first = np.array(dose.ImagePositionPatient, dtype=float)
    along_row, along_column = float(dose.PixelSpacing[1]), float(dose.PixelSpacing[0])
    corner = first + 4 * along_row * row + 3 * along_column * column
    corner = corner + float(dose.GridFrameOffsetVector[2]) * np.cross(row, column)
    np.testing.assert_allclose(corner, (matrix @ [4, 3, 2, 1])[:3], atol=1e-6)


def test_prone_study_states_its_position_and_orientation(tmp_path: Path) -> None:
    prone = affine((-4, -5, 3), (18, 27.5, 0))
    record = small_record(ct=Volume(np.zeros((4, 12, 10)), prone), patient_position="HFP")
    write_case(tmp_path, record)
    image = pydicom.dcmread(tmp_path / "ct_001.dcm")
    assert image.PatientPosition == "HFP"
    assert list(image.ImageOrientationPatient) == [-1, 0, 0, 0, -1, 0]
    assert pydicom.dcmread(tmp_path / "rtplan.dcm").PatientSetupSequence[0].PatientPosition == "HFP"


def test_same_record_gives_the_same_bytes_and_another_seed_other_uids(tmp_path: Path) -> None:
    first, second = write_case(tmp_path / "a", small_record()), write_case(tmp_path / "b", small_record())
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    other = study_objects(small_record(seed="another"))
    mine = study_objects(small_record())
    assert not {data.SOPInstanceUID for data in other.values()} & {data.SOPInstanceUID for data in mine.values()}


def test_structure_without_contours_and_study_without_dose_are_written(tmp_path: Path) -> None:
    record = small_record(structures=(Structure(1, "Empty"),), dose=None, plan=None)
    files = write_case(tmp_path, record)
    contours = pydicom.dcmread(tmp_path / "rtstruct.dcm")
    assert [path.name for path in files][-1] == "rtstruct.dcm"
    assert "ContourSequence" not in contours.ROIContourSequence[0]


def sheared() -> np.ndarray:
    matrix = affine((4, 4, 3), (0, 0, 0))
    matrix[0, 2] = 1.0
    return matrix


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"dose": DoseGrid(np.ones((2, 2, 2)), np.eye(4), "EQD2", 3.0)}, UnsupportedError, "EQD2"),
        ({"dose_bits": 8}, UnsupportedError, "8 bits"),
        ({"dose": DoseGrid(np.ones((2, 2, 2)), sheared(), "physical")}, InputError, "perpendicular"),
        ({"dose": DoseGrid(np.ones((2, 2, 2)), np.eye(4), "physical", None, "1.2.3")}, InputError, "1.2.3"),
        ({"ct": Volume(np.full((2, 2, 2), 1e6), np.eye(4))}, InputError, "1e\\+06"),
        ({"structures": (square(1, "A", "", 3.0), square(1, "B", "", 3.0))}, InputError, "twice"),
        ({"structures": (square(1, "A", "", 3.0),)}, InputError, "ROI 4"),
    ],
)
def test_contradictions_are_refused_and_nothing_is_written(
    tmp_path: Path, changes: dict, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        write_case(tmp_path / "case", small_record(**changes))
    assert not (tmp_path / "case").exists()


def test_existing_files_are_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "rtdose.dcm").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"rtdose\.dcm"):
        write_case(tmp_path, small_record())
    assert [path.name for path in tmp_path.iterdir()] == ["rtdose.dcm"]
    assert (tmp_path / "rtdose.dcm").read_bytes() == b"mine"
