"""Identities and refusals of BED, EQD2 and equal-BED schedules."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.radiobiology.isoeffect import (
    bed,
    bed_with_repopulation,
    eqd2,
    eqd2_of_total,
    isoeffective_dose_per_fraction,
)

doses = st.floats(0.0, 40.0)
fractions = st.integers(1, 45)
ratios = st.floats(0.5, 25.0)


@given(fractions, ratios)
def test_eqd2_of_two_gray_fractions_is_the_total(n: int, ab: float) -> None:
    assert eqd2(2.0, n, ab) == pytest.approx(2.0 * n, rel=1e-14)


@given(doses, fractions, fractions, ratios)
def test_bed_adds_over_parts_of_a_course(dose: float, n: int, m: int, ab: float) -> None:
    assert bed(dose, n, ab) + bed(dose, m, ab) == pytest.approx(bed(dose, n + m, ab), rel=1e-13)


@given(doses, fractions, ratios)
def test_equal_bed_inverts_bed(dose: float, n: int, ab: float) -> None:
    assert isoeffective_dose_per_fraction(bed(dose, n, ab), n, ab) == pytest.approx(dose, rel=1e-12, abs=1e-300)


@given(doses, fractions, ratios)
def test_eqd2_and_bed_differ_by_the_two_gray_factor(dose: float, n: int, ab: float) -> None:
    assert eqd2(dose, n, ab) * (1 + 2 / ab) == pytest.approx(bed(dose, n, ab), rel=1e-13)


def test_no_fractionation_sensitivity_makes_bed_the_dose() -> None:
    assert bed(8.0, 3, 1e15) == pytest.approx(24.0, rel=1e-13)


def test_grid_of_totals_keeps_shape_and_values() -> None:
    total = np.full((2, 3, 4), 54.0)
    np.testing.assert_allclose(eqd2_of_total(total, 3, 10.0), np.full((2, 3, 4), 126.0), rtol=1e-15)


def test_repopulation_starts_at_kick_off() -> None:
    kwargs = {"kick_off": 28.0, "alpha": 0.3, "doubling_time": 3.0}
    assert bed_with_repopulation(2.0, 30, 10.0, overall_time=28.0, **kwargs) == 72.0
    late = bed_with_repopulation(2.0, 30, 10.0, overall_time=39.0, **kwargs)
    assert late == pytest.approx(72.0 - np.log(2) * 11 / 0.9, rel=1e-14)


@pytest.mark.parametrize(
    ("dose", "n", "ab", "word"),
    [
        (-2.0, 30, 10.0, "dose"),
        (2.0, 0, 10.0, "fractions"),
        (2.0, 30, 0.0, "alpha/beta"),
        (2.0, 30, -3.0, "alpha/beta"),
    ],
)
def test_impossible_schedules_are_refused(dose: float, n: int, ab: float, word: str) -> None:
    with pytest.raises(InputError, match=word):
        bed(dose, n, ab)
    with pytest.raises(InputError, match=word):
        eqd2(dose, n, ab)


def test_half_a_fraction_is_refused() -> None:
    with pytest.raises(InputError, match="whole number"):
        bed(2.0, 2.5, 10.0)  # type: ignore[arg-type]
