"""Closed forms, limits and properties of the survival functions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from abscopal.domain.errors import InputError
from abscopal.radiobiology.survival import (
    dose_rate_log_kill,
    fractionated_log_kill,
    incomplete_repair_factor,
    lea_catcheside,
    lea_catcheside_of_rates,
    lq_log_kill,
    lql_log_kill,
    survival,
)

doses = st.floats(0.0, 40.0, allow_subnormal=False)
alphas = st.floats(0.0, 1.0)
betas = st.floats(0.0, 0.1)


def test_survival_of_no_dose_is_one() -> None:
    assert survival(lq_log_kill(0.0, 0.3, 0.03)) == 1.0


@given(doses, st.integers(1, 40), alphas, betas)
def test_splitting_a_dose_never_kills_more(dose: float, n: int, alpha: float, beta: float) -> None:
    whole = lq_log_kill(dose, alpha, beta)
    assert n * lq_log_kill(dose / n, alpha, beta) <= whole * (1 + 1e-12) + 1e-300


@given(doses, alphas, betas, st.floats(0.0, 20.0))
def test_lql_never_kills_more_than_lq(dose: float, alpha: float, beta: float, transition: float) -> None:
    assert lql_log_kill(dose, alpha, beta, transition) <= lq_log_kill(dose, alpha, beta) * (1 + 1e-12) + 1e-12


@given(st.floats(0.01, 1.0), st.floats(0.001, 0.1), st.floats(1.0, 20.0))
def test_lql_is_smooth_at_the_transition(alpha: float, beta: float, transition: float) -> None:
    h = 1e-4
    below, at, above = (lql_log_kill(transition + step, alpha, beta, transition) for step in (-h, 0.0, h))
    # The second difference of a curve with a continuous slope is of order h^2; a kink would leave order h.
    assert abs(above - 2 * at + below) <= 2 * beta * h**2 + 1e-12
    assert at == pytest.approx(lq_log_kill(transition, alpha, beta), rel=1e-14)


@given(st.floats(0.0, 100.0), st.floats(0.0, 10.0))
def test_g_lies_between_zero_and_one_and_falls(duration: float, rate: float) -> None:
    g = lea_catcheside(duration, rate)
    assert 0.0 < g <= 1.0
    assert lea_catcheside(duration + 1.0, rate) <= g + 1e-12


def test_g_tends_to_one_for_short_and_two_over_x_for_long() -> None:
    assert lea_catcheside(0.0, 1.0) == 1.0
    assert lea_catcheside(1e-9, 1.0) == pytest.approx(1.0 - 1e-9 / 3, rel=1e-15)
    assert lea_catcheside(1e6, 1.0) == pytest.approx(2e-6, rel=1e-5)


def test_g_series_meets_the_closed_form() -> None:
    x = np.array([0.019999, 0.020001])
    g = lea_catcheside(x, 1.0)
    assert g[0] - g[1] == pytest.approx(2e-6 * (1 / 3 - 0.02 / 6), rel=1e-3)


@given(st.integers(1, 40), st.floats(0.05, 48.0), st.floats(0.1, 2.0))
def test_incomplete_repair_equals_the_closed_form(n: int, interval: float, mu: float) -> None:
    theta = np.exp(-mu * interval)
    closed = 2 * theta / (n * (1 - theta)) * (n - (1 - theta**n) / (1 - theta))
    assert incomplete_repair_factor(n, interval, mu) == pytest.approx(closed, rel=1e-9, abs=1e-12)


def test_no_repair_makes_one_exposure_of_all_fractions() -> None:
    together = fractionated_log_kill(2.0, 5, 0.3, 0.03, interval=24.0, repair_rate=0.0)
    assert together == pytest.approx(lq_log_kill(10.0, 0.3, 0.03), rel=1e-14)


def test_full_repair_makes_independent_fractions() -> None:
    apart = fractionated_log_kill(2.0, 5, 0.3, 0.03, interval=1e4, repair_rate=0.5)
    assert apart == pytest.approx(5 * lq_log_kill(2.0, 0.3, 0.03), rel=1e-14)


def test_varying_rate_against_scipy_ode() -> None:
    spans, rates, mu, alpha, beta = [0.3, 1.0, 0.2, 2.0], [5.0, 0.0, 20.0, 1.0], 0.46, 0.2, 0.02
    state = np.zeros(2)
    for span, rate in zip(spans, rates, strict=True):
        state = solve_ivp(
            lambda _t, y, r=rate: [r - mu * y[0], alpha * r + 2 * beta * r * y[0]],
            (0.0, span),
            state,
            rtol=1e-11,
            atol=1e-12,
        ).y[:, -1]
    assert dose_rate_log_kill(spans, rates, alpha, beta, mu) == pytest.approx(state[1], rel=1e-9)


@given(st.floats(0.01, 10.0), st.floats(0.0, 5.0))
def test_constant_rate_reproduces_lea_catcheside(duration: float, mu: float) -> None:
    pieces = lea_catcheside_of_rates([duration / 4] * 4, [3.0] * 4, mu)
    assert pieces == pytest.approx(lea_catcheside(duration, mu), rel=1e-10)


def test_short_pulses_reproduce_incomplete_repair() -> None:
    pulse, gap, mu, n = 1e-7, 2.0, 0.5, 4
    kill = dose_rate_log_kill([pulse, gap - pulse] * n, [2.0 / pulse, 0.0] * n, 0.3, 0.03, mu)
    assert kill == pytest.approx(fractionated_log_kill(2.0, n, 0.3, 0.03, interval=gap, repair_rate=mu), rel=1e-6)


def test_voxel_arrays_keep_their_shape_and_order() -> None:
    dose = np.arange(24.0).reshape(2, 3, 4)
    kill = lq_log_kill(dose, 0.3, 0.03)
    assert kill.shape == dose.shape
    np.testing.assert_array_equal(lq_log_kill(dose[::-1, :, ::-1], 0.3, 0.03), kill[::-1, :, ::-1])


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_impossible_dose_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match="dose"):
        lq_log_kill(np.array([1.0, bad]), 0.3, 0.03)
    with pytest.raises(InputError, match="dose"):
        lql_log_kill(bad, 0.3, 0.03, 6.0)


def test_unequal_segments_are_refused() -> None:
    with pytest.raises(InputError, match="2 durations and 1 dose rates"):
        dose_rate_log_kill([1.0, 1.0], [1.0], 0.3, 0.03, 0.5)


def test_g_of_no_dose_is_refused() -> None:
    with pytest.raises(InputError, match="total dose"):
        lea_catcheside_of_rates([1.0], [0.0], 0.5)
