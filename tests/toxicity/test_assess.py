from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.domain.patient import Patient, covariates
from abscopal.dose.dvh import DVH, dvh_of_samples
from abscopal.knowledge.load import load, record_use
from abscopal.toxicity.assess import assess_toxicity
from abscopal.toxicity.covariates import covariate
from abscopal.toxicity.exposure import Absent, exposures, figure, in_model_dose, mean_difference, mean_note, union
from abscopal.toxicity.models import Bins, probability
from abscopal.toxicity.table import find_model, load_models


def uniform(organ, gray, volume=100.0):
    return dvh_of_samples(organ, np.full(4, float(gray)), np.full(4, volume / 4))


def spread(organ, gray, volume=100.0):
    return dvh_of_samples(organ, np.array(gray, dtype=float), np.full(len(gray), volume / len(gray)))


def by_model(answer):
    return {risk.model: risk for risk in answer.risks}


def reasons(answer):
    return {entry.model: entry.reason for entry in answer.not_computable}


THORAX = {
    "Lungs-GTV": spread("Lungs-GTV", np.linspace(0, 40, 200), 3500),
    "Heart": spread("Heart", np.linspace(0, 20, 100), 700),
    "Esophagus": spread("Esophagus", np.linspace(0, 50, 100), 35),
    "SpinalCord": spread("SpinalCord", np.linspace(0, 40, 100), 30),
}


def test_nothing_known_is_an_answer_not_a_crash():
    answer = assess_toxicity({}, 30)
    assert answer.risks == ()
    assert len(answer.not_computable) == 53
    assert len(answer.anchors) == 16
    assert all(entry.reason for entry in answer.not_computable)


def test_every_row_lands_in_one_place():
    answer = assess_toxicity(THORAX, 30)
    listed = [x.model for x in (*answer.risks, *answer.not_computable, *answer.anchors)]
    offsets = {"rp_ici_offset_pacific", "rp_ici_offset_fda_rt90"}
    assert sorted(set(listed)) == sorted(set(load_models()) - offsets)


def test_what_is_missing_is_named():
    found = reasons(assess_toxicity(THORAX, 30))
    assert found["brain_necrosis_gay"] == "not computable: needs DVH of Brain"
    assert found["oes_acute_nipp"] == "not computable: needs covariate overall_treatment_days"
    assert found["hypo_luo"].startswith("not computable: needs DVH of Glnd_Thyroid, DVH of Pituitary, covariate sex")
    assert found["ril_gbm_kim"] == "not applicable: for glioblastoma, the disease is not given"


def test_a_known_treatment_time_makes_its_model_computable():
    risk = by_model(assess_toxicity(THORAX, 30, {"overall_treatment_days": 40}))["oes_acute_nipp"]
    mean = THORAX["Esophagus"].mean
    assert risk.probability == pytest.approx(probability("oes_acute_nipp", {"MED": mean, "OTT_days": 40.0}))
    assert risk.status == "uncertain"
    assert any(warning.startswith("UnverifiedWarning") for warning in risk.warnings)


def test_the_factor_free_patient_is_stated():
    dvhs = {"Lungs-GTV": uniform("Lungs-GTV", 20)}
    risk = by_model(assess_toxicity(dvhs, 10))["rp_appelt_clinical"]
    assert risk.probability == pytest.approx(0.119986, abs=1e-6)
    assert any(note.startswith("factor-free patient") for note in risk.notes)


def test_known_risk_factors_are_used_and_unknown_ones_named():
    dvhs = {"Lungs-GTV": uniform("Lungs-GTV", 20)}
    known = {"age": 70.0, "smoking": "current", "pulmonary_comorbidity": True}
    risk = by_model(assess_toxicity(dvhs, 10, known))["rp_appelt_clinical"]
    odds = 0.119986 / (1 - 0.119986) * 1.7 * 0.6 * 2.3
    assert risk.probability == pytest.approx(odds / (1 + odds), abs=1e-5)
    assert "not known, so not counted: tumour_location, sequential_chemotherapy" in risk.notes
    assert risk.inputs["older"] == 1.0


def test_everything_known_leaves_nothing_uncounted():
    known = {
        "age": 50.0, "smoking": "never", "pulmonary_comorbidity": False, "sequential_chemotherapy": False,
        "tumour_location": "upper",
    }  # fmt: skip
    risk = by_model(assess_toxicity({"Lungs-GTV": uniform("Lungs-GTV", 20)}, 10, known))["rp_appelt_clinical"]
    assert risk.probability == pytest.approx(0.119986, abs=1e-6)
    assert not any("counted" in note for note in risk.notes)


def test_covariates_of_a_patient_are_understood():
    patient = Patient.model_validate({"disease": "NSCLC", "age": "70 year", "history": {"smoking": "former"}})
    risk = by_model(assess_toxicity(THORAX, 30, covariates(patient)))["rp_appelt_clinical"]
    assert risk.inputs["former_smoker"] == 1.0
    assert risk.inputs["older"] == 1.0


def test_no_probability_is_a_bare_point():
    answer = assess_toxicity(THORAX, 30, {"overall_treatment_days": 40})
    printed = {risk.model for risk in answer.risks if risk.basis == "printed limits"}
    assert printed == {"rp_appelt_clinical", "oes_acute_belderbos", "oes_late_chen", "heart_rs_aapm26"}
    for risk in answer.risks:
        low, high = risk.interval
        assert low <= risk.probability <= high, risk.model
        assert low < high, risk.model
        assert any("interval" in note for note in risk.notes)
        assert risk.basis in ("printed limits", "assumed widths")


def test_intervals_are_the_same_every_time():
    assert assess_toxicity(THORAX, 30) == assess_toxicity(THORAX, 30)


def test_a_physical_dose_model_never_sees_a_converted_dose():
    dvhs = {"Lungs-GTV": uniform("Lungs-GTV", 20)}
    few, many = (by_model(assess_toxicity(dvhs, n)) for n in (1, 20))
    assert few["rp_quantec_mld"].probability == many["rp_quantec_mld"].probability == pytest.approx(0.20587, abs=1e-5)
    assert few["rp_lkb_seppenwoolde"].probability > many["rp_lkb_seppenwoolde"].probability
    assert any("nothing is converted" in warning for warning in few["rp_quantec_mld"].warnings)


@pytest.mark.parametrize(("n", "expected"), [(10, 20.0), (5, 20.0 * (4 + 2.5) / (2 + 2.5)), (1, 68.0)])
def test_conversion_is_bin_by_bin_with_the_rows_alpha_beta(n, expected):
    """20 Gy in one fraction by LQ-L: (8 (1 + 8/2.5) + (1 + 16/2.5) 12) / (1 + 2/2.5) = 68 Gy, 100 by LQ."""
    converted = in_model_dose(uniform("Lungs", 20), find_model("rp_lkb_seppenwoolde"), n)
    assert converted.mean == pytest.approx(expected, rel=1e-6)
    assert converted.kind == "EQD2"


def test_conversion_to_another_reference_fraction():
    """NTD1.5: a course of 1.5 Gy fractions is its own equivalent."""
    converted = in_model_dose(uniform("Liver", 30), find_model("rild_dawson_primary"), 20)
    assert converted.mean == pytest.approx(30.0, rel=1e-9)
    assert converted.maximum == pytest.approx(30.0, rel=1e-9)
    assert find_model("rild_dawson_primary").conversion_status == "assumed"


def test_conversion_precedes_the_mean():
    """Half at 40, half at 0 Gy: the mean EQD2 is not the EQD2 of the mean."""
    dvh = spread("Lungs", [0.0, 40.0])
    converted = in_model_dose(dvh, find_model("rp_lkb_seppenwoolde"), 10)
    assert converted.mean == pytest.approx(0.5 * 40 * (4 + 2.5) / 4.5, rel=1e-3)


def test_alpha_beta_and_its_status_are_stated():
    risk = by_model(assess_toxicity(THORAX, 30))["oes_acute_chapet"]
    assert "dose converted bin by bin to fractions of 2 Gy with alpha/beta 10 Gy (assumed)" in risk.notes


def test_large_fractions_are_flagged():
    few, many = (by_model(assess_toxicity(THORAX, n))["rp_lkb_seppenwoolde"].warnings for n in (3, 30))
    assert any(w.startswith("ExtrapolationWarning") and "LQ-L tangent" in w for w in few)
    assert many == ()


@pytest.mark.parametrize("n", [0, -1, 2.5, True, None])
def test_a_bad_fraction_count_is_refused(n):
    with pytest.raises(InputError, match="whole number of at least 1"):
        assess_toxicity(THORAX, n)


def test_converted_histograms_are_refused_as_input():
    dvhs = {"Heart": replace(THORAX["Heart"], kind="EQD2")}
    answer = assess_toxicity(dvhs, 30)
    assert answer.risks == ()
    assert reasons(answer)["heart_pericarditis_lib"] == "not computable: needs physical-dose DVH of Heart"


def test_lungs_stand_in_for_lungs_less_gtv_with_a_note():
    halves = {"Lung_L": uniform("Lung_L", 10, 1000), "Lung_R": uniform("Lung_R", 25, 2000)}
    risk = by_model(assess_toxicity(halves, 10))["rp_quantec_mld"]
    assert risk.organ == "Lung_L+Lung_R"
    assert risk.inputs["Lung_L+Lung_R mean"] == pytest.approx(20.0)
    assert risk.probability == pytest.approx(0.20587, abs=1e-5)
    assert "Lungs-GTV is not contoured: Lung_L+Lung_R used in its place" in risk.notes


def test_one_lung_is_not_both():
    assert "rp_quantec_mld" in reasons(assess_toxicity({"Lung_L": uniform("Lung_L", 10)}, 10))


def test_each_gland_is_answered_and_the_spared_one_found():
    dvhs = {"Parotid_L": uniform("Parotid_L", 30, 25), "Parotid_R": uniform("Parotid_R", 25, 30)}
    answer = assess_toxicity(dvhs, 15)
    single = {r.organ: r.probability for r in answer.risks if r.model == "xer_parotid_mich_utrecht"}
    assert single == pytest.approx({"Parotid_L": 0.26753, "Parotid_R": 0.17526}, abs=5e-6)
    assert by_model(answer)["xer_parotid_lee_sef"].organ == "Parotid_R"
    assert "tumour_side" in reasons(answer)["xer_beetz_2012"]
    known = {"tumour_side": "left", "xerostomia_baseline_score": 0}
    contralateral = by_model(assess_toxicity(dvhs, 15, known))["xer_beetz_2012"]
    assert contralateral.organ == "Parotid_R"
    assert contralateral.probability == pytest.approx(0.433398, abs=1e-6)


def test_head_and_neck_models_need_a_baseline_and_honour_the_setting():
    dvhs = {
        "Parotid_L": uniform("Parotid_L", 30, 25), "Parotid_R": uniform("Parotid_R", 20, 25),
        "Glnd_Submand_L": uniform("Glnd_Submand_L", 40, 10), "Glnd_Submand_R": uniform("Glnd_Submand_R", 40, 10),
    }  # fmt: skip
    assert "covariate xerostomia_baseline" in reasons(assess_toxicity(dvhs, 20))["xer_nipp_g2_primary"]
    answer = assess_toxicity(dvhs, 20, {"xerostomia_baseline": "none", "rt_setting": "definitive"})
    assert by_model(answer)["xer_nipp_g2_primary"].probability == pytest.approx(0.35982, abs=1e-6)
    assert reasons(answer)["xer_nipp_g2_postop"] == "not applicable: for postoperative radiotherapy, this is definitive"
    with pytest.raises(InputError, match="moderate_severe"):
        assess_toxicity(dvhs, 20, {"xerostomia_baseline": "severe"})


def test_concurrent_chemotherapy_rules_out_the_model_fitted_without_it():
    answer = assess_toxicity(THORAX, 30, {"concurrent_chemotherapy": True})
    assert reasons(answer)["oes_acute_belderbos"].startswith("not applicable with concurrent chemotherapy")


def test_ici_offsets_are_labelled_and_show_their_parts():
    answer = assess_toxicity(THORAX, 30, {"ici": "anti-PD-L1"})
    found = by_model(answer)
    base, shifted = found["rp_appelt_clinical"], found["rp_ici_offset_pacific"]
    assert shifted.inputs["base probability"] == base.probability
    assert shifted.inputs["odds ratio"] == 1.545
    odds = 1.545 * base.probability / (1 - base.probability)
    assert shifted.probability == pytest.approx(odds / (1 + odds))
    assert "offset, not a fitted ICI model" in shifted.notes
    assert "offset, not a fitted ICI model" in shifted.endpoint
    assert shifted.interval[0] == pytest.approx(base.probability)
    assert shifted.interval[1] > shifted.probability
    assert found["rp_ici_offset_fda_rt90"].probability == pytest.approx(0.068, abs=5e-4)
    assert "fitted without an ICI" in base.notes


@pytest.mark.parametrize(("sequence", "shown"), [("sequential", True), ("concurrent", False), ("both", False)])
def test_the_offset_of_an_ici_after_rt_is_not_carried_to_another_order(sequence, shown):
    answer = assess_toxicity(THORAX, 30, {"ici": "anti-PD-L1", "ici_sequence": sequence})
    assert ("rp_ici_offset_pacific" in by_model(answer)) is shown
    assert ("after radiotherapy" in reasons(answer).get("rp_ici_offset_pacific", "")) is not shown
    assert "rp_ici_offset_fda_rt90" in by_model(answer)


@pytest.mark.parametrize("ici", [None, "", "none", False])
def test_no_ici_no_offset(ici):
    answer = assess_toxicity(THORAX, 30, {"ici": ici})
    assert not any("offset" in risk.model for risk in answer.risks)


def test_offsets_without_a_lung_say_what_they_need():
    answer = assess_toxicity({"Heart": THORAX["Heart"]}, 30, {"ici": "anti-PD-1"})
    assert reasons(answer)["rp_ici_offset_pacific"].startswith("not computable: needs DVH of Lungs-GTV")


def test_relative_seriality_says_what_it_gives_without_dose():
    risk = by_model(assess_toxicity({"Heart": uniform("Heart", 0.0)}, 30))["heart_rs_aapm26"]
    assert any("this model gives 17 % at zero dose" in warning for warning in risk.warnings)
    assert risk.probability == pytest.approx(0.17, abs=0.01)


def test_numbers_used_are_recorded():
    with record_use() as used:
        assess_toxicity(THORAX, 30)
    assert {"ntcp/models:models", "ntcp/models:conventions", "ntcp/models:lq_limit"} <= set(used.keys)


def test_mean_and_integral_agree_or_it_is_said():
    dvh = THORAX["Heart"]
    assert abs(mean_difference(dvh)) < 0.01
    assert mean_note(dvh) == ""
    wrong = replace(dvh, mean=dvh.mean + 3.3)
    assert "integrates to 10.00 Gy but its mean is 13.30 Gy" in mean_note(wrong)
    risk = by_model(assess_toxicity({"Heart": wrong}, 30))["heart_pericarditis_lib"]
    assert any("integrates to" in warning for warning in risk.warnings)


def test_dose_off_the_grid_is_said():
    heart = replace(THORAX["Heart"], outside_fraction=0.05)
    assert (
        "5.0 % of Heart lies off the dose grid"
        in by_model(assess_toxicity({"Heart": heart}, 30))["heart_pericarditis_lib"].notes
    )


def test_figures_of_a_histogram():
    dvh = spread("Glnd_Thyroid", [10.0, 20.0, 40.0, 60.0], 20.0)
    assert figure(dvh, "mean") == pytest.approx(32.5)
    assert figure(dvh, "max") == 60
    assert figure(dvh, "volume_cc") == pytest.approx(20)
    assert figure(dvh, "V30_pct") == pytest.approx(50)
    assert figure(dvh, "V30_cc") == pytest.approx(10)
    assert figure(dvh, "D50_pct") == pytest.approx(40, abs=0.02)
    assert figure(dvh, "D5_cc") == pytest.approx(60, abs=0.02)
    assert isinstance(figure(dvh, "gEUD"), Bins)
    with pytest.raises(InputError, match="unknown figure"):
        figure(dvh, "V30")


def test_union_of_two_organs_equals_the_histogram_of_all_samples():
    rng = np.random.default_rng(5)
    left, right = rng.uniform(0, 30, 300), rng.uniform(5, 60, 500)
    joined = union([spread("a", left, 300.0), spread("b", right, 500.0)], "a+b")
    whole = spread("c", np.concatenate([left, right]), 800.0)
    assert joined.mean == pytest.approx(whole.mean, rel=1e-12)
    assert joined.volume_cm3 == pytest.approx(800)
    np.testing.assert_allclose(
        joined.volume_fraction, np.interp(joined.edges, whole.edges, whole.volume_fraction), atol=2e-3
    )
    assert (joined.minimum, joined.maximum) == (whole.minimum, whole.maximum)


def test_every_organ_label_is_used_and_every_structure_can_be_found():
    table = load("ntcp/models").table("organs")
    used = {p.organ for model in load_models().values() for p in model.predictors if p.organ}
    rows = load("ntcp/models").table("endpoints")["structures"].dropna()
    assert set(table["label"]) == used | set(rows) | {"lad"}
    for label in table["label"]:
        assert isinstance(exposures(label, {}, {}), Absent)


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("female", {"sex": "female"}, 1.0), ("female", {"sex": "male"}, 0.0), ("female", {}, None),
        ("older", {"age": 63.0}, 0.0), ("older", {"age": 63.1}, 1.0),
        ("mid_or_lower_location", {"tumour_location": "lower"}, 1.0),
        ("mid_or_lower_location", {"tumour_location": "upper"}, 0.0),
        ("chemotherapy", {"concurrent_chemotherapy": True}, 1.0),
        ("chemotherapy", {"concurrent_chemotherapy": False}, None),
        ("chemotherapy", {"concurrent_chemotherapy": False, "sequential_chemotherapy": False}, 0.0),
        ("alc", {"alc": 1.5}, 1.5), ("anticoagulant", {"anticoagulant": True}, 1.0),
        ("xerostomia_baseline", {"xerostomia_baseline": "mild"}, "mild"),
    ],
)  # fmt: skip
def test_covariates(name, known, expected):
    assert covariate(name, known) == expected


@settings(max_examples=10, deadline=None)
@given(st.floats(1, 30), st.floats(1.05, 2), st.integers(1, 35))
def test_more_dose_never_lowers_a_risk(gray, factor, n):
    """Every model of the thorax, whatever the schedule."""
    low, high = (
        by_model(assess_toxicity({name: uniform(name, gray * k) for name in THORAX}, n)) for k in (1.0, factor)
    )
    for name, risk in low.items():
        assert high[name].probability >= risk.probability - 1e-12


def test_histograms_are_what_the_dose_room_makes():
    assert isinstance(THORAX["Heart"], DVH)
