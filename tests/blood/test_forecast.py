"""Lymphocytes in pools and subsets, forecasts, calibration, comparisons and indices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.blood.circulation import load_network
from abscopal.blood.compare import Scenario, compare_scenarios, delivery_scenarios, with_beam_time, with_dose
from abscopal.blood.exposure import blood_dose
from abscopal.blood.forecast import calibrate_alc, forecast_alc
from abscopal.blood.indices import immune_indices
from abscopal.blood.lymphocytes import alc_course
from abscopal.blood.plan_exposure import Bins
from abscopal.blood.pools import SurvivalTable, blood_counts, blood_only, lymphoid_pools
from abscopal.blood.subsets import subset_courses
from abscopal.domain.errors import InputError
from abscopal.dose.dvh import dvh_of_samples

MALE = load_network("male")
DOSE = blood_dose(MALE, {"lung": 0.5, "left_heart": 0.4, "right_heart": 0.4}, 90.0)
DAYS = [float(7 * week + day) for week in range(6) for day in range(5)]
POOLS = lymphoid_pools()


@given(st.floats(0.6, 1.0), st.floats(0.0, 0.2))
@settings(max_examples=20)
def test_blood_alone_is_the_law_of_the_course(survival: float, recovery: float) -> None:
    expected = alc_course(1.7, survival, DAYS, recovery, horizon=90.0)
    times = np.array([3.5, 20.2, 41.0, 90.0])
    counts = 1.7 * blood_counts(blood_only(), np.array([[survival]]), np.array([recovery]), DAYS, times)[0]
    np.testing.assert_allclose(counts, np.interp(times, expected.t, expected["ALC"]), rtol=2e-3)
    np.testing.assert_allclose(counts[-1], expected["ALC"][-1], rtol=1e-12, atol=1e-14)


def test_pools_stand_still_without_radiation() -> None:
    np.testing.assert_allclose(POOLS.shares @ POOLS.exchange, 0.0, atol=1e-12)
    assert POOLS.shares.sum() == pytest.approx(1.0)
    counts = blood_counts(POOLS, np.ones((1, 5)), np.array([0.02]), DAYS, [0.0, 30.0])
    np.testing.assert_allclose(counts, 1.0, rtol=1e-12)


def test_tissue_refills_blood_and_is_drained_by_it() -> None:
    kill_blood = np.array([[0.5, 1.0, 1.0, 1.0, 1.0]])
    still = np.array([0.0])
    counts = blood_counts(POOLS, kill_blood, still, [0.0], [0.0, 0.01, 200.0])[0]
    assert counts[0] == pytest.approx(0.5)
    assert counts[0] < counts[1] < counts[2]
    # Without regrowth all that is lost for good is half of what blood held.
    assert counts[2] == pytest.approx(1.0 - 0.5 * POOLS.shares[0], rel=1e-6)


def test_organ_dose_deepens_the_nadir() -> None:
    bins = {"spleen": Bins(np.array([0.0, 1.0]), np.array([0.5, 0.5])), "nodes": Bins(np.array([0.3]), np.ones(1))}
    spared = forecast_alc(1.8, DOSE, DAYS, pools=POOLS, draws=100, seed=1)
    hit = forecast_alc(1.8, DOSE, DAYS, pools=POOLS, organ_bins=bins, draws=100, seed=1)
    assert hit.nadir[0] < spared.nadir[0]
    assert any("assumed" in note for note in hit.notes)


def test_survival_table_follows_the_exact_formula() -> None:
    table = SurvivalTable(blood_only(), DOSE)
    for alpha in (0.0, 0.13, 0.4, 0.71, 2.2):
        assert table(alpha)[0] == pytest.approx(DOSE.surviving_fraction(alpha), abs=1e-7)
    with pytest.raises(InputError, match="alpha from"):
        table(3.0)


def test_forecast_is_ordered_seeded_and_honest() -> None:
    one, same, other = (forecast_alc(1.6, DOSE, DAYS, draws=200, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.median, same.median)
    assert not np.array_equal(one.median, other.median)
    assert np.all((one.low <= one.median) & (one.median <= one.high))
    assert one.p_grade4 <= one.p_grade3
    assert one.status == "assumed"
    assert any("not observed frequencies" in note for note in one.notes)


def test_more_kill_is_more_lymphopenia() -> None:
    mild, harsh = (forecast_alc(1.6, with_dose(DOSE, factor), DAYS, draws=200) for factor in (0.5, 3.0))
    assert harsh.nadir[0] < mild.nadir[0]
    assert harsh.p_grade3 > mild.p_grade3
    assert (harsh.recovery_days[0] or np.inf) >= (mild.recovery_days[0] or 0.0)


def test_calibration_finds_the_patient_behind_weekly_counts() -> None:
    alpha, sigma = 0.55, 0.012
    survival = np.array([[DOSE.surviving_fraction(alpha)]])
    weeks = np.arange(0.0, 43.0, 7.0)
    counts = 1.8 * blood_counts(blood_only(), survival, np.array([sigma]), DAYS, np.nextafter(weeks, -1.0))[0]
    before = calibrate_alc(1.8, DOSE, DAYS, [], [], points=31)
    after = calibrate_alc(1.8, DOSE, DAYS, weeks, counts, points=31)
    assert after.alpha[1] <= alpha <= after.alpha[2]
    assert after.recovery[1] <= sigma <= after.recovery[2]
    assert after.alpha[2] - after.alpha[1] < before.alpha[2] - before.alpha[1]
    width_before, width_after = (float((one.high - one.low)[one.t == 60.0][0]) for one in (before, after))
    assert width_after < 0.7 * width_before


def test_posterior_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(8)
    weeks = np.arange(7.0, 43.0, 7.0)
    n, inside = 30, 0
    alphas, sigmas = 0.40 * np.exp(0.25 * rng.standard_normal(n)), 0.02 * np.exp(0.8 * rng.standard_normal(n))
    survival = SurvivalTable(blood_only(), DOSE)(alphas)
    truth = 1.5 * blood_counts(blood_only(), survival, sigmas, DAYS, np.nextafter(weeks, -1.0))
    seen = truth * np.exp(0.20 * rng.standard_normal(truth.shape))
    for counts, alpha in zip(seen, alphas, strict=True):
        found = calibrate_alc(1.5, DOSE, DAYS, weeks, counts, points=21, horizon=42.0)
        inside += found.alpha[1] <= alpha <= found.alpha[2]
    # 90 % intervals of 30 patients: binomial, four standard errors, and the grid's own step.
    assert inside / n > 0.9 - 4.0 * np.sqrt(0.9 * 0.1 / n)


@pytest.mark.parametrize(
    ("days", "counts"),
    [([7.0], [-0.1]), ([7.0], [0.0]), ([7.0, 3.0], [1.0, 1.0]), ([7.0], [1.0, 2.0]), ([np.nan], [1])],
)
def test_calibration_refuses_impossible_counts(days: list[float], counts: list[float]) -> None:
    with pytest.raises(InputError, match="calibrating"):
        calibrate_alc(1.5, DOSE, DAYS, days, counts)


@pytest.mark.parametrize("wrong", [{"baseline": 0.0}, {"fraction_days": []}, {"draws": 0}, {"level": 1.0}])
def test_forecast_refuses_impossible_requests(wrong: dict[str, object]) -> None:
    request: dict[str, object] = {"baseline": 1.5, "dose": DOSE, "fraction_days": DAYS} | wrong
    with pytest.raises(InputError, match="forecasting"):
        forecast_alc(**request)  # type: ignore[arg-type]


def test_subsets_keep_the_in_vivo_level_and_the_order_of_the_assay() -> None:
    rows = subset_courses(1.6, DOSE, DAYS)
    mean = sum(row.alpha * row.baseline for row in rows) / 1.6
    assert mean == pytest.approx(0.40)
    kept = {row.subset: row.nadir / row.baseline for row in rows}
    assert kept["CD8 T"] < kept["B"] < kept["CD4 T"] < kept["NK"]
    assay = {row.subset: row.alpha for row in subset_courses(1.6, DOSE, DAYS, scale="assay")}
    assert assay["CD8 T"] == pytest.approx(1 / 0.55)


def test_shorter_delivery_touches_less_blood_with_the_same_mean() -> None:
    flash = with_beam_time(DOSE, 0.001)
    assert flash.mean == pytest.approx(DOSE.mean, rel=1e-10)
    assert flash.v_any < DOSE.v_any
    assert flash.surviving_fraction(0.4) > DOSE.surviving_fraction(0.4)


def test_scenarios_side_by_side() -> None:
    few = with_dose(DOSE, 6.0)
    spared = with_dose(DOSE, 0.0, only=["left_heart", "right_heart"])
    given = {"30": (DOSE, DAYS), "5": (few, DAYS[:5]), "spared": (spared, DAYS)}
    scenarios = [Scenario(name, dose, tuple(days)) for name, (dose, days) in given.items()]
    rows = compare_scenarios(scenarios, 1.6, draws=100)
    many, hypo, proton = rows
    assert hypo.mean == pytest.approx(many.mean)
    assert hypo.v_any_course <= many.v_any_course
    assert proton.mean < many.mean
    assert proton.nadir[0] > many.nadir[0]
    assert proton.p_grade3 <= many.p_grade3


def test_the_plan_in_other_fractions_and_at_other_rates() -> None:
    rows = compare_scenarios(delivery_scenarios(DOSE, DAYS, 2.0), None)
    named = {row.name: row for row in rows}
    assert all(row.nadir is None and row.p_grade3 is None for row in rows)
    slower, faster = named["0.2 times the dose rate"], named["5 times the dose rate"]
    flash = next(row for row in rows if row.name.startswith("FLASH"))
    assert slower.v_any_fraction > named["as planned"].v_any_fraction > faster.v_any_fraction > flash.v_any_fraction
    assert flash.mean == pytest.approx(slower.mean)
    five = next(row for row in rows if row.name.startswith("5 ×"))
    assert five.n_fractions == 5
    # Equal BED at α/β 10 Gy: 5 × 8 Gy for 30 × 2 Gy (2 (1 + .2) 30 = 8 (1 + .8) 5).
    assert five.mean == pytest.approx(rows[0].mean * 40.0 / 60.0)
    same = compare_scenarios(delivery_scenarios(DOSE, DAYS, None, [5]), None)[-1]
    assert same.mean == pytest.approx(rows[0].mean)


@pytest.mark.parametrize("change", [lambda: with_dose(DOSE, -1.0), lambda: with_beam_time(DOSE, 0.0)])
def test_impossible_changes_are_refused(change: object) -> None:
    with pytest.raises(InputError, match="changing a delivery"):
        change()  # type: ignore[operator]


def test_indices_say_what_they_need_and_only_associate() -> None:
    flat = np.array([4.0, 8.0])
    spleen, node = (dvh_of_samples(name, flat, np.array([50.0, 50.0])) for name in ("Spleen", "LN_Mediast"))
    body = dvh_of_samples("External", flat, np.array([10_000.0, 30_000.0]))
    found = {row.name: row for row in immune_indices({"Spleen": spleen, "LN_Mediast": node, "External": body})}
    assert found["spleen"].value == pytest.approx(6.0)
    assert found["nodes"].value == pytest.approx(6.0)
    assert found["body_integral"].value == pytest.approx(280.0)
    assert found["body_low_dose"].value == pytest.approx(30.0, rel=0.01)
    assert found["thymus"].not_computable == "not computable: needs Thymus"
    assert all("associated" in line or "more frequent" in line for row in found.values() for line in row.associations)
    assert immune_indices({})[0].value is None
