"""A PEtab problem fitted by pyPESTO from several starts, with our objective and gradient."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import ConvergenceError
from abscopal.interchange.extra import pypesto_optimize
from abscopal.interchange.petab_objective import PetabProblem, natural, pypesto_problem

FloatArray = NDArray[np.float64]
_SAME = 0.1
"""Log units within which the ends of two starts count as the same optimum."""


@dataclass(frozen=True)
class PetabFit:
    """The best of several starts.

    Attributes
    ----------
    names : tuple of str
    values : array, shape (n_parameters,)
        In each parameter's own unit.
    at_bound : tuple of str
        Parameters that ended at a bound.
    objective : float
        Negative log posterior (likelihood where there are no priors).
    ends : array, shape (n_starts,)
        Objective at the end of each start, ascending; infinite where one failed.
    """

    names: tuple[str, ...]
    values: FloatArray
    at_bound: tuple[str, ...]
    objective: float
    ends: FloatArray

    @property
    def same(self) -> int:
        """Number of starts that ended within 0.1 of the best."""
        return int((self.ends <= self.objective + _SAME).sum())


def fit_petab(problem: PetabProblem, starts: int = 5, *, seed: int = 0) -> PetabFit:
    """Minimise by L-BFGS-B from the nominal values and from points drawn within the bounds.

    Parameters
    ----------
    problem : PetabProblem
    starts : int
    seed : int
        Of the drawn points.

    Raises
    ------
    ConvergenceError
        No start could be solved.
    UnsupportedError
        Without the extra `inference`.
    """
    library = pypesto_optimize()
    low, high = problem.bounds
    made = pypesto_problem(problem)
    drawn = np.random.default_rng(seed).uniform(low, high, (max(starts - 1, 0), len(low)))
    made.set_x_guesses(np.vstack([np.clip(problem.nominal, low, high), drawn])[:starts])
    logging.getLogger("pypesto").setLevel(logging.ERROR)
    result = library.minimize(
        made, optimizer=library.ScipyOptimizer(method="L-BFGS-B"), n_starts=starts, progress_bar=False
    ).optimize_result
    best = np.asarray(result[0].x, dtype=float) if np.isfinite(result[0].fval) else None
    if best is None:
        raise ConvergenceError(
            doing="fitting a PEtab problem", found=f"no solution from any of {starts} starts",
            expected="a start from which every condition can be solved", try_="narrower bounds",
        )  # fmt: skip
    edges = np.isclose(best, low, rtol=0, atol=1e-6) | np.isclose(best, high, rtol=0, atol=1e-6)
    scales = [unknown.scale for unknown in problem.unknowns]
    return PetabFit(
        tuple(problem.names),
        np.array([natural(float(x), scale) for x, scale in zip(best, scales, strict=True)]),
        tuple(name for name, is_there in zip(problem.names, edges, strict=True) if is_there),
        float(result[0].fval),
        np.array([float(end.fval) for end in result.list]),
    )
