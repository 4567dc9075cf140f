import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.trials.pooling import pool
from abscopal.trials.regression import ECOLOGICAL, egger, meta_regression


def test_without_heterogeneity_it_is_weighted_least_squares():
    x = np.array([0.0, 0, 1, 1, 0, 1])
    y, s = 0.1 + 0.5 * x, np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.2])
    found = meta_regression(y, s, {"x": x})
    assert found.tau2 == 0
    assert found.slopes["x"].ratio == pytest.approx(np.exp(0.5), rel=1e-12)
    assert ECOLOGICAL in found.notes
    assert len(found.notes) == 2


def test_an_irrelevant_constant_shift_changes_only_the_intercept():
    rng = np.random.default_rng(1)
    y, s, x = rng.normal(0, 0.3, 12), rng.uniform(0.1, 0.3, 12), rng.integers(0, 2, 12).astype(float)
    one, other = (meta_regression(y + shift, s, {"x": x}) for shift in (0.0, 2.0))
    assert one.slopes["x"].ratio == pytest.approx(other.slopes["x"].ratio, rel=1e-7)
    assert one.tau2 == pytest.approx(other.tau2, abs=1e-9)


def test_residual_variance_without_covariates_is_that_of_the_pool():
    rng = np.random.default_rng(2)
    y, s = rng.normal(0, 0.5, 12), rng.uniform(0.1, 0.3, 12)
    assert meta_regression(y, s, {}).tau2 == pytest.approx(pool(y, s).tau2, rel=1e-6)


@pytest.mark.parametrize("x", [[1.0, 1, 1, 1], [0.0, 0, 0, 0]])
def test_a_constant_covariate_is_refused(x):
    with pytest.raises(InputError, match="independent"):
        meta_regression([0.1, 0.2, 0.3, 0.4], [0.1] * 4, {"x": x})


def test_too_few_trials_are_refused():
    with pytest.raises(InputError, match="more trials than coefficients"):
        meta_regression([0.1, 0.2], [0.1, 0.1], {"x": [0.0, 1.0]})
    with pytest.raises(InputError, match="at least 10"):
        egger([0.1] * 9, [0.1] * 9)


def test_egger_of_a_funnel_without_asymmetry_is_zero():
    s = np.linspace(0.1, 0.5, 12)
    assert egger(0.3 + 0 * s, s).intercept == pytest.approx(0, abs=1e-9)
    assert egger(0.3 + 1.5 * s, s).intercept == pytest.approx(1.5, abs=1e-9)
