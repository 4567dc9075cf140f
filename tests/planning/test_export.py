"""A planned dose as DICOM: the set is complete, says what it is, and comes back to the same histograms."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy import sparse

from abscopal.domain.errors import InputError
from abscopal.dose.dicom.intake import Case, read_case
from abscopal.dose.dicom.source import source_study
from abscopal.dose.dicom.write import Conversion, StudyRecord, write_case
from abscopal.dose.dvh import compute_dvh
from abscopal.dose.structures import Structure, occupancy
from abscopal.planning.export import (
    PlannedDose,
    export_plan,
    filed_identity,
    plan_study,
    planned_identity,
    target_centre,
)
from abscopal.planning.influence import Bixels, InfluenceMatrix, Prescription, from_arrays
from abscopal.planning.navigate import Navigator
from tests.dose.test_conformance import missing
from tests.dose.test_write import small_record, square

WHEN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("case")
    write_case(folder, small_record())
    return folder


@pytest.fixture(scope="module")
def case(source: Path) -> Case:
    return read_case(source)


@pytest.fixture(scope="module")
def planned(case: Case) -> InfluenceMatrix:
    """Two beams of 2 x 3 bixels on the small case; doses from a formula."""
    grid = case.dose
    k, j, i = np.indices(grid.values.shape).reshape(3, -1)
    columns = [np.exp(-0.2 * ((i - 3 - a) ** 2 + (j - 4 - b) ** 2)) + 0.01 * k for a in (0, 1) for b in (-1, 0, 1)]
    across, along = np.tile(np.repeat([-5.0, 5.0], 3), 2), np.tile([-10.0, 0.0, 10.0], 4)
    table = Bixels(
        np.repeat([0, 1], 6), np.repeat([30.0, 330.0], 6), np.repeat([0.0, 15.0], 6), across, along, np.full(12, 6.0)
    )
    return from_arrays(
        sparse.csr_array(np.stack(columns * 2, axis=1)), grid.values.shape, grid.affine,
        {name: occupancy(one, grid) for name, one in case.structures.items()},
        targets=("PTV",), prescription=Prescription(50.0, 5), bixels=table,
        frame_of_reference_uid=grid.frame_of_reference_uid,
    )  # fmt: skip


WEIGHTS = np.array([1.0, 2.0, 0.0, 3.0, 1.0, 0.0, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0]) * 6


def study(case: Case, planned: InfluenceMatrix, **options: object) -> StudyRecord:
    made = PlannedDose.of_weights(planned, WEIGHTS)
    return plan_study(case, made, identity=planned_identity(when=WHEN), **options)


def test_the_set_is_complete_by_the_standard_and_refers_to_itself(
    case: Case, planned: InfluenceMatrix, tmp_path: Path
) -> None:
    files = {path.name: pydicom.dcmread(path) for path in export_plan(tmp_path, study(case, planned))}
    assert {name for name in files if not name.startswith("ct_")} == {
        *("rtstruct.dcm", "rtplan.dcm", "rtdose.dcm"),
        *("rtdose_eqd2_10.dcm", "rtdose_eqd2_3.dcm", "rtdose_bed_10.dcm"),
    }
    for name, dataset in files.items():
        assert missing(dataset) == [], name
    plan = files["rtplan.dcm"]
    assert (plan.ApprovalStatus, plan.PlanIntent) == ("UNAPPROVED", "RESEARCH")
    assert "NOT FOR TREATMENT" in plan.RTPlanDescription
    assert plan.FractionGroupSequence[0].NumberOfFractionsPlanned == 5
    assert all("cannot be delivered" in beam.BeamDescription for beam in plan.BeamSequence)
    for name in ("rtdose.dcm", "rtdose_eqd2_10.dcm", "rtdose_bed_10.dcm"):
        assert files[name].ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == plan.SOPInstanceUID
        assert files[name].DoseSummationType == "PLAN"
    assert len({dataset.SOPInstanceUID for dataset in files.values()}) == len(files)
    assert len({dataset.FrameOfReferenceUID for dataset in files.values()}) == 1
    assert files["rtdose.dcm"].FrameOfReferenceUID == case.ct.frame_of_reference_uid


def test_the_histograms_come_back(case: Case, planned: InfluenceMatrix, tmp_path: Path) -> None:
    export_plan(tmp_path, study(case, planned))
    back = read_case(tmp_path)
    assert (back.plan.n_fractions, back.plan.prescription_gy) == (5, 50.0)
    dose = planned.dose(WEIGHTS)
    np.testing.assert_allclose(back.dose.values, dose.values, atol=1e-6)
    for name, structure in case.structures.items():
        before, after = compute_dvh(structure, dose), compute_dvh(back.structures[name], back.dose)
        assert after.mean == pytest.approx(before.mean, rel=1e-4)
        assert after.dose_at_volume(95) == pytest.approx(before.dose_at_volume(95), rel=1e-3)
        assert after.volume_cm3 == pytest.approx(before.volume_cm3, rel=1e-4)


def test_beams_state_angles_extents_and_shares_of_dose(planned: InfluenceMatrix) -> None:
    first, second = PlannedDose.of_weights(planned, WEIGHTS).beams
    assert (first.gantry, first.couch, second.gantry, second.couch) == (30.0, 0.0, 330.0, 15.0)
    assert first.jaws == ((-10.0, 10.0), (-15.0, 5.0))
    assert second.jaws == ((-10.0, 0.0), (-15.0, 15.0))
    assert first.meterset is None
    centre = target_centre(planned.region("PTV"), planned.shape, planned.affine)
    total = float(planned.dose(WEIGHTS).sample(centre[None, :])[0])
    assert (first.dose_gy + second.dose_gy) * 5 == pytest.approx(total)
    alone = np.where(np.arange(12) < 6, WEIGHTS, 0.0)
    assert [beam.name for beam in PlannedDose.of_weights(planned, alone).beams] == ["Beam 1"]


def test_bixels_without_a_place_make_an_open_field(planned: InfluenceMatrix) -> None:
    table = Bixels.of_beams([0.0, 90.0], [6, 6])
    (first, _) = PlannedDose.of_weights(replace(planned, bixels=table), WEIGHTS).beams
    assert first.jaws == ((-200.0, 200.0), (-200.0, 200.0))
    assert first.energy_mv is None


def test_without_angles_the_plan_states_no_beam(case: Case, planned: InfluenceMatrix, tmp_path: Path) -> None:
    unknown = np.full(12, np.nan)
    table = Bixels(planned.bixels.beam, *(unknown.copy() for _ in range(5)))
    export_plan(tmp_path, study(case, replace(planned, bixels=table)))
    plan = pydicom.dcmread(tmp_path / "rtplan.dcm")
    assert missing(plan) == []
    assert "BeamSequence" not in plan
    assert read_case(tmp_path).plan.n_fractions == 5


def test_extra_structures_get_free_numbers_and_are_read_back(
    case: Case, planned: InfluenceMatrix, tmp_path: Path
) -> None:
    vertex = square(1, "Vertex_1", "CONTROL", 4.0)
    export_plan(tmp_path, study(case, planned, extra=(vertex, Structure(1, "Valleys", role="CONTROL"))))
    contours = pydicom.dcmread(tmp_path / "rtstruct.dcm")
    rois = {roi.ROIName: roi for roi in contours.StructureSetROISequence}
    assert [int(roi.ROINumber) for roi in rois.values()] == [1, 4, 5, 6]
    assert rois["Vertex_1"].ROIGenerationAlgorithm == "AUTOMATIC"
    assert rois["PTV"].ROIGenerationAlgorithm == ""
    assert "Vertex_1" in read_case(tmp_path).structures


def test_a_plan_between_plans_is_written_like_any_other(case: Case, planned: InfluenceMatrix, tmp_path: Path) -> None:
    plans = {"a": WEIGHTS, "b": np.where(planned.bixels.beam == 0, 0.0, 6.0)}
    mix = PlannedDose.of_mix(Navigator.from_plans(planned, plans), {"a": 1, "b": 3})
    assert [beam.gantry for beam in mix.beams] == [30.0, 330.0]
    for path in export_plan(tmp_path, plan_study(case, mix)):
        assert missing(pydicom.dcmread(path)) == []
    expected = 0.25 * planned.voxel_dose(plans["a"]) + 0.75 * planned.voxel_dose(plans["b"])
    inside = read_case(tmp_path).dose.values.ravel() > 0
    np.testing.assert_allclose(read_case(tmp_path).dose.values.ravel()[inside], expected[inside], rtol=1e-4)


def test_other_weights_have_other_uids_and_the_same_the_same(case: Case, planned: InfluenceMatrix) -> None:
    first, again = study(case, planned), study(case, planned)
    other = plan_study(case, PlannedDose.of_weights(planned, 2 * WEIGHTS))
    assert first.seed == again.seed != other.seed


def test_filed_with_its_study_it_keeps_identity_and_images(
    source: Path, case: Case, planned: InfluenceMatrix, tmp_path: Path
) -> None:
    images, identity = source_study(source, case.ct)
    made = PlannedDose.of_weights(planned, WEIGHTS)
    record = plan_study(case, made, identity=filed_identity(identity), images=images, conversions=())
    files = export_plan(tmp_path, record)
    assert [path.name for path in files] == ["rtstruct.dcm", "rtplan.dcm", "rtdose.dcm"]
    first = pydicom.dcmread(source / "ct_001.dcm")
    made = pydicom.dcmread(tmp_path / "rtdose.dcm")
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "StudyID", "FrameOfReferenceUID"):
        assert made[keyword].value == first[keyword].value
    plan = pydicom.dcmread(tmp_path / "rtplan.dcm")
    assert "NOT FOR TREATMENT" in plan.RTPlanDescription
    assert all(missing(pydicom.dcmread(path)) == [] for path in files)
    contours = pydicom.dcmread(tmp_path / "rtstruct.dcm")
    series = contours.ReferencedFrameOfReferenceSequence[0].RTReferencedStudySequence[0].RTReferencedSeriesSequence[0]
    assert series.ContourImageSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    for path in source.glob("ct_*.dcm"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    back = read_case(tmp_path)
    assert back.ct is not None
    assert back.plan.prescription_gy == 50.0


def test_without_asking_no_identifier_of_the_source_is_written(
    source: Path, case: Case, planned: InfluenceMatrix, tmp_path: Path
) -> None:
    export_plan(tmp_path, study(case, planned))
    before, after = pydicom.dcmread(source / "ct_001.dcm"), pydicom.dcmread(tmp_path / "ct_001.dcm")
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "SOPInstanceUID"):
        assert before[keyword].value != after[keyword].value
    assert after.PatientIdentityRemoved == "YES"


def test_what_cannot_be_written_is_refused(case: Case, planned: InfluenceMatrix, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all zero"):
        PlannedDose.of_weights(planned, 0 * WEIGHTS)
    with pytest.raises(InputError, match="17 characters"):
        study(case, planned, label="x" * 17)
    with pytest.raises(InputError, match="without a CT"):
        study(replace(case, ct=None), planned)
    with pytest.raises(InputError, match="frames of reference"):
        study(case, replace(planned, frame_of_reference_uid="9.9"))
    twice = (Conversion("EQD2", 3.0), Conversion("EQD2", 3.0))
    with pytest.raises(InputError, match="twice"):
        export_plan(tmp_path / "x", study(case, planned, conversions=twice))
    assert not (tmp_path / "x").exists()


def test_a_folder_of_another_case_is_not_its_source(case: Case, tmp_path: Path) -> None:
    ct = small_record().ct
    moved = ct.affine.copy()
    moved[2, 3] += 500.0
    write_case(tmp_path, small_record(ct=ct.__class__(ct.values, moved)))
    with pytest.raises(InputError, match="lies elsewhere"):
        source_study(tmp_path, case.ct)


@pytest.mark.planning
def test_pyradplan_reads_the_set(case: Case, planned: InfluenceMatrix, tmp_path: Path) -> None:
    reader = pytest.importorskip("pyRadPlan", reason="needs pip install 'abscopal[planning]'")
    export_plan(tmp_path, study(case, planned, conversions=()))
    read = reader.load_data(str(tmp_path))
    assert {voi.name for voi in read["cst"].vois} == {one.name for one in case.structures.values()}
    sitk = pytest.importorskip("SimpleITK")
    values = sitk.GetArrayFromImage(read["dose"])
    expected = planned.dose(WEIGHTS).resample(case.ct)  # the reader puts the dose on the CT grid
    within = planned.dose(WEIGHTS).resample(case.ct).values > 0
    np.testing.assert_allclose(values[within], expected.values[within], atol=0.05)
