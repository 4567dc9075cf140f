"""Pools of counts: Mantel-Haenszel and Peto, with the risk difference beside every ratio."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class BinaryPool:
    """One pooled ratio and the pooled difference of the same counts.

    Attributes
    ----------
    odds_ratio, interval
        Experimental against control, with its 95 % interval. [1]
    risk_difference, difference_interval
        Mantel-Haenszel, experimental minus control. [1]
    used : int
        Trials that tell something about the ratio; those without an event, or without a patient
        free of one, in both arms do not.
    """

    method: Literal["Mantel-Haenszel", "Peto"]
    k: int
    used: int
    odds_ratio: float
    interval: tuple[float, float]
    risk_difference: float
    difference_interval: tuple[float, float]
    notes: tuple[str, ...]


def mantel_haenszel(tables: Sequence[ArrayLike]) -> BinaryPool:
    """Mantel-Haenszel odds ratio (statsmodels) with the interval of Robins, Breslow and Greenland.

    Parameters
    ----------
    tables : sequence of array, shape (2, 2)
        Per trial events and others of the experimental arm, then of the control. [patients]

    Raises
    ------
    InputError
        No table, counts that are negative or not whole, or no event at all.
    """
    from statsmodels.stats.contingency_tables import StratifiedTable

    counts = _checked(tables)
    telling = counts[_telling(counts)]
    whole: Any = StratifiedTable(list(telling))  # type: ignore[no-untyped-call]
    low, high = whole.oddsratio_pooled_confint()
    difference, limits = _risk_difference(counts)
    return BinaryPool(
        "Mantel-Haenszel", len(counts), len(telling), float(whole.oddsratio_pooled), (float(low), float(high)),
        difference, limits, _notes(counts),
    )  # fmt: skip


def peto(tables: Sequence[ArrayLike]) -> BinaryPool:
    """Peto's one-step odds ratio, for rare events and arms of like size.

    Parameters
    ----------
    tables : sequence of array, shape (2, 2)
        As for `mantel_haenszel`.

    References
    ----------
    Yusuf S, Peto R et al., Prog Cardiovasc Dis 1985 (form recalled).
    """
    counts = _checked(tables)
    telling = counts[_telling(counts)]
    n1, n0 = telling[:, 0].sum(1), telling[:, 1].sum(1)
    n, events = n1 + n0, telling[:, :, 0].sum(1)
    observed_less_expected = telling[:, 0, 0] - events * n1 / n
    variance = n1 * n0 * events * (n - events) / (n**2 * (n - 1))
    log_ratio, error = float(observed_less_expected.sum() / variance.sum()), float(variance.sum() ** -0.5)
    half = float(norm.ppf(0.975)) * error
    difference, limits = _risk_difference(counts)
    uneven = float(np.maximum(n1 / n0, n0 / n1).max()) > 2
    notes = _notes(counts) + (("Peto's ratio is biased where arms differ in size by more than two",) if uneven else ())
    return BinaryPool(
        "Peto", len(counts), len(telling), math.exp(log_ratio),
        (math.exp(log_ratio - half), math.exp(log_ratio + half)), difference, limits, notes,
    )  # fmt: skip


def _checked(tables: Sequence[ArrayLike]) -> FloatArray:
    counts = np.asarray([np.asarray(table, float) for table in tables], float)
    good = counts.ndim == 3 and counts.shape[1:] == (2, 2) and bool(np.isfinite(counts).all())
    if good and (counts >= 0).all() and (counts == np.round(counts)).all() and _telling(counts).any():
        return counts
    raise InputError(
        doing="pooling counts",
        found=f"tables of shape {counts.shape}, or counts that are negative, not whole, or without any event",
        expected="per trial [[events, others] experimental, [events, others] control]",
        try_="numbers of patients, not percentages",
    )


def _telling(counts: FloatArray) -> NDArray[np.bool_]:
    both = counts.sum(1)
    return np.asarray((both > 0).all(1) & (counts.sum(2) > 0).all(1), bool)


def _risk_difference(counts: FloatArray) -> tuple[float, tuple[float, float]]:
    """Mantel-Haenszel risk difference with the variance of Greenland and Robins."""
    (a, b), (c, d) = counts[:, 0].T, counts[:, 1].T
    n1, n0 = a + b, c + d
    n = n1 + n0
    weight = n1 * n0 / n
    difference = float(((a * n0 - c * n1) / n).sum() / weight.sum())
    variance = float(((a * b * n0**3 + c * d * n1**3) / (n1 * n0 * n**2)).sum()) / float(weight.sum()) ** 2
    half = float(norm.ppf(0.975)) * math.sqrt(variance)
    return difference, (difference - half, difference + half)


def _notes(counts: FloatArray) -> tuple[str, ...]:
    silent = int((~_telling(counts)).sum())
    return (f"{silent} trials tell nothing about the ratio and enter the difference only",) if silent else ()
