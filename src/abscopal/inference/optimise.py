"""Modes of the posterior, and the normal approximation there from which walkers start.

One gradient is one call of the solver: the base point and a step along every axis are solved together.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

FloatArray = NDArray[np.float64]
LogDensity = Callable[[FloatArray], FloatArray]
STEP = 0.03
"""Of the differences, on the standard normal prior scale; well above the solver's error."""
WIDE_STEP = 0.2
"""Of second differences."""
_LEAST_CURVATURE = 0.3
"""Of the normal approximation; the prior alone has 1, so that no direction becomes far wider than the prior."""


@dataclass(frozen=True, eq=False)
class Mode:
    """A local maximum of the posterior.

    Attributes
    ----------
    z : array, shape (k,)
    log_density : float
        Log-likelihood plus log prior, without its constant.
    covariance : array, shape (k, k)
        Inverse of the curvature there.
    """

    z: FloatArray
    log_density: float
    covariance: FloatArray


def ascend(log_likelihood: LogDensity, start: FloatArray, iterations: int = 40) -> FloatArray:
    """Climb from a start, shape (k,), by L-BFGS."""

    def downhill(z: FloatArray) -> tuple[float, FloatArray]:
        values = _posterior(log_likelihood, np.vstack([z, z + STEP * np.eye(len(z))]))
        return -values[0], -(values[1:] - values[0]) / STEP

    found: FloatArray = minimize(downhill, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations}).x
    return found


def mode_at(log_likelihood: LogDensity, z: FloatArray) -> Mode:
    """The curvature at a top, shape (k,)."""
    return Mode(z, float(_posterior(log_likelihood, z[None])[0]), _covariance(log_likelihood, z))


def _posterior(log_likelihood: LogDensity, z: FloatArray) -> FloatArray:
    return np.asarray(log_likelihood(z) - 0.5 * (z * z).sum(axis=1))


def _covariance(log_likelihood: LogDensity, z: FloatArray) -> FloatArray:
    """Inverse curvature by second differences over a fifth of a prior standard deviation."""
    k, step = len(z), WIDE_STEP
    axes = np.eye(k) * step
    pairs = [(i, j) for i in range(k) for j in range(i)]
    points = np.vstack([z, z + axes, z - axes, *(z + axes[i] + axes[j] for i, j in pairs)])
    blocks = np.array_split(points, max(1, len(points) // 100))
    values = np.concatenate([_posterior(log_likelihood, block) for block in blocks])
    top, up, down, both = values[0], values[1 : k + 1], values[k + 1 : 2 * k + 1], values[2 * k + 1 :]
    curvature = np.diag(-(up + down - 2 * top) / step**2)
    for (i, j), value in zip(pairs, both, strict=True):
        curvature[i, j] = curvature[j, i] = -(value - up[i] - up[j] + top) / step**2
    found, vectors = np.linalg.eigh(curvature)
    return np.asarray((vectors / np.maximum(found, _LEAST_CURVATURE)) @ vectors.T)
