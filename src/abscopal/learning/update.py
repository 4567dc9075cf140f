"""Updating a published model before fitting a new one: as published, intercept, slope, refit.

Each step is a logistic regression on the log odds of the published probability. A censored outcome
enters as event by the horizon, patients weighted by the inverse probability of being uncensored.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import chi2

from abscopal.domain.errors import InputError
from abscopal.knowledge.load import load
from abscopal.learning.metrics.brier import censoring_weights
from abscopal.learning.metrics.calibration import EDGE
from abscopal.learning.outcome import FloatArray, Kind, time_and_code
from abscopal.learning.table import RULES

STEPS = ("as published", "intercept", "intercept and slope", "refit")


@dataclass(frozen=True, eq=False)
class Update:
    """The ladder of a published model on one cohort.

    Attributes
    ----------
    chosen : str
        The first step that closed testing does not reject against the refit.
    intercept, slope : float
        Of the intercept step alone (slope 1), or of the slope step when that, or a refit, was chosen.
    log_likelihood, p_value : dict
        Of each step; p of each step against the refit (or against the slope step without predictors).
    coefficients : array
        Intercept and coefficients of the refit; empty without predictors.
    """

    chosen: str
    intercept: float
    slope: float
    log_likelihood: dict[str, float]
    p_value: dict[str, float]
    coefficients: FloatArray

    def apply(self, p: FloatArray, predictors: FloatArray | None = None) -> FloatArray:
        """Updated probabilities, shape (n,), from published ones (and predictors, after a refit)."""
        if self.chosen == "refit" and predictors is not None:
            return np.asarray(expit(self.coefficients[0] + predictors @ self.coefficients[1:]))
        return np.asarray(expit(self.intercept + self.slope * logit(np.clip(p, EDGE, 1 - EDGE))))


def update_ladder(
    p: FloatArray, y: FloatArray, kind: Kind, horizon: float = 0.0, predictors: FloatArray | None = None
) -> Update:
    """Choose how far a published model must be changed, by closed testing.

    Parameters
    ----------
    p : array, shape (n,)
        Published probability. [1]
    y : array, shape (n,) or (n, 2)
    kind, horizon
        As in `learning.outcome.Outcome`.
    predictors : array, shape (n, q), optional
        The published model's own predictors, for the refit.

    Raises
    ------
    InputError
        The outcome does not vary.

    References
    ----------
    Vergouwe Y et al., Stat Med 2017 (closed testing, recalled); Steyerberg EW, Clinical Prediction Models.
    """
    event, weight = _as_binary(y, kind, horizon)
    if not 0 < float(weight @ event) < float(weight.sum()):
        raise InputError(
            doing="updating a published model", found="an outcome that does not vary",
            expected="patients with and without the event by the horizon", try_="another horizon",
        )  # fmt: skip
    eta = logit(np.clip(p, EDGE, 1 - EDGE))
    nothing = np.empty((len(eta), 0))
    log_likelihood = {"as published": _log_likelihood(event, weight, eta)}
    parameters = {"as published": 0, "intercept": 1, "intercept and slope": 2}
    start, log_likelihood["intercept"] = _fit(nothing, event, weight, offset=eta)
    line, log_likelihood["intercept and slope"] = _fit(eta[:, None], event, weight)
    whole = np.empty(0)
    if predictors is not None:
        whole, log_likelihood["refit"] = _fit(predictors, event, weight)
        parameters["refit"] = 1 + predictors.shape[1]
    top = list(parameters)[-1]
    p_value = {
        step: float(chi2.sf(max(0.0, 2 * (log_likelihood[top] - value)), max(1, parameters[top] - parameters[step])))
        for step, value in log_likelihood.items()
        if step != top
    }
    level = load(RULES)["closed_test_level"]
    chosen = next((step for step in p_value if p_value[step] >= level), top)
    intercept, slope = {"as published": (0.0, 1.0), "intercept": (float(start[0]), 1.0)}.get(
        chosen, (float(line[0]), float(line[1]))
    )
    return Update(chosen, intercept, slope, log_likelihood, p_value, whole)


def _as_binary(y: FloatArray, kind: Kind, horizon: float) -> tuple[FloatArray, FloatArray]:
    if kind == "binary":
        return np.asarray(y, dtype=np.float64).ravel(), np.ones(len(y))
    time, code = time_and_code(y)
    weight = censoring_weights(time, code, np.array([horizon]))[:, 0]
    # Weights vary, so they carry less information than their sum: scaled to the effective number of patients (Kish).
    weight *= weight.sum() / (weight @ weight)
    return ((time <= horizon) & (code == 1)).astype(np.float64), weight


def _log_likelihood(event: FloatArray, weight: FloatArray, eta: FloatArray) -> float:
    return float(weight @ -np.logaddexp(0, np.where(event == 1, -eta, eta)))


def _fit(
    X: FloatArray, event: FloatArray, weight: FloatArray, offset: FloatArray | None = None
) -> tuple[NDArray[np.float64], float]:
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    design = np.column_stack([np.ones(len(event)), X])
    kept = weight > 0
    shift = np.zeros(len(event)) if offset is None else offset
    found = GLM(event[kept], design[kept], family=Binomial(), offset=shift[kept], freq_weights=weight[kept]).fit()
    return np.asarray(found.params), _log_likelihood(event, weight, design @ found.params + shift)
