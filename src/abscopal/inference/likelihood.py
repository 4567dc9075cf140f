"""How likely each evidence row is under what the model reads for it.

Numeric rows are log-normal; cures binomial; signs, effects and orders probit. Every probability of a sign, effect or
order keeps a small lapse, so that one wrong row cannot rule out a draw. Rows that were recalled rather than read
count by half.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import binom

from abscopal.inference.bench import cure_shares
from abscopal.inference.observations import EXPERIMENTS, Observation
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def row_log_likelihoods(rows: Sequence[Observation], effects: FloatArray) -> FloatArray:
    """Log-likelihood of each row under each draw, unweighted, shape (n_rows, n_draws).

    Parameters
    ----------
    rows : sequence of Observation, length n_rows
        All with a reported value.
    effects : array, shape (n_rows, n_draws)
        From `Bench.effects`.

    Returns
    -------
    array
        Minus infinity where a draw failed. A row of an order gets the mean over its pairs.
    """
    found = np.empty_like(effects)
    for k, one in enumerate(rows):
        if one.numeric:
            found[k] = _normal(one, effects[k])
        elif one.kind == "cure":
            found[k] = _binomial(one, effects[k])
        else:
            found[k] = _log_of_probability(rows, effects, k)
    return np.where(np.isfinite(found), found, -np.inf)


def log_likelihood(rows: Sequence[Observation], effects: FloatArray) -> FloatArray:
    """Weighted sum over the rows, shape (n_draws,)."""
    weights = np.array([one.weight for one in rows])
    used = weights > 0
    by_row = row_log_likelihoods([one for one, use in zip(rows, used, strict=True) if use], effects[used])
    return np.asarray(weights[used] @ by_row)


def reported_probability(rows: Sequence[Observation], effects: FloatArray, k: int) -> FloatArray:
    """Probability of what row `k` reports, under each draw, shape (n_draws,); not for numeric rows and cures."""
    one = rows[k]
    if one.kind == "rank":
        pairs = _pairs(rows, k)
        return np.mean([_ordered(effects[a], effects[b]) for a, b in pairs], axis=0) if pairs else _undecided(effects)
    return outcome_probability(one, effects[k], one.reported)


def outcome_probability(one: Observation, effect: FloatArray, outcome: float | None) -> FloatArray:
    """Probability of an outcome (+1 or -1 of a sign, 1 or 0 of an effect) under each draw."""
    sd = load(EXPERIMENTS)["effect_sd"]
    edge = _edge(one)
    if one.kind == "change":
        return _kept(ndtr((edge - effect) / sd) - ndtr((-edge - effect) / sd))
    if one.kind == "presence":
        seen = ndtr((effect - edge) / sd)
        return _kept(seen if outcome == 1 else 1 - seen)
    up = ndtr(effect / sd)
    return _kept(up if outcome == 1 else 1 - up)


def _edge(one: Observation) -> float:
    """Log ratio from which an effect counts as seen."""
    if one.readout.startswith(("shrink", "size")):
        return -math.log(1 - one.threshold)
    return math.log(1 + one.threshold)


def _kept(probability: FloatArray) -> FloatArray:
    lapse = load(EXPERIMENTS)["lapse"]
    return np.asarray(lapse + (1 - 2 * lapse) * probability)


def _ordered(better: FloatArray, worse: FloatArray) -> FloatArray:
    return _kept(ndtr((better - worse) / load(EXPERIMENTS)["effect_sd"]))


def _undecided(effects: FloatArray) -> FloatArray:
    return np.full(effects.shape[1], 0.5)


def _pairs(rows: Sequence[Observation], k: int) -> list[tuple[int, int]]:
    """Pairs (better, worse) of the order that row `k` belongs to and takes part in."""
    one, found = rows[k], []
    for other, row in enumerate(rows):
        if row.group != one.group or row.kind != "rank" or row.reported is None or one.reported is None:
            continue
        if row.reported != one.reported:
            found.append((other, k) if row.reported > one.reported else (k, other))
    return found


def _log_of_probability(rows: Sequence[Observation], effects: FloatArray, k: int) -> FloatArray:
    with np.errstate(divide="ignore"):
        if rows[k].kind == "rank" and (pairs := _pairs(rows, k)):
            return np.asarray(np.mean([np.log(_ordered(effects[a], effects[b])) for a, b in pairs], axis=0))
        return np.asarray(np.log(reported_probability(rows, effects, k)))


def _normal(one: Observation, effect: FloatArray) -> FloatArray:
    sd = one.threshold
    reported = math.nan if one.reported is None else one.reported
    return np.asarray(-0.5 * ((reported - effect) / sd) ** 2 - math.log(sd) - _HALF_LOG_2PI)


def _binomial(one: Observation, effect: FloatArray) -> FloatArray:
    """Animals cured in the arm and in its reference, of as many animals each."""
    arm, reference = cure_shares(np.nan_to_num(effect))
    n = one.animals
    counts = (round((one.reported or 0.0) * n), round((one.control or 0.0) * n))
    total = sum(binom.logpmf(k, n, _kept(share)) for k, share in zip(counts, (arm, reference), strict=True))
    return np.where(np.isfinite(effect), total, -np.inf)
