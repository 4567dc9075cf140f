"""The search for a regimen: limits, the exact Pareto set, the choices and their words."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from abscopal.domain.errors import InputError
from abscopal.dose.dvh import DVH
from abscopal.radiobiology.isoeffect import bed
from abscopal.regimens.candidates import Candidate, Grid, candidates, weekday_days
from abscopal.regimens.decide import Problem, search_regimens
from abscopal.regimens.judge import Estimate, respond
from abscopal.regimens.limits import Limits, OrganDose, OrganLimit, broken, present_limits, read_limit
from abscopal.regimens.pareto import non_dominated
from abscopal.window.ensemble import parameter_scatter
from abscopal.window.experiment import reference_experiment

FREE = Limits(tumour_bed=43.2, alpha_beta=10.0, organs=(), most_days=56)
COARSE = Grid(doses=(6.0, 8.0, 12.0), fractions=(1, 3, 5), gaps=(1.0,))


def cord(dose: float = 30.0) -> DVH:
    """Half of the organ at the dose, half at nothing."""
    edges = np.array([0.0, 0.01, dose - 0.01, dose])
    return DVH("SpinalCord", edges, np.array([1.0, 0.5, 0.5, 0.0]), 20.0, dose / 2, 0.0, dose)


@pytest.fixture(scope="module")
def problem() -> Problem:
    setup = reference_experiment()
    present = Candidate(18.0, 3, (0.0, 1.0, 2.0))
    return Problem(setup, parameter_scatter(setup.model, 8, seed=2), FREE, present=present)


@given(st.integers(1, 40), st.integers(1, 30))
def test_fractions_fall_on_weekdays_and_keep_their_distance(n: int, gap: int) -> None:
    days = weekday_days(n, gap)
    assert len(days) == n
    assert all(day % 7 < 5 for day in days)
    assert all(later - sooner >= gap for sooner, later in itertools.pairwise(days))


@given(arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 4)), elements=st.integers(0, 4).map(float)))
def test_pareto_set_against_brute_force(values: np.ndarray) -> None:
    kept = non_dominated(values)
    for k, row in enumerate(values):
        beaten = any((other >= row).all() and (other > row).any() for other in values)
        assert kept[k] == (not beaten)
    assert kept.any()


def test_doses_of_the_sheet_meet_the_floor_exactly() -> None:
    made = candidates(Grid(fractions=(1, 3, 5), gaps=(1.0,)), 43.2, 10.0)
    lowest = [min(float(bed(c.dose, c.n, 10.0)) for c in made if c.n == n) for n in (1, 3, 5)]
    assert lowest == pytest.approx([43.2] * 3)
    assert not [c for c in made if broken(c, FREE, None)]


def test_limits_are_named_when_broken() -> None:
    organs = OrganDose({"SpinalCord": cord()}, total=30.0)
    limits = replace(FREE, organs=(OrganLimit("SpinalCord", "D2%", 45.0, "asked for"),), most_days=3)
    told = broken(Candidate(2.0, 5, (0.0, 1.0, 2.0, 5.0, 8.0)), limits, organs)
    assert len(told) == 3
    assert told[0].startswith("tumour BED 12.0 under 43.2")
    assert "9 days" in told[1]
    assert "weekend" in told[2]
    hot = broken(Candidate(20.0, 3, (0.0, 1.0, 2.0)), limits, organs)
    assert hot[0].startswith("SpinalCord D2% EQD2")
    # 60 Gy in 3 to the hottest 2 %, α/β of the cord: EQD2 = D (d + α/β) / (2 + α/β)
    assert organs.eqd2("SpinalCord", "D2%", 60.0, 3) == pytest.approx(60 * (20 + 2) / 4, rel=2e-3)
    assert organs.eqd2("SpinalCord", "mean", 60.0, 3) == pytest.approx(30 * (20 + 2) / 4, rel=2e-3)


def test_present_plan_keeps_its_own_limits() -> None:
    organs = OrganDose({"SpinalCord": cord()}, total=30.0)
    limits = replace(FREE, organs=present_limits(organs, 10, allowance=0.0), tumour_bed=1.0)
    assert not broken(Candidate(3.0, 10, weekday_days(10, 1)), limits, organs)
    assert broken(Candidate(6.0, 5, weekday_days(5, 1)), limits, organs)
    assert broken(Candidate(3.1, 10, weekday_days(10, 1)), limits, organs)


def test_search_agrees_with_judging_one_by_one(problem: Problem) -> None:
    found = search_regimens(problem, COARSE)
    assert {(row.candidate.dose, row.candidate.n) for row in found.regimens} == {
        (8.0, 3), (12.0, 3), (6.0, 5), (8.0, 5), (12.0, 5),
    }  # fmt: skip
    assert found.refused == {"tumour BED": 4}
    means = [row.mean for row in found.regimens]
    assert means == sorted(means, reverse=True)
    row = found.regimens[0]
    latest = max(problem.setup.readout_day(one.candidate.radiation()) for one in found.regimens)
    alone = respond([row.candidate], replace(problem.setup, readout=latest), problem.ensemble)
    assert row.mean == pytest.approx(float(alone.distant.mean()), rel=1e-9)
    assert row.robust == pytest.approx(float(np.quantile(alone.distant, 0.25)), rel=1e-9)
    assert row.values["local"].value == pytest.approx(float(np.median(alone.local)), rel=1e-9)


def test_every_regimen_is_read_on_one_day(problem: Problem) -> None:
    """A long course is not judged later, when lesions have grown, than the short ones beside it."""
    short, long = Candidate(8.0, 3, (0.0, 1.0, 2.0)), Candidate(8.0, 6, tuple(7.0 * k for k in range(6)), gap=7.0)
    both = respond([short, long], problem.setup, problem.ensemble)
    assert both.readout == problem.setup.readout_day(long.radiation())
    again = respond([short], replace(problem.setup, readout=both.readout), problem.ensemble)
    assert both.distant[:, 0] == pytest.approx(again.distant[:, 0], rel=1e-6)


def test_choices_are_on_the_front_and_explained(problem: Problem) -> None:
    found = search_regimens(problem, COARSE)
    assert found.mean_choice in found.pareto
    assert found.robust_choice is not None
    assert found.robust_choice.robust == max(row.robust for row in found.pareto)
    assert found.present is not None
    assert found.present.better_than_present == 0
    reasons = dict(found.reasons)
    assert "largest mean effect" in reasons["mean"]
    assert "Beside the present regimen: distant log₁₀" in reasons["mean"]
    rows = found.alternatives()
    assert 1 <= len(rows) <= 3
    assert len({row.candidate for row, _ in rows}) == len(rows)


def test_costs_are_objectives_and_shape_the_front(problem: Problem) -> None:
    """A cost that grows with total dose brings the smallest total onto the front."""
    costly = replace(problem, costs={"complications": lambda c: Estimate(c.total / 100), "lymphocytes": lambda _: None})
    found = search_regimens(costly, COARSE)
    assert found.objectives == ("local", "distant", "complications")
    least = min(found.regimens, key=lambda row: row.candidate.total)
    assert least.pareto
    assert found.sparing_choice is not None
    assert found.sparing_choice.values["complications"].value <= 0.6
    assert len(found.pareto) >= len(search_regimens(problem, COARSE).pareto)


def test_targets_node_ici_start_and_modulators_matter(problem: Problem) -> None:
    setup = reference_experiment(modulators=("sildenafil",))
    base = Candidate(8.0, 3, (0.0, 1.0, 2.0))
    others = [
        replace(base, target="all"), replace(base, node=True), replace(base, ici_start=7.0),
        replace(base, modulators=("sildenafil",)),
    ]  # fmt: skip
    shown = respond([base, *others], setup, problem.ensemble).distant
    every, node, late, modulated = (np.median(shown[:, k] - shown[:, 0]) for k in (1, 2, 3, 4))
    assert every > 0.3  # irradiating the other lesion shrinks it
    assert node < -0.1
    assert late < -0.02
    assert modulated > 0
    plain = respond([base], problem.setup, problem.ensemble)
    assert shown[:, 0] == pytest.approx(plain.distant[:, 0], rel=1e-6)


def test_nothing_within_the_limits_is_an_answer(problem: Problem) -> None:
    strict = replace(problem, limits=replace(FREE, tumour_bed=500.0))
    found = search_regimens(strict, COARSE)
    assert found.regimens == ()
    assert found.mean_choice is None
    assert found.alternatives() == ()
    assert found.refused == {"tumour BED": 9}
    assert found.present is not None


def test_refinement_stays_within_the_limits_and_loses_nothing(problem: Problem) -> None:
    pytest.importorskip("pymoo")
    coarse = search_regimens(problem, COARSE)
    fine = search_regimens(problem, COARSE, refine=2, seed=1)
    assert len(fine.regimens) > len(coarse.regimens)
    assert not [row for row in fine.regimens if row.broken]
    assert fine.regimens[0].mean >= coarse.regimens[0].mean - 1e-12
    again = search_regimens(problem, COARSE, refine=2, seed=1)
    assert [row.candidate for row in again.regimens] == [row.candidate for row in fine.regimens]


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        (Grid(doses=(0.01,)), "0 candidates"),
        (Grid(doses=(-2.0,)), "-2"),
        (Grid(gaps=(1.5,)), "whole days"),
        (Grid(ici_starts=(9999.0,)), "9999"),
        (Grid(targets=()), "no target"),
        (Grid(targets=("some",)), "irradiated, all"),  # type: ignore[arg-type]
        (Grid(doses=tuple(np.linspace(1, 30, 900)), fractions=tuple(range(1, 31))), "fewer choices"),
    ],
)
def test_impossible_grids_are_refused(problem: Problem, grid: Grid, told: str) -> None:
    with pytest.raises(InputError, match=told):
        search_regimens(problem, grid)


@pytest.mark.parametrize(
    "text", ["SpinalCord", "SpinalCord:D5%:45", "SpinalCord:D2%:x", "SpinalCord:D2%:-3", "Cord:D2%:4"]
)
def test_limits_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="limit for an organ"):
        read_limit(text, {"SpinalCord": cord()})


def test_an_unknown_preference_is_refused(problem: Problem) -> None:
    with pytest.raises(InputError, match="distant or local"):
        search_regimens(replace(problem, prefer="cost"), COARSE)
