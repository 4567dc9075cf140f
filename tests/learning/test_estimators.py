"""The estimators: scikit-learn's own checks, independent likelihoods, and known truths."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import check_estimator

from abscopal.domain.errors import InputError
from abscopal.learning.estimators.aft import WeibullAFT
from abscopal.learning.estimators.competing import CauseSpecificCox, FineGray
from abscopal.learning.estimators.cox import PenalisedCox
from abscopal.learning.estimators.discrete_time import DiscreteTimeHazard
from abscopal.learning.estimators.imputed import MultiplyImputed
from abscopal.learning.estimators.selected import SimplestWithinNoise
from abscopal.learning.estimators.stack import SurvivalStack
from abscopal.learning.product_limit import kaplan_meier
from tests.learning.simulated import survival_cohort, truth

ESTIMATORS = {
    "cox": PenalisedCox(),
    "weibull": WeibullAFT(),
    "boosting": DiscreteTimeHazard(),
    "cause-specific": CauseSpecificCox(),
    "fine-gray": FineGray(0.1),
    "stack": SurvivalStack([("a", PenalisedCox(1.0)), ("b", PenalisedCox(0.1))], n_folds=2),
    "imputed classifier": MultiplyImputed(LogisticRegression()),
    "imputed survival": MultiplyImputed(PenalisedCox()),
    "chosen classifier": SimplestWithinNoise(
        [("l", LogisticRegression(C=0.1)), ("l", LogisticRegression())], n_folds=2
    ),
    "chosen survival": SimplestWithinNoise(
        [("l", PenalisedCox(0.1)), ("l", PenalisedCox())], kind="survival", n_folds=2
    ),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_scikit_learn_checks(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(ESTIMATORS[name], on_fail=None, on_skip=None)
    assert len(results) > 35
    assert [r["check_name"] for r in results if r["status"] not in {"passed", "skipped"}] == []


def test_cox_against_statsmodels():
    from statsmodels.duration.hazard_regression import PHReg

    X, y, _, _ = survival_cohort(p=12)
    theirs = PHReg(y[:, 0], X, status=y[:, 1], ties="efron").fit().params
    np.testing.assert_allclose(PenalisedCox(penalizer=0.0).fit(X, y).coef_, theirs, atol=2e-5)


def test_weibull_against_its_likelihood():
    """Twelve features: more than nine once came back in the order of their names."""
    X, y, _, _ = survival_cohort(p=12)
    Z = (X - X.mean(0)) / X.std(0)
    time, event = y.T

    def loss(b):
        w = (np.log(time) - b[1] - Z @ b[2:]) * np.exp(b[0])
        return -(event * (b[0] - np.log(time) + w) - np.exp(w)).mean() + 0.005 * (b[2:] ** 2).sum()

    best = minimize(loss, np.r_[0.0, np.log(time.mean()), np.zeros(12)]).x
    fitted = WeibullAFT(penalizer=0.01).fit(X, y)
    np.testing.assert_allclose(fitted.coef_ * X.std(0), best[2:], atol=2e-3)
    assert fitted.shape_ == pytest.approx(np.exp(best[0]), rel=2e-3)


@pytest.mark.parametrize(
    ("estimator", "tolerance"),
    [
        (PenalisedCox(0.001), 0.03),
        (WeibullAFT(0.001), 0.03),
        (DiscreteTimeHazard(), 0.10),
        (DiscreteTimeHazard(RandomForestClassifier(80, min_samples_leaf=40, random_state=0)), 0.12),
    ],
)
def test_event_probabilities_near_the_truth(estimator, tolerance):
    X, y, _, beta = survival_cohort(2000)
    p = estimator.fit(X, y).predict_event_probability(X, [3.0, 8.0])
    assert (np.diff(p, axis=1) >= 0).all()
    assert ((p >= 0) & (p <= 1)).all()
    for column, at in enumerate((3.0, 8.0)):
        assert np.abs(p[:, column] - truth(X, beta, at)).mean() < tolerance


def test_discrete_hazards_without_features_follow_kaplan_meier():
    _, y, _, _ = survival_cohort(1500)
    model = DiscreteTimeHazard(DecisionTreeClassifier(min_samples_leaf=20), n_intervals=40).fit(np.zeros((1500, 1)), y)
    p = model.predict_event_probability(np.zeros((1, 1)), np.array([4.0]))[0, 0]
    assert p == pytest.approx(1 - float(kaplan_meier(y[:, 0], y[:, 1] == 1)(4.0)), abs=0.02)


def fine_gray_cohort(n, seed, effect=0.7, p=0.4, censor=3.0):
    """Subdistribution 1 - (1 - p(1 - exp(-t)))^exp(effect x) of cause 1 (simulation design of Fine and Gray 1999)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    relative = np.exp(effect * x)
    first = rng.random(n) < 1 - (1 - p) ** relative
    u = rng.random(n) * (1 - (1 - p) ** relative)
    inside = np.clip(1 - (1 - (1 - u) ** (1 / relative)) / p, 1e-12, 1)
    time = np.where(first, -np.log(inside), rng.exponential(np.exp(-0.5 * x)))
    end = rng.uniform(0.5, censor, n)
    code = np.where(time <= end, np.where(first, 1, 2), 0)
    return x[:, None], np.column_stack([np.minimum(time, end), code])


def test_fine_gray_recovers_the_subdistribution():
    X, y = fine_gray_cohort(1500, 5)
    model = FineGray().fit(X, y)
    assert model.coef_[0] == pytest.approx(0.7, abs=0.13)
    grid = np.array([[-1.0], [0.0], [1.0]])
    true = 1 - (1 - 0.4 * (1 - np.exp(-1.0))) ** np.exp(0.7 * grid[:, 0])
    np.testing.assert_allclose(model.predict_event_probability(grid, [1.0])[:, 0], true, atol=0.06)


def test_without_competing_events_fine_gray_is_cox():
    X, y, _, _ = survival_cohort(300)
    np.testing.assert_allclose(FineGray().fit(X, y).coef_, PenalisedCox(0.0).fit(X, y).coef_, atol=1e-5)


def test_causes_and_survival_sum_to_one():
    X, y = fine_gray_cohort(400, 6)
    swapped = np.column_stack([y[:, 0], np.choose(y[:, 1].astype(int), (0, 2, 1))])
    one = CauseSpecificCox().fit(X, y)
    two = CauseSpecificCox().fit(X, swapped)
    times = np.array([0.5, 1.0, 2.0])
    hazard = one.interest_.cumulative_hazard(X, times) + two.interest_.cumulative_hazard(X, times)
    total = one.predict_event_probability(X, times) + two.predict_event_probability(X, times) + np.exp(-hazard)
    np.testing.assert_allclose(total, 1, atol=1e-12)


def test_stack_weighs_the_model_that_knows_more():
    X, y, _, _ = survival_cohort(500)
    stack = SurvivalStack([("strong", PenalisedCox(0.01)), ("weak", PenalisedCox(1e4))]).fit(X, y)
    assert stack.weights_.sum() == pytest.approx(1)
    assert stack.weights_[0] > 0.8


def test_imputation_uses_the_other_features():
    """A feature lost in half the patients, but known from another one up to noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=800)
    X = np.column_stack([x, x + 0.1 * rng.normal(size=800)])
    y = (rng.random(800) < 1 / (1 + np.exp(-2 * x))).astype(int)
    X[rng.random(800) < 0.5, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MultiplyImputed(LogisticRegression(), n_imputations=3).fit(X, y)
        p = model.predict_proba(np.array([[np.nan, 1.5], [np.nan, -1.5]]))[:, 1]
    assert p[0] > 0.85
    assert p[1] < 0.15
    assert len(model.estimators_) == 3


BOOSTING = DiscreteTimeHazard(HistGradientBoostingClassifier(max_iter=30, max_depth=3, random_state=0), n_intervals=6)


def test_simpler_family_is_kept_within_noise():
    X, y, _, _ = survival_cohort(300, effect=(0.9,))
    model = SimplestWithinNoise([("cox", PenalisedCox(0.1)), ("boosting", BOOSTING)], kind="survival", n_folds=3)
    assert model.fit(X, y).family_ == "cox"


def test_complex_family_wins_where_it_is_right():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(900, 2))
    time = rng.exponential(8 * np.exp(-3.0 * (X[:, 0] * X[:, 1] > 0)))
    y = np.column_stack([time, np.ones(900)])
    model = SimplestWithinNoise([("cox", PenalisedCox(0.1)), ("boosting", BOOSTING)], kind="survival", n_folds=3)
    assert model.fit(X, y).family_ == "boosting"


@pytest.mark.parametrize(
    "y", [np.array([[1.0, 0], [2, 0]]), np.array([[0.0, 1], [2, 1]]), np.array([[1.0, 3], [2, 1]])]
)
def test_unusable_outcomes_are_refused(y):
    with pytest.raises(InputError):
        PenalisedCox().fit(np.array([[0.0], [1.0]]), y)
