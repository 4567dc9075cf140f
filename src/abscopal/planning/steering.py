"""Moving one slider among Pareto plans: two small linear programmes over the shares of the plans."""

import numpy as np
from scipy.optimize import linprog

from abscopal.domain.errors import ConvergenceError
from abscopal.dose.grid import FloatArray

TOLERANCE = 1e-6


def least_worse(rises: FloatArray, row: FloatArray, aim: float, now: FloatArray) -> FloatArray:
    """The mix that brings one figure to its aim at the least largest rise of the others, nearest to the present one.

    Parameters
    ----------
    rises : array, shape (m, n_plans)
        Rise of each other figure over the present mix, by plan, in units of its range; may be empty. [1]
    row : array, shape (n_plans,)
        The figure that is moved, by plan.
    aim : float
        Within the range of `row`.
    now : array, shape (n_plans,)
        Present mix, sums to 1. [1]

    Returns
    -------
    array, shape (n_plans,)
        Not negative, sums to 1. [1]

    Raises
    ------
    ConvergenceError
        No mix meets the aim.
    """
    n = len(now)
    free = np.zeros((0, n + 1))
    tied = np.array([[*np.ones(n), 0.0], [*((row - aim) / max(float(np.ptp(row)), 1e-12)), 0.0]])
    worst = 0.0
    if len(rises):
        above = np.column_stack([rises, -np.ones(len(rises))])
        worst = float(_solved(above, np.zeros(len(rises)), tied)[-1])
        free = np.column_stack([rises, np.zeros(len(rises))])
    step = np.vstack([np.column_stack([sign * np.eye(n), -np.ones(n)]) for sign in (1.0, -1.0)])
    limits = np.concatenate([now, -now, np.full(len(rises), worst + TOLERANCE)])
    shares = np.clip(_solved(np.vstack([step, free]), limits, tied)[:n], 0.0, None)
    return np.asarray(shares / shares.sum(), dtype=np.float64)


def _solved(above: FloatArray, limits: FloatArray, tied: FloatArray) -> FloatArray:
    """Shares 0 to 1 that sum to 1 and meet the aim, and the least value of the last unknown."""
    n = tied.shape[1] - 1
    goal = np.append(np.zeros(n), 1.0)
    bounds = [*[(0.0, 1.0)] * n, (None, None)]
    found = linprog(goal, A_ub=above, b_ub=limits, A_eq=tied, b_eq=np.array([1.0, 0.0]), bounds=bounds)
    if found.x is None:
        raise ConvergenceError(
            doing="moving a slider between plans",
            found=str(found.message),
            expected="a mix that meets the value",
            try_="a value inside the range of the figure",
        )
    return np.asarray(found.x, dtype=np.float64)
