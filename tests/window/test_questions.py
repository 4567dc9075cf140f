"""Synergy, timing and sensitivity: what must hold whatever the numbers are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import Regimen
from abscopal.window.combination import combination_synergy
from abscopal.window.ensemble import Ensemble, parameter_scatter, with_variability
from abscopal.window.experiment import reference_experiment
from abscopal.window.sensitivity import OUTPUTS, window_sensitivity
from abscopal.window.synergy import bliss_excess, hsa_excess, loewe, smallest_dose
from abscopal.window.timing import ici_stopping, ici_timing

SHARE = st.floats(0, 1)


@pytest.fixture(scope="module")
def few() -> Ensemble:
    return parameter_scatter(reference_experiment().model, 4, seed=3)


@given(SHARE, SHARE)
def test_bliss_of_independent_probabilities_is_nothing(rt: float, ici: float) -> None:
    assert bliss_excess(rt, ici, 1 - (1 - rt) * (1 - ici)) == pytest.approx(0, abs=1e-12)
    assert hsa_excess(rt, ici, max(rt, ici)) == 0


@given(st.floats(0.5, 30), st.floats(0.1, 5))
def test_a_drug_combined_with_itself_is_additive_by_loewe(dose: float, ici: float) -> None:
    """Sham combination: one unit of ICI counts as so many gray of the same drug."""
    total = dose + ici
    assert loewe(dose, total, total / ici).index == pytest.approx(1)


def test_loewe_is_undefined_beyond_both_maxima_and_says_so() -> None:
    answer = loewe(8, np.inf, np.inf)
    assert (answer.index, answer.dose_reduction, answer.verdict) == (None, None, "beyond both maxima")
    alone = loewe(8, 24, np.inf)
    assert alone.index == pytest.approx(1 / 3)
    assert alone.dose_reduction == pytest.approx(3)
    ici_alone = loewe(8, np.inf, 4)
    assert (ici_alone.index, ici_alone.dose_reduction) == (0.25, None)


def test_the_first_dose_that_reaches_an_effect_counts() -> None:
    doses, effects = [0, 4, 8, 12], [0.0, 0.2, 0.6, 0.3]
    assert smallest_dose(doses, effects, 0.4) == pytest.approx(6)
    assert smallest_dose(doses, effects, 0.7) == np.inf
    assert smallest_dose(doses, effects, 0.0) == 0


def test_synergy_of_one_animal_is_that_of_the_experiment() -> None:
    setup = reference_experiment()
    one = parameter_scatter(setup.model, 1, scatter=0.0)
    volume = combination_synergy(8, 3, experiment=setup, ensemble=one).end_points[0]
    single = setup.synergy(setup.schedule(8, 3))
    assert volume.bliss.median == pytest.approx(single.bliss_excess, rel=1e-9)
    assert volume.log_synergy is not None
    assert volume.log_synergy.median == pytest.approx(single.log_synergy, rel=1e-9)
    assert volume.hsa.median == pytest.approx(single.hsa_excess, rel=1e-9)


def test_every_end_point_is_judged_over_draws_and_animals(few: Ensemble) -> None:
    animals = with_variability(few, reference_experiment().model, 5)
    found = combination_synergy(8, 3, ensemble=animals)
    assert [row.name for row in found.end_points] == ["volume", "control", "abscopal response"]
    volume, control, response = found.end_points
    assert volume.p_synergy == 1
    assert "Loewe undefined" in volume.text
    assert control.no_effect == 1
    assert control.p_synergy is None
    assert "no interaction" in control.text
    assert response.effect_both.high is not None
    assert (5 * response.effect_both.high) % 1 == pytest.approx(0, abs=1e-9)  # a share of five animals
    assert any("clonogens" in note for note in found.notes)


@pytest.mark.parametrize(("dose", "n"), [(0.0, 3), (8.0, 0), (float("inf"), 3)])
def test_impossible_combinations_are_refused(dose: float, n: int) -> None:
    with pytest.raises(InputError, match="synergy of a combination"):
        combination_synergy(dose, n)
    with pytest.raises(InputError, match="0 ICI doses"):
        combination_synergy(8, 3, experiment=reference_experiment(drugs=()))


def test_timing_at_the_reference_days_is_the_reference(few: Ensemble) -> None:
    setup = reference_experiment()
    curves = ici_timing(setup.schedule(8, 3), [-21, 2, 42])
    assert curves.gain[1, 1] == pytest.approx(setup.gain(setup.schedule(8, 3)), rel=1e-9)
    # ICI after the readout leaves the gain of radiation alone, and no synergy
    assert curves.log_synergy[:, 2] == pytest.approx(0, abs=1e-9)
    assert curves.gain[1, 2] == pytest.approx(-np.log10(curves.ratio["rt"][1, 2]), rel=1e-9)
    assert any("implanted" in note for note in curves.notes)
    assert curves.best() == 2
    many = ici_timing(setup.schedule(8, 3), [0, 7], ensemble=few)
    assert (many.gain[0] <= many.gain[1]).all()
    assert (many.gain[1] <= many.gain[2]).all()


def test_more_doses_before_stopping_never_hurt_here() -> None:
    setup = reference_experiment()
    curves = ici_stopping(setup.schedule(8, 3), 4)
    assert curves.x.tolist() == [0, 1, 2, 3, 4]
    assert curves.log_synergy[1, 0] == pytest.approx(0, abs=1e-9)
    assert (np.diff(curves.ratio["both"][1]) < 1e-6).all()
    assert (np.diff(curves.reached["both"][1]) > 0).all()
    assert curves.gain[1, 3] == pytest.approx(setup.gain(setup.schedule(8, 3)), rel=1e-6)


@pytest.mark.parametrize("starts", [[], [2, 0], [float("inf")]])
def test_bad_days_are_refused(starts: list[float]) -> None:
    with pytest.raises(InputError, match="first ICI dose"):
        ici_timing(Regimen.equal_fractions(8, 3), starts)


def test_timing_without_ici_or_radiation_is_refused() -> None:
    with pytest.raises(InputError, match="0 ICI doses"):
        ici_timing(Regimen.equal_fractions(8, 3), [0], experiment=reference_experiment(drugs=()))
    with pytest.raises(InputError, match="0 fractions"):
        ici_stopping(Regimen())


def test_sobol_indices_find_what_was_built_in() -> None:
    """Of TREX1 and a parameter the readout cannot see, all of the upper bound's variance is TREX1's."""
    found = window_sensitivity(samples=16, parameters=["kX", "dX", "aT"])
    upper = {row.name: row for row in found.factors if row.output == "upper bound"}
    assert upper["TREX1"].total > 0.8
    assert abs(upper["T-cell radiosensitivity"].total) < 0.05
    assert {row.output for row in found.factors} <= set(OUTPUTS)
    assert found.overlap("upper bound") == 0
    assert any("reading of an abstract" in note for note in found.notes)
    again = window_sensitivity(samples=16, parameters=["kX", "dX", "aT"])
    assert again.factors == found.factors


def test_bad_sensitivity_questions_are_refused() -> None:
    with pytest.raises(InputError, match="power of two"):
        window_sensitivity(samples=100)
    with pytest.raises(InputError, match="factor"):
        window_sensitivity(samples=8, parameters=["gg"])
