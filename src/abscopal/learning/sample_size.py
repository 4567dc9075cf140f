"""Whether a cohort is large enough for its parameters."""

import warnings

import numpy as np

from abscopal.learning.outcome import FloatArray, Outcome, time_and_code


def heuristic_shrinkage(X: FloatArray, y: FloatArray, outcome: Outcome) -> float | None:
    r"""Expected calibration slope of a fit without penalty: :math:`(\chi^2 - p)/\chi^2`.

    Parameters
    ----------
    X : array, shape (n, p)
        Encoded features, missing cells filled.
    y : array, shape (n,) or (n, 2)

    Returns
    -------
    float or None
        0 where the features explain no more than noise would; None where the fit does not exist. [1]

    References
    ----------
    Van Houwelingen JC, Le Cessie S, Stat Med 1990 (recalled).
    """
    from statsmodels.duration.hazard_regression import PHReg
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.sm_exceptions import PerfectSeparationError
    from statsmodels.tools.tools import add_constant

    X = X[:, np.ptp(X, axis=0) > 0]
    if not X.shape[1]:
        return None
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if outcome.kind == "binary":
                fit = GLM(y, add_constant(X), family=Binomial()).fit()
                statistic = 2 * (fit.llf - fit.llnull)
            else:
                time, code = time_and_code(y)
                model = PHReg(time, X, status=code == 1)
                statistic = 2 * (model.fit().llf - model.loglike(np.zeros(X.shape[1])))
    except (PerfectSeparationError, np.linalg.LinAlgError, ValueError):
        return None
    if not np.isfinite(statistic) or statistic <= 0:
        return None
    return float(max(0.0, (statistic - X.shape[1]) / statistic))
