"""Whether predicted gains mean anything, judged on patients they were not fitted on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from abscopal.stratification.benefit.trial import Trial

FloatArray = NDArray[np.float64]
LEVEL = 0.95
Z = float(norm.ppf(0.5 + LEVEL / 2))
MATCHINGS = 50
MOST_PAIRS = 800
"""Matched pairs of one matching; their comparison grows with the square."""


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, error: float) -> "Estimate":
        """From a standard error."""
        return cls(float(value), float(value - Z * error), float(value + Z * error))

    def excludes(self, null: float = 0.0) -> bool:
        """Whether the interval leaves `null` out."""
        return not self.low <= null <= self.high


@dataclass(frozen=True)
class Ranked:
    """Patients of one fold: gains predicted from other patients, and their doubly robust scores. [month]."""

    predicted: FloatArray
    scores: FloatArray


def targeting(fold: Ranked, *, weighting: str = "autoc") -> tuple[float, float]:
    r"""Rank-weighted average effect (RATE) of one fold and its standard error.

    .. math:: \frac{1}{n} \sum_{j=1}^n \alpha_j \left(\bar g_{1..j} - \bar g\right)

    over patients in the order of predicted gain, with :math:`\alpha_j = 1` (AUTOC) or j / n (Qini).

    References
    ----------
    Yadlowsky et al. 2021 (RATE), recalled.
    """
    order = np.argsort(-fold.predicted, kind="stable")
    g, n = fold.scores[order], len(order)
    ranks = np.arange(1, n + 1)
    alpha = np.ones(n) if weighting == "autoc" else ranks / n
    per_patient = np.cumsum((alpha / ranks)[::-1])[::-1] - alpha.mean()
    centred = g - g.mean()
    return float(per_patient @ centred / n), float(np.sqrt((per_patient**2) @ centred**2) / n)


def combine(folds: list[Ranked], *, weighting: str = "autoc") -> Estimate:
    """RATE over folds each ranked by models of the folds before it.

    Given those, each fold's value has mean zero when there is no heterogeneity, so the weighted sum is
    a martingale and its interval holds; ranking every fold by models of all the others does not give that.

    References
    ----------
    Wager 2024, sequential validation of treatment heterogeneity, recalled.
    """
    parts = [targeting(fold, weighting=weighting) for fold in folds]
    sizes = np.array([len(fold.scores) for fold in folds], dtype=np.float64)
    share = sizes / sizes.sum()
    value = sum(a * s for a, (s, _) in zip(share, parts, strict=True))
    error = np.sqrt(sum((a * e) ** 2 for a, (_, e) in zip(share, parts, strict=True)))
    return Estimate.of(float(value), float(error))


def mean_of(values: FloatArray) -> Estimate:
    """Mean with its interval."""
    return Estimate.of(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def calibration_slope(fold: Ranked) -> Estimate:
    """Slope of the scores on the predicted gains, with a robust error; 1 is calibrated, 0 is no signal."""
    x = fold.predicted - fold.predicted.mean()
    spread = float(x @ x)
    if spread <= 1e-12 * len(x):
        return Estimate(0.0, -np.inf, np.inf)
    slope = float(x @ fold.scores) / spread
    residual = fold.scores - fold.scores.mean() - slope * x
    return Estimate.of(slope, float(np.sqrt((x**2) @ residual**2) / spread))


def concordance_for_benefit(trial: Trial, predicted: FloatArray, y: FloatArray, *, seed: int = 0) -> Estimate:
    """C-for-benefit: treated and control patients matched on predicted gain, averaged over random matchings.

    Parameters
    ----------
    predicted : array, shape (n,)
        Predicted gain, from other patients. [month]
    y : array, shape (n,)
        Outcome, such as pseudo-values. [month]

    Notes
    -----
    Rank-only and noisy. The interval is from the spread over pairs of one matching (jackknife of the
    pair concordances), averaged over the matchings. Large trials are matched in random parts of 800 pairs.

    References
    ----------
    van Klaveren et al. 2018, recalled.
    """
    rng = np.random.default_rng(seed)
    found = [_one_matching(trial, predicted, y, rng) for _ in range(MATCHINGS)]
    values, errors = np.array(found).T
    return Estimate.of(float(values.mean()), float(np.sqrt((errors**2).mean())))


def _one_matching(trial: Trial, predicted: FloatArray, y: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
    arms = [np.flatnonzero(trial.w == arm) for arm in (1.0, 0.0)]
    size = min(MOST_PAIRS, *(len(arm) for arm in arms))
    treated, control = (
        chosen[np.argsort(predicted[chosen], kind="stable")]
        for chosen in (rng.choice(arm, size, replace=False) for arm in arms)
    )
    expected = (predicted[treated] + predicted[control]) / 2
    observed = y[treated] - y[control]
    up = np.sign(expected[:, None] - expected[None, :])
    agree = up * np.sign(observed[:, None] - observed[None, :])
    usable = (up != 0) & (agree != 0)
    per_pair = usable.sum(axis=1)
    if per_pair.sum() == 0:
        return 0.5, 0.5
    good = ((agree > 0) & usable).sum(axis=1)
    value = good.sum() / per_pair.sum()
    influence = 2 * (good - value * per_pair) / per_pair.mean()
    return float(value), float(influence.std(ddof=1) / np.sqrt(size))


@dataclass(frozen=True)
class Group:
    """Patients of like predicted gain, with the difference that was observed between their arms.

    Attributes
    ----------
    predicted, observed : float, Estimate
        Difference in restricted mean survival time. [month]
    """

    label: str
    n: int
    predicted: float
    observed: Estimate


def groups_by_gain(trial: Trial, predicted: FloatArray, y: FloatArray, *, count: int = 3) -> list[Group]:
    """Observed difference of the outcome between arms inside quantile groups of predicted gain."""
    place = np.empty(trial.n, dtype=np.int64)
    place[np.argsort(predicted, kind="stable")] = np.arange(trial.n) * count // trial.n
    names = {2: ("lower half", "upper half"), 3: ("lowest third", "middle third", "highest third")}
    found = []
    for group in range(count):
        here = place == group
        arms = [y[here & (trial.w == arm)] for arm in (1.0, 0.0)]
        if min(len(arm) for arm in arms) < 2:
            continue
        difference = arms[0].mean() - arms[1].mean()
        error = np.sqrt(sum(arm.var(ddof=1) / len(arm) for arm in arms))
        label = names.get(count, tuple(f"group {i + 1}" for i in range(count)))[group]
        found.append(Group(label, int(here.sum()), float(predicted[here].mean()), Estimate.of(difference, error)))
    return found


def policy_value(fold: Ranked) -> tuple[Estimate, Estimate]:
    """Gain per patient of treating those predicted to gain, and of treating everybody, over treating none. [month]."""
    return mean_of(np.where(fold.predicted > 0, fold.scores, 0.0)), mean_of(fold.scores)


def e_value(hazard_ratio: float, limit: float) -> tuple[float, float]:
    """E-value of a hazard ratio with a common outcome, and of the limit of its interval nearer to one.

    Returns
    -------
    tuple of float
        The association, as a risk ratio, that an unmeasured confounder would need with treatment and with
        outcome to explain the estimate away, and to move the interval to one. [1]

    References
    ----------
    VanderWeele and Ding, Ann Intern Med 2017, recalled.
    """
    crosses = (hazard_ratio - 1) * (limit - 1) <= 0
    return _e(hazard_ratio), 1.0 if crosses else _e(limit)


def _e(hazard_ratio: float) -> float:
    high = max(hazard_ratio, 1 / hazard_ratio)
    risk = (1 - 0.5 ** np.sqrt(high)) / (1 - 0.5 ** np.sqrt(1 / high))
    return float(risk + np.sqrt(risk * (risk - 1)))
