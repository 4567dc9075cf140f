"""Accelerated failure time with Weibull errors, fitted by lifelines and kept as plain arrays."""

import warnings

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import ConvergenceError
from abscopal.learning.estimators.survival import SurvivalEstimator
from abscopal.learning.outcome import FloatArray


class WeibullAFT(SurvivalEstimator):
    r"""Weibull regression: features stretch time.

    .. math:: P(T \le t \mid x) = 1 - \exp(-(t / \lambda(x))^\rho), \quad
        \ln \lambda(x) = \beta_0 + \beta (x - \bar x)

    Parameters
    ----------
    penalizer : float
        Weight of the ridge penalty on standardised coefficients, as lifelines defines it. [1]

    Notes
    -----
    Codes other than 1 count as censored. A feature that does not vary gets the coefficient zero.
    """

    def __init__(self, penalizer: float = 0.01) -> None:
        self.penalizer = penalizer

    def _fit(self, X: FloatArray, time: FloatArray, code: NDArray[np.int64]) -> None:
        import pandas as pd
        from lifelines import WeibullAFTFitter
        from lifelines.exceptions import ConvergenceError as NoMaximum

        varying = np.ptp(X, axis=0) > 0
        self.center_, spread = X.mean(axis=0), X.std(axis=0)
        table = pd.DataFrame((X[:, varying] - self.center_[varying]) / spread[varying]).rename(columns="x{}".format)
        names = list(table.columns)
        unit = float(np.median(time))  # keeps the search near one, whatever the unit of time
        table["time"], table["event"] = time / unit, code == 1
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                fitted = WeibullAFTFitter(penalizer=self.penalizer).fit(table, "time", "event")
        except NoMaximum as exc:
            raise ConvergenceError(
                doing="fitting a Weibull regression",
                found=str(exc).splitlines()[0],
                expected="a likelihood with a maximum",
                try_="a larger penalty, fewer features, or more events",
            ) from exc
        scale = fitted.params_["lambda_"]
        self.coef_ = np.zeros(X.shape[1])
        self.coef_[varying] = scale[names].to_numpy() / spread[varying]
        self.intercept_ = float(scale["Intercept"] + np.log(unit))
        self.shape_ = float(np.exp(fitted.params_["rho_"]["Intercept"]))

    def _risk(self, X: FloatArray) -> FloatArray:
        return np.asarray(-(X - self.center_) @ self.coef_)

    def _event_probability(self, X: FloatArray, times: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore"):
            stretched = np.log(times)[None, :] - self.intercept_ + self._risk(X)[:, None]
        return -np.expm1(-np.exp(np.clip(self.shape_ * stretched, -700, 700)))
