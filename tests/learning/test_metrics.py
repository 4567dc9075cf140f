"""Metrics against hand tables, lifelines, closed forms, invariances and simulations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from abscopal.learning.metrics.bootstrap import bootstrap_intervals
from abscopal.learning.metrics.brier import (
    brier,
    brier_at,
    censoring_weights,
    integrated_brier,
    null_probability,
    scaled,
)
from abscopal.learning.metrics.calibration import calibration
from abscopal.learning.metrics.decision import net_benefit, treat_all
from abscopal.learning.metrics.discrimination import auc, auc_at, harrell_c, uno_c
from abscopal.learning.product_limit import cumulative_incidence, kaplan_meier, partial_likelihood_fit
from tests.learning.simulated import survival_cohort, truth

TIME = np.array([1.0, 2, 2, 3, 5, 5, 8])
CODE = np.array([1, 1, 0, 2, 1, 0, 1])


def test_kaplan_meier_against_lifelines():
    from lifelines import KaplanMeierFitter

    _, y, _, _ = survival_cohort(300)
    y[:, 0] = np.ceil(y[:, 0])  # ties
    theirs = KaplanMeierFitter().fit(y[:, 0], y[:, 1])
    ours = kaplan_meier(y[:, 0], y[:, 1] == 1)
    at = np.arange(0.0, 15.0)
    np.testing.assert_allclose(ours(at), theirs.survival_function_at_times(at), atol=1e-12)


def test_partial_likelihood_against_lifelines():
    from abscopal.learning.estimators.cox import PenalisedCox

    X, y, _, _ = survival_cohort(300)
    found = partial_likelihood_fit(X, y[:, 0], y[:, 1] == 1)
    np.testing.assert_allclose(found, PenalisedCox(0.0).fit(X, y).coef_, atol=1e-4)


def test_aalen_johansen_by_hand():
    """Seven patients: 1/7, then 6/7 · 1/6, then (survival 30/42 · 3/4 = 15/28) · 1/3, then 15/28 · 2/3 · 1."""
    curve = cumulative_incidence(TIME, CODE)
    np.testing.assert_allclose(
        curve(np.array([0.5, 1, 2, 3, 5, 8])),
        [0, 1 / 7, 2 / 7, 2 / 7, 2 / 7 + 15 / 28 / 3, 2 / 7 + 15 / 28 / 3 + 15 / 28 * 2 / 3],
    )


def test_aalen_johansen_against_lifelines():
    from lifelines import AalenJohansenFitter

    rng = np.random.default_rng(2)
    time, code = rng.exponential(5, 200), rng.integers(0, 3, 200)
    theirs = AalenJohansenFitter(calculate_variance=False).fit(time, code, event_of_interest=1)
    at = float(np.quantile(time, 0.6))
    stated = theirs.cumulative_density_.loc[:at].iloc[-1, 0]
    assert float(cumulative_incidence(time, code)(at)) == pytest.approx(stated, abs=1e-9)


def test_concordance_by_hand():
    """Times 1, 2, 3+, 4 with risks 4, 1, 3, 2: of five comparable pairs three agree."""
    time, code, risk = np.array([1.0, 2, 3, 4]), np.array([1, 1, 0, 1]), np.array([4.0, 1, 3, 2])
    assert harrell_c(time, code, risk) == pytest.approx(3 / 5)


def test_uno_is_harrell_without_censoring():
    X, _, true, beta = survival_cohort(300)
    ones = np.ones(300, dtype=int)
    assert uno_c(true, ones, X @ beta, np.inf) == pytest.approx(harrell_c(true, ones, X @ beta))


def test_uno_does_not_depend_on_censoring():
    """Harrell's C moves with follow-up where effects fade; Uno's stays at the uncensored value."""
    X, y, true, beta = survival_cohort(6000, censor=6.0)
    full = uno_c(true, np.ones(6000, dtype=int), X @ beta, 8.0)
    assert uno_c(y[:, 0], y[:, 1].astype(int), X @ beta, 8.0) == pytest.approx(full, abs=0.012)


def test_auc_at_a_time_recovers_the_uncensored_one():
    X, y, true, beta = survival_cohort(6000)
    found = auc_at(y[:, 0], y[:, 1].astype(int), X @ beta, 8.0)
    assert found == pytest.approx(auc(true <= 8, X @ beta), abs=0.01)


@given(hnp.arrays(float, 40, elements=st.floats(-3, 3)), st.integers(0, 50))
def test_discrimination_is_invariant_under_monotone_maps(risk, seed):
    rng = np.random.default_rng(seed)
    risk = np.round(risk, 3)
    time, code = rng.exponential(5, 40), rng.integers(0, 2, 40)
    code[:3] = (1, 1, 0)
    for measure in (harrell_c, lambda *a: uno_c(*a, 9.0), lambda *a: auc_at(*a, 4.0)):
        np.testing.assert_allclose(measure(time, code, risk), measure(time, code, np.exp(risk) + 7), atol=1e-12)
    np.testing.assert_allclose(auc(code, risk), auc(code, risk**3 + risk), atol=1e-12)


@given(st.floats(0.01, 0.99), st.integers(1, 99))
def test_brier_of_a_constant(p, events):
    y = np.arange(100) < events
    rate = events / 100
    assert brier(y, np.full(100, p)) == pytest.approx(rate * (1 - rate) + (p - rate) ** 2)


def test_censored_brier_without_censoring_is_the_plain_one():
    X, _, true, beta = survival_cohort(500)
    p = truth(X, beta, 8.0)
    found = brier_at(true, np.ones(500, dtype=int), p[:, None], np.array([8.0]))[0]
    assert found == pytest.approx(brier(true <= 8, p))


def test_censored_brier_recovers_the_uncensored_one():
    X, y, true, beta = survival_cohort(8000)
    p = truth(X, beta, 8.0)
    found = brier_at(y[:, 0], y[:, 1].astype(int), p[:, None], np.array([8.0]))[0]
    assert found == pytest.approx(brier(true <= 8, p), abs=0.006)


def test_weights_count_every_patient_once():
    _, y, _, _ = survival_cohort(2000)
    total = censoring_weights(y[:, 0], y[:, 1].astype(int), np.array([2.0, 6.0])).sum(axis=0)
    np.testing.assert_allclose(total, 2000, rtol=0.03)


def test_the_null_model_scores_zero_when_scaled():
    _, y, _, _ = survival_cohort(300)
    time, code, at = y[:, 0], y[:, 1].astype(int), np.array([2.0, 4.0, 8.0])
    null = integrated_brier(time, code, null_probability(time, code, at), at)
    assert scaled(null, null) == 0


def test_a_perfectly_calibrated_simulation():
    X, y, true, beta = survival_cohort(6000)
    p = truth(X, beta, 8.0)
    for kind, outcome in (("survival", y), ("binary", (true <= 8).astype(float))):
        found = calibration(outcome, p, kind, 8.0)
        assert found.in_the_large == pytest.approx(0, abs=0.08)
        assert found.slope == pytest.approx(1, abs=0.07)
        assert found.ici < 0.02
        assert found.expected == pytest.approx(found.observed, abs=0.02)


def test_too_extreme_predictions_have_a_slope_below_one():
    from scipy.special import expit, logit

    X, _, true, beta = survival_cohort(6000)
    extreme = expit(2 * logit(truth(X, beta, 8.0)))
    found = calibration((true <= 8).astype(float), extreme, "binary")
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.ici > 0.05


def test_shifted_odds_are_the_calibration_in_the_large():
    from scipy.special import expit, logit

    X, _, true, beta = survival_cohort(6000)
    low = expit(logit(truth(X, beta, 8.0)) - 0.7)
    assert calibration((true <= 8).astype(float), low, "binary").in_the_large == pytest.approx(0.7, abs=0.08)


def test_net_benefit_by_hand():
    """Four patients, threshold 0.25: two true and one false positive give 2/4 - 1/4 · 1/3."""
    y, p = np.array([1.0, 1, 0, 0]), np.array([0.9, 0.3, 0.6, 0.1])
    assert net_benefit(y, p, np.array([0.25]))[0] == pytest.approx(0.5 - 0.25 / 3)
    assert treat_all(y, np.array([0.25]))[0] == pytest.approx(0.5 - 0.5 / 3)
    assert net_benefit(y, p, np.array([0.95]))[0] == 0


def test_net_benefit_under_censoring_recovers_the_uncensored_one():
    X, y, true, beta = survival_cohort(6000)
    p, marks = truth(X, beta, 8.0), np.array([0.3, 0.6])
    full = net_benefit((true <= 8).astype(float), p, marks)
    np.testing.assert_allclose(net_benefit(y, p, marks, "survival", 8.0), full, atol=0.02)


def test_bootstrap_interval_of_a_mean():
    x = np.random.default_rng(0).normal(size=400)
    low, high = bootstrap_intervals(lambda rows: {"mean": float(x[rows].mean())}, 400)["mean"]
    assert high - low == pytest.approx(2 * 1.96 * x.std() / 20, rel=0.15)
