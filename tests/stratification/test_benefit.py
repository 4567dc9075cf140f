import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.utils import restricted_mean_survival_time
from scipy.integrate import quad
from scipy.stats import norm

from abscopal.domain.errors import InputError, UnitError
from abscopal.report.benefit_page import benefit_document, draw_benefit, render_benefit
from abscopal.stratification.benefit import evaluate, learners
from abscopal.stratification.benefit.analyse import analyse_benefit, estimator_names, sequential
from abscopal.stratification.benefit.evaluate import Estimate, Ranked
from abscopal.stratification.benefit.known_truth import HORIZON, simulate_hazards, simulate_trial
from abscopal.stratification.benefit.outcome import remaining_mean, restricted_outcome
from abscopal.stratification.benefit.propensity import overlap
from abscopal.stratification.benefit.trial import read_trial


def write(tmp_path, frame):
    path = tmp_path / "trial.csv"
    frame.to_csv(path, index=False)
    return path


def two_arms(n=120, seed=0):
    trial = simulate_trial("constant", n, seed).trial
    frame = pd.DataFrame(trial.x, columns=trial.names)
    return frame.assign(
        id=range(n), arm=np.where(trial.w == 1, "rt", "no"), months=trial.time, dead=trial.event.astype(int)
    )


COLUMNS = {"arm": "arm", "time": "months", "event": "dead", "treated": "rt", "patient": "id"}


def test_a_file_becomes_a_trial(tmp_path):
    frame = two_arms().assign(site=["a", "b", "c"] * 40)
    trial = read_trial(write(tmp_path, frame), **COLUMNS)
    assert (trial.treated, trial.control, trial.randomised) == ("rt", "no", True)
    assert trial.names == ("x1", "x2", "x3", "x4", "x5", "site b", "site c")
    np.testing.assert_allclose(trial.time, frame["months"])
    in_days = frame.assign(months=frame["months"] * 30.4375)
    np.testing.assert_allclose(
        read_trial(write(tmp_path, in_days), **COLUMNS, unit="day").time, frame["months"], rtol=1e-3
    )


@pytest.mark.parametrize(
    ("change", "options", "match"),
    [
        (lambda f: f.assign(arm="rt"), {}, "one arm"),
        (lambda f: f.assign(arm=["a", "b", "c"] * 40), {"treated": "a"}, "which one is treated"),
        (lambda f: f, {"treated": "rtx"}, "'rt'"),
        (lambda f: f.assign(dead=2), {}, "event of 0 or 1"),
        (lambda f: f.assign(months=-1.0), {}, "not below zero"),
        (lambda f: f.assign(id=1), {}, "already there"),
        (lambda f: f.assign(x1=np.where(f["x1"] > 0, f["x1"], np.nan)), {}, "--missing drop"),
        (lambda f: f.head(30), {}, "at least 20 patients"),
        (lambda f: f.assign(last=0.0), {"last_contact": "last"}, "after the last contact"),
        (lambda f: f.assign(began=1.0), {"start": "began"}, "immortal time"),
        (lambda f: f, {"arm": "amr"}, "'arm'"),
        (lambda f: f.assign(free=[f"text {i}" for i in range(len(f))]), {}, "categories in 'free'"),
        (lambda f: f.head(0), {}, "no row"),
    ],
)
def test_data_that_cannot_answer_are_refused(tmp_path, change, options, match):
    with pytest.raises(InputError, match=match):
        read_trial(write(tmp_path, change(two_arms())), **{**COLUMNS, **options})


def test_days_taken_for_months_are_found(tmp_path):
    frame = two_arms().assign(months=lambda f: f["months"] * 30.4)
    with pytest.raises(UnitError, match="--time-unit day"):
        read_trial(write(tmp_path, frame), **COLUMNS)


def test_missing_covariates_are_dropped_or_marked_only_when_asked(tmp_path):
    frame = two_arms()
    frame.loc[:9, "x1"] = np.nan
    path = write(tmp_path, frame)
    dropped = read_trial(path, **COLUMNS, missing="drop")
    assert dropped.n == 110
    assert "10 patients with a missing covariate left out" in dropped.notes
    marked = read_trial(path, **COLUMNS, missing="indicator")
    assert marked.n == 120
    assert "x1 missing" in marked.names


def test_a_landmark_takes_immortal_time_out(tmp_path):
    """Treatment that does nothing, given to whoever lives until it starts: naive arms differ, landmark arms do not."""
    rng = np.random.default_rng(3)
    n = 4000
    survival, offered = rng.exponential(10, n), rng.uniform(0, 12, n)
    began = np.where(offered < survival, offered, np.nan)
    frame = pd.DataFrame({"months": survival, "dead": 1, "began": began, "arm": "rt", "x": rng.normal(size=n)})
    naive = frame.assign(arm=np.where(np.isnan(began), "no", "rt"))
    columns = {"arm": "arm", "time": "months", "event": "dead", "covariates": ["x"]}
    wrong = analyse_benefit(read_trial(write(tmp_path, naive), **columns, treated="rt"), horizon=12)
    assert wrong.average.low > 3
    right = read_trial(write(tmp_path, frame), **columns, start="began", landmark=6.0)
    assert not right.randomised
    assert right.time.min() > 0
    assert any("landmark" in note for note in right.notes)
    assert not analyse_benefit(right, horizon=12).average.excludes()


@pytest.fixture(scope="module")
def linear():
    return simulate_trial("linear", 1200, 1)


@pytest.mark.parametrize("name", ["dr", "x", "r", "risk", "cox"])
def test_predicted_gain_ranks_like_the_true_gain(linear, name):
    """The effect is 1 + 2 x1 [month]; the risk-based estimator sees it only through prognosis."""
    from abscopal.domain.registry import find

    predicted = find("benefit", name).target(linear.trial, HORIZON, "pseudo")(linear.trial.x)
    assert np.corrcoef(predicted, linear.gain)[0, 1] > (0.6 if name != "risk" else 0.4)


@pytest.mark.filterwarnings("default")  # of econml and what it imports
def test_the_causal_forest_ranks_like_the_true_gain(linear):
    pytest.importorskip("econml")
    part = linear.trial.rows(np.arange(600))
    predicted = learners.causal_forest(part, HORIZON, "pseudo")(linear.trial.x)
    assert np.corrcoef(predicted, linear.gain)[0, 1] > 0.6


def test_the_causal_forest_is_an_extra(linear, monkeypatch):
    import sys

    from abscopal.domain.errors import UnsupportedError

    monkeypatch.setitem(sys.modules, "econml.dml", None)
    with pytest.raises(UnsupportedError, match=r"abscopal\[benefit\]"):
        learners.causal_forest(linear.trial, HORIZON, "pseudo")
    assert {"dr", "x", "r", "cox", "risk", "forest"} == set(estimator_names())


def test_heterogeneity_that_is_there_is_shown(linear):
    found = analyse_benefit(linear.trial, horizon=HORIZON, modifiers=("x1",))
    primary = found.heterogeneity[0]
    assert primary.shown
    assert primary.autoc.low > 0.5
    assert primary.concordance.low > 0.5
    assert 0.7 < primary.slope.value < 1.3
    assert [g.observed.value for g in primary.groups] == sorted(g.observed.value for g in primary.groups)
    assert primary.policy.value > primary.treat_all.value
    assert found.average.low < linear.gain.mean() < found.average.high
    assert found.modifiers[0].ratio.high < 1
    assert found.verdict_rt.startswith("Insufficient evidence")


def test_without_heterogeneity_it_is_seldom_shown():
    """A small version of validation.benefit_simulations: of 40 trials at most 4 may be called heterogeneous."""
    shown = 0
    for seed in range(40):
        trial = simulate_trial("constant", 240, 500 + seed).trial
        y = restricted_outcome(trial, HORIZON, "pseudo")
        folds = sequential(learners.dr_learner, trial, HORIZON, "pseudo", y, seed=seed)
        shown += evaluate.combine(folds).low > 0
    assert shown <= 4


def test_the_average_effect_is_unbiased_when_patients_were_confounded():
    """Constant effect of 2 months: adjusted means within three errors of it, unadjusted ones far off."""
    adjusted, crude = [], []
    for seed in range(12):
        trial = simulate_trial("confounded", 500, seed).trial
        y = restricted_outcome(trial, HORIZON)
        adjusted.append(learners.cross_fitted_scores(trial, y).mean())
        crude.append(y[trial.w == 1].mean() - y[trial.w == 0].mean())
    assert abs(np.mean(adjusted) - 2) < 3 * np.std(adjusted, ddof=1) / np.sqrt(12)
    assert np.mean(crude) > 3


@pytest.mark.parametrize("transform", ["pseudo", "ipcw", "aipcw"])
def test_transformed_outcomes_average_to_the_restricted_mean(transform):
    trial = simulate_trial("constant", 1500, 5).trial
    y = restricted_outcome(trial, 15.0, transform)
    for arm in (0.0, 1.0):
        members = trial.w == arm
        curve = KaplanMeierFitter().fit(trial.time[members], trial.event[members])
        assert y[members].mean() == pytest.approx(restricted_mean_survival_time(curve, t=15.0), rel=0.03)


def test_weights_repair_censoring_that_depends_on_covariates():
    errors = {"pseudo": [], "aipcw": []}
    for seed in range(8):
        trial = simulate_trial("informative censoring", 800, seed).trial
        truth = 2 + 16 * np.array(0.5)
        for transform, values in errors.items():
            y = restricted_outcome(trial, HORIZON, transform)
            values.append(y[trial.w == 0].mean() - truth)
    assert abs(np.mean(errors["aipcw"])) < abs(np.mean(errors["pseudo"]))


def test_remaining_mean_of_an_exponential_is_known():
    grid = np.linspace(0, 40, 400)
    rest = remaining_mean(np.exp(-grid / 5)[None, :], grid)[0]
    expected = grid + 5 * (1 - np.exp(-(40 - grid) / 5))
    np.testing.assert_allclose(rest[:300], expected[:300], rtol=1e-3)


def test_rate_of_a_perfect_and_a_useless_ranking():
    rng = np.random.default_rng(0)
    gain = rng.normal(size=4000)
    scores = gain + rng.normal(size=4000)
    good, error = evaluate.targeting(Ranked(gain, scores))
    ideal = quad(lambda z: norm.pdf(z) ** 2 / norm.sf(z), -8, 8)[0]  # mean over q of the mean of the top share q
    assert good == pytest.approx(ideal, abs=3 * error)
    useless, error = evaluate.targeting(Ranked(rng.normal(size=4000), scores))
    assert abs(useless) < 3 * error
    reverse, _ = evaluate.targeting(Ranked(-gain, scores))
    assert reverse < 0
    curve = np.cumsum(scores[np.argsort(-gain)]) / np.arange(1, 4001) - scores.mean()
    assert good == pytest.approx(curve.mean())


def test_e_value_of_published_kind():
    """Hazard ratio 0.6 with a common outcome: risk ratio 0.70, E-value 2.21 by hand."""
    rr = (1 - 0.5 ** np.sqrt(1 / 0.6)) / (1 - 0.5 ** np.sqrt(0.6))
    expected = rr + np.sqrt(rr * (rr - 1))
    estimate, limit = evaluate.e_value(0.6, 0.9)
    assert estimate == pytest.approx(expected)
    assert 1 < limit < estimate
    assert evaluate.e_value(0.9, 1.1)[1] == 1.0
    assert evaluate.e_value(1.0, 1.0) == (1.0, 1.0)


def test_intervals_that_cover_zero_are_not_shown():
    trial = simulate_hazards(200, 1, ratio=1.0)
    found = analyse_benefit(trial, rt_against_ici=True)
    assert found.verdict.startswith("not shown")
    assert found.verdict_heterogeneity.startswith("not shown")
    assert found.verdict_rt.startswith("not shown")
    assert Estimate(0.5, -0.1, 1.1).excludes() is False


def test_observational_data_get_an_e_value_a_balance_and_no_claim_about_rt():
    trial = simulate_trial("confounded", 500, 2).trial
    found = analyse_benefit(trial, horizon=HORIZON, rt_against_ici=True, negative_control="x5")
    assert found.e_value is not None
    assert found.e_value[0] >= found.e_value[1] >= 1
    assert "x1" in found.overlap.unbalanced(weighted=False)
    assert "x1" not in found.overlap.unbalanced(weighted=True) or abs(found.overlap.weighted_difference["x1"]) < abs(
        found.overlap.difference["x1"]
    )
    assert found.negative_control is not None
    assert not found.negative_control.excludes()
    assert found.verdict_rt.startswith("Insufficient evidence")
    assert overlap(trial).auc > 0.6


def test_more_parameters_than_events_are_refused():
    trial = simulate_hazards(60, 0)
    with pytest.raises(InputError, match="parameters"):
        analyse_benefit(replace(trial, event=np.where(np.arange(60) < 5, 1.0, 0.0)))
    with pytest.raises(InputError, match="follow-up of both arms"):
        analyse_benefit(trial, horizon=400)
    with pytest.raises(InputError, match="'dr'"):
        analyse_benefit(trial, estimators=("drr",))
    with pytest.raises(InputError, match="'x1'"):
        analyse_benefit(trial, modifiers=("x1x",))


def test_the_page_and_the_document_hold_the_verdict():
    found = analyse_benefit(simulate_hazards(200, 4))
    document = json.loads(json.dumps(benefit_document(found), allow_nan=False))
    page = render_benefit(found, draw_benefit(found))
    for text in (document["verdict"].split(":")[0], "Insufficient evidence", "mechanistic"):
        assert text in page
    assert page.count("<svg") == 4
