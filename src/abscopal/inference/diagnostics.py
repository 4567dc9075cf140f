"""Whether the chain has converged, and what the data taught: contraction, profiles, WAIC."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from abscopal.inference.parameters import sampled_names
from abscopal.inference.sampler import Chain

FloatArray = NDArray[np.float64]
PROFILE_DROP = 1.92
"""Half the 95 % point of chi-squared with one degree of freedom."""


@dataclass(frozen=True)
class Learned:
    """What the data taught about one sampled number, on its standard normal prior scale.

    Attributes
    ----------
    median, sd : float
        Of the posterior; 0 and 1 under the prior.
    r_hat : float
        Of the ensembles and their halves; 1 when they agree.
    effective : float
        Effective number of draws.
    bounded_below, bounded_above : bool
        Whether the profile falls by 1.92 on that side of its top, inside what the chain visited.
    """

    name: str
    median: float
    sd: float
    r_hat: float
    effective: float
    bounded_below: bool
    bounded_above: bool

    @property
    def contraction(self) -> float:
        """Share of the prior variance that the data removed."""
        return 1 - self.sd**2

    @property
    def verdict(self) -> str:
        """In words."""
        if self.bounded_below and self.bounded_above:
            return "both sides"
        if self.bounded_below or self.bounded_above:
            return "from below" if self.bounded_below else "from above"
        return "no"


def learned(chain: Chain) -> tuple[Learned, ...]:
    """Convergence and contraction of every sampled number, in the order of `sampled_names`."""
    names = sampled_names()
    found = []
    for k, name in enumerate(names):
        one = chain.z[..., k]
        below, above = _bounded(chain, k)
        found.append(
            Learned(name, float(np.median(one)), float(one.std()), r_hat(one), effective_draws(one), below, above)
        )
    return tuple(found)


def r_hat(values: FloatArray) -> float:
    """Split R-hat of shape (n_ensembles, n_steps, n_walkers): each half of each ensemble is one chain.

    The walkers of an ensemble move by each other's positions, so an ensemble, not a walker, is a chain.
    """
    half = values.shape[1] // 2
    chains = np.array([block.ravel() for one in values for block in (one[:half], one[half : 2 * half])])
    n = chains.shape[1]
    within = chains.var(axis=1, ddof=1).mean()
    between = chains.mean(axis=1).var(ddof=1)
    return float(np.sqrt(((n - 1) / n * within + between) / within))


def effective_draws(values: FloatArray) -> float:
    """Draws divided by the integrated autocorrelation time of the walkers, averaged, shape as `r_hat`."""
    total = 0.0
    for ensemble in values:
        total += ensemble.size / _autocorrelation_time(ensemble)
    return total


def _autocorrelation_time(steps: FloatArray) -> float:
    """Of shape (n_steps, n_walkers), with Sokal's window of five times itself."""
    n = len(steps)
    centred = steps - steps.mean()
    spectrum = np.fft.rfft(centred, 2 * n, axis=0)
    correlation = np.fft.irfft((np.abs(spectrum) ** 2).mean(axis=1))[:n] / np.arange(n, 0, -1)
    if correlation[0] <= 0:
        return float(n)
    times = 2 * np.cumsum(correlation / correlation[0]) - 1
    window = np.flatnonzero(np.arange(n) >= 5 * times)
    return float(max(1.0, times[window[0] if window.size else -1]))


def profile(chain: Chain, k: int, bins: int = 10) -> tuple[FloatArray, FloatArray]:
    """Profile of the posterior density along one sampled number: the best position visited in each bin.

    A profile over a chain lies at or below the true one; a bin not visited is left out.

    Returns
    -------
    centres, best : array, shape (n_visited,)
        Best log density less that of the whole chain.
    """
    z = chain.pooled()
    density = chain.log_likelihood.ravel() - 0.5 * (z * z).sum(axis=1)
    edges = np.linspace(z[:, k].min(), z[:, k].max(), bins + 1)
    place = np.clip(np.digitize(z[:, k], edges) - 1, 0, bins - 1)
    visited = np.unique(place)
    best = np.array([density[place == b].max() for b in visited]) - density.max()
    return (edges[visited] + edges[visited + 1]) / 2, best


def _bounded(chain: Chain, k: int) -> tuple[bool, bool]:
    _, best = profile(chain, k)
    top = int(best.argmax())
    below, above = best[:top], best[top + 1 :]
    return bool((below < -PROFILE_DROP).any()), bool((above < -PROFILE_DROP).any())


@dataclass(frozen=True)
class Waic:
    """Widely applicable information criterion on the scale of log predictive density; larger is better."""

    elpd: float
    standard_error: float
    effective_parameters: float
    doubtful: int


def waic(log_likelihoods: FloatArray, weights: Sequence[float]) -> tuple[Waic, FloatArray]:
    """WAIC of rows under equally likely draws, and each row's share.

    Parameters
    ----------
    log_likelihoods : array, shape (n_rows, n_draws)
    weights : sequence of float, length n_rows

    Returns
    -------
    (Waic, array of shape (n_rows,))
        `doubtful` counts rows whose variance is above 0.4, where WAIC is not to be trusted
        (Vehtari 2017, 10.1007/s11222-016-9696-4).
    """
    weighted = log_likelihoods * np.asarray(weights)[:, None]
    predictive = logsumexp(weighted, axis=1) - np.log(weighted.shape[1])
    spread = weighted.var(axis=1, ddof=1)
    by_row = predictive - spread
    error = float(np.sqrt(len(by_row) * by_row.var(ddof=1)))
    return Waic(float(by_row.sum()), error, float(spread.sum()), int((spread > 0.4).sum())), by_row
