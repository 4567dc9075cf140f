"""Every term: exact gradient, convexity as stated, and agreement with the models it stands for."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abscopal.blood.circulation import load_network
from abscopal.blood.delivery import constant_timing
from abscopal.blood.immune_dose import edric_from_case
from abscopal.blood.plan_exposure import blood_dose_of_plan
from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.registry import entries
from abscopal.dose.dvh import dvh_of_samples
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.optimise import even_weight
from abscopal.planning.terms.base import Term
from abscopal.planning.terms.blood import BloodOverdose, LymphocyteKill
from abscopal.planning.terms.complication import Complication
from abscopal.planning.terms.dose import (
    TERM,
    DoseAtVolume,
    EquivalentUniformDose,
    LowDoseBath,
    MeanDose,
    PeaksAndValleys,
    SquaredDeviation,
    SquaredOverdose,
    SquaredUnderdose,
    tail_weights,
)
from abscopal.planning.terms.immune import Edric, MeanBloodDose
from abscopal.planning.terms.robust import Robust
from abscopal.toxicity.exposure import model_dose
from abscopal.toxicity.forms import geud
from abscopal.toxicity.models import probability
from abscopal.toxicity.table import find_model
from tests.planning.made_up import made_up_matrix

MATRIX = made_up_matrix()
EVEN = even_weight(MATRIX)
SHIFTS = ((5.0, 0.0, 0.0), (-5.0, 0.0, 0.0), (0.0, 0.0, 4.0))
TERMS: dict[str, Callable[[], Term]] = {
    "overdose": lambda: SquaredOverdose("Lungs", 15.0),
    "underdose": lambda: SquaredUnderdose("PTV", 50.0),
    "deviation": lambda: SquaredDeviation("PTV", 50.0),
    "mean": lambda: MeanDose("Spleen"),
    "gEUD organ": lambda: EquivalentUniformDose("Heart", 5.0, 4.0),
    "gEUD target": lambda: EquivalentUniformDose("PTV", 60.0, -8.0),
    "hottest part": lambda: DoseAtVolume("Lungs", 10.0, 20.0),
    "coldest part": lambda: DoseAtVolume("PTV", 55.0, 95.0, at_most=False),
    "low-dose bath": lambda: LowDoseBath("Lungs", 5.0, 20.0),
    "peaks and valleys": lambda: PeaksAndValleys("PTV", "LN_Mediast", 60.0, 2.0, beta=0.5),
    "EDRIC": Edric,
    "mean blood dose": MeanBloodDose,
    "blood above": lambda: BloodOverdose(0.01, particles=60),
    "lymphocyte kill": lambda: LymphocyteKill(particles=60),
    "NTCP mean": lambda: Complication("rp_quantec_mld"),
    "robust worst": lambda: Robust(SquaredUnderdose("PTV", 50.0), SHIFTS),
    "robust mean": lambda: Robust(SquaredDeviation("PTV", 50.0), SHIFTS, how="mean"),
}


@pytest.mark.parametrize("name", TERMS)
@given(seed=st.integers(0, 2**31), reach=st.floats(0.1, 1.5))
@settings(max_examples=5)
def test_gradient_against_central_differences(name: str, seed: int, reach: float) -> None:
    rng = np.random.default_rng(seed)
    w = EVEN * (1.0 + reach * rng.uniform(-0.6, 0.6, MATRIX.n_bixels))
    along = EVEN * rng.standard_normal(MATRIX.n_bixels)
    tied = TERMS[name]().on(MATRIX)
    h = 1e-5
    value, slope = tied.at(MATRIX, w)
    up, down = tied.at(MATRIX, w + h * along)[0], tied.at(MATRIX, w - h * along)[0]
    rounding = 1e-14 * abs(value) / h
    assert slope @ along == pytest.approx((up - down) / (2 * h), rel=1e-6, abs=rounding + 1e-8 * abs(value) + 1e-12)


@pytest.mark.parametrize("name", [name for name in TERMS if TERMS[name]().curvature in ("linear", "convex")])
@given(seed=st.integers(0, 2**31), part=st.floats(0.05, 0.95))
@settings(max_examples=5)
def test_convex_terms_lie_under_their_chords(name: str, seed: int, part: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = EVEN * rng.uniform(0, 2, (2, MATRIX.n_bixels))
    tied = TERMS[name]().on(MATRIX)
    chord = part * tied.at(MATRIX, a)[0] + (1 - part) * tied.at(MATRIX, b)[0]
    assert tied.at(MATRIX, part * a + (1 - part) * b)[0] <= chord + 1e-9 * (1 + abs(chord))


def test_lymphocyte_kill_is_concave() -> None:
    rng = np.random.default_rng(3)
    a, b = 20 * EVEN * rng.uniform(0, 2, (2, MATRIX.n_bixels))
    tied = LymphocyteKill(particles=100).on(MATRIX)
    middle = tied.at(MATRIX, (a + b) / 2)[0]
    assert middle > (tied.at(MATRIX, a)[0] + tied.at(MATRIX, b)[0]) / 2


def test_every_registered_term_is_tested_and_says_its_curvature() -> None:
    known = {entry.name: entry.facts["curvature"] for entry in entries(TERM)}
    assert len(known) >= 14
    tested = {type(make()).__name__ for make in TERMS.values()}
    assert {entry.target.__name__ for entry in entries(TERM)} == tested


def test_edric_row_is_edric_of_the_dose_image() -> None:
    w = EVEN * np.random.default_rng(1).uniform(0, 2, MATRIX.n_bixels)
    dose = MATRIX.dose(w).values.ravel()
    means = {name: region.mean(dose) for name, region in MATRIX.regions.items()}
    volumes = {name: region.volume_cm3 for name, region in MATRIX.regions.items()}
    integral = means["External"] * volumes["External"]
    n = MATRIX.prescription.n_fractions
    expected = edric_from_case(means, volumes, integral, n).value
    assert Edric().value(MATRIX, w) == pytest.approx(expected, rel=1e-9)


def test_mean_blood_dose_is_that_of_the_exact_blood_model() -> None:
    w = EVEN * np.random.default_rng(2).uniform(0, 2, MATRIX.n_bixels)
    dose = MATRIX.dose(w).values.ravel()
    dvhs = {
        name: dvh_of_samples(name, dose[r.voxels], r.shares * MATRIX.voxel_volume_cm3)
        for name, r in MATRIX.regions.items()
    }
    n = MATRIX.prescription.n_fractions
    exact = blood_dose_of_plan(dvhs, n, load_network("male"), constant_timing(120.0))
    assert MeanBloodDose("male").value(MATRIX, w) == pytest.approx(exact.course(n).mean, rel=1e-5)


def test_sampled_blood_has_the_mean_of_the_exact_model_within_its_error() -> None:
    w = np.full(MATRIX.n_bixels, EVEN)
    rows = BloodOverdose(0.0, particles=600).on(MATRIX).rows
    doses = rows @ w
    exact = MeanBloodDose().value(MATRIX, w) / MATRIX.prescription.n_fractions
    assert abs(doses.mean() - exact) < 4 * doses.std() / np.sqrt(doses.size)


def test_blood_rows_are_the_same_for_a_seed() -> None:
    rows = [BloodOverdose(0.0, particles=100, seed=seed).on(MATRIX).rows for seed in (1, 1, 2)]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])


def test_complication_is_the_published_model_on_the_dose() -> None:
    w = np.full(MATRIX.n_bixels, EVEN)
    mean = MeanDose("Lungs").value(MATRIX, w)
    model = find_model("rp_quantec_mld")
    if model.dose == "physical":
        assert Complication("rp_quantec_mld").value(MATRIX, w) == pytest.approx(
            probability("rp_quantec_mld", {"b1": mean}), rel=1e-9
        )
    lung = MATRIX.region("Lungs")
    seen = model_dose(MATRIX.voxel_dose(w)[lung.voxels], model, MATRIX.prescription.n_fractions)
    name = model.predictors[0].name
    expected = probability(model, {name: float(lung.weights @ seen)})
    assert Complication("rp_quantec_mld").value(MATRIX, w) == pytest.approx(expected, rel=1e-9)


def test_gEUD_is_that_of_the_toxicity_models() -> None:
    w = np.full(MATRIX.n_bixels, EVEN)
    heart = MATRIX.region("Heart")
    expected = float(geud(MATRIX.voxel_dose(w)[heart.voxels], heart.weights, 4.0))
    assert EquivalentUniformDose("Heart", 0.0, 4.0).value(MATRIX, w) == pytest.approx(expected**2, rel=1e-9)


def test_the_tail_mean_bounds_the_dvh_point() -> None:
    dose, shares = np.array([1.0, 2.0, 3.0, 4.0]), np.full(4, 0.25)
    np.testing.assert_allclose(tail_weights(dose, shares, 0.5) @ dose, 3.5)
    np.testing.assert_allclose(tail_weights(dose, shares, 0.3) @ dose, (4 * 0.25 + 3 * 0.05) / 0.3)


def test_the_worst_case_is_never_under_the_true_one() -> None:
    w = np.full(MATRIX.n_bixels, EVEN)
    inner = SquaredUnderdose("PTV", 50.0)
    nominal = inner.value(MATRIX, w)
    worst = Robust(inner, SHIFTS).value(MATRIX, w)
    alone = [Robust(inner, (shift,), how="mean").value(MATRIX, w) * 2 - nominal for shift in SHIFTS]
    true = max(nominal, *alone)
    assert true <= worst <= true + 1e-5 * 50**2 * np.log(4) + 1e-9


def test_no_shift_changes_nothing() -> None:
    w = np.full(MATRIX.n_bixels, EVEN)
    inner = SquaredUnderdose("PTV", 50.0)
    assert Robust(inner, ((0.0, 0.0, 0.0),), how="mean").value(MATRIX, w) == pytest.approx(inner.value(MATRIX, w))


def test_a_structure_that_a_term_needs_is_named() -> None:
    with pytest.raises(InputError, match=r"Liver above.*no structure Liver"):
        SquaredOverdose("Liver", 10.0).on(MATRIX)
    from dataclasses import replace

    bare = replace(MATRIX, regions={name: r for name, r in MATRIX.regions.items() if name in ("PTV", "External")})
    with pytest.raises(InputError, match=r"EDRIC.*no structure Lungs, Heart"):
        Edric().on(bare)
    headless = replace(MATRIX, regions={"PTV": MATRIX.region("PTV")})
    with pytest.raises(InputError, match=r"dose to blood.*no structure External"):
        MeanBloodDose().on(headless)


def test_terms_that_cannot_be() -> None:
    with pytest.raises(InputError, match="a >= 1"):
        EquivalentUniformDose("Heart", 5.0, 0.5)
    with pytest.raises(InputError, match="0 <= low < high"):
        LowDoseBath("PTV", 5.0, 2.0)
    with pytest.raises(InputError, match="% of the volume"):
        DoseAtVolume("PTV", 5.0, 0.0)
    with pytest.raises(InputError, match="difference of peak and valley"):
        PeaksAndValleys("PTV", "Heart", 5.0, 10.0)
    with pytest.raises(UnsupportedError, match="not on the dose of voxels"):
        Robust(Edric(), SHIFTS).on(MATRIX)


def test_matrix_is_the_one_of_the_fixture(matrix: InfluenceMatrix) -> None:
    assert matrix.digest() == MATRIX.digest()
