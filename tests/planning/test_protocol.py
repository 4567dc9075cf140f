"""The reference plan's goals, what sparing adds, and the plan that is chosen."""

from dataclasses import replace

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.planning.bounds import AtMost, MaxDose
from abscopal.planning.course import PlannedCourse
from abscopal.planning.influence import InfluenceMatrix, Region
from abscopal.planning.lattice import VALLEYS, VERTICES
from abscopal.planning.optimise import BOUND_TOLERANCE, Goal, solve
from abscopal.planning.protocol import (
    BODY,
    FAR,
    NEAR,
    SHEET,
    broken_limits,
    immune_terms,
    organ_limits,
    organs_of,
    reference_goals,
    sparing_bounds,
    sparing_goals,
    with_plan_regions,
)
from abscopal.planning.sweep import KEPT, rows_of, sweep_plans
from abscopal.planning.terms.dose import MeanDose, SquaredOverdose
from abscopal.planning.terms.robust import Robust
from abscopal.regimens.limits import OrganLimit


@pytest.fixture(scope="module")
def prepared(matrix: InfluenceMatrix) -> InfluenceMatrix:
    return with_plan_regions(matrix)


@pytest.fixture(scope="module")
def reference(prepared: InfluenceMatrix):
    return solve(prepared, reference_goals(prepared), tolerance=5e-3)


def test_target_near_and_far_make_up_the_body(prepared: InfluenceMatrix) -> None:
    def filled(name: str) -> np.ndarray:
        region = prepared.region(name)
        whole = np.zeros(prepared.matrix.shape[0])
        whole[region.voxels] = region.shares
        return whole

    body = filled(BODY)
    np.testing.assert_allclose(filled(NEAR) + filled(FAR) + body * filled("PTV"), body, atol=1e-12)


def test_without_a_body_there_is_no_reference(matrix: InfluenceMatrix) -> None:
    bare = replace(matrix, regions={"PTV": matrix.region("PTV")})
    with pytest.raises(InputError, match="no structure External"):
        with_plan_regions(bare)


def test_the_reference_carries_target_body_and_organ_terms(prepared: InfluenceMatrix) -> None:
    named = [goal.term.label for goal in reference_goals(prepared)]
    for part in (
        "PTV below 50 Gy",
        f"{FAR} above",
        f"{NEAR} above 50 Gy",
        "External above",
        "Lungs above",
        "Heart above",
    ):
        assert any(label.startswith(part) for label in named)


def test_words_stand_for_terms_on_what_is_contoured(prepared: InfluenceMatrix) -> None:
    labels = [term.label for term in immune_terms(prepared, ["lymphocytes", "nodes"])]
    assert labels == ["EDRIC", "LN_Mediast mean", "Spleen mean"]
    treated = replace(prepared, targets=("PTV", "LN_Mediast"))
    assert "LN_Mediast mean" not in [term.label for term in immune_terms(treated, ["lymphocytes"])]
    with pytest.raises(InputError, match=r"spare nodes.*LN_\*"):
        immune_terms(treated, ["nodes"])


def test_immune_weights_are_relative_to_the_reference(prepared: InfluenceMatrix, reference) -> None:
    terms = immune_terms(prepared, ["lymphocytes"])
    goals = sparing_goals(prepared, reference, terms, 0.5)[len(reference.goals) :]
    least = load(SHEET)["least_mean"]
    for goal in goals:
        size = goal.term.value(prepared, reference.weights)
        counted = max(size, least) if isinstance(goal.term, MeanDose) else size
        assert goal.weight * counted == pytest.approx(0.5 * reference.objective)


def test_beyond_the_target_no_voxel_may_get_hotter(prepared: InfluenceMatrix, reference) -> None:
    (bound,) = sparing_bounds(prepared, reference)
    hottest = prepared.voxel_dose(reference.weights)[prepared.region(FAR).voxels].max()
    assert isinstance(bound, MaxDose)
    assert bound.limit == pytest.approx(hottest * (1 - load(SHEET)["scaling"]))


def test_broken_limits_are_told_in_eqd2(prepared: InfluenceMatrix, reference) -> None:
    course = PlannedCourse("reference", prepared, reference.weights).scaled_to(50.0)
    assert {limit.organ for limit in organ_limits(course)} == {"SpinalCord", "Lungs", "Heart"}
    assert set(organs_of(course).dvhs) == {"Lungs", "Heart", "LN_Mediast", "SpinalCord", "Spleen"}
    strict = OrganLimit("Lungs", "mean", 0.01, "test")
    assert broken_limits(course, [strict])[0].startswith("Lungs mean EQD2")
    assert not broken_limits(course, [replace(strict, eqd2=1000.0)])


def test_the_sweep_keeps_coverage_and_takes_further_goals(matrix: InfluenceMatrix) -> None:
    extra = Goal(SquaredOverdose("Heart", 1.0), 1.0)
    found = sweep_plans(matrix, ["edric"], weights=[0.3, 0.1], tolerance=5e-3, extra=(extra,))
    assert [point.weight for point in found.points] == [0.0, 0.1, 0.3]
    assert all(extra in point.plan.goals for point in found.points)
    assert all(point.course.coverage == pytest.approx(50.0, rel=1e-3) for point in found.points)
    assert not found.chosen.broken
    head, rows = rows_of(found)
    assert len(rows) == 3
    assert all(len(row) == len(head) for row in rows)
    assert head.index("EDRIC") > 0


def test_a_bound_that_scaling_carries_the_plan_over_is_told(matrix: InfluenceMatrix) -> None:
    free = sweep_plans(matrix, ["edric"], weights=[0.1], tolerance=5e-3)
    heart = free.reference.figure("Heart")
    bound = AtMost(MeanDose("Heart"), 0.5 * heart)
    tight = sweep_plans(matrix, ["edric"], weights=[0.1], tolerance=5e-3, bounds=[bound])
    for point in tight.points:
        over = MeanDose("Heart").value(tight.matrix, point.course.weights) / (0.5 * heart) - 1
        assert point.plan.excess <= BOUND_TOLERANCE
        assert any("after scaling" in text for text in point.broken) == (over > KEPT)


def test_vertices_get_their_peak_and_valleys_stay_low(matrix: InfluenceMatrix) -> None:
    target = matrix.region("PTV")
    cut = target.voxels.size // 8
    vertex = Region("Vertex_1", target.voxels[:cut], target.shares[:cut], target.volume_cm3 / 8)
    valleys = Region(VALLEYS, target.voxels[2 * cut :], target.shares[2 * cut :], target.volume_cm3 * 3 / 4)
    made = with_plan_regions(replace(matrix, regions={**matrix.regions, "Vertex_1": vertex, VALLEYS: valleys}))
    even, peaked = (solve(made, reference_goals(made, peak=peak), tolerance=5e-3) for peak in (0.0, 80.0))
    ratios = [
        MeanDose(VERTICES).value(made, plan.weights) / MeanDose(VALLEYS).value(made, plan.weights)
        for plan in (even, peaked)
    ]
    assert ratios[1] > 1.1 * ratios[0]
    organs = organs_of(PlannedCourse("peaked", made, peaked.weights)).dvhs
    assert not {"Vertex_1", VERTICES, VALLEYS, "PTV"} & set(organs)
    assert not any("PTV above" in goal.term.label for goal in reference_goals(made, peak=80.0))
    with pytest.raises(InputError, match="Vertices"):
        reference_goals(with_plan_regions(matrix), peak=80.0)


def test_robust_coverage_holds_better_when_the_patient_is_shifted(prepared: InfluenceMatrix, reference) -> None:
    goals = reference_goals(prepared, robust=6.0)
    robust = solve(prepared, goals, tolerance=5e-3)
    worst = next(goal.term for goal in goals if isinstance(goal.term, Robust))
    assert worst.value(prepared, robust.weights) < worst.value(prepared, reference.weights)
    assert sum(isinstance(goal.term, Robust) for goal in goals) == len(prepared.targets)
