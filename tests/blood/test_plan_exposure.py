"""Blood dose of plans with uneven organs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.blood.circulation import load_network
from abscopal.blood.delivery import constant_timing
from abscopal.blood.exposure import mean_blood_dose
from abscopal.blood.organs import blood_dose_for_case, remainder_body_mean
from abscopal.blood.plan_exposure import Bins, bins_of, blood_dose_of_plan, merge_bins, rest_of_body
from abscopal.blood.sampling import sample_blood_dose
from abscopal.domain.errors import InputError
from abscopal.dose.dvh import DVH, dvh_of_samples

MALE = load_network("male")
RNG = np.random.default_rng(5)


def organ(name: str, doses: object, volume: float) -> DVH:
    values = np.asarray(doses, dtype=np.float64)
    return dvh_of_samples(name, values, np.full(values.size, volume / values.size))


HALF_LUNG = np.concatenate([np.zeros(500), RNG.uniform(0, 60, 500)])
LIVER = np.concatenate([np.zeros(900), RNG.uniform(5, 40, 100)])
DVHS = {"Lungs": organ("Lungs", HALF_LUNG, 4000.0), "Liver": organ("Liver", LIVER, 1500.0)}
REST = np.concatenate([np.zeros(700), RNG.uniform(0, 20, 300)])


def with_body() -> dict[str, DVH]:
    parts = [(HALF_LUNG, 4000.0), (LIVER, 1500.0), (REST, 20_000.0)]
    doses = np.concatenate([dose for dose, _ in parts])
    volumes = np.concatenate([np.full(dose.size, volume / dose.size) for dose, volume in parts])
    return DVHS | {"External": dvh_of_samples("External", doses, volumes)}


def test_mean_is_that_of_the_organs_however_many_bins() -> None:
    means = {"lung": DVHS["Lungs"].mean / 30, "bronchial": DVHS["Lungs"].mean / 30, "liver": DVHS["Liver"].mean / 30}
    for bins in (1, 2, 6, 12):
        dose = blood_dose_of_plan(DVHS, 30, MALE, constant_timing(90.0), bins=bins)
        assert dose.mean == pytest.approx(mean_blood_dose(MALE, means), rel=1e-10)


def test_missed_parts_of_large_organs_are_not_touched() -> None:
    uneven = blood_dose_of_plan(DVHS, 30, MALE, constant_timing(2.0))
    whole = blood_dose_for_case({name: dvh.mean for name, dvh in DVHS.items()}, 30, "male", 2.0, None)
    assert uneven.v_any < 0.75 * whole.v_any
    # In a beam too short for blood to move, exactly the volume with dose is touched.
    brief = blood_dose_of_plan(DVHS, 30, MALE, constant_timing(1e-9))
    floor = 0.001 * 30
    share = {name: float(MALE.volumes[MALE.index(name)] / MALE.blood_volume) for name in MALE.compartments}
    lung, liver = float(np.mean(floor < HALF_LUNG)), float(np.mean(floor < LIVER))
    expected = (share["lung"] + share["bronchial"]) * lung + share["liver"] * liver
    assert brief.v_any == pytest.approx(expected, rel=2e-3)


def test_uneven_dose_spreads_more_and_kills_less() -> None:
    even, uneven = (blood_dose_of_plan(DVHS, 30, MALE, constant_timing(90.0), bins=bins) for bins in (1, 8))
    assert uneven.sd > even.sd
    assert uneven.surviving_fraction(0.7) > even.surviving_fraction(0.7)
    assert uneven.surviving_fraction(0.7) >= np.exp(-0.7 * uneven.mean)


def test_rest_of_the_body_takes_what_the_organs_leave() -> None:
    dvhs = with_body()
    rest = rest_of_body(dvhs)
    assert rest is not None
    means = {name: dvh.mean for name, dvh in dvhs.items()}
    volumes = {name: dvh.volume_cm3 for name, dvh in dvhs.items()}
    assert rest.mean == pytest.approx(remainder_body_mean(dvhs["External"].integral_dose, means, volumes))
    # Of 62 L less the organs' 5.5 L, 30 % of the remaining 20 L has dose.
    assert rest.shares[rest.doses > 0.05].sum() == pytest.approx(0.3 * 20_000 / 56_500, rel=0.02)


def test_sampled_and_exact_agree_on_a_plan() -> None:
    exact = blood_dose_of_plan(with_body(), 30, MALE, constant_timing(60.0))
    sample = sample_blood_dose(exact.network, exact.segments, 60_000, seed=3)
    for (found, error), expected in (
        (sample.mean, exact.mean),
        (sample.surviving_fraction(0.4), exact.surviving_fraction(0.4)),
    ):
        assert abs(found - expected) < 4.0 * error
    assert sample.sd == pytest.approx(exact.sd, rel=0.05)


@given(
    st.lists(st.floats(0.0, 70.0), min_size=1, max_size=60).filter(lambda doses: max(doses) > 0.0),
    st.integers(1, 10),
    st.floats(0.0, 1.0),
)
@settings(max_examples=60)
def test_merged_bins_keep_volume_and_dose(doses: list[float], most: int, floor: float) -> None:
    fine = Bins(np.array(doses), np.full(len(doses), 1.0 / len(doses)))
    merged = merge_bins(fine, most, floor)
    assert merged.shares.sum() == pytest.approx(1.0)
    assert merged.mean == pytest.approx(fine.mean)
    assert merged.shares.size <= most + 1


def test_bins_of_a_dvh_keep_its_mean() -> None:
    assert bins_of(DVHS["Lungs"]).mean == pytest.approx(DVHS["Lungs"].mean)


def test_missing_organs_are_listed_or_refused() -> None:
    assert any("zero dose is assumed: A_Aorta" in note or "Heart" in note for note in blood_dose_of_plan(
        DVHS, 30, MALE, constant_timing(60.0)).notes)  # fmt: skip
    with pytest.raises(InputError, match=r"no contour of .*Heart"):
        blood_dose_of_plan(DVHS, 30, MALE, constant_timing(60.0), missing="stop")


def test_wrong_requests_are_named() -> None:
    converted = {"Lungs": DVHS["Lungs"].to_eqd2(3.0, 30)}
    for dvhs, fractions, bins, named in (
        (converted, 30, 6, "Lungs in EQD2"),
        (DVHS, 0, 6, "0 fractions"),
        (DVHS, 30, 0, "0 bins"),
    ):
        with pytest.raises(InputError, match=named):
            blood_dose_of_plan(dvhs, fractions, MALE, constant_timing(60.0), bins=bins)
