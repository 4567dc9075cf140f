"""Random effects by Bayes' rule, integrated on a grid: exact to the grid, no sampler."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import norm

from abscopal.knowledge.load import load
from abscopal.trials.pooling import clean

FloatArray = NDArray[np.float64]
_POINTS = 2000
"""Points of the grid over tau; doubling them changes no printed digit (a test holds it)."""


@dataclass(frozen=True)
class BayesPool:
    """Posterior of the mean effect and of the effect in a new trial.

    Attributes
    ----------
    hr : float
        exp of the posterior median of the mean log effect. [1]
    interval : tuple of float
        Central 95 % credible interval of the mean. [1]
    p_benefit : float
        Posterior probability that the mean hazard ratio is below 1.
    tau, tau_interval
        Posterior median and central 95 % interval of the between-trial standard deviation. [1]
    prediction_interval : tuple of float
        Central 95 % interval of the hazard ratio in a new trial. [1]
    p_new_benefit : float
        Probability that the hazard ratio of a new trial is below 1.
    """

    k: int
    hr: float
    interval: tuple[float, float]
    p_benefit: float
    tau: float
    tau_interval: tuple[float, float]
    prediction_interval: tuple[float, float]
    p_new_benefit: float


@dataclass(frozen=True)
class Mixture:
    """A distribution that is a weighted sum of normals: weights, means and standard deviations."""

    weight: FloatArray
    mean: FloatArray
    sd: FloatArray

    def cdf(self, x: float) -> float:
        """Probability of at most `x`."""
        return float(self.weight @ norm.cdf(x, self.mean, self.sd))

    def quantile(self, p: float) -> float:
        """The value with probability `p` below it."""
        low, high = float((self.mean - 12 * self.sd).min()), float((self.mean + 12 * self.sd).max())
        return float(brentq(lambda x: self.cdf(x) - p, low, high, xtol=1e-12))


def bayes_pool(
    log_hr: ArrayLike, se: ArrayLike, *, tau_scale: float | None = None, mean_sd: float | None = None
) -> BayesPool:
    r"""Posterior under :math:`y_i \sim N(\theta_i, s_i^2)`, :math:`\theta_i \sim N(\mu, \tau^2)`.

    Parameters
    ----------
    log_hr, se : array, shape (k,)
        Log effect of each study and its standard error. [1]
    tau_scale : float, optional
        Scale of the half-normal prior of tau; the sheet's unless given. [1]
    mean_sd : float, optional
        Standard deviation of the normal prior of the mean about no effect; the sheet's unless given. [1]

    Raises
    ------
    InputError
        As for `pooling.pool`.

    Notes
    -----
    Given tau the mean is normal in closed form; tau is integrated over a grid that reaches beyond
    all its mass, so the posterior is a finite mixture of normals.
    """
    mean, new, tau, weight = posterior(log_hr, se, tau_scale=tau_scale, mean_sd=mean_sd)
    spread = np.interp([0.025, 0.5, 0.975], np.cumsum(weight) - weight / 2, tau)
    return BayesPool(
        k=int(np.size(log_hr)),
        hr=math.exp(mean.quantile(0.5)),
        interval=(math.exp(mean.quantile(0.025)), math.exp(mean.quantile(0.975))),
        p_benefit=mean.cdf(0.0),
        tau=float(spread[1]),
        tau_interval=(float(spread[0]), float(spread[2])),
        prediction_interval=(math.exp(new.quantile(0.025)), math.exp(new.quantile(0.975))),
        p_new_benefit=new.cdf(0.0),
    )


def posterior(
    log_hr: ArrayLike,
    se: ArrayLike,
    *,
    tau_scale: float | None = None,
    mean_sd: float | None = None,
    points: int = _POINTS,
) -> tuple[Mixture, Mixture, FloatArray, FloatArray]:
    """The mean effect and the effect of a new trial as mixtures, with the grid of tau and its weights."""
    y, v = clean(log_hr, se)
    sheet = load("trials/rt_ici")
    scale = sheet["tau_prior_scale"] if tau_scale is None else tau_scale
    prior_sd = sheet["mean_prior_sd"] if mean_sd is None else mean_sd
    tau = (np.arange(points) + 0.5) / points * 5 * scale
    total = v[None, :] + tau[:, None] ** 2
    precision = (1 / total).sum(1) + prior_sd**-2
    mean = (y / total).sum(1) / precision
    evidence = -0.5 * (np.log(total).sum(1) + np.log(precision) + (y**2 / total).sum(1) - mean**2 * precision)
    evidence -= 0.5 * (tau / scale) ** 2
    weight = np.exp(evidence - evidence.max())
    weight /= weight.sum()
    sd = precision**-0.5
    return Mixture(weight, mean, sd), Mixture(weight, mean, np.sqrt(sd**2 + tau**2)), tau, weight
