"""Written objects against the attributes PS3.3 requires and against pydicom's own validation of every value.

`ps3_3_required.csv` holds, for the modules that are written, every attribute of type 1 and 2 at the top and inside the
sequences that are written. It was taken from the tables of PS3.3 that highdicom 0.28.2 (MIT) carries. Attributes that
are required on a condition (1C, 2C) are named one by one in `test_write.py`.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.config import RAISE, settings
from pydicom.dataset import Dataset

from abscopal.domain.errors import DicomError
from abscopal.dose.dicom.intake import read_case
from abscopal.dose.dicom.write import Conversion, Identity, StudyImages, StudyRecord, write_case
from abscopal.dose.grid import DoseGrid
from abscopal.radiobiology.isoeffect import eqd2_of_total
from tests.dose.test_write import affine, small_record

TABLE = Path(__file__).with_name("ps3_3_required.csv")
IODS = {"CT": "ct-image", "RTSTRUCT": "rt-structure-set", "RTPLAN": "rt-plan", "RTDOSE": "rt-dose"}
TERMS = {
    "DoseType": {"PHYSICAL", "EFFECTIVE", "ERROR"},
    "DoseUnits": {"GY", "RELATIVE"},
    "DoseSummationType": {"PLAN"},
    "PlanIntent": {"CURATIVE", "PALLIATIVE", "PROPHYLACTIC", "VERIFICATION", "MACHINE_QA", "RESEARCH", "SERVICE"},
    "ApprovalStatus": {"UNAPPROVED"},
    "RTPlanGeometry": {"PATIENT", "TREATMENT_DEVICE"},
    "TissueHeterogeneityCorrection": {"IMAGE", "ROI_OVERRIDE", "WATER"},
}


def required(modality: str) -> list[tuple[tuple[str, ...], str, str]]:
    with TABLE.open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["iod"] == IODS[modality]]
    return [(tuple(filter(None, row["path"].split("."))), row["keyword"], row["type"]) for row in rows]


def inside(dataset: Dataset, path: tuple[str, ...]) -> Iterator[Dataset]:
    if not path:
        yield dataset
    elif path[0] in dataset:
        for item in dataset[path[0]].value:
            yield from inside(item, path[1:])


def missing(dataset: Dataset) -> list[str]:
    found = []
    for path, keyword, kind in required(dataset.Modality):
        if keyword == "BeamSequence" and dataset.FractionGroupSequence[0].NumberOfBeams == 0:
            continue  # the module is required only where there are beams
        for item in inside(dataset, path):
            empty = keyword not in item or (item[keyword].VR != "SQ" and item[keyword].is_empty)
            if keyword not in item or (kind == "1" and empty):
                found.append(".".join((*path, keyword)))
    return found


def not_a_phantom() -> Identity:
    return Identity(patient_name="A^B", patient_id="1", removed="", date="20260102", comment="for research")


RECORDS = {
    "phantom": small_record(),
    "converted": small_record(conversions=(Conversion("EQD2", 10.0), Conversion("EQD2", 3.0), Conversion("BED", 10.0))),
    "into a study": small_record(
        identity=not_a_phantom(), images=StudyImages("1.2.3", "1.2.3.4", ("1.5", "", "1.6", "1.7"))
    ),
    "RBE": small_record(dose=DoseGrid(np.ones((3, 4, 5)), affine((3, 3, 3), (-6, -6, 0)), "RBE"), dose_bits=32),
}


@pytest.mark.parametrize("name", RECORDS)
def test_every_attribute_that_the_standard_requires_is_there(tmp_path: Path, name: str) -> None:
    for path in write_case(tmp_path, RECORDS[name]):
        dataset = pydicom.dcmread(path)
        assert missing(dataset) == [], path.name
        for keyword, allowed in TERMS.items():
            assert dataset.get(keyword) in allowed | {None}, (path.name, keyword)


def test_the_table_would_notice_an_attribute_left_out(tmp_path: Path) -> None:
    write_case(tmp_path, small_record())
    plan = pydicom.dcmread(tmp_path / "rtplan.dcm")
    del plan.BeamSequence[1].ControlPointSequence[0].CumulativeMetersetWeight
    plan.RTPlanLabel = ""
    assert missing(plan) == ["RTPlanLabel", "BeamSequence.ControlPointSequence.CumulativeMetersetWeight"]


@pytest.mark.parametrize("name", RECORDS)
def test_pydicom_finds_no_value_that_breaks_its_representation(tmp_path: Path, name: str) -> None:
    before = settings.reading_validation_mode
    settings.reading_validation_mode = RAISE
    try:
        for path in write_case(tmp_path, RECORDS[name]):
            for element in pydicom.dcmread(path).iterall():
                assert element.VR != "UN"
                _ = element.value
    finally:
        settings.reading_validation_mode = before


def test_converted_doses_come_back_as_what_they_are(tmp_path: Path) -> None:
    record: StudyRecord = RECORDS["converted"]
    write_case(tmp_path, record)
    case = read_case(tmp_path)
    assert case.dose.kind == "physical"
    assert any("of 4 plan doses the only physical one" in line.detail for line in case.checklist)
    for path in (tmp_path / "rtdose.dcm", tmp_path / "rtdose_eqd2_3.dcm", tmp_path / "rtdose_bed_10.dcm"):
        path.unlink()
    alone = read_case(tmp_path)
    assert (alone.dose.kind, alone.dose.alpha_beta) == ("EQD2", 10.0)
    np.testing.assert_allclose(alone.dose.values, eqd2_of_total(record.dose.values, 3, 10.0), atol=0.02)


def test_a_bed_alone_is_not_taken_for_a_dose(tmp_path: Path) -> None:
    write_case(tmp_path, small_record(conversions=(Conversion("BED", 10.0),)))
    dose = pydicom.dcmread(tmp_path / "rtdose_bed_10.dcm")
    assert (dose.DoseType, dose.DoseUnits) == ("EFFECTIVE", "GY")
    assert dose.DoseComment == "BED, alpha/beta 10 Gy, 3 fractions, LQ"
    values = dose.pixel_array * float(dose.DoseGridScaling)
    physical = small_record().dose.values
    np.testing.assert_allclose(values, physical * (1 + physical / 3 / 10), rtol=1e-3, atol=2e-3)
    (tmp_path / "rtdose.dcm").unlink()
    with pytest.raises(DicomError, match="BED"):
        read_case(tmp_path)


def test_an_rbe_weighted_dose_comes_back_as_one(tmp_path: Path) -> None:
    record = small_record(
        dose=DoseGrid(small_record().dose.values, small_record().dose.affine, "RBE"),
        conversions=(Conversion("EQD2", 3.0),),
    )
    write_case(tmp_path, record)
    assert read_case(tmp_path).dose.kind == "RBE"


def test_objects_filed_with_a_study_refer_to_its_images(tmp_path: Path) -> None:
    files = write_case(tmp_path, RECORDS["into a study"])
    assert [path.name for path in files] == ["rtstruct.dcm", "rtplan.dcm", "rtdose.dcm"]
    contours = pydicom.dcmread(tmp_path / "rtstruct.dcm")
    assert contours.StudyInstanceUID == "1.2.3"
    series = contours.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == "1.2.3.4"
    assert [image.ReferencedSOPInstanceUID for image in series.ContourImageSequence] == ["1.5", "1.6", "1.7"]
    interpolated = contours.ROIContourSequence[0].ContourSequence[1]
    assert "ContourImageSequence" not in interpolated
    assert contours.PatientIdentityRemoved == "NO"
