"""The clinical breast plan against the DVHs its planning system stored beside the dose.

Source: test data of dicompyler-core 0.5.6 (PROVENANCE.md beside the files). The stored statistics are
labelled GY but are per cent of the 14 Gy prescription; 0.14 turns them into Gy. Status: computed from
numbers that were read. Tolerance: 1 % or 0.02 Gy, whichever is wider.
"""

import time
from pathlib import Path

import pydicom
import pytest

from abscopal.dose.dicom.intake import Case, read_case
from abscopal.dose.dicom.stored_dvh import read_stored_dvhs
from abscopal.dose.dvh import DVH, compute_dvh

PER_CENT_OF_14_GY = 0.14
PRINTED = {"Heart": 0.65, "Lung_L": 0.91, "External": 0.46, "CTV_TumorBed": 14.29}
ROI_NUMBERS = {"External": 1, "Heart": 5, "Lung_L": 6, "CTV_TumorBed": 9}


@pytest.fixture(scope="module")
def case(breast_case: Path) -> Case:
    return read_case(breast_case)


@pytest.fixture(scope="module")
def dvhs(case: Case) -> dict[str, DVH]:
    return {name: compute_dvh(case.structures[name], case.dose) for name in PRINTED}


@pytest.mark.parametrize("organ", PRINTED)
def test_mean_dose_against_the_clinical_dvh(organ: str, dvhs: dict[str, DVH], breast_case: Path) -> None:
    entries = read_stored_dvhs(pydicom.dcmread(breast_case / "rtdose.dcm", stop_before_pixels=True))
    (clinical,) = [one.mean for one in entries if one.roi_number == ROI_NUMBERS[organ]]
    assert clinical is not None
    expected = PER_CENT_OF_14_GY * clinical
    assert expected == pytest.approx(PRINTED[organ], abs=0.005)
    assert dvhs[organ].mean == pytest.approx(expected, rel=0.01, abs=0.02)


def test_the_percent_trap_is_flagged(case: Case) -> None:
    (item,) = [item for item in case.checklist if item.what == "DVHSequence"]
    assert item.kind == "skipped"
    assert "per cent of the 14 Gy prescription written as Gy" in item.detail


def test_the_facts_of_the_plan(case: Case) -> None:
    assert case.plan is not None
    assert (case.plan.n_fractions, case.plan.prescription_gy) == (7, 14.0)
    assert [beam.energy_mv for beam in case.plan.beams] == [10, 6, 6, 10]
    assert [beam.gantry_start for beam in case.plan.beams] == [327, 0, 56, 150]
    assert {beam.n_control_points for beam in case.plan.beams} <= set(range(92, 104))
    assert case.dose.max == pytest.approx(14.68, abs=0.005)
    assert case.patient_position == "HFS"


def test_what_has_no_standard_name_keeps_its_own(case: Case) -> None:
    assert {"Breast", "Nodes", "Scar", "Borders", "Tumor Bed Block"} <= set(case.structures)
    assert "Areola" not in case.structures
    reasons = {item.what: item.detail for item in case.checklist}
    assert "Breast_L or Breast_R" in reasons["Breast"]
    assert reasons["Areola"] == "empty: no closed contour"


def test_the_body_takes_well_under_two_seconds(case: Case) -> None:
    start = time.process_time()
    compute_dvh(case.structures["External"], case.dose)
    assert time.process_time() - start < 2.0
