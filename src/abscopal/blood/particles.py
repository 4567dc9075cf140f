"""The walk of blood particles through compartments, vectorised over particles.

Per event a particle costs one draw of the next compartment (Walker's alias method, exact),
one draw of the transit time and two look-ups in the cumulative dose of its compartment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gamma
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from abscopal.blood.circulation import Network, check_conservation
from abscopal.blood.exposure import Segment, checked_segments
from abscopal.blood.spread import Spread
from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
OrganDose = Literal["visit", "path", "step", "mean"]
COMPACT_BELOW = 0.8  # finished particles are dropped when fewer than this share still walk
CELLS = 4096  # cells of the look-up from time to segment


@dataclass(frozen=True, eq=False)
class Alias:
    """Tables of Walker's alias method, one row for each distribution.

    Attributes
    ----------
    width : int
        Cells per row.
    cut : array, shape (rows * width,)
        Position within the row below which a cell means its own outcome. [cells]
    own, other : array, shape (rows * width,)
        Outcome of a cell below and above its cut.
    certain : array, shape (rows,)
        The only outcome of a row, or -1 where there are several.
    """

    width: int
    cut: FloatArray
    own: IntArray
    other: IntArray
    certain: IntArray

    def draw(self, row: IntArray, rng: np.random.Generator) -> IntArray:
        """One outcome from the distribution of each row."""
        result = self.certain.take(row, mode="clip")
        open_ = np.flatnonzero(result < 0)
        if open_.size:
            position = rng.random(open_.size)
            position *= self.width
            cell = position.astype(np.intp)
            cell += row.take(open_, mode="clip") * self.width
            below = position < self.cut.take(cell, mode="clip")
            result[open_] = np.where(below, self.own.take(cell, mode="clip"), self.other.take(cell, mode="clip"))
        return result


@dataclass(frozen=True, eq=False)
class Delivery:
    """Cumulative dose of each compartment as a piecewise linear function of time.

    Attributes
    ----------
    end : float
        [s]
    starts : array, shape (k + 1,)
        Starts of the segments, then infinity. [s]
    offset, rate : array, shape (n * k,)
        Dose at time t in segment s of compartment c: `offset[c*k+s] + rate[c*k+s]*t`. [Gy], [Gy/s]
    first : array, shape (cells + 1,)
        Segment at the start of each cell of time.
    corrections : int
        Most segment starts inside one cell.
    """

    end: float
    starts: FloatArray
    offset: FloatArray
    rate: FloatArray
    first: IntArray
    corrections: int

    @property
    def k(self) -> int:
        """Number of segments."""
        return self.starts.size - 1

    def segment(self, t: FloatArray) -> IntArray:
        """Segment at each time, shape like `t`; times are within 0 and `end`."""
        place = self.first.take((t * ((self.first.size - 1) / self.end)).astype(np.intp), mode="clip")
        for _ in range(self.corrections):
            place += t >= self.starts.take(place + 1, mode="clip")
        return place

    def collect(
        self, compartment: IntArray, from_s: FloatArray, to_s: FloatArray, first: IntArray
    ) -> tuple[FloatArray, IntArray]:
        """Dose a compartment receives between two times, in Gy, and the segment of the second.

        `first` is the segment of the first time.
        """
        if self.k == 1:
            return self.rate.take(compartment, mode="clip") * (to_s - from_s), first
        row = compartment * self.k
        row += first
        # Within one segment the plain product is exact: rounding must not touch untouched blood.
        dose = self.rate.take(row, mode="clip")
        dose *= to_s - from_s
        across = np.flatnonzero(to_s >= self.starts[1:].take(first, mode="clip"))
        if not across.size:
            return dose, first
        last = first.copy()
        last[across] = self.segment(to_s[across])
        start, end = row[across], row[across] + (last[across] - first[across])
        dose[across] = (
            (self.rate.take(end) * to_s[across] + self.offset.take(end))
            - (self.rate.take(start) * from_s[across] + self.offset.take(start))
        ).clip(0.0)
        return dose, last


@dataclass(frozen=True, eq=False)
class Relative:
    """Draws of relative dose within heterogeneous organs."""

    choice: OrganDose
    path_points: int
    step_s: float
    draws: Alias
    values: FloatArray

    def factor(self, compartment: IntArray, stay: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Mean of the relative doses met during each visit; 1 for an even organ."""
        if self.choice == "visit":
            return self.values.take(self.draws.draw(compartment, rng), mode="clip")
        if self.choice == "path":
            count = np.full(compartment.size, self.path_points)
        else:
            count = np.maximum(1, np.ceil(stay / self.step_s)).astype(np.intp)
        total = np.zeros(compartment.size)
        for done in range(int(count.max(initial=0))):
            walking = np.flatnonzero(count > done)
            total[walking] += self.values.take(self.draws.draw(compartment[walking], rng))
        return np.asarray(total / count, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Walk:
    """Everything a particle needs: where it starts, how long it stays, where it goes, what it gets."""

    start: Alias
    jump: Alias
    scale: FloatArray
    shape: float
    delivery: Delivery
    relative: Relative | None

    def stay(self, compartment: IntArray, rng: np.random.Generator) -> FloatArray:
        """Transit time of a particle that has just entered, in seconds."""
        time = rng.standard_exponential(compartment.size)
        return _root(time, self.shape, self.scale.take(compartment, mode="clip"))

    def remaining(self, compartment: IntArray, rng: np.random.Generator) -> FloatArray:
        """Rest of the visit in progress at a random time.

        The visit in progress is length-biased: (t/scale)^k is Gamma(1 + 1/k), and the time
        elapsed is uniform on it.
        """
        time = rng.standard_gamma(1.0 + 1.0 / self.shape, compartment.size)
        return _root(time, self.shape, self.scale.take(compartment, mode="clip")) * rng.random(compartment.size)


def build_walk(
    network: Network,
    segments: Sequence[Segment],
    shape: float,
    spread: Mapping[str, Spread],
    organ_dose: OrganDose,
    path_points: int,
    step_s: float,
) -> Walk:
    """Tables of the walk for one fraction of a plan."""
    check_conservation(network)
    jumps = np.where(network.flows > 0.0, network.flows, 0.0) / network.outflow[:, None]
    return Walk(
        start=alias_tables(network.stationary[None, :]),
        jump=alias_tables(jumps),
        scale=network.transit_time / gamma(1.0 + 1.0 / shape),
        shape=shape,
        delivery=build_delivery(network, segments),
        relative=_relative(network, spread, organ_dose, path_points, step_s),
    )


def fraction_doses(walk: Walk, n: int, rng: np.random.Generator) -> FloatArray:
    """Dose of `n` particles in one fraction from a fresh equilibrium start, shape (n,), in Gy."""
    end = walk.delivery.end
    out = np.zeros(n)
    ids: IntArray | None = None
    where = walk.start.draw(np.zeros(n, dtype=np.intp), rng)
    since = np.zeros(n)
    first = np.zeros(n, dtype=np.intp)
    until = walk.remaining(where, rng)
    dose = np.zeros(n)
    while where.size:
        leave = np.minimum(until, end)
        gained, last = walk.delivery.collect(where, since, leave, first)
        if walk.relative is not None:
            gained *= walk.relative.factor(where, leave - since, rng)
        dose += gained
        walking = until < end
        left = int(np.count_nonzero(walking))
        if left < COMPACT_BELOW * where.size:
            _store(out, ids, dose)
            keep = np.flatnonzero(walking)
            ids = keep if ids is None else ids[keep]
            where, until, dose, last, leave = where[keep], until[keep], dose[keep], last[keep], leave[keep]
        where = walk.jump.draw(where, rng)
        first, since = last, leave
        until = until + walk.stay(where, rng)
    return out


def alias_tables(probabilities: FloatArray) -> Alias:
    """Alias tables of distributions given as rows; only non-zero outcomes take a cell."""
    rows = [np.flatnonzero(row > 0.0) for row in probabilities]
    width = max(found.size for found in rows)
    built = [_alias_row(probabilities[k, found], found, width) for k, found in enumerate(rows)]
    cut, own, other = (np.concatenate(column) for column in zip(*built, strict=True))
    certain = np.array([found[0] if found.size == 1 else -1 for found in rows], dtype=np.intp)
    return Alias(width, cut, own, other, certain)


def build_delivery(network: Network, segments: Sequence[Segment]) -> Delivery:
    """Cumulative dose tables of a fraction."""
    pieces = [(duration, rates) for duration, rates in checked_segments(network, segments) if duration > 0.0]
    if not pieces:
        raise InputError(
            doing="sampling blood dose",
            found="no segment that lasts",
            expected="at least one field with a beam-on time",
            try_="giving the beam-on time",
        )
    edges = np.concatenate([[0.0], np.cumsum([duration for duration, _ in pieces])])
    rates = np.array([rate for _, rate in pieces]).T
    done = np.concatenate([np.zeros((rates.shape[0], 1)), np.cumsum(rates * np.diff(edges), axis=1)[:, :-1]], axis=1)
    cells = np.linspace(0.0, edges[-1], CELLS + 1)
    first = np.clip(np.searchsorted(edges, cells, side="right") - 1, 0, len(pieces) - 1)
    return Delivery(
        end=float(edges[-1]),
        starts=np.append(edges[:-1], np.inf),
        offset=(done - rates * edges[:-1]).ravel(),
        rate=rates.ravel(),
        first=first.astype(np.intp),
        corrections=int(np.diff(first).max(initial=0)),
    )


def _alias_row(chances: FloatArray, names: IntArray, width: int) -> tuple[FloatArray, IntArray, IntArray]:
    """Walker's construction: every cell holds one outcome and the overflow of another."""
    level = np.zeros(width)
    level[: names.size] = chances / chances.sum() * width
    own = np.full(width, names[int(np.argmax(chances))], dtype=np.intp)
    own[: names.size] = names
    other, keep = own.copy(), np.ones(width)
    small, large = list(np.flatnonzero(level < 1.0)), list(np.flatnonzero(level >= 1.0))
    while small and large:
        low, high = small.pop(), large[-1]
        keep[low], other[low] = level[low], own[high]
        level[high] -= 1.0 - level[low]
        if level[high] < 1.0:
            small.append(large.pop())
    # What rounding leaves over keeps its own outcome: a level within rounding of one.
    return np.arange(width) + keep, own, other


def _relative(
    network: Network, spread: Mapping[str, Spread], organ_dose: OrganDose, path_points: int, step_s: float
) -> Relative | None:
    if organ_dose not in ("visit", "path", "step", "mean"):
        raise InputError(
            doing="sampling blood dose",
            found=f"organ dose by '{organ_dose}'",
            expected="visit, path, step or mean",
            try_="'visit'",
        )
    for name in spread:
        network.index(name)
    if organ_dose == "mean" or not spread:
        return None
    values = np.concatenate([[1.0], *(item.relative for item in spread.values())])
    chances = np.zeros((len(network.compartments), values.size))
    chances[:, 0] = 1.0
    at = 1
    for name, item in spread.items():
        row = network.index(name)
        chances[row, 0] = 0.0
        chances[row, at : at + item.share.size] = item.share
        at += item.share.size
    return Relative(organ_dose, path_points, step_s, alias_tables(chances), values)


def _root(time: FloatArray, shape: float, scale: FloatArray) -> FloatArray:
    if shape == 2.0:
        np.sqrt(time, out=time)
    elif shape != 1.0:
        np.power(time, 1.0 / shape, out=time)
    time *= scale
    return time


def _store(out: FloatArray, ids: IntArray | None, dose: FloatArray) -> None:
    if ids is None:
        out[:] = dose
    else:
        out[ids] = dose
