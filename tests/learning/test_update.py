"""The update ladder stops at the first step that is enough."""

import numpy as np
import pytest
from scipy.special import expit, logit

from abscopal.domain.errors import InputError
from abscopal.learning.update import update_ladder
from tests.learning.simulated import survival_cohort, truth


def outcome(p, seed=0):
    return (np.random.default_rng(seed).random(len(p)) < p).astype(float)


P = expit(np.random.default_rng(1).normal(-0.5, 1.2, 3000))
X = logit(P)[:, None] + np.random.default_rng(2).normal(size=(3000, 2))


@pytest.mark.parametrize(
    ("true", "chosen"),
    [
        (P, "as published"),
        (expit(logit(P) + 0.8), "intercept"),
        (expit(0.5 * logit(P) - 0.4), "intercept and slope"),
        (expit(logit(P) + 1.2 * X[:, 0]), "refit"),
    ],
)
def test_known_truths(true, chosen):
    found = update_ladder(P, outcome(true), "binary", predictors=np.column_stack([logit(P), X]))
    assert found.chosen == chosen
    assert np.mean((found.apply(P, np.column_stack([logit(P), X])) - true) ** 2) < 0.002


def test_the_level_of_the_first_test():
    """A model that is right is kept in about 95 of 100 cohorts."""
    kept = [update_ladder(P[:300], outcome(P[:300], seed), "binary").chosen == "as published" for seed in range(200)]
    assert 0.90 <= np.mean(kept) <= 0.99


def test_censored_outcomes():
    Z, y, _, beta = survival_cohort(3000)
    kept = 0
    for seed in range(40):
        Z, y, _, beta = survival_cohort(400, seed=seed)
        kept += update_ladder(truth(Z, beta, 8.0), y, "survival", 8.0).chosen == "as published"
    assert kept >= 34
    Z, y, _, beta = survival_cohort(3000)
    halved = expit(logit(truth(Z, beta, 8.0)) - 1.0)
    found = update_ladder(halved, y, "survival", 8.0)
    assert found.chosen == "intercept"
    assert found.intercept == pytest.approx(1.0, abs=0.15)


def test_an_outcome_that_never_happens():
    with pytest.raises(InputError, match="does not vary"):
        update_ladder(P, np.zeros(3000), "binary")
