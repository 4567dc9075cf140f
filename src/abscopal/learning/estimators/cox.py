"""Proportional hazards with a penalty, fitted by lifelines and kept as plain arrays."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import ConvergenceError
from abscopal.learning.estimators.survival import SurvivalEstimator
from abscopal.learning.outcome import FloatArray
from abscopal.learning.product_limit import StepFunction, breslow


class PenalisedCox(SurvivalEstimator):
    r"""Cox regression with a ridge or elastic-net penalty and Breslow's baseline.

    .. math:: P(T \le t \mid x) = 1 - \exp(-H_0(t)\, e^{\beta (x - \bar x)})

    Parameters
    ----------
    penalizer : float
        Weight of the penalty on standardised coefficients, as lifelines defines it. [1]
    l1_ratio : float
        Share of the absolute-value penalty: 0 is ridge, 1 the lasso. [1]

    Notes
    -----
    A feature that does not vary gets the coefficient zero. Codes other than 1 count as censored.
    """

    def __init__(self, penalizer: float = 0.1, l1_ratio: float = 0.0) -> None:
        self.penalizer = penalizer
        self.l1_ratio = l1_ratio

    def _fit(self, X: FloatArray, time: FloatArray, code: NDArray[np.int64]) -> None:
        self.coef_ = np.zeros(X.shape[1])
        self.center_ = X.mean(axis=0)
        self.coef_ = weighted_cox(X, time, code == 1, penalizer=self.penalizer, l1_ratio=self.l1_ratio)
        baseline = breslow(time, code == 1, np.exp(self._risk(X)))
        self.baseline_time_, self.baseline_hazard_ = baseline.time, baseline.value

    def _risk(self, X: FloatArray) -> FloatArray:
        return np.asarray((X - self.center_) @ self.coef_)

    def cumulative_hazard(self, X: FloatArray, times: FloatArray) -> FloatArray:
        """Cumulative hazard at each time, shape (n, k). [1]."""
        baseline = StepFunction(self.baseline_time_, self.baseline_hazard_, 0.0)
        return np.exp(np.clip(self._risk(X), -50, 50))[:, None] * baseline(times)[None, :]

    def _event_probability(self, X: FloatArray, times: FloatArray) -> FloatArray:
        return -np.expm1(-self.cumulative_hazard(X, times))


def weighted_cox(
    X: FloatArray,
    time: FloatArray,
    event: NDArray[np.bool_],
    *,
    penalizer: float = 0.0,
    l1_ratio: float = 0.0,
    entry: FloatArray | None = None,
    weights: FloatArray | None = None,
) -> FloatArray:
    """Coefficients of a Cox regression, shape (p,); rows may enter late and carry weights.

    Raises
    ------
    ConvergenceError
        The likelihood has no maximum lifelines could find.
    """
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.exceptions import ConvergenceError as NoMaximum

    varying = np.ptp(X, axis=0) > 0
    if not varying.any():
        return np.zeros(X.shape[1])
    spread = X[:, varying].std(axis=0)
    table = pd.DataFrame((X[:, varying] - X[:, varying].mean(axis=0)) / spread).rename(columns="x{}".format)
    names = list(table.columns)
    table["time"], table["event"] = time, event
    options: dict[str, Any] = {}
    if entry is not None:
        table["entry"], options["entry_col"] = entry, "entry"
    if weights is not None:
        table["weight"], options["weights_col"] = weights, "weight"
    coefficients = np.zeros(X.shape[1])
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # low variance, separation: the penalty is there for them
            fitted = CoxPHFitter(penalizer=penalizer, l1_ratio=l1_ratio).fit(table, "time", "event", **options)
    except (NoMaximum, np.linalg.LinAlgError) as exc:
        raise ConvergenceError(
            doing="fitting a Cox regression",
            found=str(exc).splitlines()[0],
            expected="a likelihood with a maximum",
            try_="a larger penalty, fewer features, or more events",
        ) from exc
    coefficients[varying] = fitted.params_[names].to_numpy() / spread
    return coefficients
