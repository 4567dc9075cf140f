"""Properties of the event-driven particles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.blood.blood_dvh import course_dvh, dvh_of_particles, wilson_band
from abscopal.blood.circulation import load_network, split_compartment
from abscopal.blood.exposure import Segment, blood_dose_of_segments
from abscopal.blood.particles import OrganDose, alias_tables, build_delivery, build_walk
from abscopal.blood.sampling import sample_blood_dose
from abscopal.blood.spread import spread_of
from abscopal.domain.errors import InputError, ModelError

MALE = load_network("male")
N = 100_000
FIELDS = [
    Segment(20.0, {"lung": 0.02, "liver": 0.01}),
    Segment(15.0, {}),
    Segment(40.0, {"lung": 0.005, "left_heart": 0.03}),
    Segment(5.0, {"liver": 0.05, "brain": 0.02}),
]


def within(value: tuple[float, float], expected: float, errors: float = 4.0) -> bool:
    return abs(value[0] - expected) <= errors * value[1]


@pytest.mark.parametrize("fields", [FIELDS, [Segment(120.0, {"liver": 2.0 / 120})]], ids=["fields", "constant"])
def test_markov_particles_equal_the_exact_formulas(fields: list[Segment]) -> None:
    exact = blood_dose_of_segments(MALE, fields)
    sample = sample_blood_dose(MALE, fields, N, seed=11)
    assert within(sample.mean, exact.mean)
    assert within(sample.volume_at_dose(0.0), exact.v_any)
    assert within(sample.surviving_fraction(0.7), exact.surviving_fraction(0.7))
    assert sample.sd == pytest.approx(exact.sd, rel=0.015)


@given(st.permutations(FIELDS), st.sampled_from([1.0, 1.5, 2.0, 4.0]), st.integers(0, 2**32 - 1))
@settings(max_examples=8)
def test_mean_is_free_of_order_and_transit_law(fields: list[Segment], shape: float, seed: int) -> None:
    exact = blood_dose_of_segments(MALE, FIELDS).mean
    assert within(sample_blood_dose(MALE, fields, 20_000, shape=shape, seed=seed).mean, exact, 5.5)


def test_sample_depends_on_the_seed_and_not_on_the_workers() -> None:
    one = sample_blood_dose(MALE, FIELDS, 5000, seed=3, chunk=1024)
    two = sample_blood_dose(MALE, FIELDS, 5000, seed=3, chunk=1024, workers=2)
    other = sample_blood_dose(MALE, FIELDS, 5000, seed=4, chunk=1024)
    np.testing.assert_array_equal(one.doses, two.doses)
    assert not np.array_equal(one.doses, other.doses)


@pytest.mark.parametrize("shape", [1.0, 2.0])
def test_blood_stays_where_it_is(shape: float) -> None:
    # With 1 Gy/s in one compartment during one late second, dose is time spent there: volume share.
    for organ in ("pulmonary_artery", "thyroid", "lung", "red_marrow"):
        late = [Segment(60.0, {}), Segment(1.0, {organ: 1.0})]
        share = float(MALE.volumes[MALE.index(organ)] / MALE.blood_volume)
        assert within(sample_blood_dose(MALE, late, N, shape=shape, seed=5).mean, share)


def test_fractions_add_as_independent_draws() -> None:
    exact = blood_dose_of_segments(MALE, FIELDS)
    course = sample_blood_dose(MALE, FIELDS, 20_000, n_fractions=5, seed=2)
    assert within(course.mean, 5 * exact.mean)
    assert course.sd == pytest.approx(np.sqrt(5) * exact.sd, rel=0.03)
    assert within(course.surviving_fraction(0.4), exact.surviving_fraction(0.4) ** 5)


def test_convolution_gives_the_course() -> None:
    one = sample_blood_dose(MALE, FIELDS, N, seed=7)
    course = sample_blood_dose(MALE, FIELDS, N, n_fractions=6, seed=8)
    convolved = course_dvh(one.doses, 6)
    sampled = dvh_of_particles(course.doses, convolved.dose[::64], "")
    gap = np.abs(convolved.volume_fraction[::64] - sampled.volume_fraction)
    # Both are sampled: five standard errors of the wider one, and half a bin of the dose axis.
    assert gap.max() < 5.0 * np.sqrt(0.25 / N) * np.sqrt(7.0)
    v = one.volume_at_dose(0.0)[0]
    assert convolved.volume_at_dose(0.0) == pytest.approx(1.0 - (1.0 - v) ** 6, abs=1e-12)
    assert np.all(np.diff(convolved.volume_fraction) <= 0.0)
    assert np.all(convolved.low <= convolved.volume_fraction)
    assert np.all(convolved.high >= convolved.volume_fraction)


def test_convolved_mean_is_n_times_the_mean() -> None:
    one = sample_blood_dose(MALE, FIELDS, 50_000, seed=7)
    course = course_dvh(one.doses, 30)
    mean = np.trapezoid(course.volume_fraction, course.dose)
    assert mean == pytest.approx(30 * one.doses.mean(), rel=2e-3)


@pytest.mark.parametrize("choice", ["visit", "path", "step", "mean"])
def test_choices_of_organ_dose_agree_in_the_mean(choice: OrganDose) -> None:
    uneven = {"lung": spread_of([0.0, 5.0, 40.0], [0.6, 0.3, 0.1])}
    fields = [Segment(30.0, {"lung": 0.02})]
    sample = sample_blood_dose(MALE, fields, 30_000, spread=uneven, organ_dose=choice, step_s=0.5, seed=1)
    assert within(sample.mean, blood_dose_of_segments(MALE, fields).mean)


def test_one_dose_for_a_visit_spreads_most() -> None:
    uneven = {"lung": spread_of([0.0, 5.0, 40.0], [0.6, 0.3, 0.1])}
    fields = [Segment(30.0, {"lung": 0.02})]
    spreads = [
        sample_blood_dose(MALE, fields, 30_000, spread=uneven, organ_dose=choice, step_s=0.2, seed=1).sd
        for choice in ("visit", "path", "step", "mean")
    ]
    assert spreads == sorted(spreads, reverse=True)


def test_one_dose_for_a_visit_equals_parallel_parts() -> None:
    doses, shares = np.array([0.0, 5.0, 40.0]), np.array([0.6, 0.3, 0.1])
    rate = 0.02 / float(doses @ shares)
    parts = {f"lung_{k}": (float(share), float(share)) for k, share in enumerate(shares)}
    exact = blood_dose_of_segments(
        split_compartment(MALE, "lung", parts),
        [Segment(30.0, {f"lung_{k}": rate * float(dose) for k, dose in enumerate(doses)})],
    )
    sample = sample_blood_dose(
        MALE, [Segment(30.0, {"lung": 0.02})], N, spread={"lung": spread_of(doses, shares)}, seed=9
    )
    assert within(sample.mean, exact.mean)
    assert within(sample.volume_at_dose(0.0), exact.v_any)
    assert within(sample.surviving_fraction(0.4), exact.surviving_fraction(0.4))
    assert sample.sd == pytest.approx(exact.sd, rel=0.02)


@given(st.lists(st.floats(0.001, 1.0), min_size=1, max_size=12))
def test_alias_tables_hold_the_probabilities(weights: list[float]) -> None:
    chances = np.array([*weights, 0.0]) / sum(weights)
    table = alias_tables(np.vstack([chances, np.eye(chances.size)[0]]))
    found = np.zeros(chances.size)
    kept = table.cut[: table.width] - np.arange(table.width)
    np.add.at(found, table.own[: table.width], kept / table.width)
    np.add.at(found, table.other[: table.width], (1.0 - kept) / table.width)
    np.testing.assert_allclose(found, chances, atol=1e-12)


@given(st.lists(st.floats(0.01, 50.0), min_size=1, max_size=40), st.integers(0, 2**31))
@settings(max_examples=30)
def test_cumulative_dose_is_the_sum_over_segments(spans: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    fields = [Segment(span, {"lung": float(rng.uniform(0, 2))}) for span in spans]
    delivery = build_delivery(MALE, fields)
    edges = np.concatenate([[0.0], np.cumsum(spans)])
    a, b = np.sort(rng.uniform(0, delivery.end, (2, 20)), axis=0)
    lung = np.full(20, MALE.index("lung"))
    overlap = np.clip(np.minimum(b[:, None], edges[1:]) - np.maximum(a[:, None], edges[:-1]), 0, None)
    expected = overlap @ np.array([field.dose_rates["lung"] for field in fields])
    found, last = delivery.collect(lung, a, b, delivery.segment(a))
    np.testing.assert_array_equal(last, delivery.segment(b))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_long_beam_tends_to_the_mean_and_short_beam_to_the_share_of_volume() -> None:
    brief = sample_blood_dose(MALE, [Segment(1e-6, {"liver": 1e6})], N, seed=1)
    share = float(MALE.volumes[MALE.index("liver")] / MALE.blood_volume)
    assert within(brief.volume_at_dose(0.0), share)
    long = sample_blood_dose(MALE, [Segment(20_000.0, {"liver": 1e-4})], 500, seed=1)
    assert long.sd / long.mean[0] < 0.15
    assert within(long.mean, 2.0 * share)


def test_band_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    low, high = wilson_band(rng.binomial(400, 0.1, 4000) / 400, 400)
    covered = np.mean((low <= 0.1) & (high >= 0.1))
    assert abs(covered - 0.95) < 0.02


def test_walk_needs_a_network_that_conserves_flow() -> None:
    leaky = load_network("female", variant="as_given", allow_imbalance=True)
    with pytest.raises(ModelError, match="not conserved"):
        build_walk(leaky, FIELDS, 1.0, {}, "visit", 8, 0.05)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"n_particles": 0}, "0 particles"),
        ({"n_fractions": 0}, "0 fractions"),
        ({"shape": 0.0}, "shape of 0"),
        ({"shape": float("nan")}, "shape of nan"),
        ({"workers": 0}, "0 workers"),
        ({"organ_dose": "both"}, "'both'"),
    ],
)
def test_wrong_requests_are_named(wrong: dict[str, object], named: str) -> None:
    request: dict[str, object] = {"n_particles": 10} | wrong
    with pytest.raises(InputError, match=named):
        sample_blood_dose(MALE, FIELDS, **request)  # type: ignore[arg-type]


def test_a_plan_that_never_irradiates_and_one_that_never_lasts() -> None:
    idle = sample_blood_dose(MALE, [Segment(60.0, {})], 100)
    assert idle.doses.max() == 0.0
    assert idle.dvh().volume_at_dose(0.0) == 0.0
    with pytest.raises(InputError, match="no segment that lasts"):
        sample_blood_dose(MALE, [Segment(0.0, {"lung": 1.0})], 100)
