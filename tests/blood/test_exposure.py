"""Properties of the exact blood dose."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import simpson, solve_ivp
from scipy.linalg import expm

from abscopal.blood.circulation import load_network
from abscopal.blood.exposure import (
    Segment,
    blood_dose,
    blood_dose_of_segments,
    fraction_touched,
    mean_blood_dose,
    moments,
    surviving_fraction,
)
from abscopal.domain.errors import InputError

MALE = load_network("male")
organs = st.dictionaries(st.sampled_from(MALE.compartments), st.floats(0.01, 20.0), min_size=1, max_size=6)
times = st.floats(0.1, 1000.0)


@given(organs, st.lists(times, min_size=1, max_size=4))
@settings(max_examples=25)
def test_mean_is_the_identity_for_any_timing(doses: dict[str, float], spans: list[float]) -> None:
    total = sum(spans)
    fields = [Segment(span, {name: dose / total for name, dose in doses.items()}) for span in spans]
    broken = [piece for field in fields for piece in (field, Segment(7.0, {}))]
    expected = mean_blood_dose(MALE, doses)
    assert moments(MALE, broken)[0] == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(times)
def test_blood_stays_where_it_is_in_equilibrium(seconds: float) -> None:
    np.testing.assert_allclose(MALE.stationary @ expm(MALE.generator * seconds), MALE.stationary, atol=1e-12)


@given(organs, times, st.floats(0.05, 1.5))
@settings(max_examples=25)
def test_survival_is_never_below_that_of_the_mean(doses: dict[str, float], seconds: float, alpha: float) -> None:
    dose = blood_dose(MALE, doses, seconds)
    survival = dose.surviving_fraction(alpha)
    assert np.exp(-alpha * dose.mean) - 1e-12 <= survival <= 1.0
    # Untouched blood survives, touched blood may not.
    assert survival >= 1.0 - dose.v_any - 1e-12


@given(st.sampled_from(MALE.compartments), times)
@settings(max_examples=25)
def test_touched_share_stays_below_volume_plus_inflow(organ: str, seconds: float) -> None:
    k = MALE.index(organ)
    inflow = MALE.flows[:, k].sum() / 60.0 * seconds
    touched = blood_dose(MALE, {organ: 1.0}, seconds).v_any
    assert MALE.volumes[k] / MALE.blood_volume - 1e-12 <= touched
    assert touched <= (MALE.volumes[k] + inflow) / MALE.blood_volume + 1e-12


@given(st.permutations(range(32)))
@settings(max_examples=15)
def test_order_of_compartments_does_not_matter(order: list[int]) -> None:
    shuffled = replace(
        MALE,
        compartments=tuple(MALE.compartments[k] for k in order),
        volumes=MALE.volumes[order],
        flows=MALE.flows[np.ix_(order, order)],
    )
    doses = {"liver": 2.0, "lung": 0.5}
    one, other = blood_dose(MALE, doses, 90.0), blood_dose(shuffled, doses, 90.0)
    assert other.mean == pytest.approx(one.mean, abs=1e-12)
    assert other.sd == pytest.approx(one.sd, abs=1e-9)
    assert other.v_any == pytest.approx(one.v_any, abs=1e-12)
    assert other.surviving_fraction(0.4) == pytest.approx(one.surviving_fraction(0.4), abs=1e-12)


@given(organs, times, times)
@settings(max_examples=25, deadline=None)  # long beams on busy machines
def test_longer_beam_touches_more_blood_and_spreads_it_thinner(
    doses: dict[str, float], seconds: float, more: float
) -> None:
    short, long = blood_dose(MALE, doses, seconds), blood_dose(MALE, doses, seconds + more)
    assert long.v_any >= short.v_any - 1e-12
    assert long.sd <= short.sd + 1e-7


@given(organs, times, st.floats(1.01, 5.0), st.floats(0.1, 1.0))
@settings(max_examples=25)
def test_more_dose_kills_more(doses: dict[str, float], seconds: float, factor: float, alpha: float) -> None:
    low = blood_dose(MALE, doses, seconds)
    high = blood_dose(MALE, {name: factor * dose for name, dose in doses.items()}, seconds)
    assert high.mean == pytest.approx(factor * low.mean)
    assert high.surviving_fraction(alpha) < low.surviving_fraction(alpha)
    assert high.v_any == pytest.approx(low.v_any, abs=1e-12)


@given(organs, st.floats(0.1, 1.5))
@settings(max_examples=15)
def test_a_flash_kills_in_place_and_an_endless_beam_kills_evenly(doses: dict[str, float], alpha: float) -> None:
    flash = blood_dose(MALE, doses, 1e-9)
    share = MALE.stationary
    assert flash.v_any == pytest.approx(float(share @ (MALE.vector(doses) > 0.0)), abs=1e-8)
    in_place = float(share @ np.exp(-alpha * MALE.vector(doses)))
    assert flash.surviving_fraction(alpha) == pytest.approx(in_place, abs=1e-7)
    small = {name: 0.01 * dose for name, dose in doses.items()}  # kill far slower than mixing
    endless, longer = blood_dose(MALE, small, 1e6), blood_dose(MALE, small, 4e6)
    assert endless.v_any > 0.9999
    assert longer.sd == pytest.approx(endless.sd / 2.0, rel=1e-3)  # to nothing, as one over the root of time
    assert endless.surviving_fraction(alpha) == pytest.approx(np.exp(-alpha * endless.mean), rel=1e-3)


def test_touched_and_surviving_against_scipy_ode() -> None:
    rate = {"brain": 2.0 / 60.0, "liver": 1.0 / 60.0}
    kill = 0.5 * MALE.vector(rate)
    keep = np.flatnonzero(kill == 0.0)
    inside = MALE.generator[np.ix_(keep, keep)]
    untouched = solve_ivp(lambda _t, x: x @ inside, (0, 60), MALE.stationary[keep], rtol=1e-10, atol=1e-13).y[:, -1]
    alive = solve_ivp(lambda _t, x: x @ MALE.generator - kill * x, (0, 60), MALE.stationary, rtol=1e-10, atol=1e-13).y[
        :, -1
    ]
    field = [Segment(60.0, rate)]
    assert fraction_touched(MALE, field) == pytest.approx(1.0 - untouched.sum(), abs=1e-9)
    assert surviving_fraction(MALE, field, 0.5) == pytest.approx(alive.sum(), abs=1e-9)


def test_second_moment_against_the_double_integral() -> None:
    doses, seconds = {"liver": 2.0, "brain": 1.0}, 60.0
    R = MALE.vector(doses) / seconds
    u = np.linspace(0.0, seconds, 601)
    step = expm(MALE.generator * (u[1] - u[0]))
    row, values = MALE.stationary * R, []
    for _ in u:
        values.append(row @ R)
        row = row @ step
    expected = 2.0 * simpson((seconds - u) * np.array(values), x=u)
    field = [Segment(seconds, {name: dose / seconds for name, dose in doses.items()})]
    assert moments(MALE, field)[1] == pytest.approx(expected, rel=1e-7)


def test_second_field_touches_blood_the_first_did_not() -> None:
    one = [Segment(30.0, {"brain": 0.1})]
    two = [*one, Segment(30.0, {"liver": 0.1})]
    both = fraction_touched(MALE, two)
    assert fraction_touched(MALE, one) < both
    assert both <= fraction_touched(MALE, one) + fraction_touched(MALE, two[1:]) + 1e-12


def test_only_counted_compartments_enter_the_touched_share() -> None:
    doses = dict.fromkeys(MALE.compartments, 0.1)
    assert blood_dose(MALE, doses, 60.0).v_any == 1.0
    counted = blood_dose(MALE, doses, 60.0, counted=["brain"])
    assert counted.v_any == pytest.approx(blood_dose(MALE, {"brain": 0.1}, 60.0).v_any, abs=1e-14)
    assert counted.mean == pytest.approx(0.1)
    assert counted.sd == pytest.approx(0.0, abs=1e-7)


def test_course_adds_independent_fractions() -> None:
    one = blood_dose(MALE, {"liver": 2.0}, 120.0)
    course = one.course(30)
    assert course.mean == pytest.approx(30 * one.mean)
    assert course.sd == pytest.approx(np.sqrt(30) * one.sd)
    assert course.v_any == pytest.approx(1 - (1 - one.v_any) ** 30)


def test_no_dose_changes_nothing() -> None:
    dose = blood_dose(MALE, {}, 60.0)
    assert (dose.mean, dose.sd, dose.v_any) == (0.0, 0.0, 0.0)
    assert dose.surviving_fraction(0.7) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    ("doses", "seconds", "word"),
    [({"liver": -1.0}, 60.0, "liver"), ({"liver": 1.0}, 0.0, "beam-on"), ({"livre": 1.0}, 60.0, "liver")],
)
def test_impossible_fields_are_refused(doses: dict[str, float], seconds: float, word: str) -> None:
    with pytest.raises(InputError, match=word):
        blood_dose(MALE, doses, seconds)


def test_course_and_fields_must_not_be_empty() -> None:
    with pytest.raises(InputError, match="0 fractions"):
        blood_dose(MALE, {"liver": 1.0}, 60.0).course(0)
    with pytest.raises(InputError, match="no segment"):
        blood_dose_of_segments(MALE, [])


def test_a_segment_of_no_length_kills_nothing() -> None:
    assert surviving_fraction(MALE, [Segment(0.0, {"liver": 5.0})], 1.0) == pytest.approx(1.0, abs=1e-12)
