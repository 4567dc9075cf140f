"""The clinical breast boost: doses against the planning system, EDRIC only on request."""

from importlib.resources import files

import pytest

from abscopal.assessment.assess import assess
from abscopal.assessment.immune import exposure_of, immune_edric
from abscopal.assessment.organs import case_dvhs, summarise_structures
from abscopal.domain.patient import read_patient
from abscopal.dose.dicom.intake import Case

DEMO = (files("abscopal.cli") / "demo_patients" / "breast.toml").read_text()

# Mean doses of the plan's own DVHs, per cent of 14 Gy as printed in the sample's provenance, in Gy.
PLANNING_SYSTEM = {"Heart": 0.65, "Lung_L": 0.91, "External": 0.46, "CTV_TumorBed": 14.29}


def test_mean_doses_agree_with_the_planning_system(breast: Case) -> None:
    rows = {row.standard_name: row.mean_gy for row in summarise_structures(breast, case_dvhs(breast))}
    for name, mean in PLANNING_SYSTEM.items():
        assert abs(rows[name] - mean) <= max(0.02, 0.01 * mean), name


def test_edric_needs_the_right_lung_unless_the_one_lung_form_is_allowed(breast: Case) -> None:
    exposure = exposure_of(case_dvhs(breast))
    refused = immune_edric(exposure, read_patient(DEMO), 7)
    assert refused.value is None
    assert "Lung_R" in refused.not_computable
    allowed = immune_edric(exposure, read_patient(DEMO + "\n[options]\nedric_one_lung = true\n"), 7)
    assert allowed.value is not None
    assert 0 < allowed.value < 0.5
    assert allowed.status == "assumed"
    assert any("one-lung form" in note for note in allowed.notes)


@pytest.mark.slow
def test_the_whole_assessment_of_the_demo(breast: Case) -> None:
    a = assess(breast, read_patient(DEMO))
    assert a.plan.n_fractions == 7
    assert a.immune_dose.edric.not_computable.startswith("not computable: needs Lung_R")
    assert a.window.position == "below"
    assert "no trex1" in a.window.ablation_bounds
    assert a.window.scatter
