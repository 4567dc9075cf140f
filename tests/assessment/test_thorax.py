"""The thorax case computes everything, and what it says hangs together."""

import json
from pathlib import Path

import jsonschema
import pytest

from abscopal.assessment.types import Assessment
from abscopal.domain.patient import Patient, example_toml, read_patient
from abscopal.dose.dicom.intake import Case
from abscopal.knowledge.load import record
from abscopal.report.html import ENGLISH, assessment_schema

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_everything_is_computed(thorax_assessment: Assessment) -> None:
    a = thorax_assessment
    assert a.immune_dose.edric.value is not None
    assert a.immune_dose.alc is not None
    assert all(row.value is not None for row in a.immune_dose.blood)
    assert a.drugs[0].concentration is not None
    assert {"Lungs-GTV", "Esophagus", "Heart", "SpinalCord"} <= {risk.organ for risk in a.risks}
    assert all(score.value is not None or "expression" in score.not_computable for score in a.scores)
    assert len(a.trials) == 8
    assert a.evidence[0].pool is not None
    assert len(a.alternatives) > 5


def test_the_parts_agree_with_each_other(thorax_assessment: Assessment) -> None:
    a = thorax_assessment
    assert a.plan.prescription_gy == pytest.approx(54)
    assert a.plan.bed_gy == pytest.approx(151.2)
    edric = a.immune_dose
    score = next(score for score in a.scores if score.name == "edric")
    assert score.value == pytest.approx(edric.edric.value)
    assert edric.edric.value == pytest.approx(sum(term.value or 0 for term in edric.edric_terms))
    present = next(row for row in a.alternatives if row.is_current)
    assert present.gain == a.window.gain
    assert present.bliss_excess == a.window.bliss_excess
    assert present.alc_nadir == pytest.approx(edric.alc.nadir if edric.alc else None)
    assert present.edric_gy == pytest.approx(edric.edric.value)
    means = {row.standard_name: row for row in a.structures}
    left, right, both = means["Lung_L"], means["Lung_R"], means["Lungs"]
    total = left.mean_gy * left.volume_cm3 + right.mean_gy * right.volume_cm3
    assert both.mean_gy == pytest.approx(total / (left.volume_cm3 + right.volume_cm3), rel=2e-3)
    for row in a.structures:
        assert row.min_gy <= row.d98_gy <= row.d50_gy <= row.d2_gy <= row.max_gy


def test_every_parameter_has_a_source_and_the_json_follows_its_schema(thorax_assessment: Assessment) -> None:
    keys = [row.key for row in thorax_assessment.parameters]
    assert len(keys) == len(set(keys))
    assert {"immune/diw:dX", "blood/edric:lung_weight", "drugs/pembrolizumab:ahamadi_2017_CL0"} <= set(keys)
    assert all(record(row.key).source.citation == row.citation for row in thorax_assessment.parameters)
    jsonschema.validate(json.loads(thorax_assessment.model_dump_json()), assessment_schema())


def test_the_published_schema_is_the_present_one() -> None:
    published = json.loads((DOCS / "schema" / "assessment.schema.json").read_text())
    assert published == json.loads(json.dumps(assessment_schema()))


def test_the_json_survives_a_round_trip(thorax_assessment: Assessment) -> None:
    assert Assessment.model_validate_json(thorax_assessment.model_dump_json()) == thorax_assessment


def test_nothing_is_invented_for_a_patient_of_whom_nothing_is_known(thorax: Case) -> None:
    from abscopal.assessment.assess import assess

    a = assess(thorax, read_patient('disease = "NSCLC"'), quick=True)
    assert a.immune_dose.alc is None
    assert "labs.alc" in a.immune_dose.alc_not_computable
    computed = {score.name for score in a.scores if not score.not_computable}
    assert computed == {"edric"}  # the plan is known, the patient is not
    assert not a.drugs
    assert any("anti-CTLA-4" in note for note in a.notes)
    assert any("sex not given" in note for note in a.immune_dose.notes)


def test_the_same_input_gives_the_same_numbers(thorax: Case, patient: Patient, thorax_assessment: Assessment) -> None:
    from abscopal.assessment.assess import assess

    again = assess(thorax, read_patient(example_toml()), quick=True)
    fields = {"manifest"}
    assert again.model_dump(exclude=fields) == thorax_assessment.model_dump(exclude=fields)
    assert again.manifest.parameters_sha256 == thorax_assessment.manifest.parameters_sha256


def test_the_window_is_drawn_with_any_number_of_mechanisms(thorax_assessment: Assessment) -> None:
    from abscopal.report.figures import draw_figures

    window = thorax_assessment.window
    many = window.model_copy(update={"ablations": window.ablations * 10})
    figures = draw_figures(thorax_assessment.model_copy(update={"window": many}), ENGLISH)
    assert "<svg" in figures["window_curve"]
