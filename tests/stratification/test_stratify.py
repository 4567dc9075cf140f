import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from abscopal.domain.errors import InputError
from abscopal.domain.patient import Patient, example_toml, read_patient
from abscopal.domain.registry import entries
from abscopal.knowledge.load import load, record_use
from abscopal.stratification.score import Score
from abscopal.stratification.scores.counts import derived_nlr, neutrophil_lymphocyte_ratio
from abscopal.stratification.scores.loris import loris, recalibrated
from abscopal.stratification.stratify import score_patient


def scored(text):
    return {score.name: score for score in score_patient(read_patient(text))}


LABS = '[labs]\nalbumin = "3.8 g/dL"\nanc = "5 1e9/L"\nalc = "1 1e9/L"\n'
BIOMARKERS = '[biomarkers]\ntmb = "10 mutation/megabase"\npd_l1_tps = "50 percent"\n'
HISTORY = "[history]\nprior_systemic_therapy = true\n"
HEAD = 'disease = "{}"\nage = "65 year"\n'
FULL = HEAD + LABS + BIOMARKERS + HISTORY


def test_a_patient_of_whom_nothing_is_known_gets_reasons_not_numbers():
    scores = score_patient(Patient(disease="NSCLC"))
    assert len(scores) == len(entries("score"))
    for score in scores:
        assert score.value is None
        assert score.not_computable.startswith("not computable: needs ")


def test_the_example_patient_gets_every_score_that_needs_no_expression():
    scores = score_patient(read_patient(example_toml()))
    without = {score.name for score in scores if score.value is None}
    assert without == {"cyt", "gard", "gep", "impres", "rsi", "rxrsi"}
    assert {score.evidence for score in scores if score.value is not None} == {"prognostic", "predictive"}


def test_no_prognostic_score_speaks_of_benefit():
    for patient in (read_patient(example_toml()), Patient(disease="glioblastoma")):
        for score in score_patient(patient):
            if score.evidence == "prognostic":
                assert "benefit" not in score.model_dump_json().casefold()


def test_a_prognostic_score_that_speaks_of_benefit_is_refused():
    fields = {"name": "x", "label": "x", "value": 1.0, "status": "read", "source": "x", "notes": ("Benefit likely",)}
    with pytest.raises(ValidationError, match="benefit"):
        Score(evidence="prognostic", **fields)
    assert Score(evidence="predictive", **fields).value == 1


def test_a_score_has_a_value_or_a_reason():
    fields = {"name": "x", "label": "x", "evidence": "prognostic", "status": "read", "source": "x"}
    with pytest.raises(ValidationError, match="either a value or the reason"):
        Score(**fields)
    with pytest.raises(ValidationError, match="either a value or the reason"):
        Score(value=1.0, not_computable="not computable: needs age", **fields)


def test_full_lung_patient_matches_the_published_examples():
    found = scored(FULL.format("NSCLC"))
    assert found["loris_pan"].value == pytest.approx(0.401768, abs=1e-5)
    assert found["loris_nsclc"].value == pytest.approx(0.508446, abs=1e-5)
    assert found["loris_pan_probability"].value == pytest.approx(recalibrated(0.401768), abs=1e-5)
    assert any("20 %" in note for note in found["loris_pan"].notes)


@pytest.mark.parametrize(
    ("text", "form", "expected", "lacks"),
    [
        (HEAD + LABS + BIOMARKERS, "pan_no_psth", 0.477269, "history.prior_systemic_therapy"),
        (HEAD + LABS + HISTORY, "pan_no_tmb", 0.404440, "biomarkers.tmb"),
    ],
)
def test_reduced_forms_are_named(text, form, expected, lacks):
    found = scored(text.format("NSCLC"))
    assert found["loris_pan"].value == pytest.approx(expected, abs=1e-5)
    assert found["loris_pan"].inputs["form"] == form
    assert any(f"reduced form '{form}': needs {lacks} for the full one" in note for note in found["loris_pan"].notes)
    assert lacks in found["loris_pan_probability"].not_computable


def test_lung_reduced_to_two_biomarkers():
    found = scored('disease = "NSCLC"\n' + BIOMARKERS)
    assert found["loris_nsclc"].value == pytest.approx(0.555416, abs=1e-5)
    assert found["loris_nsclc"].inputs["form"] == "nsclc_tmb_pd_l1"


def test_an_unlisted_cancer_needs_an_explicit_override():
    refused = scored(FULL.format("glioblastoma"))["loris_pan"]
    assert refused.value is None
    assert "loris_other_cancer" in refused.not_computable
    allowed = scored(FULL.format("glioblastoma") + "[options]\nloris_other_cancer = true\n")
    assert allowed["loris_pan"].value == pytest.approx(0.407605, abs=1e-5)
    assert any("outside the training list" in note for note in allowed["loris_pan"].notes)
    assert allowed["loris_pan_probability"].value is None


def test_the_override_changes_nothing_for_a_listed_cancer():
    plain, override = FULL.format("renal"), FULL.format("renal") + "[options]\nloris_other_cancer = true\n"
    assert scored(plain)["loris_pan"] == scored(override)["loris_pan"]


def test_rectum_is_scored_as_colorectal_and_says_so():
    found = scored(FULL.format("rectum"))["loris_pan"]
    assert found.inputs["cancer_type"] == "Colorectal"
    assert "rectal cancer is scored as Colorectal" in found.notes


def test_no_lymphocytes_is_not_a_division_by_zero():
    found = scored('disease = "NSCLC"\n[labs]\nanc = "5 1e9/L"\nalc = "0 1e9/L"\nplatelets = "200 1e9/L"\n')
    for name in ("nlr", "plr", "sii"):
        assert found[name].not_computable == "not computable: needs a lymphocyte count above zero"
    assert found["alc_grade"].value == 4
    with pytest.raises(InputError, match="count above zero"):
        neutrophil_lymphocyte_ratio(5.0, 0.0)
    with pytest.raises(InputError, match="white cells"):
        derived_nlr(5.0, 5.0)


@pytest.mark.parametrize(("tps", "category"), [(0, "below 1 %"), (1, "1 to below 50 %"), (50, "50 % or more")])
def test_pd_l1_classes(tps, category):
    found = scored(f'disease = "NSCLC"\n[biomarkers]\npd_l1_tps = "{tps} percent"\n')["pd_l1"]
    assert found.category == category
    assert found.evidence == "predictive"
    assert any("not of adding radiotherapy" in note for note in found.notes)


def test_unknown_models_and_types_answer_with_the_close_match():
    with pytest.raises(InputError, match="'pan_no_tmb'"):
        loris("pan_no_tbm", {})
    with pytest.raises(InputError, match="'Melanoma'"):
        loris("pan", {"TMB": 1, "PSTH": 0, "albumin": 4, "NLR": 2, "age": 50}, "Melanome")
    with pytest.raises(InputError, match=r"biomarkers\.tmb"):
        loris("pan", {})


def test_numbers_used_are_recorded():
    with record_use() as used:
        score_patient(read_patient(example_toml()))
    assert {"scores/loris:coefficients", "scores/blood:nlr_high", "scores/loris:recalibration_slope"} <= set(used.keys)


def test_every_disease_in_the_type_map_is_a_disease_of_a_patient():
    for disease in load("scores/loris").table("cancer_types")["disease"]:
        assert Patient(disease=disease).disease == disease


terms = st.fixed_dictionaries(
    {"TMB": st.floats(0, 400), "PSTH": st.sampled_from([0.0, 1.0]), "albumin": st.floats(1, 7),
     "NLR": st.floats(0, 100), "age": st.floats(0, 120), "PD_L1": st.floats(0, 100)}
)  # fmt: skip


@given(terms)
def test_values_above_the_caps_count_as_the_caps(values):
    capped = values | {name: min(values[name], cap) for name, cap in (("TMB", 50), ("NLR", 25), ("age", 85))}
    for model in ("pan_no_cancer_type", "nsclc", "nsclc_tmb_pd_l1"):
        assert loris(model, values).p == loris(model, capped).p
        assert loris(model, capped).clipped == ()


@given(terms, st.floats(0.1, 50))
def test_more_mutations_never_lower_the_score(values, more):
    higher = values | {"TMB": values["TMB"] + more}
    assert loris("pan", higher, "NSCLC").p >= loris("pan", values, "NSCLC").p
    assert 0 < loris("pan", values, "NSCLC").p < 1
