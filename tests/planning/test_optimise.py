"""The optimiser: the right optimum, by its gradient; hard bounds; conflicts named; immune goals behave."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import nnls

from abscopal.domain.errors import InputError
from abscopal.dose.grid import FloatArray
from abscopal.planning.bounds import AtLeast, AtMost, MaxDose, MeanRatio, MinDose, require_feasible
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.optimise import BOUND_TOLERANCE, MOST_STEPS, Goal, even_weight, solve
from abscopal.planning.terms.blood import LymphocyteKill
from abscopal.planning.terms.dose import MeanDose, PeaksAndValleys, SquaredDeviation, SquaredOverdose
from abscopal.planning.terms.immune import Edric

PLAIN = (
    Goal(SquaredDeviation("PTV", 50.0), 100.0),
    Goal(SquaredOverdose("External", 20.0), 5.0),
    Goal(SquaredOverdose("Lungs", 10.0), 2.0),
    Goal(SquaredOverdose("Heart", 5.0), 1.0),
)


def total(matrix: InfluenceMatrix, goals: tuple[Goal, ...], w: FloatArray) -> tuple[float, FloatArray]:
    found = [(goal.weight, goal.term.on(matrix).at(matrix, w)) for goal in goals]
    return sum(a * v for a, (v, _) in found), np.sum([a * g for a, (_, g) in found], axis=0)


@pytest.fixture(scope="module")
def plain(matrix: InfluenceMatrix):
    return solve(matrix, PLAIN)


def test_the_optimum_of_a_quadratic_is_that_of_nonnegative_least_squares(matrix: InfluenceMatrix) -> None:
    ptv, body = matrix.region("PTV"), matrix.region("External")
    goals = (Goal(SquaredDeviation("PTV", 50.0), 100.0), Goal(SquaredDeviation("External", 0.0), 1.0))
    rows = [np.sqrt(100 * ptv.weights)[:, None] * matrix.matrix[ptv.voxels, :].toarray(),
            np.sqrt(body.weights)[:, None] * matrix.matrix[body.voxels, :].toarray()]  # fmt: skip
    aim = np.concatenate([np.sqrt(100 * ptv.weights) * 50.0, np.zeros(body.voxels.size)])
    square, turned = np.linalg.qr(np.concatenate(rows), mode="reduced")[::-1]
    rest = aim @ aim - (turned.T @ aim) @ (turned.T @ aim)
    _, distance = nnls(square, turned.T @ aim, maxiter=20_000)
    plan = solve(matrix, goals, tolerance=1e-5)
    assert plan.status == "converged"
    assert plan.objective == pytest.approx(distance**2 + rest, rel=1e-5)


def test_converged_means_that_no_direction_goes_down(matrix: InfluenceMatrix, plain) -> None:
    assert plain.status == "converged"
    assert plain.residual <= plain.tolerance
    value, slope = total(matrix, PLAIN, plain.weights)
    assert value == pytest.approx(plain.objective, rel=1e-12)
    unit = even_weight(matrix)
    x, g = plain.weights / unit, slope * unit
    projected = np.where(g > 0, g * np.minimum(x / 0.01, 1.0), g)
    assert 0.01 * np.sqrt(x.size) * np.linalg.norm(projected) / value == pytest.approx(plain.residual, rel=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(50):
        other = np.maximum(plain.weights + 0.01 * unit * rng.standard_normal(x.size), 0.0)
        assert total(matrix, PLAIN, other)[0] > plain.objective * (1 - plain.tolerance)


def test_the_voxels_left_out_do_not_change_the_result(matrix: InfluenceMatrix, plain, monkeypatch) -> None:
    monkeypatch.setattr("abscopal.planning.optimise.NEAR", 1e-9)
    everything = solve(matrix, PLAIN, tolerance=1e-4)
    monkeypatch.undo()
    assert solve(matrix, PLAIN, tolerance=1e-4).objective == pytest.approx(everything.objective, rel=1e-4)


def test_a_plan_that_ran_out_of_rounds_says_so(matrix: InfluenceMatrix) -> None:
    plan = solve(matrix, PLAIN, rounds=1)
    assert plan.status == "not converged"
    assert plan.residual > plan.tolerance


def test_a_weight_of_zero_gives_the_plain_plan_exactly(matrix: InfluenceMatrix, plain) -> None:
    with_zero = solve(matrix, (*PLAIN, Goal(Edric(), 0.0), Goal(LymphocyteKill(particles=50), 0.0)))
    np.testing.assert_array_equal(with_zero.weights, plain.weights)


def test_edric_falls_as_its_weight_grows(matrix: InfluenceMatrix, plain) -> None:
    size = plain.objective / Edric().value(matrix, plain.weights)
    plans = [solve(matrix, (*PLAIN, Goal(Edric(), size * a)), start=plain.weights) for a in (0.1, 0.3, 1.0, 3.0, 10.0)]
    values = [Edric().value(matrix, plan.weights) for plan in (plain, *plans)]
    assert all(plan.status == "converged" for plan in plans)
    assert all(later <= earlier * (1 + 1e-3) for earlier, later in pairwise(values))
    assert values[-1] < 0.9 * values[0]


def test_bounds_are_kept_and_cost_what_their_multiplier_says(matrix: InfluenceMatrix, plain) -> None:
    heart, cord = MeanDose("Heart").value(matrix, plain.weights), 0.7 * _max(matrix, plain.weights, "SpinalCord")
    bounds = (AtMost(MeanDose("Heart"), 0.8 * heart), MaxDose("SpinalCord", cord))
    plan = solve(matrix, PLAIN, bounds, start=plain.weights)
    assert plan.status == "converged"
    assert plan.excess <= BOUND_TOLERANCE
    assert MeanDose("Heart").value(matrix, plan.weights) <= 0.8 * heart * (1 + BOUND_TOLERANCE)
    assert _max(matrix, plan.weights, "SpinalCord") <= cord * (1 + BOUND_TOLERANCE)
    assert plan.objective > plain.objective
    assert plan.multipliers[0] > 0
    looser = solve(matrix, PLAIN, (AtMost(MeanDose("Heart"), 0.81 * heart), bounds[1]), start=plan.weights)
    fall = (plan.objective - looser.objective) / (0.01 / 0.8)
    assert fall == pytest.approx(plan.multipliers[0], rel=0.25)


def test_a_bound_that_is_kept_anyway_changes_nothing(matrix: InfluenceMatrix, plain) -> None:
    plan = solve(matrix, PLAIN, (AtMost(Edric(), 100.0),), start=plain.weights)
    assert plan.objective == pytest.approx(plain.objective, rel=1e-3)
    assert plan.multipliers == (0.0,)


def test_edric_can_be_bounded(matrix: InfluenceMatrix, plain) -> None:
    limit = 0.85 * Edric().value(matrix, plain.weights)
    plan = solve(matrix, PLAIN, (AtMost(Edric(), limit),), start=plain.weights)
    assert plan.status == "converged"
    assert Edric().value(matrix, plan.weights) <= limit * (1 + BOUND_TOLERANCE)


def test_the_valley_to_peak_ratio_is_a_bound(matrix: InfluenceMatrix) -> None:
    goals = (
        Goal(PeaksAndValleys("PTV", "LN_Mediast", 50.0, 15.0), 100.0),
        Goal(SquaredOverdose("External", 25.0), 1.0),
    )
    plan = solve(matrix, goals, (MeanRatio("LN_Mediast", "PTV", 0.1),))
    valley, peak = (MeanDose(name).value(matrix, plan.weights) for name in ("LN_Mediast", "PTV"))
    assert plan.status == "converged"
    assert valley <= 0.1 * peak + BOUND_TOLERANCE * 50


def test_conflicting_bounds_are_named_and_no_others(matrix: InfluenceMatrix) -> None:
    bounds = (
        AtLeast(MeanDose("PTV"), 50.0),
        AtMost(MeanDose("External"), 0.2),
        AtMost(MeanDose("Spleen"), 30.0),
        MaxDose("SpinalCord", 40.0),
    )
    with pytest.raises(InputError) as caught:
        solve(matrix, PLAIN, bounds)
    assert "PTV mean at least 50 Gy; External mean at most 0.2 Gy" in str(caught.value)
    assert "Spleen" not in str(caught.value)
    assert "SpinalCord" not in str(caught.value)


def test_voxel_bounds_can_be_in_conflict_too(matrix: InfluenceMatrix) -> None:
    with pytest.raises(InputError, match="PTV minimum at least 50 Gy; External maximum at most 40 Gy"):
        require_feasible((MinDose("PTV", 50.0), MaxDose("External", 40.0)), matrix)
    require_feasible((MinDose("PTV", 50.0), MaxDose("External", 200.0)), matrix)


def test_only_linear_terms_are_bounds(matrix: InfluenceMatrix) -> None:
    with pytest.raises(InputError, match="linear in the weights"):
        solve(matrix, PLAIN, (AtMost(SquaredOverdose("Heart", 5.0), 3.0),))


def test_lymphocyte_kill_goes_down_through_its_tangents(matrix: InfluenceMatrix, plain) -> None:
    kill = LymphocyteKill(particles=200)
    weight = plain.objective / kill.value(matrix, plain.weights)
    plan = solve(matrix, (*PLAIN, Goal(kill, weight)), start=plain.weights)
    assert plan.status == "converged"
    assert plan.local
    assert kill.value(matrix, plan.weights) < kill.value(matrix, plain.weights)
    before = total(matrix, (*PLAIN, Goal(kill, weight)), plain.weights)[0]
    assert plan.objective < before


def test_goals_that_cannot_be() -> None:
    with pytest.raises(InputError, match="weight of -1"):
        Goal(MeanDose("Heart"), -1.0)


def test_no_goal_is_refused(matrix: InfluenceMatrix) -> None:
    with pytest.raises(InputError, match="no goal"):
        solve(matrix, [Goal(MeanDose("Heart"), 0.0)])


def _max(matrix: InfluenceMatrix, w: FloatArray, name: str) -> float:
    return float(matrix.voxel_dose(w)[matrix.region(name).voxels].max())


def test_goals_that_can_be_met_altogether_end(matrix: InfluenceMatrix) -> None:
    """Near zero there is nothing for the residual to be relative to: the run ends and says what it reached."""
    plan = solve(matrix, [Goal(SquaredDeviation("PTV", 50.0))])
    assert plan.objective < 1e-6
    assert plan.iterations < 2 * MOST_STEPS
