import lifelines
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines.utils import restricted_mean_survival_time

from abscopal.domain.errors import InputError
from abscopal.learning.pseudo_values import restricted_mean, rmst_pseudo_values, survival_pseudo_values


def by_refitting(t, d, horizon):
    """The definition, with one lifelines fit per patient left out."""

    def both(keep):
        fit = lifelines.KaplanMeierFitter().fit(t[keep], d[keep])
        return restricted_mean_survival_time(fit, t=horizon), float(fit.predict(horizon))

    n, everyone = len(t), np.ones(len(t), dtype=bool)
    whole = both(everyone)
    rows = []
    for i in range(n):
        keep = everyone.copy()
        keep[i] = False
        rows.append([n * a - (n - 1) * b for a, b in zip(whole, both(keep), strict=True)])
    return np.array(rows).T


@pytest.mark.parametrize("horizon", [3.0, 7.0, 9.5, 30.0])
def test_against_lifelines_refits_with_ties(horizon):
    rng = np.random.default_rng(4)
    t = rng.integers(1, 12, 40).astype(float)
    d = (rng.random(40) < 0.6).astype(float)
    rmst, survival = by_refitting(t, d, horizon)
    np.testing.assert_allclose(rmst_pseudo_values(t, d, horizon), rmst, atol=1e-10)
    np.testing.assert_allclose(survival_pseudo_values(t, d, horizon), survival, atol=1e-10)


cohorts = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=30)


@given(cohorts, st.integers(1, 25))
def test_every_small_cohort_agrees_with_the_definition(rows, horizon):
    t = np.array([row[0] for row in rows], dtype=float) / 2
    d = np.array([row[1] for row in rows], dtype=float)
    n = len(t)
    whole = restricted_mean(t, d, horizon)
    expected = [n * whole - (n - 1) * restricted_mean(np.delete(t, i), np.delete(d, i), horizon) for i in range(n)]
    np.testing.assert_allclose(rmst_pseudo_values(t, d, horizon), expected, atol=1e-9)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=50), st.floats(1, 120))
def test_without_censoring_it_is_the_restricted_time_itself(times, horizon):
    t = np.array(times)
    np.testing.assert_allclose(rmst_pseudo_values(t, np.ones(len(t)), horizon), np.minimum(t, horizon), atol=1e-6)


def test_groups_are_estimated_apart():
    rng = np.random.default_rng(0)
    t, d, arm = rng.exponential(10, 60), rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    found = rmst_pseudo_values(t, d, 12, groups=arm)
    for label in (0, 1):
        np.testing.assert_array_equal(found[arm == label], rmst_pseudo_values(t[arm == label], d[arm == label], 12))


def test_order_of_patients_does_not_matter():
    rng = np.random.default_rng(1)
    t, d = rng.exponential(10, 50), rng.integers(0, 2, 50)
    order = rng.permutation(50)
    np.testing.assert_allclose(rmst_pseudo_values(t, d, 12)[order], rmst_pseudo_values(t[order], d[order], 12))


@pytest.mark.parametrize(
    ("t", "d", "horizon"),
    [
        ([1, -1], [1, 0], 2),
        ([1, np.nan], [1, 0], 2),
        ([1, 2], [1, 2], 2),
        ([1, 2], [1], 2),
        ([1, 2], [1, 0], 0),
        ([1], [1], 2),
    ],
)
def test_impossible_follow_up_is_refused(t, d, horizon):
    with pytest.raises(InputError, match="pseudo-values"):
        rmst_pseudo_values(t, d, horizon)
