from typing import Any

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.domain.progress import report_to
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.immune.modalities import modalities, modality
from abscopal.simulation.solve import simulate
from abscopal.window.course import experiment_for, window_for
from abscopal.window.ensemble import (
    Ensemble,
    parameter_scatter,
    posterior_draws,
    shipped_set,
    standard_ensemble,
    with_variability,
)
from abscopal.window.experiment import CAVEAT, Experiment, reference_experiment
from abscopal.window.surface import Surface, find_window, gain, gain_surface, surfaces_over
from abscopal.window.uncertainty import (
    ablate_window,
    bound_setters,
    family_uncertainty,
    setter_text,
    surface_uncertainty,
    window_uncertainty,
)

COARSE = (2, 4, 6, 8, 10, 12, 14, 18, 24)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return reference_experiment()


@pytest.fixture(scope="module")
def surface(experiment: Experiment) -> Surface:
    return gain_surface(COARSE, (1, 3, 5), experiment=experiment)


def test_map_agrees_with_single_schedules(surface: Surface, experiment: Experiment) -> None:
    assert surface.gain.shape == (3, len(COARSE))
    assert surface.gain[1, 3] == pytest.approx(gain(Regimen.equal_fractions(8, 3), experiment), rel=1e-6)
    both = experiment.synergy(experiment.schedule(8, 3))
    assert surface.log_synergy is not None
    assert surface.bliss_excess is not None
    assert surface.log_synergy[1, 3] == pytest.approx(both.log_synergy, rel=1e-6)
    assert surface.bliss_excess[1, 3] == pytest.approx(both.bliss_excess, rel=1e-6)


def test_row_of_the_map_is_the_window_of_that_number_of_fractions(surface: Surface) -> None:
    direct = find_window(n=3, doses=COARSE)
    assert surface.window(3).d_lo == pytest.approx(direct.d_lo, rel=1e-6)
    with pytest.raises(InputError, match="one of 1, 3, 5"):
        surface.window(4)


def test_map_reports_progress(experiment: Experiment) -> None:
    seen: list[tuple[str, int, int]] = []
    with report_to(lambda what, done, total: seen.append((what, done, total))):
        gain_surface([6, 8], [1, 20], experiment=experiment, synergy=False)
    assert seen[-1] == ("virtual animals", 2, 2)


def test_long_schedules_are_read_after_their_end(experiment: Experiment) -> None:
    assert experiment.readout_day(Regimen.equal_fractions(8, 3)) == 34
    assert experiment.readout_day(Regimen.equal_fractions(2, 30)) == 12 + 29 + 10
    assert reference_experiment(readout=40).readout_day(Regimen.equal_fractions(2, 30)) == 40


def test_regimen_longer_than_the_readout_is_refused() -> None:
    with pytest.raises(InputError, match="after the horizon"):
        reference_experiment(readout=34).gain(Regimen.equal_fractions(2, 30))


def test_families_have_their_own_schedules() -> None:
    total = find_window("total dose fixed", total_dose=12)
    assert total.doses * total.n_fractions == pytest.approx(12)
    iso = find_window("iso-BED10", bed10=20)
    assert iso.doses * iso.n_fractions * (1 + iso.doses / 10) == pytest.approx(20)
    assert (np.diff(iso.doses) > 0).all()
    with pytest.raises(InputError, match="'iso-BED10'"):
        find_window("iso BED10")  # type: ignore[arg-type]


def test_weak_mechanism_gives_no_window() -> None:
    window = find_window(n=3, doses=COARSE, experiment=reference_experiment(switches={"killing": False}))
    assert not window.bounds.found
    assert window.text().startswith("no window")
    assert (window.d_lo, window.d_peak, window.d_hi) == (None, None, None)


@pytest.mark.parametrize("doses", [[], [0.0, 1.0], [3.0, 2.0], [1.0, float("nan")]])
def test_bad_grids_are_refused(doses: list[float]) -> None:
    with pytest.raises(InputError, match="doses per fraction"):
        find_window(doses=doses)


def test_doses_after_the_readout_change_nothing(experiment: Experiment) -> None:
    late = reference_experiment(drugs=[*experiment.drugs, DrugDose(drug="anti-CTLA-4", mg=0.18, day=60)])
    assert late.gain(late.schedule(8, 3)) == pytest.approx(experiment.gain(experiment.schedule(8, 3)), rel=1e-6)


def test_ablations_stand_beside_the_full_model() -> None:
    windows = ablate_window(("trex1", "treg"), doses=COARSE)
    assert list(windows) == ["full", "no trex1", "no treg"]
    assert windows["no trex1"].bounds.open_high
    assert not windows["full"].bounds.open_high
    with pytest.raises(InputError, match="'treg'"):
        ablate_window(("tregs",))


def _scatter(**arguments: object) -> Ensemble:
    return parameter_scatter(reference_experiment().model, **arguments)  # type: ignore[arg-type]


def test_scatter_is_seeded_and_keeps_its_first_draws() -> None:
    doses = (4, 8, 12, 16, 24)
    few, more, other = (
        window_uncertainty(ensemble=_scatter(draws=draws, seed=seed), doses=doses)
        for draws, seed in ((2, 4), (3, 4), (2, 5))
    )
    assert more.highs[:2] == pytest.approx(few.highs, nan_ok=True)
    assert not np.array_equal(few.lows, other.lows)
    assert "not a posterior" in few.notes[-1]


def test_no_scatter_is_the_reference_window() -> None:
    none = window_uncertainty(ensemble=_scatter(draws=1, scatter=0.0), doses=COARSE)
    assert none.d_hi.median == pytest.approx(find_window(doses=COARSE).d_hi)
    assert none.p_open == 0


def test_an_open_bound_stays_open_in_the_summary() -> None:
    spread = window_uncertainty(
        ensemble=_scatter(draws=2), doses=(4, 8, 12), experiment=reference_experiment(switches={"trex1": False})
    )
    assert spread.p_open == 1
    assert spread.d_hi.median is None
    assert "open" in spread.text()


def test_an_animal_of_an_ensemble_is_the_same_as_alone() -> None:
    draws = _scatter(draws=3, seed=1)
    together = gain_surface(COARSE, (3,), ensemble=draws, synergy=False)
    alone = reference_experiment(parameters={name: float(v[2]) for name, v in draws.columns.items()})
    assert together.animals is not None
    assert together.animals[2, 0] == pytest.approx(find_window(doses=COARSE, experiment=alone).gain, rel=1e-12)
    assert surface_uncertainty(together, 3).d_lo == window_uncertainty(ensemble=draws, doses=COARSE).d_lo


def test_animals_of_a_draw_differ_and_stand_together() -> None:
    model = reference_experiment().model
    animals = with_variability(_scatter(draws=2, scatter=0.0), model, 5)
    g = animals.per_draw(animals.columns["g"])
    assert g.shape == (2, 5)
    assert len(np.unique(g)) == 10
    assert "assumed spreads" in animals.notes[-1]
    kin = animals.per_draw(with_variability(_scatter(draws=2), model, 5).columns["kin"])
    assert (kin == kin[:, :1]).all()
    with pytest.raises(InputError, match="at least one"):
        with_variability(animals, model, 0)


def test_the_families_differ_and_are_shown_together() -> None:
    found = family_uncertainty(ensemble=_scatter(draws=20))
    assert list(found) == ["n fixed", "total dose fixed", "iso-BED10"]
    assert len({row.d_lo.median for row in found.values()}) == 3
    assert all(row.p_upper_below <= 1 and row.n == 20 for row in found.values())


def test_the_kernel_agrees_with_the_reference_solver(experiment: Experiment) -> None:
    """LSODA at its own tolerance, on some schedules with each arm."""
    for dose, n in ((2, 10), (8, 3), (20, 1)):
        radiation = experiment.schedule(dose, n)
        arms = experiment.arms([radiation], radiation_alone=True)
        for arm, shot, ici in (("both", radiation, True), ("rt", radiation, False), ("ici", Regimen(), True)):
            course = experiment.course(shot, ici=ici, day=34.0)
            plain = simulate(experiment.model, course.regimen, [34.0])
            assert arms.volume[arm][0, 0] == pytest.approx(plain["V_1"][0] + plain["M_1"][0], rel=1e-5)


def test_trex1_sets_the_upper_bound() -> None:
    setters = bound_setters(ablate_window(("trex1", "treg", "killing")))
    assert setters[0].mechanism == "trex1"
    assert setter_text(setters, "high").startswith("upper bound: without trex1 it opens")
    assert setter_text(setters, "high").endswith("without killing there is no window")
    assert "no single mechanism" in setter_text([row for row in setters if row.mechanism == "treg"], "high")


def test_maps_over_interval_and_ici_start() -> None:
    maps = surfaces_over((1, 3), (-5, 2), COARSE, (3,))
    assert list(maps) == [(1, -5), (1, 2), (3, -5), (3, 2)]
    assert maps[1, 2].gain == pytest.approx(gain_surface(COARSE, (3,), synergy=False).gain, rel=1e-12)
    assert not np.allclose(maps[1, 2].gain, maps[3, 2].gain)


@pytest.mark.parametrize("arguments", [{"interval": 0.0}, {"switches": {"trex": False}}, {"modality": "protons"}])
def test_bad_questions_to_the_experiment_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        reference_experiment(**arguments)


@pytest.mark.parametrize("name", sorted(modalities()))
def test_the_experiment_gives_a_fraction_as_its_modality_does(name: str) -> None:
    one = modality(name)
    setup = reference_experiment(modality=name, node_dose=2.0)
    photons = reference_experiment(node_dose=2.0).course(setup.schedule(4.0, 2)).events(setup.model)
    given = setup.course(setup.schedule(4.0, 2)).events(setup.model)
    for plain, event in zip(photons, given, strict=True):
        if event.impulse == "fraction":
            assert event.arguments["d_0"] == pytest.approx(plain.arguments["d_0"] * one.rbe)
            assert event.arguments["d_blood"] == pytest.approx(plain.arguments["d_blood"] * one.blood)
            assert event.arguments["d_node"] == pytest.approx(plain.arguments["d_node"] * one.node)
        else:
            assert event == plain
    assert np.isfinite(setup.gain(setup.schedule(4.0, 2)))
    assert any(name.replace("_", " ") in note for note in setup.notes())


def test_a_family_without_a_schedule_says_so() -> None:
    with pytest.raises(InputError, match="larger total dose"):
        find_window("total dose fixed", total_dose=0.5)


def test_doses_before_the_tumours_leave_only_their_remainder(experiment: Experiment) -> None:
    early = experiment.starting_ici(-30)
    days = [dose.day for dose in early.course(Regimen(), day=34.0).regimen.drug_doses]
    assert days == [0, 0, 0]
    assert any("implanted" in note for note in early.notes())


@pytest.mark.parametrize("arguments", [{"draws": 0}, {"scatter": -1.0}, {"parameters": ("gg",)}])
def test_bad_scatter_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(InputError, match="scatter"):
        _scatter(**arguments)


def _pembrolizumab(*days: float) -> tuple[DrugDose, ...]:
    return tuple(DrugDose(drug="pembrolizumab", mg=200, day=day) for day in days)


def test_a_course_lies_above_inside_or_below() -> None:
    for dose, position in ((2, "below"), (8, "inside"), (20, "above")):
        placed = window_for(
            Regimen.equal_fractions(dose, 3, start=100, drug_doses=_pembrolizumab(100, 121)), doses=COARSE
        )
        assert placed.position == position
        assert placed.dose_per_fraction == dose
        assert placed.notes[0] == CAVEAT


def test_gain_of_a_course_is_on_its_own_curve() -> None:
    placed = window_for(Regimen.equal_fractions(8, 3, interval=2, drug_doses=_pembrolizumab(0)), doses=COARSE)
    assert placed.gain == pytest.approx(placed.window.gain[COARSE.index(8)], rel=1e-6)
    assert placed.share_of_peak == pytest.approx(placed.gain / placed.window.bounds.gain_max)


def test_course_without_ici_is_drawn_on_the_reference_schedule() -> None:
    placed = window_for(Regimen.equal_fractions(8, 3), doses=COARSE)
    assert placed.gain == pytest.approx(0.506, abs=0.001)
    assert any("no checkpoint inhibitor" in note for note in placed.notes)


def test_doses_long_before_radiation_are_left_out_and_said_so() -> None:
    placed = window_for(Regimen.equal_fractions(8, 3, drug_doses=_pembrolizumab(-42, -21, 0)), doses=(6, 8, 10))
    assert any("2 ICI dose(s) more than 12 days before" in note for note in placed.notes)


def test_consolidation_after_the_readout_is_said_to_do_nothing() -> None:
    placed = window_for(Regimen.equal_fractions(8, 3, drug_doses=_pembrolizumab(50, 71)), doses=(6, 8, 10))
    assert any("No ICI dose acts before the readout" in note for note in placed.notes)


def test_unequal_fractions_are_said_so() -> None:
    regimen = Regimen(fraction_days=(0, 1, 2), fraction_doses=(10, 8, 6), drug_doses=_pembrolizumab(0))
    placed = window_for(regimen, doses=(6, 8, 10))
    assert placed.dose_per_fraction == 8
    assert any("differ in dose" in note for note in placed.notes)


def test_weekday_courses_keep_their_weekends_on_the_map() -> None:
    setup, _ = experiment_for(Regimen.equal_fractions(2, 30, weekdays=True))
    assert setup.weekdays
    assert setup.schedule(4, 15).fraction_days[5] == 7
    assert setup.schedule(2, 30).fraction_days[-1] == 39


def test_a_course_without_radiation_is_refused() -> None:
    with pytest.raises(InputError, match="no fraction of radiation"):
        window_for(Regimen(drug_doses=_pembrolizumab(0)))


def test_unknown_drug_is_answered_with_the_close_match() -> None:
    with pytest.raises(InputError, match="'nivolumab'"):
        window_for(Regimen.equal_fractions(8, 3, drug_doses=(DrugDose(drug="nivolumb", mg=1, day=0),)))


def test_a_disease_needs_the_calibrated_model() -> None:
    with pytest.raises(InputError, match="the calibrated model"):
        standard_ensemble(reference_experiment().model, "set_b", 2, disease="melanoma")


def test_the_calibrated_model_answers_the_same_questions() -> None:
    if shipped_set() != "posterior":
        pytest.skip("no posterior draws in this copy of the package")
    setup = reference_experiment(parameter_set="posterior")
    found = window_uncertainty(
        doses=COARSE, experiment=setup, ensemble=standard_ensemble(setup.model, "posterior", 10, seed=1)
    )
    assert found.n >= 9
    assert any("posterior" in note for note in found.notes)
    again = posterior_draws(1000, seed=1)
    assert len(again.columns["g"]) == 1000
    melanoma = standard_ensemble(setup.model, "posterior", 5, disease="melanoma")
    assert any("No number here was fitted to patients" in note for note in melanoma.notes)
