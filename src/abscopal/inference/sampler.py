"""Sampling the posterior with emcee: all walkers of a step are solved in one call."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import UnsupportedError
from abscopal.domain.progress import track
from abscopal.inference.bench import Bench
from abscopal.inference.likelihood import log_likelihood
from abscopal.inference.optimise import Mode, ascend, mode_at
from abscopal.inference.parameters import Parameters, sampled_names
from abscopal.knowledge.load import load

FloatArray = NDArray[np.float64]
REFUSED = -1e4
"""Log-likelihood of a draw that could not be solved: finite, so that a walker there can leave."""


FAR = 8.0
"""Prior standard deviations beyond which a position is refused."""


@dataclass(frozen=True)
class Settings:
    """Length of a calibration.

    Attributes
    ----------
    walkers : int
        Of each ensemble; at least twice the number of parameters sampled.
    climbs : int
        Rounds of 40 iterations of the climb to the mode from which walkers start.
    steps : int
        Steps of every walker; the first half is dropped.
    ensembles : int
        Independent ensembles, compared for convergence.
    seed : int
    """

    walkers: int = 128
    climbs: int = 3
    steps: int = 250
    ensembles: int = 2
    seed: int = 1


@dataclass(frozen=True, eq=False)
class Chain:
    """What the ensembles visited.

    Attributes
    ----------
    z : array, shape (n_ensembles, n_steps, n_walkers, n_sampled)
        Standard normal under the prior; second half of the steps.
    log_likelihood : array, shape (n_ensembles, n_steps, n_walkers)
    accepted : float
        Mean share of moves accepted.
    """

    z: FloatArray
    log_likelihood: FloatArray
    accepted: float
    settings: Settings

    def pooled(self) -> FloatArray:
        """All positions, shape (n, n_sampled)."""
        return self.z.reshape(-1, self.z.shape[-1])

    def thinned(self, n: int) -> FloatArray:
        """`n` positions, chosen at random without replacement with the chain's seed."""
        pool = self.pooled()
        chosen = np.random.default_rng(self.settings.seed).choice(len(pool), n, replace=False)
        return pool[np.sort(chosen)]


def sample(bench: Bench, settings: Settings) -> Chain:
    """Draw from the posterior of the sampled parameters.

    Walkers start in the normal approximation at the mode that a climb from the shipped start reaches. Modes far from
    it are not searched for: R-hat compares ensembles around one mode.

    Parameters
    ----------
    bench : Bench
        Calibration rows only.
    settings : Settings

    Raises
    ------
    UnsupportedError
        The extra `inference` is not installed.
    """
    mode = climb(bench, settings.climbs)
    runs = [_ensemble(bench, settings, k, mode) for k in range(settings.ensembles)]
    return Chain(
        np.array([run[0] for run in runs]),
        np.array([run[1] for run in runs]),
        float(np.mean([run[2] for run in runs])),
        settings,
    )


def target(bench: Bench) -> Callable[[FloatArray], FloatArray]:
    """Log-likelihood of positions z, shape (n, n_sampled) to (n,)."""

    def of(z: FloatArray) -> FloatArray:
        inside = np.clip(z, -FAR, FAR)  # a move may leap out of what floating point can hold
        found = np.maximum(log_likelihood(bench.rows, bench.effects(Parameters(inside))), REFUSED)
        return np.where((inside == z).all(axis=1), found, REFUSED)

    return of


def climb(bench: Bench, rounds: int) -> Mode:
    """The mode reached from the shipped start; each round begins its own L-BFGS memory."""
    position = shipped_start()
    for _ in track(range(rounds), "climbing to the mode", rounds):
        position = ascend(target(bench), position)
    return mode_at(target(bench), position)


def shipped_start() -> FloatArray:
    """Where the climb begins: a position found by search, shape (n_sampled,); zero for numbers it does not name."""
    table = load("inference/start").table("start")
    known = dict(zip(table["name"].astype(str), table["z"].astype(float), strict=True))
    return np.array([known.get(name, 0.0) for name in sampled_names()])


def _ensemble(bench: Bench, settings: Settings, k: int, mode: Mode) -> tuple[FloatArray, FloatArray, float]:
    try:
        import emcee
    except ImportError as exc:
        raise UnsupportedError(
            doing="sampling the posterior",
            found="no package emcee",
            expected="the packages of the extra `inference`",
            try_="pip install 'abscopal[inference]'",
        ) from exc
    likelihood = target(bench)
    random = np.random.default_rng([settings.seed, k])

    def log_posterior(z: FloatArray) -> FloatArray:
        found = likelihood(z)
        return np.column_stack([found - 0.5 * (z * z).sum(axis=1), found])

    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.1), (emcee.moves.StretchMove(), 0.1)]
    sampler = emcee.EnsembleSampler(
        settings.walkers,
        len(mode.z),
        log_posterior,
        vectorize=True,
        moves=moves,
        blobs_dtype=[("log_likelihood", float)],
    )
    sampler.random_state = np.random.RandomState(int(random.integers(2**31))).get_state()
    start = _start(likelihood, mode, settings.walkers, random)
    for _ in track(sampler.sample(start, iterations=settings.steps), f"ensemble {k + 1}", settings.steps):
        pass
    half = settings.steps // 2
    blobs = sampler.get_blobs()["log_likelihood"]
    return sampler.get_chain()[half:], blobs[half:], float(np.mean(sampler.acceptance_fraction))


def _start(
    likelihood: Callable[[FloatArray], FloatArray], mode: Mode, walkers: int, random: np.random.Generator
) -> FloatArray:
    """The better third of draws around the mode: where the normal approximation is poor a walker could be stuck."""
    pool = random.multivariate_normal(mode.z, mode.covariance, 3 * walkers)
    density = np.concatenate([likelihood(block) for block in np.array_split(pool, 3)]) - 0.5 * (pool * pool).sum(axis=1)
    return pool[np.argsort(density)[-walkers:]]
