import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.domain.errors import UnitError
from abscopal.dose.dvh import dvh_of_samples
from abscopal.knowledge.load import load, record_use
from abscopal.toxicity.assess import assess_toxicity, case_toxicity, compare_toxicity
from abscopal.toxicity.forms import independent_causes, shift_odds
from abscopal.toxicity.immune_events import classes_of, draw_rate, immune_rate, interaction_draws, onset
from abscopal.toxicity.table import load_models

NAMED_BY_THE_REVIEW = {
    "pneumonitis", "oesophagitis", "dermatitis", "mucositis", "xerostomia", "salivary", "dysphagia", "colitis",
    "gastrointestinal", "hepatitis", "thyroid", "brain necrosis", "neurotoxicity", "cardiac", "lymphopenia",
    "neutropenia", "fibrosis",
}  # fmt: skip


def spread(organ, gray, volume=100.0):
    return dvh_of_samples(organ, np.array(gray, dtype=float), np.full(len(gray), volume / len(gray)))


def thorax(scale=1.0):
    return {
        "Lungs-GTV": spread("Lungs-GTV", np.linspace(0, 40 * scale, 200), 3500),
        "Heart": spread("Heart", np.linspace(0, 20 * scale, 100), 700),
        "Esophagus": spread("Esophagus", np.linspace(0, 50 * scale, 100), 35),
        "SpinalCord": spread("SpinalCord", np.linspace(0, 40 * scale, 100), 30),
    }


def rows(answer):
    return {(row.label, row.organ): row for row in answer.summary.rows}


def test_every_toxicity_of_the_review_has_a_row_or_an_explicit_none():
    answer = assess_toxicity({}, 30)
    assert {entry.toxicity for entry in answer.summary.uncovered} >= NAMED_BY_THE_REVIEW
    told = {entry.label: entry.reason for entry in answer.summary.uncovered}
    for label in ("Oral mucositis", "Fibrosis", "Dermatitis"):
        assert told[label].startswith("no evaluable")
    assert answer.summary.complication_free is None


def test_every_model_of_the_endpoint_table_is_evaluable():
    models = load_models()
    listed = [name for cell in load("ntcp/models").table("endpoints")["models"].dropna() for name in cell.split(" > ")]
    assert {models[name].role for name in listed} == {"model"}


def test_both_causes_are_shown_and_joined_as_independent():
    found = rows(assess_toxicity(thorax(), 30, {"ici": "anti-PD-1"}))
    row = found["Pneumonitis", "lung"]
    p, q = row.radiation.probability, row.immune.probability
    assert (p, q) == (pytest.approx(0.119986, abs=1e-3), 0.027)
    assert row.combined.probability == pytest.approx(1 - (1 - p) * (1 - q))
    assert row.combined.interval[0] > row.radiation.interval[0]
    assert any(note.startswith("grades differ") for note in row.notes)
    assert row.with_interaction.probability > row.combined.probability
    assert "offset, not a fitted dose-response" in row.interaction
    assert row.with_interaction.what == "offset, not a fitted dose-response"
    assert row.onset.startswith("median 50 days")


def test_outside_the_field_there_is_no_interaction():
    cold = thorax(0.05)
    row = rows(assess_toxicity(cold, 30, {"ici": "anti-PD-1"}))["Pneumonitis", "lung"]
    assert row.with_interaction is None
    assert row.interaction == "outside the field: no interaction assumed"


def test_without_an_ici_there_is_no_immune_part():
    for row in assess_toxicity(thorax(), 30).summary.rows:
        assert row.immune is None
        assert row.with_interaction is None


def test_an_immune_event_without_a_radiation_model_stands_alone():
    row = rows(assess_toxicity({}, 30, {"ici": "anti-CTLA-4 + anti-PD-1"}))["Colitis", "bowel"]
    assert row.radiation is None
    assert row.combined == row.immune
    assert row.immune.probability == 0.136


def test_one_row_for_each_gland_and_stand_ins_keep_their_row():
    dvhs = {name: spread(name, np.linspace(0, top, 50), 25) for name, top in (("Parotid_L", 60), ("Parotid_R", 40))}
    found = rows(assess_toxicity(dvhs, 30))
    assert {key for key in found if key[0] == "Loss of salivary flow"} == {
        ("Loss of salivary flow", "Parotid_L"), ("Loss of salivary flow", "Parotid_R")
    }  # fmt: skip
    halves = {name: spread(name, np.linspace(0, 30, 50), 1500) for name in ("Lung_L", "Lung_R")}
    other = case_toxicity(halves, 30)
    assert rows(other.answer)["Pneumonitis", "lung"].structures == "Lung_L+Lung_R"
    assert any(row.label == "Pneumonitis" for row in compare_toxicity(case_toxicity(thorax(), 30), other).rows)


def test_a_mean_that_is_not_the_integral_is_a_warning():
    from dataclasses import replace

    wrong = thorax()
    wrong["Heart"] = replace(wrong["Heart"], mean=wrong["Heart"].mean + 3)
    found = {r.model: r for r in assess_toxicity(wrong, 30).risks}
    assert any(w.startswith("UnverifiedWarning: the histogram of Heart") for w in found["heart_rs_aapm26"].warnings)


def test_the_complication_free_probability_is_a_product_and_says_so():
    summary = assess_toxicity(thorax(), 30, {"ici": "anti-PD-L1"}).summary
    product = np.prod([1 - row.combined.probability for row in summary.rows if row.counted])
    assert summary.complication_free.probability == pytest.approx(product)
    assert "assuming that they are independent" in summary.complication_free.what
    assert len(summary.complication_free_of) == sum(row.counted for row in summary.rows)


def test_mace_groups_as_printed():
    """Target 7: low/low 1.8, high/low 4.2, high/high 7.6, low/high 13.0 % at two years."""
    for heart, lad, printed in ((5, 5, 0.018), (15, 5, 0.042), (15, 30, 0.076), (5, 30, 0.13)):
        dvhs = {"Heart": spread("Heart", [heart] * 4), "A_LAD": spread("A_LAD", [lad] * 4)}
        (group,) = assess_toxicity(dvhs, 30, {"disease": "NSCLC"}).summary.observed
        assert group.rate == printed
    assert assess_toxicity(dvhs, 30, {"disease": "breast"}).summary.observed == ()


def test_pooled_rates_with_and_without_radiotherapy_as_printed():
    """Target 7: fatigue, diarrhoea, endocrine events, pneumonitis of the pooled trials."""
    sheet = load("ntcp/irae")
    assert sheet.vector("radiotherapy_before_ici") == (0.531, 0.271, 0.148, 0.068)
    for key, rate in zip(
        ("fatigue", "diarrhoea", "endocrine", "pneumonitis"), sheet.vector("without_radiotherapy"), strict=True
    ):
        assert immune_rate(key, "ICI", "any").rate == rate


@given(st.floats(0, 1), st.floats(0, 1))
def test_independent_causes_lie_between_the_larger_and_the_sum(p, q):
    both = float(independent_causes(p, q))
    assert max(p, q) - 1e-12 <= both <= min(1.0, p + q) + 1e-12
    assert float(independent_causes(p, q, 0.0)) == pytest.approx(p)


def test_classes_fall_back_on_the_nearest_tabulated_one():
    assert classes_of("anti-CTLA-4 + anti-PD-1")[0] == "combination"
    assert classes_of("anti-PD-L1") == ("anti-PD-L1", "anti-PD-(L)1", "any")
    assert immune_rate("pneumonitis", "anti-PD-L1", "any").ici == "any"
    assert immune_rate("hepatitis", "anti-PD-1", ">=3").rate == pytest.approx(0.0141)
    assert immune_rate("hepatitis", "anti-CTLA-4", ">=3") is None
    assert onset("fatigue", "anti-PD-1") == ""


def test_rates_scatter_by_what_is_known_of_them():
    counted, _ = draw_rate(immune_rate("skin", "anti-PD-1", "any"), 20_000)
    assert np.quantile(counted, [0.025, 0.975]) == pytest.approx([0.0247, 0.0671], abs=0.002)
    recalled, basis = draw_rate(immune_rate("colitis", "anti-PD-1", "any"), 20_000)
    assert basis == "assumed widths"
    assert np.quantile(recalled, 0.975) == pytest.approx(float(shift_odds(0.013, 2.0)), rel=0.02)
    printed, basis = draw_rate(immune_rate("any_event", "anti-CTLA-4 + anti-PD-1", "any"), 20_000)
    assert basis == "printed limits"
    assert np.quantile(printed, [0.025, 0.975]) == pytest.approx([0.842, 0.945], abs=0.005)


def test_the_interaction_stays_in_its_range():
    assert interaction_draws("none", True) is None
    assert interaction_draws("lung", False) is None
    drawn = interaction_draws("lung", True)
    assert 1.5 <= drawn.min() < drawn.max() <= 1.9


def test_a_plan_compared_with_itself_differs_by_nothing():
    case = case_toxicity(thorax(), 30, {"ici": "anti-PD-1"})
    compared = compare_toxicity(case, case)
    assert {row.difference for row in compared.rows} == {0.0}
    assert compared.complication_free.interval == (0.0, 0.0)
    assert compared.not_compared == ()


def test_the_cooler_plan_is_lower_with_an_interval_narrower_than_that_of_two_risks():
    hot, cool = case_toxicity(thorax(), 30), case_toxicity(thorax(0.8), 30)
    compared = compare_toxicity(hot, cool, ("hot", "cool"))
    row = next(r for r in compared.rows if r.label == "Pneumonitis")
    assert row.difference < 0
    assert row.interval[1] < 0
    assert row.share_lower == 1.0
    one, other = (rows(case.answer)["Pneumonitis", "lung"].radiation.interval for case in (hot, cool))
    assert row.interval[1] - row.interval[0] < (one[1] - one[0]) + (other[1] - other[0])
    assert compared.complication_free.difference > 0


def test_two_regimens_differ_only_where_the_drug_matters():
    compared = compare_toxicity(
        case_toxicity(thorax(), 30, {"ici": "anti-PD-1"}),
        case_toxicity(thorax(), 30, {"ici": "anti-CTLA-4 + anti-PD-1"}),
    )
    changed = {row.label: row.difference for row in compared.rows if row.difference != 0}
    assert changed["Pneumonitis"] > 0
    assert "Acute oesophagitis" not in changed
    assert any("only" in entry.reason for entry in compared.not_compared)  # hypophysitis


def test_no_ici_means_no_immune_event_in_a_comparison():
    without, with_ici = case_toxicity(thorax(), 30), case_toxicity(thorax(), 30, {"ici": "anti-PD-1"})
    compared = compare_toxicity(without, with_ici)
    found = {row.label: row for row in compared.rows}
    assert found["Hypothyroidism"].first == 0.0
    assert found["Hypothyroidism"].difference == pytest.approx(0.07)
    assert found["Hypothyroidism"].interval[0] > 0
    assert compared.not_compared == ()
    assert compared.complication_free.difference < 0


def test_a_histogram_in_centigray_is_refused():
    with pytest.raises(UnitError, match="dividing by 100"):
        assess_toxicity({"Heart": spread("Heart", np.linspace(0, 2000, 50))}, 30)


def test_another_disease_than_the_cohorts_is_flagged():
    found = {r.model: r for r in assess_toxicity(thorax(), 30, {"disease": "breast"}).risks}
    assert any(w.startswith("ExtrapolationWarning: fitted on NSCLC") for w in found["oes_acute_belderbos"].warnings)
    assert found["heart_mortality_gagliardi"].warnings == ()


def test_the_same_numbers_are_recorded_each_time():
    used = []
    for _ in range(2):
        with record_use() as usage:
            assess_toxicity(thorax(), 30, {"ici": "anti-PD-1"})
        used.append(set(usage.keys))
    assert used[0] == used[1]
    assert {"ntcp/irae:rates", "ntcp/models:unprinted_quantile"} <= used[0]
