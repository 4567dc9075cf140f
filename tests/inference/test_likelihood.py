import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, norm

from abscopal.inference.bench import cure_shares
from abscopal.inference.likelihood import (
    log_likelihood,
    outcome_probability,
    reported_probability,
    row_log_likelihoods,
)
from abscopal.inference.observations import Observation, observations
from abscopal.inference.scores import paired_difference, score_rows, site, summarise


def _row(number: int, kind: str = "") -> Observation:
    return next(one for one in observations() if one.row == number and kind in ("", one.kind))


def test_volumes_are_log_normal() -> None:
    one = _row(93)
    assert one.reported == pytest.approx(math.log(140 / 497))
    found = row_log_likelihoods([one], np.array([[-1.0, one.reported]]))
    assert found[0] == pytest.approx(norm.logpdf(one.reported, [-1.0, one.reported], 0.2))


def test_an_effect_counts_from_the_threshold() -> None:
    yes, no = _row(2), _row(1)
    edge = -math.log(0.75)
    effects = np.array([[edge - 3, edge, edge + 3]])
    seen, unseen = (reported_probability([one], effects, 0) for one in (yes, no))
    assert seen == pytest.approx([0.02, 0.5, 0.98])
    assert seen + unseen == pytest.approx([1, 1, 1])


def test_no_change_is_between_the_thresholds() -> None:
    one = _row(31)
    chance = outcome_probability(one, np.array([-3.0, 0.0, 3.0]), 0)
    assert chance[1] > 0.9
    assert chance[[0, 2]] == pytest.approx([0.02, 0.02])


def test_orders_are_scored_by_pairs() -> None:
    rows = [_row(number) for number in (73, 74, 75)]
    right, wrong = np.array([[0.0], [2.0], [1.0]]), np.array([[2.0], [0.0], [1.0]])
    assert log_likelihood(rows, right)[0] > log_likelihood(rows, wrong)[0]
    assert reported_probability(rows, right, 1)[0] == pytest.approx(0.98, abs=1e-6)


def test_cures_are_binomial_in_both_arms() -> None:
    one = _row(3)
    effect = np.array([0.3 + 100.0])  # 30 % cured, 10 % in the reference
    share, reference = cure_shares(effect)
    assert (share[0], reference[0]) == pytest.approx((0.3, 0.1))
    expected = binom.logpmf(3, 7, 0.02 + 0.96 * 0.3) + binom.logpmf(0, 7, 0.02 + 0.96 * 0.1)
    assert row_log_likelihoods([one], effect[None])[0, 0] == pytest.approx(expected)


def test_recalled_rows_weigh_half_and_failed_draws_are_impossible() -> None:
    one = _row(0)
    effects = np.array([[0.5, np.nan]])
    found = log_likelihood([one], effects)
    assert found[0] == pytest.approx(0.5 * row_log_likelihoods([one], effects[:, :1])[0, 0])
    assert found[1] == -np.inf


def test_a_wrong_prediction_is_a_miss() -> None:
    rows = [_row(93), _row(2), _row(1)]
    right = np.array([[math.log(0.28)], [1.0], [0.0]]) + np.zeros((3, 50))
    wrong = np.array([[0.0], [0.0], [1.0]]) + np.zeros((3, 50))
    assert [score.hit for score in score_rows(rows, right)] == [True, True, True]
    assert [score.hit for score in score_rows(rows, wrong)] == [False, False, False]
    good, bad = summarise(score_rows(rows, right)), summarise(score_rows(rows, wrong))
    assert good.sign_accuracy == 1
    assert bad.coverage == 0
    gap, error = paired_difference(good, bad)
    assert gap > 0
    assert error > 0


def test_a_sealed_row_has_a_prediction_and_no_score() -> None:
    one = next(one for one in observations() if one.split == "sealed" and one.kind == "presence")
    score = score_rows([one], np.full((1, 20), 1.0))[0]
    assert score.hit is None
    assert score.log_score is None
    assert score.probability == pytest.approx(0.98, abs=1e-2)


def test_end_points_are_told_apart() -> None:
    assert site(_row(93)) == "distant"
    assert site(_row(96)) == "local"
    assert site(replace(_row(96), readout="shrink_both")) == "both"
    assert site(_row(22)) == "immune"
