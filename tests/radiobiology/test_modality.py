"""Spatial fractionation, RBE, FLASH, oxygen and tumour control."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.radiobiology.control import tcp_of_voxels, tcp_poisson
from abscopal.radiobiology.modality import (
    equivalent_uniform_dose,
    flash_equivalent_dose,
    generalised_eud,
    rbe_weighted,
    uniform_dose_of_survival,
    voxel_averaged_survival,
)
from abscopal.radiobiology.oxygen import (
    oxygen_effective_dose,
    oxygen_enhancement_ratio,
    oxygen_modification_factor,
    reoxygenating_po2,
)
from abscopal.radiobiology.survival import lq_log_kill, survival
from abscopal.radiobiology.tissue import alpha_beta_of, alpha_beta_of_disease, tissue_names

voxels = arrays(np.float64, 8, elements=st.floats(0.0, 60.0))
shares = arrays(np.float64, 8, elements=st.floats(0.01, 10.0))


@given(voxels, shares, st.floats(0.05, 0.5), st.floats(0.0, 0.05))
def test_eud_lies_between_coldest_and_hottest_voxel(d: np.ndarray, v: np.ndarray, alpha: float, beta: float) -> None:
    eud = equivalent_uniform_dose(d, v, alpha, beta)
    assert d.min() - 1e-9 <= eud <= d.max() + 1e-9


@given(voxels, shares, st.floats(0.05, 0.5))
def test_eud_never_exceeds_the_mean_for_a_convex_curve(d: np.ndarray, v: np.ndarray, alpha: float) -> None:
    assert equivalent_uniform_dose(d, v, alpha, 0.0) <= np.average(d, weights=v) + 1e-9


@given(voxels, shares, st.permutations(range(8)))
def test_voxel_order_does_not_matter(d: np.ndarray, v: np.ndarray, order: list[int]) -> None:
    args = (0.3, 0.03)
    assert equivalent_uniform_dose(d[order], v[order], *args) == pytest.approx(
        equivalent_uniform_dose(d, v, *args), rel=1e-12, abs=1e-12
    )
    assert generalised_eud(d[order], v[order], 8.0) == pytest.approx(generalised_eud(d, v, 8.0), rel=1e-12)


def test_eud_has_the_survival_of_the_grid() -> None:
    d, v = np.array([2.0, 20.0]), np.array([0.7, 0.3])
    eud = equivalent_uniform_dose(d, v, 0.3, 0.03)
    assert survival(lq_log_kill(eud, 0.3, 0.03)) == pytest.approx(voxel_averaged_survival(d, v, 0.3, 0.03), rel=1e-12)


def test_eud_does_not_underflow() -> None:
    assert equivalent_uniform_dose([80.0, 90.0], [1.0, 1.0], 0.5, 0.1) == pytest.approx(80.0, abs=0.1)


@given(st.floats(0.0, 30.0), st.floats(0.05, 0.5), st.floats(0.0, 0.05))
def test_uniform_dose_inverts_lq(dose: float, alpha: float, beta: float) -> None:
    s = survival(lq_log_kill(dose, alpha, beta))
    assert uniform_dose_of_survival(s, alpha, beta) == pytest.approx(dose, rel=1e-9, abs=1e-9)


@given(voxels, shares)
def test_geud_rises_with_a_from_minimum_to_maximum(d: np.ndarray, v: np.ndarray) -> None:
    low, mean, high = (generalised_eud(d, v, a) for a in (-20.0, 1.0, 20.0))
    assert d.min() - 1e-9 <= low <= mean + 1e-9
    assert mean == pytest.approx(np.average(d, weights=v), rel=1e-12, abs=1e-12)
    assert mean - 1e-9 <= high <= d.max() + 1e-9


def test_geud_refuses_zero_exponent_and_handles_cold_voxels() -> None:
    assert generalised_eud([0.0, 10.0], [1.0, 1.0], -5.0) == 0.0
    with pytest.raises(InputError, match="a = 0"):
        generalised_eud([1.0], [1.0], 0.0)


def test_rbe_scales_dose() -> None:
    assert rbe_weighted(10.0, load("radiobiology/modality")["proton_rbe"]) == pytest.approx(11.0)
    with pytest.raises(InputError, match="RBE"):
        rbe_weighted(10.0, 0.0)


def test_flash_is_a_marked_band_above_both_thresholds_only() -> None:
    band = flash_equivalent_dose(14.0, 100.0)
    assert (band.low, band.high) == (pytest.approx(10.0), pytest.approx(14.0 / 1.1))
    assert "uncertain" in band.notes[0]
    for dose, rate in ((14.0, 1.0), (2.0, 100.0)):
        plain = flash_equivalent_dose(dose, rate)
        assert plain.low == plain.high == dose
        assert plain.regime == "conventional"


def test_oer_runs_from_one_to_its_maximum() -> None:
    sheet = load("radiobiology/oxygen")
    m, k = sheet["oer_maximum"], sheet["oer_half_pressure"]
    assert oxygen_enhancement_ratio(0.0, m, k) == 1.0
    assert oxygen_enhancement_ratio(k, m, k) == pytest.approx((m + 1) / 2)
    assert oxygen_modification_factor(1e9, m, k) == pytest.approx(1.0, abs=1e-8)
    assert oxygen_effective_dose(9.0, 0.0, m, k) == pytest.approx(9.0 / m)


def test_reoxygenation_relaxes_from_hypoxic_to_oxic() -> None:
    p = reoxygenating_po2(np.array([0.0, 1.0, 1e3]), hypoxic=1.0, oxic=20.0, rate=0.3)
    np.testing.assert_allclose(p, [1.0, 20 - 19 * np.exp(-0.3), 20.0])


def test_tcp_of_identical_voxels_is_that_of_the_whole() -> None:
    kill = lq_log_kill(60.0, 0.3, 0.0)
    whole = tcp_poisson(1e7, 10.0, survival(kill))
    assert tcp_of_voxels(np.full(20, 5e6), np.full(20, kill)) == pytest.approx(whole, rel=1e-12)
    assert tcp_poisson(1e7, 0.0, 1.0) == 1.0


@given(st.floats(0.0, 100.0), st.floats(0.0, 20.0))
def test_tcp_rises_with_dose(dose: float, more: float) -> None:
    low, high = (tcp_poisson(1e7, 10.0, survival(lq_log_kill(d, 0.3, 0.01))) for d in (dose, dose + more))
    assert 0.0 <= low <= high <= 1.0


@pytest.mark.parametrize("call", [voxel_averaged_survival, equivalent_uniform_dose])
def test_voxels_without_volume_or_of_other_length_are_refused(call: object) -> None:
    assert callable(call)
    with pytest.raises(InputError, match="total volume"):
        call([1.0, 2.0], [0.0, 0.0], 0.3, 0.03)
    with pytest.raises(InputError, match="shape"):
        call([1.0, 2.0], [1.0], 0.3, 0.03)
    with pytest.raises(InputError, match="dose"):
        call([-1.0, 2.0], [1.0, 1.0], 0.3, 0.03)


def test_tcp_voxel_lengths_must_agree() -> None:
    with pytest.raises(InputError, match="every voxel"):
        tcp_of_voxels([1.0, 2.0], [1.0])


def test_every_tissue_has_a_sourced_alpha_beta() -> None:
    for name in tissue_names():
        found = alpha_beta_of(name)
        assert found.alpha_beta == found.entry.value
        assert found.entry.status in {"recalled", "assumed", "computed"}


def test_disease_without_entry_gets_the_general_value_and_says_so() -> None:
    assert alpha_beta_of_disease("NSCLC").notes == ()
    other = alpha_beta_of_disease("ovarian")
    assert other.key.endswith("alpha_beta_tumour")
    assert "ovarian" in other.notes[0]


def test_unknown_tissue_is_answered_with_the_close_match() -> None:
    with pytest.raises(InputError, match="melanoma"):
        alpha_beta_of("melanom")
