"""Every evidence row predicted against reported, and how well a variant predicts rows it did not see."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import binom

from abscopal.inference.bench import cure_shares
from abscopal.inference.likelihood import outcome_probability, reported_probability, row_log_likelihoods
from abscopal.inference.observations import Observation

FloatArray = NDArray[np.float64]
INTERVAL = (5.0, 95.0)


@dataclass(frozen=True)
class RowScore:
    """One row under one variant.

    Attributes
    ----------
    median, low, high : float
        Predicted: a ratio or a value for numeric rows, with the error of the measurement; the ratio of the
        read-outs (arm over reference; for `shrink`, reference over arm) for others, without it.
    probability : float or None
        Of what was reported, or, for sealed rows, of an effect, of a rise, or of coming first; None for numeric rows.
    hit : bool or None
        Whether the 90 % interval covers the report, or the report has a probability above one half.
    log_score : float or None
        Log predictive density or probability of the report.
    """

    one: Observation
    median: float
    low: float
    high: float
    probability: float | None
    hit: bool | None
    log_score: float | None


def site(one: Observation) -> str:
    """Where the end point lies: irradiated lesion (local), lesion outside the field (distant), both, or neither."""
    if one.readout.endswith("both") or one.kind == "cure":
        return "both"
    if one.readout in {"shrink_1", "size_1"}:
        return "distant"
    return "local" if one.readout in {"shrink_0", "size_0", "nadir_0", "lethal", "tcd50"} else "immune"


def score_rows(rows: Sequence[Observation], effects: FloatArray, seed: int = 7) -> tuple[RowScore, ...]:
    """Scores of rows from the effects of a variant's draws, shape (n_rows, n_draws)."""
    good = np.isfinite(effects).all(axis=0)
    effects = effects[:, good]
    reported = [k for k, one in enumerate(rows) if one.reported is not None]
    logs = dict(zip(reported, row_log_likelihoods([rows[k] for k in reported], effects[reported]), strict=True))
    return tuple(_score(rows, effects, k, logs.get(k), seed) for k in range(len(rows)))


def _score(rows: Sequence[Observation], effects: FloatArray, k: int, logs: FloatArray | None, seed: int) -> RowScore:
    one, effect = rows[k], effects[k]
    log_score = None if logs is None else float(logsumexp(logs) - math.log(len(logs)))
    if one.kind == "cure":
        return _cure_score(one, effect, log_score)
    if one.numeric:
        noise = np.random.default_rng([seed, one.row]).standard_normal(effect.shape) * one.threshold
        low, median, high = np.exp(np.percentile(effect + noise, [INTERVAL[0], 50, INTERVAL[1]]))
        inside = None if one.reported is None else bool(low <= math.exp(one.reported) <= high)
        return RowScore(one, float(median), float(low), float(high), None, inside, log_score)
    low, median, high = np.exp(np.clip(np.percentile(effect, [INTERVAL[0], 50, INTERVAL[1]]), -700, 700))
    probability = _probability(rows, effects, k)
    hit = None if one.reported is None else probability > 0.5
    return RowScore(one, float(median), float(low), float(high), probability, hit, log_score)


def _probability(rows: Sequence[Observation], effects: FloatArray, k: int) -> float:
    one = rows[k]
    if one.reported is not None:
        return float(reported_probability(rows, effects, k).mean())
    if one.kind == "rank":
        rivals = [j for j, row in enumerate(rows) if j != k and row.kind == "rank" and row.group == one.group]
        return float(np.mean([(effects[k] > effects[j]).mean() for j in rivals])) if rivals else 0.5
    return float(outcome_probability(one, effects[k], 1.0).mean())


def _cure_score(one: Observation, effect: FloatArray, log_score: float | None) -> RowScore:
    """Share of animals cured, with the chance of so few animals."""
    share, reference = cure_shares(effect)
    random = np.random.default_rng([7, one.row])
    counts, others = (binom.rvs(one.animals, np.clip(s, 0.02, 0.98), random_state=random) for s in (share, reference))
    low, high = np.percentile(counts / one.animals, INTERVAL)
    other = np.percentile(others / one.animals, INTERVAL)
    inside = one.reported is not None and low <= one.reported + 1e-3 and one.reported <= high + 1e-3
    hit = bool(inside and other[0] <= (one.control or 0.0) <= other[1])
    return RowScore(one, float(np.median(share)), float(low), float(high), None, hit, log_score)


@dataclass(frozen=True)
class Summary:
    """How one variant does on a set of rows.

    Attributes
    ----------
    signs, numbers : (int, int)
        Hits and rows, for directions, effects and orders, and for numbers and cures.
    log_score : float
        Sum over the rows.
    """

    signs: tuple[int, int]
    numbers: tuple[int, int]
    log_score: float
    by_row: FloatArray

    @property
    def sign_accuracy(self) -> float:
        """Share of directions, effects and orders that are right."""
        return self.signs[0] / self.signs[1] if self.signs[1] else math.nan

    @property
    def coverage(self) -> float:
        """Share of numbers inside their 90 % interval."""
        return self.numbers[0] / self.numbers[1] if self.numbers[1] else math.nan


def summarise(scores: Sequence[RowScore]) -> Summary:
    """Summary of the rows whose outcome is known."""
    known = [score for score in scores if score.hit is not None]
    signs = [score for score in known if score.probability is not None]
    numbers = [score for score in known if score.probability is None]
    by_row = np.array([score.log_score if score.log_score is not None else math.nan for score in known])
    return Summary(
        (sum(bool(score.hit) for score in signs), len(signs)),
        (sum(bool(score.hit) for score in numbers), len(numbers)),
        float(by_row.sum()),
        by_row,
    )


def paired_difference(one: Summary, other: Summary) -> tuple[float, float]:
    """Log score of one variant less another's on the same rows, and the standard error of that difference."""
    gaps = one.by_row - other.by_row
    return float(gaps.sum()), float(np.sqrt(len(gaps) * gaps.var(ddof=1)))
