"""Hard bounds on a plan, all linear in the bixel weights, and which of them contradict each other."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from abscopal.domain.errors import InputError
from abscopal.dose.grid import FloatArray
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.terms.base import Rows, Term, Tied, positive, required

INFEASIBLE = 2
"""Status of SciPy's linear programme: shown to have no solution."""
FEASIBLE_TO = 1e-6
PROGRAMMES, VOXELS_A_ROUND = 25, 200


@dataclass(frozen=True, eq=False)
class Limit:
    """``sign * (functionals @ w) <= sign * value`` on one matrix.

    Attributes
    ----------
    tied : Tied
        Gives the functionals; its function is not used.
    value : float
    sign : float
        1 for at most, -1 for at least.
    size : float
        Excess is judged relative to this.
    shares : array, shape (m,)
        Volume of each functional, sum 1: spreads the penalty. [1]
    """

    tied: Tied
    value: float
    sign: float
    size: float
    shares: FloatArray

    def excess(self, values: FloatArray) -> FloatArray:
        """How far each functional is over its bound, relative; negative where there is room."""
        return np.asarray(self.sign * (values - self.value) / self.size, dtype=np.float64)


class Bound(ABC):
    """One hard bound."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The bound in words."""

    @abstractmethod
    def on(self, matrix: InfluenceMatrix) -> Limit:
        """The bound on one matrix; refuses what the matrix lacks."""


@dataclass(frozen=True)
class AtMost(Bound):
    """A linear term (a mean dose, EDRIC, mean blood dose) stays at or under `limit`. [Gy]."""

    term: Term
    limit: float

    @property
    def label(self) -> str:
        """The bound in words."""
        return f"{self.term.label} at most {self.limit:g} Gy"

    def on(self, matrix: InfluenceMatrix) -> Limit:
        """The bound on one matrix."""
        return _of_linear(self.term, self.limit, 1.0, matrix, self.label)


@dataclass(frozen=True)
class AtLeast(Bound):
    """A linear term stays at or over `limit`. [Gy]."""

    term: Term
    limit: float

    @property
    def label(self) -> str:
        """The bound in words."""
        return f"{self.term.label} at least {self.limit:g} Gy"

    def on(self, matrix: InfluenceMatrix) -> Limit:
        """The bound on one matrix."""
        return _of_linear(self.term, self.limit, -1.0, matrix, self.label)


@dataclass(frozen=True)
class MaxDose(Bound):
    """No voxel of a structure gets more than `limit`. [Gy]."""

    structure: str
    limit: float

    @property
    def label(self) -> str:
        """The bound in words."""
        return f"{self.structure} maximum at most {self.limit:g} Gy"

    def on(self, matrix: InfluenceMatrix) -> Limit:
        """The bound on one matrix."""
        return _of_voxels(self.structure, self.limit, 1.0, matrix, self.label)


@dataclass(frozen=True)
class MinDose(Bound):
    """Every voxel of a structure gets at least `limit`. [Gy]."""

    structure: str
    limit: float

    @property
    def label(self) -> str:
        """The bound in words."""
        return f"{self.structure} minimum at least {self.limit:g} Gy"

    def on(self, matrix: InfluenceMatrix) -> Limit:
        """The bound on one matrix."""
        return _of_voxels(self.structure, self.limit, -1.0, matrix, self.label)


@dataclass(frozen=True)
class MeanRatio(Bound):
    """``m_valleys - ratio * m_peaks <= 0``: the valley-to-peak ratio of lattice radiotherapy, linear in the weights."""

    valleys: str
    peaks: str
    ratio: float

    @property
    def label(self) -> str:
        """The bound in words."""
        return f"mean of {self.valleys} at most {self.ratio:g} of the mean of {self.peaks}"

    def on(self, matrix: InfluenceMatrix) -> Limit:
        """The bound on one matrix."""
        for name in (self.valleys, self.peaks):
            required(matrix, name, self.label)
        row = matrix.mean_row(self.valleys) - positive(self.ratio, "ratio") * matrix.mean_row(self.peaks)
        return _limit(row[None, :], 0.0, 1.0, matrix)


def excess_at(bound: Bound, matrix: InfluenceMatrix, weights: FloatArray) -> float:
    """Largest excess of weights over a bound, relative to it; negative where there is room. [1]."""
    limit = bound.on(matrix)
    return float(limit.excess(np.asarray(limit.tied.functionals(matrix) @ weights)).max())


def require_feasible(bounds: Sequence[Bound], matrix: InfluenceMatrix) -> None:
    """Refuse bounds that no weights can keep, naming the smallest set of them that is in conflict.

    Raises
    ------
    InputError
        The bounds contradict each other on this matrix.
    """
    if not bounds or _feasible(bounds, matrix):
        return
    kept = list(bounds)
    for bound in bounds:  # deletion filter: what can go without ending the conflict is no part of it
        rest = [other for other in kept if other is not bound]
        if rest and not _feasible(rest, matrix):
            kept = rest
    raise InputError(
        doing="checking the hard bounds of the plan",
        found="bounds in conflict: " + "; ".join(bound.label for bound in kept),
        expected="bounds that some weights of these beams can keep together",
        try_="loosening one of these, other beams, or a penalty in place of a bound",
    )


def _feasible(bounds: Sequence[Bound], matrix: InfluenceMatrix) -> bool:
    """Whether some weights keep all bounds; voxels enter the linear programme as they turn out to matter."""
    limits = [bound.on(matrix) for bound in bounds]
    if all(limit.sign * limit.value >= 0 for limit in limits):
        return True  # no dose at all keeps them
    rows = [sparse.csr_array(limit.sign / limit.size * limit.tied.functionals(matrix)) for limit in limits]
    sizes = [row.shape[0] for row in rows]
    upper = [np.full(n, limit.sign * limit.value / limit.size) for n, limit in zip(sizes, limits, strict=True)]
    solver = cast("Any", linprog)  # its stubs know no sparse arrays
    stacked, most = sparse.csr_array(sparse.vstack(rows)), np.concatenate(upper)
    chosen = np.cumsum([0, *sizes[:-1]])  # the first functional of each bound, to begin with
    for _ in range(PROGRAMMES):
        found = solver(np.ones(matrix.n_bixels), A_ub=stacked[chosen, :], b_ub=most[chosen], bounds=(0, None))
        if found.status != 0:
            return bool(found.status != INFEASIBLE)
        over = stacked @ found.x - most
        if over.max() <= FEASIBLE_TO:
            return True
        worst = np.argsort(-over)[:VOXELS_A_ROUND]
        chosen = np.union1d(chosen, worst[over[worst] > FEASIBLE_TO])
    return True  # not shown to be in conflict; the solver reports what it cannot keep


def _of_linear(term: Term, limit: float, sign: float, matrix: InfluenceMatrix, label: str) -> Limit:
    if term.curvature != "linear":
        raise InputError(
            doing="setting a hard bound", found=f"'{label}', whose term is {term.curvature}",
            expected="a term that is linear in the weights: a mean dose, EDRIC or mean blood dose",
            try_="the term as a penalty",
        )  # fmt: skip
    return _limit(term.on(matrix).functionals(matrix), positive(limit, "limit"), sign, matrix)


def _limit(rows: Rows, value: float, sign: float, matrix: InfluenceMatrix) -> Limit:
    size = value if value > 0 else matrix.prescription.total
    return Limit(Tied(_no_function, rows=rows), value, sign, size, np.ones(1))


def _of_voxels(structure: str, limit: float, sign: float, matrix: InfluenceMatrix, label: str) -> Limit:
    region = required(matrix, structure, label)
    value = positive(limit, "limit")
    silent = value if sign > 0 else None
    return Limit(Tied(_no_function, voxels=region.voxels, silent_below=silent), value, sign, value, region.weights)


def _no_function(values: FloatArray) -> tuple[float, FloatArray]:
    return 0.0, np.zeros_like(values)
