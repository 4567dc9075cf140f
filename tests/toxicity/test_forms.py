import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.domain.errors import InputError, ModelError, UnsupportedError
from abscopal.toxicity import forms
from abscopal.toxicity.models import Bins, evaluate, probability
from abscopal.toxicity.table import find_model, load_models

MODELS = load_models()
doses = st.lists(st.floats(0, 100), min_size=1, max_size=30)
slope = st.floats(0.05, 1.0)


def bins(dose):
    dose = np.array(dose, dtype=float)
    return dose, np.full(dose.size, 1 / dose.size)


@given(st.floats(1, 100), slope)
def test_lkb_is_one_half_at_td50(td50, m):
    assert forms.lkb(td50, td50, m) == 0.5


@given(st.floats(1, 100), st.floats(0.1, 5))
def test_log_logit_is_one_half_at_td50(td50, gamma50):
    assert forms.log_logit(td50, td50, gamma50) == 0.5


@given(st.floats(5, 100), st.floats(0.1, 3), st.floats(0.05, 10))
def test_relative_seriality_of_a_uniform_d50_is_one_half(d50, gamma, s):
    dose, volume = bins([d50] * 7)
    assert forms.relative_seriality(dose, volume, d50, gamma, s) == pytest.approx(0.5, abs=1e-12)


def test_lkb_slope_is_the_normalised_one():
    """gamma50 = 1 / (m sqrt(2 pi))."""
    td50, m, step = 30.0, 0.37, 1e-4
    gradient = (forms.lkb(td50 + step, td50, m) - forms.lkb(td50 - step, td50, m)) / (2 * step)
    assert td50 * gradient == pytest.approx(1 / (m * math.sqrt(2 * math.pi)), rel=1e-6)


@given(st.floats(0, 100), st.floats(0.05, 5))
def test_relative_seriality_one_is_the_poisson_response_of_a_uniform_dose(dose, gamma):
    one = forms.relative_seriality(*bins([dose]), 40.0, gamma, 1.0)
    assert one == pytest.approx(float(forms.poisson_response(np.array([dose]), 40.0, gamma)[0]), abs=1e-12)


@given(st.floats(0, 100), st.floats(0.05, 5))
def test_poisson_form_is_relative_seriality_one_of_a_uniform_dose(dose, gamma):
    parameters = {"d50": 40.0, "gamma": gamma, "s": 1.0, "a": 1.0}
    one = evaluate("poisson", parameters, {"gEUD": dose})[0, 0]
    assert one == pytest.approx(float(evaluate("relative_seriality", parameters, {"dvh": dose})[0, 0]), abs=1e-12)


@given(doses)
def test_geud_of_exponent_one_is_the_mean(dose):
    assert forms.geud(*bins(dose), 1.0) == pytest.approx(np.mean(dose), rel=1e-9, abs=1e-12)


@given(doses, st.sampled_from([0.5, 1.0, 2.0, 7.0, 33.3]))
def test_geud_stays_between_the_extremes_and_grows_with_the_exponent(dose, a):
    found = forms.geud(*bins(dose), a)
    assert min(dose) - 1e-9 <= found <= max(dose) * (1 + 1e-12) + 1e-12
    assert forms.geud(*bins(dose), a + 1) >= found - 1e-9


def test_geud_with_a_large_exponent_is_finite():
    """Target 9: a = 33.3 stays finite up to 100 Gy."""
    dose, volume = bins(np.linspace(0, 100, 101))
    assert 95 * 0.9 < forms.geud(dose, volume, 33.3) < 100
    assert forms.geud(dose, volume, 1000.0) < 100


def test_geud_does_not_depend_on_the_order_of_bins():
    rng = np.random.default_rng(3)
    dose, volume = rng.uniform(0, 70, 50), rng.uniform(0, 1, 50)
    order = rng.permutation(50)
    assert forms.geud(dose[order], volume[order], 2.3) == pytest.approx(forms.geud(dose, volume, 2.3), rel=1e-12)


@given(doses, st.floats(0.1, 20))
def test_relative_seriality_rises_with_dose(dose, more):
    low, volume = bins(dose)
    one, other = (forms.relative_seriality(d, volume, 46.7, 0.34, 0.92) for d in (low, low + more))
    assert 0 <= one <= other <= 1


def test_relative_seriality_does_not_overflow():
    assert forms.relative_seriality(*bins([5000.0, 0.0]), 50.0, 1.0, 1.0) == 1.0


def test_relative_seriality_of_a_large_s_keeps_its_digits():
    """For one uniform dose it is the Poisson response whatever s; 1 - P**s would round to 1."""
    dose, volume = bins([20.0])
    for s in (1.0, 63.0, 200.0):
        found = forms.relative_seriality(dose, volume, 59.9, 0.35, s)
        assert found == pytest.approx(float(forms.poisson_response(20.0, 59.9, 0.35)), rel=1e-12)


@given(st.floats(0.001, 0.999), st.floats(0.1, 10))
def test_shifted_odds(p, ratio):
    shifted = forms.shift_odds(p, ratio)
    assert shifted / (1 - shifted) == pytest.approx(ratio * p / (1 - p), rel=1e-9)


def test_odds_of_certainty_do_not_shift():
    assert forms.shift_odds(0.0, 2.0) == 0.0
    assert forms.shift_odds(1.0, 2.0) == 1.0


@given(st.floats(1, 40), st.floats(0.2, 3), st.floats(0.3, 4))
def test_appelt_form_is_the_logit_shift(dose, gamma, ratio):
    """D50 = D50_0 (1 - ln OR/(4 gamma0)) and gamma50 = gamma0 - ln(OR)/4 give the same probability."""
    d50_0, log_ratio = 34.4, math.log(ratio)
    gamma50 = gamma - log_ratio / 4
    if abs(gamma50) < 1e-3:
        return
    d50 = d50_0 * (1 - log_ratio / (4 * gamma))
    parameters = {"d50_0": d50_0, "gamma50_0": gamma, "odds_ratios": {"current_smoker": ratio}}
    found = evaluate("appelt", parameters, {"MLD": dose, "current_smoker": 1.0})[0, 0]
    assert found == pytest.approx(forms.logistic(4 * gamma50 * (dose / d50 - 1)), rel=1e-6, abs=1e-12)


DOSE_FORMS = {"lkb", "log_logit", "relative_seriality"}
DOSE_MODELS = [m.id for m in MODELS.values() if m.role == "model" and m.form in DOSE_FORMS]


@pytest.mark.parametrize("name", DOSE_MODELS)
def test_every_dose_model_rises_with_a_uniform_dose(name):
    model = find_model(name)
    predictor = model.predictors[0]

    def at(dose):
        whole = predictor.statistic in {"gEUD", "dvh"}
        value = Bins(np.array([dose]), np.ones(1)) if whole else dose
        return probability(model, {predictor.name: value})

    ps = [at(dose) for dose in np.linspace(0, 120, 61)]
    assert all(a <= b for a, b in pairwise(ps))
    assert ps[0] < 0.5 < ps[-1]
    assert at(model.parameters.get("td50", model.parameters.get("d50"))) == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize(
    "name", ["hypo_boomsma", "rp_quantec_mld", "dys_christianen_g2", "mort2y_nipp_lung", "ril_gbm_kim"]
)
def test_other_models_rise_with_each_dose(name):
    model = find_model(name)
    base = {p.name: 20.0 if p.source == "dose" else 0.0 for p in model.predictors}
    for predictor in model.predictors:
        if predictor.statistic == "mean":
            assert probability(model, base | {predictor.name: 40.0}) > probability(model, base)


def test_nomogram_is_held_within_its_range():
    def at(dose, count):
        return probability("ril_gbm_kim", {"Dmean": dose, "ALC": count, "female": 1.0})

    assert at(90, 2) == at(50, 2)
    assert at(0, 9) == at(5, 7)
    assert 0.01 <= at(0, 7) <= at(50, 0) <= 0.6


@pytest.mark.parametrize("name", [m.id for m in MODELS.values() if m.role != "model"])
def test_anchors_and_offsets_refuse_a_probability(name):
    with pytest.raises(UnsupportedError, match="not an evaluable model"):
        probability(name, {"gEUD": 20.0})


def test_the_sixteen_anchors_and_two_offsets_are_known_by_their_form():
    roles = {m.id: m.role for m in MODELS.values()}
    assert len(roles) == 71
    marks = ("observed", "constraint", "two anchors", "three anchors", "hazard ratio", "NOT READ", "random forest",
             "linear excess relative rate", "nomogram groups", "logistic in EQD2 (LQ-L)")  # fmt: skip
    marked = {m.id for m in MODELS.values() if str(m.parameters.get("form", "")).startswith(marks)}
    assert marked == {name for name, role in roles.items() if role == "anchor"}
    assert sum(role == "offset" for role in roles.values()) == 2
    assert sum(role == "model" for role in roles.values()) == 53


def test_missing_and_wrong_values_are_refused():
    with pytest.raises(ModelError, match="no pituitary_max"):
        probability("hypo_luo", {"V50_pct": 50.0, "female": 0.0, "chemo": 1.0})
    with pytest.raises(ModelError, match="grade_3plus"):
        probability(
            "dys_nipp_g2_primary",
            {"oral_cavity": 1.0, "pcm_superior": 1.0, "pcm_medius": 1.0, "pcm_inferior": 1.0, "baseline": "bad",
             "tumour_site": "larynx"},
        )  # fmt: skip
    with pytest.raises(ModelError, match="expected a number"):
        probability("hypo_boomsma", {"Dmean": "high", "volume_cc": 18.0})


def test_unknown_models_answer_with_the_close_match():
    with pytest.raises(InputError, match="'rp_quantec_mld'"):
        probability("rp_quantec", {})
    with pytest.raises(InputError, match="'log_logit'"):
        evaluate("log_logits", {}, {})
