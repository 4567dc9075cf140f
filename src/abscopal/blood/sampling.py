"""Dose to circulating blood by event-driven particles: one event for each compartment entered.

There is no time step. A particle starts in equilibrium, stays for a transit time that is
exponential (Markov, shape 1) or Weibull (semi-Markov), and collects the dose its compartment
receives in between. Memory depends on the chunk, not on the number of events. The result
depends on the seed and the chunk size only, not on the number of workers.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.blood.blood_dvh import CONFIDENCE, BloodDVH, dvh_of_particles
from abscopal.blood.circulation import Network
from abscopal.blood.exposure import Segment
from abscopal.blood.particles import OrganDose, Walk, build_walk, fraction_doses
from abscopal.blood.spread import Spread
from abscopal.domain.errors import InputError

FloatArray = NDArray[np.float64]
CHUNK = 32_768  # particles walked together: their arrays stay close to a core
MAX_PARTICLES = 100_000_000


@dataclass(frozen=True, eq=False)
class BloodSample:
    """Doses of independent blood particles.

    Attributes
    ----------
    doses : array, shape (n,)
        Over all fractions. [Gy]
    n_fractions : int
        Fractions each particle went through, fully mixed in between.
    shape : float
        Weibull shape of the transit times; 1 is Markov. [1]
    organ_dose : str
        How a heterogeneous organ gives dose: `"visit"`, `"path"`, `"step"` or `"mean"`.
    seed : int
    notes : tuple of str
    """

    doses: FloatArray
    n_fractions: int
    shape: float
    organ_dose: OrganDose
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def mean(self) -> tuple[float, float]:
        """Mean dose and its standard error, in Gy."""
        return self._with_error(self.doses)

    @property
    def sd(self) -> float:
        """Standard deviation of the dose, in Gy."""
        return float(self.doses.std(ddof=1))

    def volume_at_dose(self, gy: float) -> tuple[float, float]:
        """Share of blood with at least `gy` (any dose above zero for 0) and its standard error, as shares."""
        hit = self.doses > 0.0 if gy == 0.0 else self.doses >= gy
        return self._with_error(hit.astype(np.float64))

    def dose_at_volume(self, percent: float) -> float:
        """Dose that the hottest `percent` of blood reaches, in Gy."""
        return float(np.quantile(self.doses, 1.0 - percent / 100.0))

    def surviving_fraction(self, alpha: float) -> tuple[float, float]:
        """Share of cells surviving under exp(-alpha D), and its standard error, as shares."""
        return self._with_error(np.exp(-alpha * self.doses))

    def dvh(self, points: int = 200, confidence: float = CONFIDENCE) -> BloodDVH:
        """Blood DVH on an even axis up to the highest dose, with its Wilson band."""
        top = max(float(self.doses.max()), np.finfo(np.float64).tiny)
        return dvh_of_particles(self.doses, np.linspace(0.0, top, points), self.basis, confidence)

    @property
    def basis(self) -> str:
        """How the doses were obtained, in words."""
        law = "Markov" if self.shape == 1.0 else f"Weibull (shape {self.shape:g})"
        return f"{self.doses.size} particles, {law} transit, organ dose by {self.organ_dose}, seed {self.seed}"

    def _with_error(self, values: FloatArray) -> tuple[float, float]:
        return float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))


def sample_blood_dose(
    network: Network,
    segments: Sequence[Segment],
    n_particles: int,
    *,
    n_fractions: int = 1,
    shape: float = 1.0,
    spread: Mapping[str, Spread] | None = None,
    organ_dose: OrganDose = "visit",
    path_points: int = 8,
    step_s: float = 0.05,
    seed: int = 0,
    chunk: int = CHUNK,
    workers: int = 1,
) -> BloodSample:
    """Blood dose of independent particles, event by event.

    Parameters
    ----------
    network : Network
        Must conserve flow: particles start with the stationary shares.
    segments : sequence of Segment
        Fields and pauses of one fraction, in order.
    n_particles : int
    n_fractions : int
        Equal fractions, each from a fresh equilibrium start (complete mixing).
    shape : float
        Weibull shape k of every transit time, with the mean kept; 1 is Markov. [1]
    spread : mapping, optional
        Compartment to the distribution of its dose relative to the mean.
    organ_dose : {"visit", "path", "step", "mean"}
        One draw of the spread for a whole visit (widest tails); the mean of `path_points`
        draws; one draw each `step_s` of the visit; or none. Means agree, tails do not.
    path_points : int
    step_s : float
        [s]
    seed : int
    chunk : int
        Particles walked together. Part of the random stream: another chunk, another sample.
    workers : int
        Threads. The sample does not depend on it.

    Returns
    -------
    BloodSample

    Raises
    ------
    InputError
        Counts below one, a shape that is not positive, no segment, unknown compartments.
    """
    _check(n_particles, n_fractions, shape, path_points, step_s, chunk, workers)
    walk = build_walk(network, segments, shape, spread or {}, organ_dose, path_points, step_s)
    doses = np.empty(n_particles)
    starts = range(0, n_particles, chunk)
    streams = np.random.SeedSequence(seed).spawn(len(starts))

    def run(start: int, stream: np.random.SeedSequence) -> None:
        doses[start : start + chunk] = _course(walk, min(chunk, n_particles - start), n_fractions, stream)

    if workers == 1:
        for start, stream in zip(starts, streams, strict=True):
            run(start, stream)
    else:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(run, starts, streams))
    return BloodSample(doses, n_fractions, shape, organ_dose, seed, network.notes)


def _course(walk: Walk, n: int, n_fractions: int, stream: np.random.SeedSequence) -> FloatArray:
    rng = np.random.Generator(np.random.SFC64(stream))
    total = np.zeros(n)
    for _ in range(n_fractions):
        total += fraction_doses(walk, n, rng)
    return total


def _check(
    n_particles: int, n_fractions: int, shape: float, path_points: int, step_s: float, chunk: int, workers: int
) -> None:
    wrong = {
        f"{n_particles} particles": not 1 <= n_particles <= MAX_PARTICLES,
        f"{n_fractions} fractions": n_fractions < 1,
        f"a Weibull shape of {shape:g}": not (np.isfinite(shape) and shape > 0.0),
        f"{path_points} path points": path_points < 1,
        f"a step of {step_s:g} s": not (np.isfinite(step_s) and step_s > 0.0),
        f"chunks of {chunk} and {workers} workers": min(chunk, workers) < 1,
    }
    found = [text for text, bad in wrong.items() if bad]
    if found:
        raise InputError(
            doing="sampling blood dose",
            found=", ".join(found),
            expected=f"counts of one or more (particles up to {MAX_PARTICLES}), a positive shape and step",
            try_="100000 particles, shape 1 or 2",
        )
