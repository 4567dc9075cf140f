"""Looks at a trial before its end: what each may spend of alpha, and when it may give up.

The bounds are those of a group-sequential test whose looks spend alpha by a function of the information
(Lan and DeMets 1983), found by integrating the path of the test statistic from look to look (Armitage,
McPherson and Rowe 1969). Neither SciPy nor statsmodels has them.
"""

import math
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from abscopal.domain.errors import InputError
from abscopal.trials.design_parts import Spending

FloatArray = NDArray[np.float64]
_WIDEST = 8.0
"""Bounds beyond this many standard errors are not told apart from infinity."""
_NODES = 201
"""Points of the quadrature over the path of the test statistic."""


def spent(information: ArrayLike, alpha: float, spending: Spending) -> FloatArray:
    """Alpha spent up to a share of the information.

    Parameters
    ----------
    information : float or array
        Share of the final number of events, above 0. [1]
    alpha : float
        One-sided. [1]
    spending : {"O'Brien-Fleming", "Pocock"}
        2 − 2Φ(z(α/2)/√t), or α ln(1 + (e − 1) t).

    References
    ----------
    Lan KKG, DeMets DL, Discrete sequential boundaries for clinical trials, Biometrika 1983.
    """
    t = np.asarray(information, float)
    if spending == "Pocock":
        return np.asarray(alpha * np.log1p(math.expm1(1.0) * t), float)
    return np.asarray(2 * norm.sf(norm.isf(alpha / 2) / np.sqrt(t)), float)


def efficacy_bounds(information: Sequence[float], alpha: float, spending: Spending) -> FloatArray:
    """Bounds of |z| at each look of a two-sided test, the last look being the final analysis.

    Parameters
    ----------
    information : sequence of float
        Ascending shares of the final number of events; the last is 1. [1]
    alpha : float
        Two-sided. [1]
    spending : {"O'Brien-Fleming", "Pocock"}

    Returns
    -------
    array, shape (looks,)
        [1]

    Raises
    ------
    InputError
        Shares that do not ascend within 0 and 1, or an alpha outside 0 and 1.

    Notes
    -----
    Each side spends half of alpha; that a path could leave on one side and then on the other is neglected, as
    usual.
    """
    shares = tuple(float(share) for share in information)
    rising = bool(shares) and shares[0] > 0 and shares[-1] <= 1 and all(a < b for a, b in pairwise(shares))
    if not rising or not 0 < alpha < 1:
        raise InputError(
            doing="computing bounds of interim looks", found=f"information {shares} at alpha {alpha:g}",
            expected="ascending shares above 0 and at most 1, and an alpha between 0 and 1", try_="[0.5, 1.0] at 0.05",
        )  # fmt: skip
    return np.array(_bounds(shares, alpha, spending))


@cache
def _bounds(shares: tuple[float, ...], alpha: float, spending: Spending) -> tuple[float, ...]:
    target = np.diff(spent(shares, alpha / 2, spending), prepend=0.0)
    bounds = [float(np.clip(norm.isf(target[0]), 0.0, _WIDEST))]
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    # the score B = z √t has independent increments; its density over paths still inside all bounds so far
    score = _grid(nodes, bounds[0] * shares[0] ** 0.5)
    density = norm.pdf(score / shares[0] ** 0.5) / shares[0] ** 0.5 * weights * _half_width(bounds[0], shares[0])
    for before, now, due in zip(shares, shares[1:], target[1:], strict=False):
        step = (now - before) ** 0.5
        bound = _bound(score, density, now, step, float(due))
        bounds.append(bound)
        following = _grid(nodes, bound * now**0.5)
        moved = norm.pdf((following[:, None] - score) / step) / step
        density = (moved @ density) * weights * _half_width(bound, now)
        score = following
    return tuple(bounds)


def _bound(score: FloatArray, density: FloatArray, now: float, step: float, due: float) -> float:
    """Bound of z beyond which a share `due` of the paths inside so far leaves upwards."""

    def excess(bound: float) -> float:
        return float(density @ norm.sf((bound * now**0.5 - score) / step)) - due

    return float(brentq(excess, 0.0, _WIDEST)) if excess(_WIDEST) < 0 else _WIDEST


def _grid(nodes: FloatArray, high: float) -> FloatArray:
    low = -_WIDEST
    return np.asarray(low + (high - low) * (nodes + 1) / 2, float)


def _half_width(bound: float, share: float) -> float:
    return float(bound * share**0.5 + _WIDEST) / 2


def conditional_power(z: ArrayLike, information: float, bound: float) -> FloatArray:
    """Chance of crossing the final bound if the effect goes on as seen so far.

    Parameters
    ----------
    z : float or array
        Test statistic at the look, positive in favour of the experimental arm. [1]
    information : float
        Share of the final number of events at the look, below 1. [1]
    bound : float
        Of z at the final analysis. [1]

    Notes
    -----
    With the score B = z √t and the trend B/t, 1 − Φ((bound − B/t)/√(1 − t)).

    References
    ----------
    Lan KKG, Wittes J, The B-value: a tool for monitoring data, Biometrics 1988 (form recalled).
    """
    trend = np.asarray(z, float) / np.sqrt(information)
    return np.asarray(norm.sf((bound - trend) / np.sqrt(1 - information)), float)
