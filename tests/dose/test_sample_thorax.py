"""The synthetic thorax: anatomy, dose and DICOM of what `abscopal sample thorax` writes."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest

from abscopal.domain.errors import InputError
from abscopal.dose.dicom.intake import Case, read_case
from abscopal.dose.dicom.write import StudyRecord
from abscopal.dose.dvh import DVH, compute_dvh
from abscopal.dose.sample.thorax import build_thorax, find_schedule, schedule_names, thorax_record
from abscopal.dose.structures import Structure, occupancy

SCHEDULES = ("3x18", "5x10", "30x2")
# Volumes in the field of view, cm3, as docs/samples.md states them
VOLUMES = {
    "Lung_L": (1750, 2100),
    "Lung_R": (2100, 2450),
    "Heart": (550, 750),
    "GreatVes": (200, 350),
    "GTV": (13, 17),
    "PTV": (30, 40),
    "LN_Mediast": (3, 8),
    "SpinalCord": (20, 40),
    "Esophagus": (25, 70),
    "External": (18000, 25000),
    "Liver": (1000, 2200),
}


@pytest.fixture(scope="session")
def record() -> Callable[[str], StudyRecord]:
    return cache(thorax_record)


@pytest.fixture(scope="session")
def dvh(record: Callable[[str], StudyRecord]) -> Callable[[str, str], DVH]:
    @cache
    def of(schedule: str, name: str) -> DVH:
        study = record(schedule)
        return compute_dvh(named(study, name), study.dose)

    return of


@pytest.fixture(scope="session")
def case(thorax_case: Path) -> Case:
    return read_case(thorax_case)


def named(study: StudyRecord, name: str) -> Structure:
    return next(structure for structure in study.structures if structure.name == name)


def centre(structure: Structure) -> np.ndarray:
    return np.concatenate(structure.contours).mean(axis=0)


@pytest.mark.parametrize("name", VOLUMES)
def test_volumes_are_those_of_an_adult(record: Callable[[str], StudyRecord], name: str) -> None:
    low, high = VOLUMES[name]
    assert low < named(record("3x18"), name).slabs().volume_cm3() < high


def test_right_lung_is_larger_and_the_heart_leans_left(record: Callable[[str], StudyRecord]) -> None:
    study = record("3x18")
    volume = {name: named(study, name).slabs().volume_cm3() for name in ("Lung_L", "Lung_R")}
    assert volume["Lung_R"] > 1.1 * volume["Lung_L"]
    assert centre(named(study, "Heart"))[0] > 5


def test_organs_lie_on_their_side_in_lps(record: Callable[[str], StudyRecord]) -> None:
    study = record("3x18")
    place = {structure.name: centre(structure) for structure in study.structures}
    assert place["Lung_L"][0] > 40
    assert place["Lung_R"][0] < -40
    assert place["GTV"][0] > 60
    assert place["Liver"][0] < -20
    assert place["Spleen"][0] > 60
    assert place["SpinalCord"][1] > place["Esophagus"][1] > place["Heart"][1]
    assert place["Trachea"][2] > place["Heart"][2] > place["Liver"][2]


def test_ptv_is_the_gtv_and_five_millimetres(record: Callable[[str], StudyRecord]) -> None:
    gtv, ptv = (np.concatenate(named(record("3x18"), name).contours) for name in ("GTV", "PTV"))
    for axis in range(2):
        assert ptv[:, axis].max() - gtv[:, axis].max() == pytest.approx(5.0, abs=0.3)
        assert gtv[:, axis].min() - ptv[:, axis].min() == pytest.approx(5.0, abs=0.3)


def test_ct_numbers_belong_to_their_tissues(record: Callable[[str], StudyRecord]) -> None:
    study = record("3x18")
    for name, expected in (("Lung_R", -750), ("Heart", 42), ("Liver", 60), ("Trachea", -995), ("GTV", 40)):
        deep = occupancy(named(study, name), study.ct) == 1.0
        assert np.median(study.ct.values[deep]) == pytest.approx(expected, abs=3)
    assert study.ct.values[:, 0, 0].max() == -1000


def test_organs_do_not_overlap(record: Callable[[str], StudyRecord]) -> None:
    study = record("3x18")
    solid = ["Lung_L", "Lung_R", "Heart", "GreatVes", "Esophagus", "SpinalCord", "Liver", "Spleen", "Stomach", "VB_T"]
    filled = np.sum([occupancy(named(study, name), study.ct) for name in solid], axis=0)
    doubled = np.maximum(filled - 1, 0).sum() * np.prod(study.ct.lattice.spacing) / 1000
    assert doubled < 2  # cm3, partial voxels along shared surfaces


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_targets_are_covered_and_the_maximum_lies_in_range(
    record: Callable[[str], StudyRecord], dvh: Callable[[str, str], DVH], schedule: str
) -> None:
    plan = record(schedule).plan
    targets = ["PTV", "PTVn"] if schedule == "30x2" else ["PTV"]
    coverage = [dvh(schedule, name).dose_at_volume(95) for name in targets]
    assert min(coverage) == pytest.approx(plan.prescription_gy, rel=1e-3)
    hottest = record(schedule).dose.max / plan.prescription_gy
    low, high = (1.05, 1.15) if schedule == "30x2" else (1.15, 1.40)
    assert low < hottest < high


@pytest.mark.parametrize("schedule", ["3x18", "5x10"])
def test_the_hottest_voxel_of_a_stereotactic_dose_is_in_the_ptv(
    record: Callable[[str], StudyRecord], schedule: str
) -> None:
    study = record(schedule)
    k, j, i = np.unravel_index(study.dose.values.argmax(), study.dose.values.shape)
    assert occupancy(named(study, "PTV"), study.dose)[k, j, i] > 0.99


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_dose_to_organs_is_plausible(dvh: Callable[[str, str], DVH], schedule: str) -> None:
    near, far = dvh(schedule, "Lung_L"), dvh(schedule, "Lung_R")
    assert far.mean < near.mean * (0.8 if schedule == "30x2" else 0.25)
    v20 = (near.volume_at_dose(20) * near.volume_cm3 + far.volume_at_dose(20) * far.volume_cm3) / (
        near.volume_cm3 + far.volume_cm3
    )
    assert v20 < (0.35 if schedule == "30x2" else 0.10)
    assert dvh(schedule, "SpinalCord").maximum < 18
    assert dvh(schedule, "Heart").mean < (20 if schedule == "30x2" else 4)
    assert dvh(schedule, "External").mean < dvh(schedule, "Heart").mean


def test_the_node_is_spared_by_sbrt_and_treated_by_the_long_course(dvh: Callable[[str, str], DVH]) -> None:
    assert dvh("3x18", "LN_Mediast").mean < 0.25 * 54
    assert dvh("30x2", "LN_Mediast").dose_at_volume(98) > 0.98 * 60


def test_dose_is_none_outside_the_body_and_leaks_inside(record: Callable[[str], StudyRecord]) -> None:
    study = record("3x18")
    body = occupancy(named(study, "External"), study.dose)
    assert study.dose.values[body == 0].max() == 0
    assert study.dose.values[body == 1].min() > 0.05


def test_the_dose_grid_covers_the_body_and_is_offset_from_the_ct(
    record: Callable[[str], StudyRecord], dvh: Callable[[str, str], DVH]
) -> None:
    study = record("3x18")
    assert not [note for note in dvh("3x18", "External").notes if "off the dose grid" in note]
    shift = np.linalg.solve(study.ct.affine, study.dose.affine[:, 3])[:3]
    assert (np.abs(shift - np.round(shift)) > 0.01).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_monitor_units_give_a_beam_on_time(record: Callable[[str], StudyRecord], schedule: str) -> None:
    plan = record(schedule).plan
    units = sum(beam.meterset for beam in plan.beams)
    per_gray = units / (plan.prescription_gy / plan.n_fractions)
    assert 100 < per_gray < 250  # MU per Gy of a conformal lung plan
    seconds = sum(beam.meterset / beam.dose_rate * 60 for beam in plan.beams)
    assert 10 < seconds < 300


def test_the_reader_takes_the_whole_case(case: Case) -> None:
    assert case.patient_position == "HFS"
    assert case.plan.n_fractions == 3
    assert case.plan.prescription_gy == 54
    assert 60 < case.plan.beam_on_s < 200
    assert {"External", "Lung_L", "Lung_R", "Heart", "GreatVes", "LN_Mediast", "GTV", "PTV"} <= set(case.structures)
    assert not [item for item in case.checklist if item.kind == "skipped"]


def test_the_written_dose_is_the_computed_one(case: Case, record: Callable[[str], StudyRecord]) -> None:
    step = record("3x18").dose.max / 65534
    assert np.abs(case.dose.values - record("3x18").dose.values).max() <= step / 2 * 1.01
    np.testing.assert_allclose(case.dose.affine, record("3x18").dose.affine)


def test_the_case_is_small_and_says_what_it_is(thorax_case: Path) -> None:
    files = sorted(thorax_case.iterdir())
    assert sum(path.stat().st_size for path in files) < 15e6
    plan = pydicom.dcmread(thorax_case / "rtplan.dcm")
    assert plan.PatientID == "SYNTHETIC-THORAX"
    assert "not a patient" in plan.RTPlanDescription
    assert {beam.PrimaryFluenceModeSequence[0].FluenceMode for beam in plan.BeamSequence} == {"NON_STANDARD"}


def test_a_second_run_gives_the_same_bytes_and_changes_nothing(
    thorax_case: Path,
) -> None:
    before = {path: path.stat().st_mtime_ns for path in thorax_case.iterdir()}
    assert build_thorax(thorax_case, "3x18").already_present
    assert {path: path.stat().st_mtime_ns for path in thorax_case.iterdir()} == before


def test_unknown_schedule_is_answered_with_the_close_match() -> None:
    assert schedule_names() == SCHEDULES
    with pytest.raises(InputError, match="3x18"):
        find_schedule("3x8")
