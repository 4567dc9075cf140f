"""Dose features of a table: closed forms, and tables that are not what they seem."""

import numpy as np
import pandas as pd
import pytest

from abscopal.domain.errors import InputError, UnitError
from abscopal.toxicity.learned import check_histograms, histograms, is_dose_feature, with_dose_features

DOSES = np.arange(1, 81)


def uniform(*gray, organ="Lung"):
    """Organs that receive one dose everywhere: 100 % up to it, nothing beyond."""
    volume = 100.0 * (np.array(gray)[:, None] >= DOSES)
    return pd.DataFrame(volume, columns=[f"{organ}_V{d}" for d in DOSES])


def ramp(organ="Lung"):
    """Dose spread evenly from 0 to 40 Gy."""
    return pd.DataFrame([100 * np.clip(1 - DOSES / 40, 0, 1)], columns=[f"{organ}_V{d}" for d in DOSES])


@pytest.mark.parametrize("a", [0.3, 1, 4, 16])
def test_geud_of_a_uniform_dose_is_the_dose(a):
    table, _ = with_dose_features(uniform(12, 30), [f"gEUD[a={a}]:Lung"])
    np.testing.assert_allclose(table[f"gEUD[a={a}]:Lung"], [12.5, 30.5])  # the bin above the last full one


@pytest.mark.parametrize("a", [0.5, 1.0, 2.0, 8.0])
def test_geud_of_an_even_spread(a):
    table, _ = with_dose_features(ramp(), [f"gEUD[a={a}]:Lung"])
    assert table.iloc[0][f"gEUD[a={a}]:Lung"] == pytest.approx(40 / (a + 1) ** (1 / a), rel=5e-3)


def test_volumes_and_doses_of_an_even_spread():
    table, _ = with_dose_features(ramp(), ["V10:Lung", "V12.5:Lung", "D50:Lung", "D10:Lung", "mean:Lung"])
    found = table.iloc[0]
    assert found["V10:Lung"] == pytest.approx(75)
    assert found["V12.5:Lung"] == pytest.approx(68.75)
    assert found["D50:Lung"] == pytest.approx(20)
    assert found["D10:Lung"] == pytest.approx(36)
    assert found["mean:Lung"] == pytest.approx(20)


def test_a_fitted_exponent_is_a_choice_of_columns():
    table, alternatives = with_dose_features(ramp(), ["gEUD:Lung", "log:gEUD:Lung", "age"])
    assert "gEUD[a=1]:Lung" in alternatives["gEUD:Lung"]
    assert all(name.startswith("log:gEUD[a=") for name in alternatives["log:gEUD:Lung"])
    assert all(name in table for name in alternatives["gEUD:Lung"])


@pytest.mark.parametrize(
    ("name", "is_one"), [("V20:Heart", True), ("gEUD:Heart", True), ("mean:Heart", True), ("age", False)]
)
def test_names(name, is_one):
    assert is_dose_feature(name) == is_one


def test_fractions_are_not_per_cent():
    with pytest.raises(UnitError, match="multiplying"):
        histograms(ramp() / 100, "Lung")


def test_differential_histograms():
    with pytest.raises(InputError, match="rise"):
        histograms(ramp().iloc[:, ::-1].set_axis([f"Lung_V{d}" for d in DOSES], axis=1), "Lung")


def test_an_unknown_organ_names_those_there_are():
    with pytest.raises(InputError, match="one of Lung"):
        histograms(ramp(), "Lungs")


def test_a_missing_cell():
    table = ramp()
    table.iloc[0, 5] = np.nan
    with pytest.raises(InputError, match="not imputed"):
        histograms(table, "Lung")


def test_centigray_are_recognised_and_nonsense_is_refused():
    table = pd.concat([ramp()] * 20, ignore_index=True)
    assert check_histograms(table.assign(Lung_mean=20.0), "Lung") == []
    assert "cGy" in check_histograms(table.assign(Lung_mean=2000.0), "Lung")[0]
    off = table.assign(Lung_mean=[26.0] + [20.0] * 19)
    assert "1 of 20 patients" in check_histograms(off, "Lung")[0]
    with pytest.raises(UnitError, match="typical difference"):
        check_histograms(table.assign(Lung_mean=0.2), "Lung")


def test_one_rising_histogram_is_cut_and_said():
    table = pd.concat([ramp()] * 20, ignore_index=True)
    table.loc[3, "Lung_V45"] = 6.0
    assert "1 histograms of Lung rise" in check_histograms(table, "Lung")[0]
    found, _ = with_dose_features(table, ["V45:Lung"])
    assert found["V45:Lung"].max() == pytest.approx(0)
