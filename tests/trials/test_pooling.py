import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.trials.pooling import pool

METHODS = ["fixed", "DL", "PM", "REML"]
studies = st.lists(st.tuples(st.floats(-2, 2), st.floats(0.03, 1.5)), min_size=2, max_size=12)


@pytest.mark.parametrize("method", METHODS)
def test_one_study_is_returned_as_it_is(method):
    found = pool([math.log(0.8)], [0.1], method)
    assert found.hr == pytest.approx(0.8, abs=1e-15)
    assert found.interval == pytest.approx((0.8 * math.exp(-0.1959964), 0.8 * math.exp(0.1959964)), abs=1e-7)
    assert found.tau2 == 0
    assert found.hk_interval is None
    assert found.prediction_interval is None
    assert "no prediction interval from 1 study" in found.notes


@pytest.mark.parametrize("method", METHODS)
def test_identical_studies_have_no_heterogeneity(method):
    found = pool([0.1] * 5, [0.2] * 5, method)
    assert found.tau2 == 0
    assert found.i2 == 0
    assert found.se == pytest.approx(0.2 / math.sqrt(5), rel=1e-12)


def test_equal_variances_have_a_closed_form():
    """With one variance for all, REML, DL and PM all give the sample variance less that one."""
    y, s = np.array([-0.9, -0.2, 0.1, 0.8, 0.4]), 0.2
    expected = y.var(ddof=1) - s**2
    for method in ("DL", "PM", "REML"):
        assert pool(y, np.full(5, s), method).tau2 == pytest.approx(expected, rel=1e-9)


def test_q_profile_interval_holds_the_paule_mandel_estimate():
    y, s = [-0.9, -0.2, 0.1, 0.8, 0.4], [0.1, 0.2, 0.15, 0.3, 0.2]
    found = pool(y, s, "PM")
    assert found.tau2_interval[0] < found.tau2 < found.tau2_interval[1]


@given(studies, st.sampled_from(METHODS), st.randoms())
def test_order_of_studies_does_not_matter(data, method, random):
    shuffled = data.copy()
    random.shuffle(shuffled)
    one, other = (pool(*zip(*rows, strict=True), method) for rows in (data, shuffled))
    assert one.log_hr == pytest.approx(other.log_hr, abs=1e-6)
    assert one.tau2 == pytest.approx(other.tau2, abs=1e-6)
    assert one.q == pytest.approx(other.q, rel=1e-9, abs=1e-9)


@given(studies, st.sampled_from(METHODS))
def test_the_pool_is_bracketed_and_its_parts_ordered(data, method):
    y, s = zip(*data, strict=True)
    found = pool(y, s, method)
    assert found.tau2 >= 0
    assert 0 <= found.i2 <= 100
    assert min(y) - 1e-9 <= found.log_hr <= max(y) + 1e-9
    assert found.hk_guarded_interval[0] <= found.hk_interval[0] <= found.hk_interval[1] <= found.hk_guarded_interval[1]
    if found.prediction_interval is not None:
        assert found.prediction_interval[0] <= found.interval[0]
        assert found.prediction_interval[1] >= found.interval[1]


@given(studies, st.sampled_from(METHODS), st.floats(-3, 3))
def test_a_shift_of_every_effect_shifts_the_pool(data, method, shift):
    y, s = (np.array(column) for column in zip(*data, strict=True))
    one, other = pool(y, s, method), pool(y + shift, s, method)
    assert other.log_hr == pytest.approx(one.log_hr + shift, abs=1e-6)


@given(studies)
def test_reml_is_at_the_top_of_the_restricted_likelihood(data):
    y, s = (np.array(column) for column in zip(*data, strict=True))
    found = pool(y, s, "REML").tau2

    def loglik(tau2):
        w = 1 / (s**2 + tau2)
        mu = (w @ y) / w.sum()
        return 0.5 * (np.log(w).sum() - np.log(w.sum()) - w @ (y - mu) ** 2)

    assert loglik(found) >= max(loglik(x) for x in np.linspace(0, 5, 501)) - 1e-6


@pytest.mark.parametrize(
    ("y", "s"), [([], []), ([0.1], [0.0]), ([0.1], [-1.0]), ([math.nan], [0.1]), ([0.1, 0.2], [0.1])]
)
def test_bad_studies_are_refused(y, s):
    with pytest.raises(InputError, match="pooling studies"):
        pool(y, s)


def test_unknown_method_answers_with_the_close_match():
    with pytest.raises(InputError, match="'REML'"):
        pool([0.1], [0.1], "REMLL")


def test_few_studies_come_with_a_warning():
    assert "the Hartung-Knapp interval of 2 studies has t(1) and is uninformative" in pool([0.1, 0.3], [0.2, 0.2]).notes
    assert pool([0.1, 0.3, 0.5, 0.2], [0.2] * 4).notes == ()
