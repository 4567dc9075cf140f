"""The probability of treatment given covariates, and whether the arms overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.stratification.benefit.trial import Trial

FloatArray = NDArray[np.float64]
TRIM = (0.05, 0.95)
"""Propensities outside are trimmed: there one arm has almost nobody to compare with."""
UNBALANCED = 0.1
"""Standardised mean difference above which a covariate is called unbalanced."""


@dataclass(frozen=True)
class Overlap:
    """Diagnostics of the comparison.

    Attributes
    ----------
    auc : float
        Discrimination of the arms by covariates: 0.5 in a randomised trial. [1]
    outside : int
        Patients with a propensity outside the limits.
    difference, weighted_difference : dict
        Standardised mean difference of each covariate, as it is and after weighting. [1]
    effective : tuple of float
        Effective number of patients of control and treated arm after weighting.
    """

    auc: float
    outside: int
    difference: dict[str, float]
    weighted_difference: dict[str, float]
    effective: tuple[float, float]

    def unbalanced(self, *, weighted: bool) -> list[str]:
        """Covariates beyond the limit."""
        found = self.weighted_difference if weighted else self.difference
        return [name for name, value in found.items() if abs(value) > UNBALANCED]


def propensity(train: Trial, x: FloatArray) -> FloatArray:
    """Probability of treatment at the rows of `x`: the share treated of a randomised trial, else a logistic model."""
    if train.randomised or train.x.shape[1] == 0:
        return np.full(len(x), train.w.mean())
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(train.x, train.w)
    found: FloatArray = np.clip(model.predict_proba(x)[:, 1], *TRIM)
    return found


def overlap(trial: Trial) -> Overlap:
    """How alike the arms are, before and after weighting by the propensity."""
    from dataclasses import replace

    from sklearn.metrics import roc_auc_score

    raw = propensity(replace(trial, randomised=False), trial.x)
    inside = (raw > TRIM[0]) & (raw < TRIM[1])
    used = propensity(trial, trial.x)
    weights = trial.w / used + (1 - trial.w) / (1 - used)
    ones = np.ones(trial.n)
    effective = [float(_sum(weights, trial.w == arm) ** 2 / _sum(weights**2, trial.w == arm)) for arm in (0.0, 1.0)]
    return Overlap(
        auc=float(roc_auc_score(trial.w, raw)) if trial.x.shape[1] else 0.5,
        outside=int((~inside).sum()) if trial.x.shape[1] else 0,
        difference=_differences(trial, ones),
        weighted_difference=_differences(trial, weights),
        effective=(effective[0], effective[1]),
    )


def _sum(values: FloatArray, which: NDArray[np.bool_]) -> float:
    return float(values[which].sum())


def _differences(trial: Trial, weights: FloatArray) -> dict[str, float]:
    found = {}
    for place, name in enumerate(trial.names):
        column = trial.x[:, place]
        means = [np.average(column[trial.w == arm], weights=weights[trial.w == arm]) for arm in (0.0, 1.0)]
        spread = np.sqrt(np.mean([column[trial.w == arm].var() for arm in (0.0, 1.0)]))
        found[name] = float((means[1] - means[0]) / spread) if spread > 0 else 0.0
    return found
