"""Dosiomics of doses whose features are known."""

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.dose.structures import Structure
from abscopal.toxicity.dosiomics import dosiomics, dosiomics_row
from abscopal.toxicity.learned import with_dose_features
from tests.dose.build import sphere
from tests.dose.test_dvh import ball, grid, uniform


def test_a_uniform_dose_has_no_shape():
    found = dosiomics(ball(), uniform(7.5))
    assert found["mean"] == pytest.approx(7.5)
    assert found["uniformity"] == pytest.approx(1)
    for name in (
        "sd",
        "variation",
        "skewness",
        "kurtosis",
        "entropy",
        "gradient_mean",
        "shift_x",
        "shift_y",
        "shift_z",
    ):
        assert found[name] == pytest.approx(0, abs=1e-9), name


def test_a_slope_through_a_ball():
    """Dose a + b·x: sd b·r/√5, excess kurtosis -6/7, gradient b, dose centre b·r²/5 over the mean away."""
    radius, b = 14.0, 0.4
    slope = grid(lambda x, _y, _z: 30 + b * x, spacing=(1.0, 1.0, 1.0), shape=(90, 80, 66))
    found = dosiomics(ball(radius, centre=(0.0, 0.0, 0.0)), slope)
    assert found["mean"] == pytest.approx(30, abs=0.02)
    assert found["sd"] == pytest.approx(b * radius / np.sqrt(5), rel=0.01)
    assert found["skewness"] == pytest.approx(0, abs=0.01)
    assert found["kurtosis"] == pytest.approx(-6 / 7, abs=0.03)
    assert found["gradient_mean"] == pytest.approx(b)
    assert found["shift_x"] == pytest.approx(b * radius**2 / 5 / 30, rel=0.02)
    assert found["shift_y"] == pytest.approx(0, abs=0.01)


def test_two_levels_half_each():
    """One bit of entropy."""
    found = dosiomics(ball(centre=(0.0, 0.0, 0.0)), grid(lambda x, _y, _z: np.where(x > -0.5, 30.0, 10.0)))
    assert found["entropy"] == pytest.approx(1, abs=0.02)


def test_a_row_feeds_the_fit():
    row = dosiomics_row([ball(name="Lung")], uniform(20.0))
    assert row.loc[0, "Lung_V19"] == pytest.approx(100)
    table, _ = with_dose_features(row, ["V10:Lung", "gEUD[a=2]:Lung"])
    assert table.loc[0, "V10:Lung"] == pytest.approx(100)


def test_a_structure_off_the_grid():
    far = Structure(1, "far", contours=tuple(sphere(5.0, (900.0, 0.0, 0.0), 1.0)))
    with pytest.raises(InputError, match="dosiomics of far"):
        dosiomics(far, uniform(1.0))
