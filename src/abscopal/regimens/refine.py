"""Between the points of the grid: a continuous search over dose, spacing and ICI start."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from abscopal.domain.errors import UnsupportedError
from abscopal.regimens.candidates import Candidate, weekday_days
from abscopal.regimens.limits import broken

if TYPE_CHECKING:
    from abscopal.regimens.decide import Problem

FloatArray = NDArray[np.float64]
POPULATION = 40


def refine_regimens(problem: "Problem", grid: Sequence[Candidate], generations: int, seed: int) -> list[Candidate]:
    """Further regimens within the limits that a genetic algorithm found, starting from the grid.

    Dose per fraction, spacing and the ICI start vary continuously (days are rounded to whole ones), the number of
    fractions between the smallest and largest of the grid; target, node and modulators are those of the grid's
    best regimen.

    Parameters
    ----------
    grid : sequence of Candidate
        Within the limits.
    generations, seed : int

    Raises
    ------
    UnsupportedError
        The extra `optimise` is not installed.
    """
    try:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.core.problem import Problem as Vectorised
        from pymoo.optimize import minimize
    except ImportError as exc:
        raise UnsupportedError(
            doing="refining regimens between the points of the grid",
            found="no pymoo",
            expected="the extra that brings it",
            try_="pip install 'abscopal[optimise]'",
        ) from exc
    low, high = _range(grid)
    pattern = grid[0]
    longest = max(candidate.days[-1] for candidate in grid)  # the day on which all are read comes after it
    seen: dict[Candidate, None] = {}

    class Search(Vectorised):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            super().__init__(  # type: ignore[no-untyped-call]
                n_var=4, n_obj=_n_objectives(problem), n_ieq_constr=1, xl=low, xu=high
            )

        def _evaluate(self, x: FloatArray, out: dict[str, Any], *_: object, **__: object) -> None:
            made = [_candidate(row, pattern) for row in x]
            told = [len(broken(c, problem.limits, problem.organs)) + (c.days[-1] > longest) for c in made]
            kept = [c for c, count in zip(made, told, strict=True) if not count]
            seen.update(dict.fromkeys(kept))
            out["F"] = np.zeros((len(made), _n_objectives(problem)))
            if kept:  # the others are told apart by how many limits they break
                out["F"][np.array(told) == 0] = -_values(problem, kept)
            out["G"] = np.array(told, dtype=np.float64)[:, None] - 0.5

    chosen = np.linspace(0, len(grid) - 1, min(POPULATION, len(grid))).round().astype(int)
    first = np.array([_numbers(grid[k]) for k in chosen])
    if len(first) < POPULATION:
        spread = np.random.default_rng(seed).uniform(low, high, (POPULATION - len(first), len(low)))
        first = np.vstack([first, spread])
    method = NSGA2(pop_size=POPULATION, sampling=first)  # type: ignore[no-untyped-call]
    minimize(Search(), method, ("n_gen", generations), seed=seed)  # type: ignore[no-untyped-call]
    return list(seen)


def _range(grid: Sequence[Candidate]) -> tuple[FloatArray, FloatArray]:
    table = np.array([_numbers(candidate) for candidate in grid])
    low, high = table.min(axis=0), table.max(axis=0)
    return low, np.maximum(high, low + 1e-6)


def _numbers(candidate: Candidate) -> list[float]:
    return [candidate.dose, candidate.n, candidate.gap, candidate.ici_start or 0.0]


def _candidate(row: FloatArray, pattern: Candidate) -> Candidate:
    n, gap = int(np.rint(row[1])), float(max(1, np.rint(row[2])))
    start = None if pattern.ici_start is None else float(np.rint(row[3]))
    dose = float(np.round(row[0], 2))
    return replace(pattern, dose=dose, n=n, days=weekday_days(n, gap), gap=gap, ici_start=start)


def _n_objectives(problem: "Problem") -> int:
    return 2 + len(problem.costs)


def _values(problem: "Problem", made: Sequence[Candidate]) -> FloatArray:
    from abscopal.regimens.decide import OBJECTIVES, judge_all, signed

    rows, _ = judge_all(problem, made)
    names = [name for name in OBJECTIVES if name in ("local", "distant") or name in problem.costs]
    return np.array([[signed(row, name) if name in row.values else 0.0 for name in names] for row in rows])
