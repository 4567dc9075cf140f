from math import log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.window.bounds import window_bounds
from abscopal.window.synergy import interaction

RATIO = st.floats(1e-6, 1.5)


def test_bounds_interpolate_linearly() -> None:
    bounds = window_bounds([2, 4, 6, 8, 10], [0.0, 0.2, 1.0, 0.6, 0.1], level=0.5, min_gain=0.1)
    assert bounds.low == pytest.approx(4.75)
    assert bounds.high == pytest.approx(8.4)
    assert (bounds.peak, bounds.gain_max) == (6, 1.0)
    assert not bounds.open_low
    assert not bounds.open_high


def test_open_bounds_are_said_to_be_open() -> None:
    bounds = window_bounds([1, 2, 3], [0.9, 1.0, 0.8], level=0.5, min_gain=0.1)
    assert (bounds.low, bounds.high) == (None, None)
    assert bounds.open_low
    assert bounds.open_high
    assert bounds.found


def test_small_gain_is_no_window() -> None:
    bounds = window_bounds([1, 2, 3], [0.0, 0.09, 0.0], level=0.5, min_gain=0.1)
    assert not bounds.found
    assert (bounds.low, bounds.peak, bounds.high) == (None, None, None)
    assert not bounds.open_high


def test_only_the_stretch_around_the_peak_counts() -> None:
    bounds = window_bounds([1, 2, 3, 4, 5], [0.9, 0.1, 1.0, 0.1, 0.9], level=0.5, min_gain=0.1)
    assert 2 < bounds.low < 3 < bounds.high < 4  # type: ignore[operator]


@given(st.lists(st.floats(-1, 2), min_size=1, max_size=12), st.floats(0.05, 0.95))
def test_bounds_enclose_the_peak(gains: list[float], level: float) -> None:
    doses = np.arange(1.0, len(gains) + 1)
    bounds = window_bounds(doses, gains, level=level, min_gain=0.1)
    assert bounds.found == (max(gains) >= 0.1)
    if bounds.found:
        assert (bounds.low is None) == bounds.open_low
        low = doses[0] if bounds.low is None else bounds.low
        high = doses[-1] if bounds.high is None else bounds.high
        assert low <= bounds.peak <= high  # type: ignore[operator]
        inside = (doses >= low) & (doses <= high)
        assert (np.array(gains)[inside] >= level * max(gains) - 1e-9).all()


@given(st.lists(st.floats(0, 2), min_size=3, max_size=10))
def test_a_stricter_level_gives_a_narrower_window(gains: list[float]) -> None:
    doses = np.arange(1.0, len(gains) + 1)
    wide, narrow = (window_bounds(doses, gains, level=level, min_gain=0.1) for level in (0.5, 0.8))
    assert (wide.low or 0) <= (narrow.low or 0) or wide.low is None
    assert (narrow.high or np.inf) <= (wide.high or np.inf)


@pytest.mark.parametrize(
    ("doses", "gains", "level"),
    [([1, 1], [0, 1], 0.5), ([1, 2], [0, 1, 2], 0.5), ([1, 2], [0, np.nan], 0.5), ([1, 2], [0, 1], 1.0), ([], [], 0.5)],
)
def test_bad_curves_are_refused(doses: list[float], gains: list[float], level: float) -> None:
    with pytest.raises(InputError, match="bounds of a window"):
        window_bounds(doses, gains, level=level, min_gain=0.1)


@given(RATIO, RATIO, RATIO)
def test_bliss_excess_and_its_log_have_the_same_sign(rt: float, ici: float, both: float) -> None:
    result = interaction(rt, ici, both)
    assert np.sign(round(result.bliss_excess, 12)) * np.sign(round(result.log_synergy, 12)) >= 0
    assert result.bliss_excess == pytest.approx((1 - both) - ((1 - rt) + (1 - ici) - (1 - rt) * (1 - ici)), abs=1e-9)


@given(RATIO, RATIO)
def test_independent_action_is_no_synergy(rt: float, ici: float) -> None:
    result = interaction(rt, ici, rt * ici)
    assert result.bliss_excess == 0
    assert result.log_synergy == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("rt", "ici", "both", "log_synergy"),
    # Dewan, digitised volumes of the non-irradiated tumour (dossier update): 20x1 and 8x3 with 9H10
    [(0.81, 0.78, 0.69, -0.04), (0.71, 0.78, 0.28, 0.30), (0.90, 0.78, 0.51, 0.14)],
)
def test_log_synergy_of_published_volumes(rt: float, ici: float, both: float, log_synergy: float) -> None:
    assert interaction(rt, ici, both).log_synergy == pytest.approx(log_synergy, abs=0.005)


def test_without_an_effect_of_radiation_log_synergy_is_the_gain() -> None:
    assert interaction(1.0, 0.8, 0.3).log_synergy == pytest.approx(log10(0.8 / 0.3))


@pytest.mark.parametrize("bad", [0.0, -0.1, float("nan"), float("inf")])
def test_bad_volume_ratio_is_refused(bad: float) -> None:
    with pytest.raises(InputError, match="volume ratio"):
        interaction(0.8, 0.9, bad)
