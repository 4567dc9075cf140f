r"""Lymphocytes in blood and in the organs they travel through.

Shares of all lymphocytes lie in blood, spleen, nodes, marrow and other tissue. Blood empties
into the tissues in proportion to their share and refills from them, so that the shares stand
still without radiation. Each fraction kills in every pool by the dose *that* pool gets; what
is lost returns at the recovery rate.

.. math:: x(t) = s + e^{-\sigma t} (x(0) - s)\, e^{K t}

With blood alone (no pools) this is the law of `lymphocytes.alc_course`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.linalg import expm

from abscopal.blood.exposure import BloodDose
from abscopal.blood.plan_exposure import Bins
from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
SHEET = "blood/lymphoid"
BLOOD = "blood"
MINUTES_PER_DAY = 1440.0
ALPHA_NODES = 9  # exact survival is computed at these alphas and interpolated between


@dataclass(frozen=True, eq=False)
class Pools:
    """Where lymphocytes are and how they travel.

    Attributes
    ----------
    names : tuple of str
        `"blood"` first.
    shares : array, shape (p,)
        Of all lymphocytes; sums to 1. [1]
    exchange : array, shape (p, p)
        Generator: rows sum to 0 and `shares @ exchange` is 0. [day^-1]
    notes : tuple of str
    """

    names: tuple[str, ...]
    shares: FloatArray
    exchange: FloatArray
    notes: tuple[str, ...] = ()

    def step(self, days: float) -> FloatArray:
        """Travel between pools over `days`, shape (p, p)."""
        if days not in self._steps:
            self._steps[days] = expm(self.exchange * days)
        return self._steps[days]

    @cached_property
    def _steps(self) -> dict[float, FloatArray]:
        return {}


def blood_only() -> Pools:
    """Blood as a pool of its own: complete mixing, no exchange with organs."""
    return Pools((BLOOD,), np.ones(1), np.zeros((1, 1)))


def lymphoid_pools() -> Pools:
    """Blood, spleen, nodes, marrow and other tissue with the shares of the knowledge sheet."""
    sheet = load(SHEET)
    blood = load("blood/lymphocytes")["share_in_blood"]
    organs = {name: sheet[f"share_{name}"] for name in ("spleen", "nodes", "marrow")}
    shares = np.array([blood, *organs.values(), 1.0 - blood - sum(organs.values())])
    leave = MINUTES_PER_DAY / sheet["residence_blood"]
    exchange = np.zeros((shares.size, shares.size))
    exchange[0, 1:] = leave * shares[1:] / (1.0 - blood)
    exchange[1:, 0] = leave * blood / (1.0 - blood)
    exchange -= np.diag(exchange.sum(axis=1))
    note = (
        "lymphocytes travel between blood, spleen, nodes, marrow and other tissue; shares of the organs are assumed, "
        "share and residence in blood recalled"
    )
    return Pools((BLOOD, *organs, "other tissue"), shares, exchange, (note,))


class SurvivalTable:
    """Surviving fraction of one fraction in each pool as a function of alpha.

    Blood comes from the exact blood dose, at a few alphas, interpolated in log survival;
    organs from their dose bins, taken as still during a fraction.

    Parameters
    ----------
    pools : Pools
    dose : BloodDose
        Of one fraction.
    organ_bins : mapping
        Pool to the bins of its dose in one fraction; pools left out get none.
    highest_alpha : float
        [Gy^-1]
    """

    def __init__(
        self, pools: Pools, dose: BloodDose, organ_bins: Mapping[str, Bins] | None = None, highest_alpha: float = 2.5
    ) -> None:
        nodes = np.linspace(0.0, highest_alpha, ALPHA_NODES)
        logs = [np.log(max(dose.surviving_fraction(float(alpha)), 1e-300)) for alpha in nodes]
        self._blood = CubicSpline(nodes, logs)
        self._bins = [(organ_bins or {}).get(name) for name in pools.names[1:]]
        self._highest = highest_alpha

    def __call__(self, alpha: ArrayLike) -> FloatArray:
        """Survival of one fraction, shape (*n, p), for alphas of shape (*n,) [Gy^-1]."""
        values = np.asarray(alpha, dtype=np.float64)
        if values.size and not (values.min() >= 0.0 and values.max() <= self._highest):
            raise InputError(
                doing="computing survival of lymphocytes",
                found=f"alpha from {values.min():g} to {values.max():g} per Gy",
                expected=f"0 to {self._highest:g} per Gy",
                try_="a larger highest_alpha",
            )
        columns = [np.minimum(np.exp(self._blood(values)), 1.0)]
        for bins in self._bins:
            kept = np.ones_like(values) if bins is None else np.exp(-values[..., None] * bins.doses) @ bins.shares
            columns.append(kept)
        return np.stack(columns, axis=-1)


def blood_counts(
    pools: Pools,
    survival: FloatArray,
    recovery: FloatArray,
    fraction_days: Sequence[float],
    times: ArrayLike,
) -> FloatArray:
    """Lymphocytes in blood relative to baseline for many patients at once.

    Parameters
    ----------
    pools : Pools
    survival : array, shape (n, p)
        Of one fraction in each pool. [1]
    recovery : array, shape (n,)
        [day^-1]
    fraction_days : sequence of float
        Ascending. [day]
    times : array, shape (m,)
        Ascending, at or after the first of day 0 and the first fraction. A time on a fraction
        gives the count just after it. [day]

    Returns
    -------
    array, shape (n, m)
        [1]
    """
    grid = np.asarray(times, dtype=np.float64)
    days = np.asarray(fraction_days, dtype=np.float64)
    _check(grid, days, survival, recovery)
    events = sorted([*((day, 0, -1) for day in days.tolist()), *((t, 1, k) for k, t in enumerate(grid.tolist()))])
    state = np.broadcast_to(pools.shares, survival.shape).copy()
    now = min(events[0][0], 0.0)
    counts = np.empty((survival.shape[0], grid.size))
    for t, _, k in events:
        if t > now:
            lost = (state - pools.shares) @ pools.step(round(t - now, 9))
            state = pools.shares + np.exp(-recovery * (t - now))[:, None] * lost
            now = t
        if k < 0:
            state = state * survival
        else:
            counts[:, k] = state[:, 0] / pools.shares[0]
    return counts


def _check(grid: FloatArray, days: FloatArray, survival: FloatArray, recovery: FloatArray) -> None:
    wrong = {
        "times that do not ascend": not bool(np.all(np.isfinite(grid)) and np.all(np.diff(grid) >= 0.0))
        or not grid.size,
        "fraction days that do not ascend": not bool(np.all(np.isfinite(days)) and np.all(np.diff(days) >= 0.0)),
        "survival outside 0 to 1": not bool(np.all((survival >= 0.0) & (survival <= 1.0))),
        "a negative recovery rate": not bool(np.all(recovery >= 0.0)),
    }
    found = [text for text, bad in wrong.items() if bad]
    if found:
        raise InputError(
            doing="computing the lymphocyte course",
            found=", ".join(found),
            expected="ascending days, survival within 0 and 1, recovery of zero or more",
            try_="checking the order of the days",
        )
