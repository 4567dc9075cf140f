"""Fluence and fractionation together: a plan for each number of fractions, all at one BED, resumed where it stopped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from abscopal.domain.errors import InputError
from abscopal.domain.regimen import DrugDose
from abscopal.planning import sweep
from abscopal.planning.biology import (
    OVER,
    UNPLANNED,
    Fractionation,
    Outer,
    Variant,
    plan_fractionations,
    protocol_variants,
)
from abscopal.planning.bounds import AtMost, MaxDose, MinDose
from abscopal.planning.compare import Setting, compare_plans, tumour_bed
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.optimise import Goal
from abscopal.planning.terms.dose import MeanDose, SquaredDeviation, SquaredOverdose
from abscopal.planning.terms.immune import Edric
from abscopal.regimens.pareto import non_dominated

USUAL = (
    Goal(SquaredDeviation("PTV", 52.0), 100.0), Goal(SquaredOverdose("External", 25.0)),
    Goal(SquaredOverdose("SpinalCord", 30.0), 5.0), Goal(MeanDose("Lungs")), Goal(MeanDose("Heart")),
)  # fmt: skip
CORD = (MaxDose("SpinalCord", 45.0),)
REFERENCE = Variant("reference", USUAL, CORD)
SPARING = Variant("sparing", (*USUAL, Goal(Edric(), 50.0), Goal(MeanDose("LN_Mediast"), 10.0)), CORD)
DRUGS = (DrugDose(drug="pembrolizumab", mg=200, day=0.0),)
SETTING = Setting(10.0, alc=1.8, drugs=DRUGS, draws=4, parameter_set="set_b")
OUTER = Outer(fractions=(5,), gaps=(1.0,), ici_starts=(0.0, 7.0), complications=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plans")


@pytest.fixture(scope="module")
def found(matrix: InfluenceMatrix, folder: Path) -> Fractionation:
    return plan_fractionations(matrix, [REFERENCE, SPARING], SETTING, OUTER, folder=folder)


def test_every_number_of_fractions_has_a_plan_at_one_bed_and_one_coverage(found: Fractionation) -> None:
    assert set(found.plans) == {("reference", 25), ("reference", 5), ("sparing", 25), ("sparing", 5)}
    beds = [tumour_bed(plan, 10.0) for plan in found.plans.values()]
    assert beds == pytest.approx([60.0] * 4)
    for (_, n), plan in found.plans.items():
        d = plan.coverage / n
        assert n * d * (1 + d / 10) == pytest.approx(60.0, rel=1e-4)
        assert plan.weights.min() >= 0
    assert max(found.residuals.values()) < 2e-3


def test_plans_keep_their_bounds_in_every_number_of_fractions(found: Fractionation) -> None:
    cord = {key: plan.dvhs["SpinalCord"].maximum for key, plan in found.plans.items()}
    assert cord["reference", 25] <= 45.0 * 1.003
    assert cord["reference", 5] <= 27.9 * 1.003  # 45 Gy in 25 and 27.84 Gy in 5 have one BED at α/β 2


def test_each_point_is_the_dose_of_its_plan(found: Fractionation, matrix: InfluenceMatrix) -> None:
    starts = {row.candidate.ici_start for row in found.decision.regimens}
    assert starts == {None, 7.0}  # day 0 is the present start
    for row in found.decision.regimens:
        plan = found.plan_of(row.candidate)
        node = matrix.region("LN_Mediast").mean(matrix.voxel_dose(plan.weights))
        assert row.candidate.node_gy == pytest.approx(node / row.candidate.n)
        assert row.candidate.dose == pytest.approx(plan.matrix.prescription.per_fraction)
    sparing, usual = (found.plans[name, 25].dvhs["LN_Mediast"].mean for name in ("sparing", "reference"))
    assert sparing < 0.8 * usual


def test_the_pareto_set_is_exact_and_sparing_keeps_lymphocytes(found: Fractionation) -> None:
    rows = found.decision.regimens
    table = np.array([[row.values[name].value for name in ("local", "distant", "lymphocytes")] for row in rows])
    assert found.decision.objectives == ("local", "distant", "lymphocytes")
    assert [row.pareto for row in rows] == non_dominated(table).tolist()
    nadir = {(row.candidate.plan, row.candidate.n): row.values["lymphocytes"].value for row in rows}
    assert nadir["sparing", 25] > nadir["reference", 25]
    assert any("plan of its own" in note for note in found.decision.notes)


def test_an_interrupted_search_goes_on_where_it_stopped(
    matrix: InfluenceMatrix, folder: Path, found: Fractionation, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kept, *_) = sorted(folder.glob("plan-*.npz"))
    kept.write_bytes(b"cut off")
    calls = []
    solve = sweep.solve

    def counted(*given: object, **options: object):
        calls.append(1)
        return solve(*given, **options)

    monkeypatch.setattr(sweep, "solve", counted)
    again = plan_fractionations(matrix, [REFERENCE, SPARING], SETTING, OUTER, folder=folder)
    assert len(calls) == 1
    first, second = ([row.candidate.text() for row in one.decision.regimens] for one in (found, again))
    assert first == second


def test_what_was_found_can_be_compared(found: Fractionation) -> None:
    made = compare_plans(found.plans["reference", 25], [replace(found.plans["sparing", 5], name="sparing 5")], SETTING)
    assert made.row("EDRIC").values[1].value < made.row("EDRIC").values[0].value


def test_bounds_that_cannot_be_kept_are_counted_and_the_rest_goes_on(matrix: InfluenceMatrix) -> None:
    strict = Variant("strict", USUAL, (MinDose("PTV", 45.0), AtMost(MeanDose("LN_Mediast"), 0.5)))
    found = plan_fractionations(matrix, [REFERENCE, strict], SETTING, replace(OUTER, fractions=(25,)))
    assert found.decision.refused == {UNPLANNED: 1}
    assert "bounds in conflict" in found.skipped["strict, 25 fractions"]
    assert set(found.plans) == {("reference", 25)}


def test_a_plan_that_reaches_coverage_only_over_its_bound_is_refused(matrix: InfluenceMatrix) -> None:
    low = Variant("low", (Goal(SquaredDeviation("PTV", 40.0), 100.0), *USUAL[1:]), (MaxDose("PTV", 42.0),))
    found = plan_fractionations(matrix, [REFERENCE, low], SETTING, replace(OUTER, fractions=(25,)))
    assert found.decision.refused == {OVER: 1}


def test_a_plan_that_scaling_would_carry_over_its_bound_is_made_again(matrix: InfluenceMatrix) -> None:
    """Aimed at 49 Gy it covers less than the prescription; the cord's bound holds after scaling all the same."""
    cold = Variant("cold", (Goal(SquaredDeviation("PTV", 49.0), 100.0), *USUAL[1:2]), (MaxDose("SpinalCord", 12.0),))
    found = plan_fractionations(matrix, [REFERENCE, cold], SETTING, replace(OUTER, fractions=(25,)))
    made = found.plans["cold", 25]
    assert made.coverage == pytest.approx(50.0, abs=1e-3)
    assert made.voxel_dose[matrix.region("SpinalCord").voxels].max() <= 12.0 * 1.0021


def test_variants_need_names_of_their_own(matrix: InfluenceMatrix) -> None:
    with pytest.raises(InputError, match="name of its own"):
        plan_fractionations(matrix, [REFERENCE, REFERENCE], SETTING)
    broken = Variant("reference", USUAL, (MinDose("PTV", 50.0), MaxDose("PTV", 20.0)))
    with pytest.raises(InputError, match="bounds in conflict"):
        plan_fractionations(matrix, [broken], SETTING, OUTER)


def test_the_protocol_gives_a_reference_and_sparing_variants(matrix: InfluenceMatrix) -> None:
    made, (reference, gentle, strong) = protocol_variants(matrix, ["edric"], weights=(0.5, 2.0))
    assert "Body beyond target" in made.regions
    assert [one.name for one in (reference, gentle, strong)] == ["reference", "sparing 0.5", "sparing 2"]
    assert gentle.goals[-1].weight * 4 == pytest.approx(strong.goals[-1].weight)
    assert len(gentle.goals) == len(reference.goals) + 1
