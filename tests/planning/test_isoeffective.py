"""Goals and bounds in other fractions: the same BED of every structure, the same balance, bounds kept in words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abscopal.planning.bounds import AtMost, MaxDose, MeanRatio
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.isoeffective import (
    bounds_in_fractions,
    goals_in_fractions,
    in_fractions,
    isoeffective_total,
    sensitivity_of,
)
from abscopal.planning.optimise import Goal, even_weight
from abscopal.planning.terms.blood import BloodOverdose
from abscopal.planning.terms.dose import MeanDose, PeaksAndValleys, SquaredDeviation, SquaredOverdose
from abscopal.planning.terms.immune import Edric
from abscopal.radiobiology.isoeffect import bed, eqd2


@given(total=st.floats(0.5, 90), n=st.integers(1, 40), other=st.integers(1, 40), ratio=st.floats(1, 20))
def test_the_bed_stays_and_the_way_back_leads_home(total: float, n: int, other: int, ratio: float) -> None:
    moved = isoeffective_total(total, n, other, ratio)
    assert bed(moved / other, other, ratio) == pytest.approx(bed(total / n, n, ratio), rel=1e-9)
    assert isoeffective_total(moved, other, n, ratio) == pytest.approx(total, rel=1e-9)


def test_the_matrix_gets_the_isoeffective_prescription(matrix: InfluenceMatrix) -> None:
    five = in_fractions(matrix, 5, 10.0).prescription
    assert (five.n_fractions, five.total) == (5, pytest.approx(35.2080, abs=1e-4))  # 5 d (1 + d/10) = 60
    assert isoeffective_total(0.0, 5, 1, 3.0) == 0.0


def test_targets_move_with_the_tumour_and_organs_with_their_own_tissue(matrix: InfluenceMatrix) -> None:
    five = in_fractions(matrix, 5, 10.0)
    by = sensitivity_of(matrix, 10.0, ("Vertices", "Valleys"))
    goals = (
        Goal(SquaredDeviation("PTV", 52.0)), Goal(SquaredOverdose("SpinalCord", 30.0)),
        Goal(PeaksAndValleys("PTV", "Valleys", 60.0, 40.0)),
    )  # fmt: skip
    plain = {**matrix.regions, "Valleys": matrix.region("Heart")}
    here, there = (one.__class__(**{**one.__dict__, "regions": plain}) for one in (matrix, five))
    target, cord, peaks = (goal.term for goal in goals_in_fractions(goals, here, there, by))
    assert eqd2(target.dose / 5, 5, 10.0) == pytest.approx(eqd2(52.0 / 25, 25, 10.0))
    assert eqd2(cord.limit / 5, 5, 2.0) == pytest.approx(eqd2(30.0 / 25, 25, 2.0))
    assert eqd2(peaks.valley_dose / 5, 5, 10.0) == pytest.approx(eqd2(40.0 / 25, 25, 10.0))
    assert cord.limit / 30.0 < target.dose / 52.0


def test_terms_keep_their_balance_at_even_weights(matrix: InfluenceMatrix) -> None:
    one = in_fractions(matrix, 1, 10.0)
    goals = (Goal(SquaredDeviation("PTV", 60.0), 3.0), Goal(MeanDose("Lungs"), 2.0), Goal(Edric(), 5.0))
    moved = goals_in_fractions(goals, matrix, one, sensitivity_of(matrix, 10.0))
    for before, after in zip(goals, moved, strict=True):
        old = before.weight * before.term.value(matrix, np.full(matrix.n_bixels, even_weight(matrix)))
        new = after.weight * after.term.value(one, np.full(one.n_bixels, even_weight(one)))
        assert new == pytest.approx(old, rel=1e-9)


def test_doses_of_one_fraction_and_ratios_are_left_alone(matrix: InfluenceMatrix) -> None:
    by = sensitivity_of(matrix, 10.0)
    blood = Goal(BloodOverdose(0.2, particles=20))
    (moved,) = goals_in_fractions([blood], matrix, in_fractions(matrix, 5, 10.0), by)
    assert moved.term == blood.term
    bounds = (
        AtMost(Edric(), 3.0),
        MeanRatio("Heart", "PTV", 0.3),
        MaxDose("SpinalCord", 45.0),
        AtMost(MeanDose("Lungs"), 15.0),
    )
    edric, ratio, cord, lungs = bounds_in_fractions(bounds, 25, 5, by)
    assert (edric, ratio) == bounds[:2]
    assert eqd2(cord.limit / 5, 5, 2.0) == pytest.approx(eqd2(45.0 / 25, 25, 2.0))
    assert eqd2(lungs.limit / 5, 5, 3.0) == pytest.approx(eqd2(15.0 / 25, 25, 3.0))
