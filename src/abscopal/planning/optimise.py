"""Fluence optimisation: weights of at least zero that make a weighted sum of terms small within hard bounds.

The inner problem is L-BFGS-B of SciPy on a smooth function. Three things are around it. Voxels far below the dose at
which their terms begin are left out, and checked and taken in when a solution brings them there, so that the result
is that of all voxels. Hard bounds enter through an augmented Lagrangian. Concave terms are replaced by their tangent,
again and again. A plan is called converged by its projected gradient and its excess over bounds, never by a count of
iterations.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.dose.grid import DoseGrid, FloatArray
from abscopal.planning.bounds import Bound, Limit, require_feasible
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.terms.base import Function, Term, Tied

TOLERANCE = 1e-3
CHANGE = 0.01
"""The residual is the fall of the objective for a change of weights by this part of an even weight."""
BOUND_TOLERANCE = 1e-3
NEAR = 0.9
"""A voxel is left out while its dose is under this part of the dose at which its terms begin."""
ROUGH = (30.0, 5.0)
"""The first solutions are this many times rougher than the last; the voxels are chosen anew after each."""
ROUNDS = 60
STEPS = 3000
MOST_STEPS = 20_000
"""In all: near an objective of zero a residual relative to it may never get small, and the plan is as good as met."""
CORRECTIONS = 10
RESTARTS = 12
LEAST_FALL = 1e-13
FIRST_PENALTY, PENALTY_GROWTH, ENOUGH_LESS = 10.0, 4.0, 0.25
Status = Literal["converged", "not converged"]


@dataclass(frozen=True)
class Goal:
    """A term and what it weighs in the sum."""

    term: Term
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.weight) and self.weight >= 0):
            raise InputError(
                doing=f"weighing the term '{self.term.label}'", found=f"a weight of {self.weight:g}",
                expected="a finite weight of at least 0", try_="0 to leave it out",
            )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Plan:
    """Weights and how far they are from the best.

    Attributes
    ----------
    weights : array, shape (n_bixels,)
    goals : tuple of Goal
    bounds : tuple of Bound
    values : tuple of float
        Each goal's term at the weights, without its weight.
    objective : float
        Weighted sum of the values.
    status : {"converged", "not converged"}
    residual : float
        Norm of the projected gradient, as the largest fall of the objective to first order, relative to it, when the
        weights change by 1 % of an even weight (all bixels equal, the target mean as prescribed) in root mean
        square. [1]
    tolerance : float
        The residual at or below which a plan is converged. [1]
    excess : float
        Largest excess over a hard bound, relative to the bound. [1]
    multipliers : tuple of float
        Sum of the multipliers of each bound: what one relative unit of it costs in objective.
    iterations, evaluations : int
    cpu_s : float
        Processor time of the solution. [s]
    local : bool
        Whether a term is not convex, so that the optimum is a local one only.
    """

    weights: FloatArray
    goals: tuple[Goal, ...]
    bounds: tuple[Bound, ...]
    values: tuple[float, ...]
    objective: float
    status: Status
    residual: float
    tolerance: float
    excess: float
    multipliers: tuple[float, ...]
    iterations: int
    evaluations: int
    cpu_s: float
    local: bool

    def dose(self, matrix: InfluenceMatrix) -> DoseGrid:
        """Dose of the course."""
        return matrix.dose(self.weights)


def solve(
    matrix: InfluenceMatrix,
    goals: Sequence[Goal],
    bounds: Sequence[Bound] = (),
    *,
    start: FloatArray | None = None,
    tolerance: float = TOLERANCE,
    rounds: int = ROUNDS,
) -> Plan:
    """The plan that makes the weighted sum of the goals smallest within the bounds.

    Parameters
    ----------
    matrix : InfluenceMatrix
    goals : sequence of Goal
        Goals of weight 0 are left out of the problem altogether.
    bounds : sequence of Bound
    start : array, shape (n_bixels,), optional
        By default all bixels equal, with the prescribed mean dose in the leading target.
    tolerance : float
        See `Plan.residual`. [1]
    rounds : int
        Most solutions of the inner problem; a plan that needs more, or 20 000 steps, is returned as not converged.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        No goal with a weight, a structure that is missing, bounds in conflict (named).
    """
    active = tuple(goal for goal in goals if goal.weight > 0)
    if not active:
        raise InputError(
            doing="optimising a plan", found="no goal with a weight above 0", expected="at least one",
            try_="a squared deviation from the prescription in the target",
        )  # fmt: skip
    require_feasible(bounds, matrix)
    begun = time.process_time()
    unit = even_weight(matrix)
    work = _Work(matrix, active, [bound.on(matrix) for bound in bounds], unit)
    x = np.ones(matrix.n_bixels) if start is None else np.asarray(start, dtype=np.float64) / unit
    x, status = work.run(x, tolerance, rounds)
    values = tuple(goal.term.value(matrix, unit * x) for goal in goals)
    return Plan(
        weights=unit * x,
        goals=tuple(goals),
        bounds=tuple(bounds),
        values=values,
        objective=sum(goal.weight * value for goal, value in zip(goals, values, strict=True)),
        status=status,
        residual=work.residual,
        tolerance=tolerance,
        excess=work.excess,
        multipliers=tuple(float(held.multipliers.sum()) for held in work.held),
        iterations=work.iterations,
        evaluations=work.evaluations,
        cpu_s=time.process_time() - begun,
        local=any(goal.term.curvature in ("concave", "local") for goal in active),
    )


def even_weight(matrix: InfluenceMatrix) -> float:
    """The weight of every bixel that gives the leading target the prescribed mean dose."""
    mean = float(matrix.mean_row(matrix.targets[0]).sum())
    if mean <= 0:
        raise InputError(
            doing="starting a plan", found=f"no dose in {matrix.targets[0]} from any bixel",
            expected="beams that reach the target", try_="other gantry angles, or a target inside the body",
        )  # fmt: skip
    return matrix.prescription.total / mean


class _Held:
    """A bound with its multipliers and penalty: the augmented Lagrangian of Powell, Hestenes and Rockafellar."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.multipliers = np.zeros(limit.shares.size)
        self.penalty = 0.0
        self.worst = np.inf

    def function(self, values: FloatArray) -> tuple[float, FloatArray]:
        return self._of(values, self.limit.shares, self.multipliers)

    def of_part(self, kept: NDArray[np.bool_]) -> Function:
        """The same on some voxels; the others are under the bound with no multiplier, and silent."""
        shares = self.limit.shares[kept]
        return lambda values: self._of(values, shares, self.multipliers[kept])

    def _of(self, values: FloatArray, shares: FloatArray, multipliers: FloatArray) -> tuple[float, FloatArray]:
        limit = self.limit
        pushed = np.maximum(multipliers + self.penalty * shares * limit.excess(values), 0.0)
        cost = (pushed**2 - multipliers**2) / (2.0 * self.penalty * shares)
        return float(cost.sum()), pushed * (limit.sign / limit.size)

    def update(self, values: FloatArray) -> float:
        """New multipliers, a larger penalty where the excess did not fall enough; returns the excess."""
        limit = self.limit
        over = limit.excess(values)
        self.multipliers = np.maximum(self.multipliers + self.penalty * limit.shares * over, 0.0)
        worst = max(float(over.max()), 0.0)
        if worst > max(BOUND_TOLERANCE, ENOUGH_LESS * self.worst):
            self.penalty *= PENALTY_GROWTH
        self.worst = worst
        return worst


class _Tangent:
    """A concave function replaced by its tangent at the last point."""

    def __init__(self, inner: Function) -> None:
        self.inner = inner
        self.value, self.slope, self.point = 0.0, np.zeros(0), np.zeros(0)

    def function(self, values: FloatArray) -> tuple[float, FloatArray]:
        return self.value + float(self.slope @ (values - self.point)), self.slope

    def move(self, values: FloatArray) -> None:
        self.value, self.slope = self.inner(values)
        self.point = values.copy()


@dataclass(frozen=True, eq=False)
class _Part:
    """One function of the sum and where its arguments are among all voxels or all other functionals."""

    function: Function
    weight: float
    place: NDArray[np.int64]
    on_voxels: bool
    repeats: bool = False
    """Whether a voxel is named twice, as by peaks and valleys that share one."""
    of_part: Callable[[NDArray[np.bool_]], Function] | None = None

    def among(self, included: NDArray[np.bool_], position: NDArray[np.int64]) -> "_Part":
        """The part on the included voxels only, `position` being where each voxel is among those."""
        if not self.on_voxels or self.of_part is None:
            return replace(self, place=position[self.place]) if self.on_voxels else self
        kept = included[self.place]
        return replace(self, function=self.of_part(kept), place=position[self.place[kept]])


@dataclass(frozen=True, eq=False)
class _Sum:
    """A weighted sum of functions of ``dose_rows @ x`` and ``own_rows @ x``."""

    dose_rows: sparse.csr_array
    own_rows: Any
    parts: tuple[_Part, ...]

    def arguments(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        return np.asarray(self.dose_rows @ x), np.asarray(self.own_rows @ x)

    def at(self, dose: FloatArray, own: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient by x."""
        total, by_dose, by_own = 0.0, np.zeros(dose.size), np.zeros(own.size)
        for part in self.parts:
            value, slope = part.function((dose if part.on_voxels else own)[part.place])
            total += part.weight * value
            into = by_dose if part.on_voxels else by_own
            if part.repeats:
                np.add.at(into, part.place, part.weight * slope)
            else:
                into[part.place] += part.weight * slope
        return total, np.asarray(self.dose_rows.T @ by_dose + self.own_rows.T @ by_own)

    def narrowed(self, included: NDArray[np.bool_]) -> "_Sum":
        """The same with some voxels left out."""
        if included.all():
            return self
        position = np.cumsum(included) - 1
        rows = sparse.csr_array(self.dose_rows[np.flatnonzero(included), :])
        return _Sum(rows, self.own_rows, tuple(part.among(included, position) for part in self.parts))


class _Work:
    """One problem in scaled weights x = w / unit, with its working set of voxels."""

    def __init__(self, matrix: InfluenceMatrix, goals: tuple[Goal, ...], limits: Sequence[Limit], unit: float) -> None:
        self.held = [_Held(limit) for limit in limits]
        self.tangents: dict[int, _Tangent] = {}
        self.iterations = self.evaluations = 0
        self.residual = self.excess = np.inf
        tied = [goal.term.on(matrix) for goal in goals]
        for number, goal in enumerate(goals):
            if goal.term.curvature == "concave":
                self.tangents[number] = _Tangent(tied[number].function)
                tied[number] = replace(tied[number], function=self.tangents[number].function)
        tied += [replace(held.limit.tied, function=held.function, of_part=held.of_part) for held in self.held]
        weights = [goal.weight for goal in goals] + [1.0] * len(self.held)
        self.whole, self.silent = _stacked(matrix, tied, weights, unit)
        self.chosen, self.included = self.whole, np.ones(self.silent.size, dtype=bool)
        self.size = 1.0
        self.seen: tuple[FloatArray | None, float, FloatArray] = (None, 0.0, np.zeros(0))

    def run(self, x: FloatArray, tolerance: float, rounds: int) -> tuple[FloatArray, Status]:
        """Solve, check, update; until converged or out of rounds."""
        self._begin(x)
        for number in track(range(rounds), "optimising the plan"):
            rough = number < len(ROUGH)
            x = self._inner(x, tolerance * (ROUGH[number] if rough else 1.0))
            dose, own = self.whole.arguments(x)
            fits = self._take_in(dose, anew=rough)
            for place, tangent in self.tangents.items():
                tangent.move(self._of(place, dose, own))
            # Before the multipliers move: the slope of the augmented Lagrangian is that of the Lagrangian at the
            # multipliers to come, so this is the stationarity of the Karush-Kuhn-Tucker conditions.
            self.residual = self._residual(x, *self.whole.at(dose, own))
            first = len(self.whole.parts) - len(self.held)
            over = [held.update(self._of(first + k, dose, own)) for k, held in enumerate(self.held)]
            self.excess = max(over, default=0.0)
            if fits and self.residual <= tolerance and self.excess <= BOUND_TOLERANCE:
                return x, "converged"
            if self.iterations >= MOST_STEPS:
                break
        return x, "not converged"

    def _begin(self, x: FloatArray) -> None:
        dose, own = self.whole.arguments(x)
        for place, tangent in self.tangents.items():
            tangent.move(self._of(place, dose, own))
        goals = self.whole.parts[: len(self.whole.parts) - len(self.held)]
        values = [part.weight * part.function(self._of(k, dose, own))[0] for k, part in enumerate(goals)]
        self.size = max(sum(values), 1e-300)
        for held in self.held:
            held.penalty = FIRST_PENALTY * self.size
        self._choose(dose > NEAR * self.silent)

    def _inner(self, x: FloatArray, tolerance: float) -> FloatArray:
        """L-BFGS-B on the working set until the residual is small; restarted while it still gets on."""
        last = np.inf
        for _ in range(RESTARTS):
            size = max(abs(self._working(x)[0]), 1e-12 * self.size)
            found = minimize(
                self._relative, x, (size,), "L-BFGS-B", jac=True, bounds=[(0.0, None)] * x.size,
                options={"maxcor": CORRECTIONS, "maxiter": STEPS, "maxfun": 2 * STEPS, "ftol": LEAST_FALL, "gtol": 0.0},
                callback=lambda at: self._stop_at(at, tolerance),
            )  # fmt: skip
            x = np.maximum(np.asarray(found.x, dtype=np.float64), 0.0)
            self.iterations += int(found.nit)
            value, slope = self._working(x)
            spent = self.iterations >= MOST_STEPS
            if spent or self._residual(x, value, slope) <= tolerance or value > (1.0 - 1e-9) * last:
                return x
            last = value
        return x

    def _stop_at(self, x: FloatArray, tolerance: float) -> None:
        """Ends the minimiser once the residual at its present point is small."""
        point, value, slope = self.seen
        if point is not None and np.array_equal(point, x) and self._residual(x, value, slope) <= tolerance:
            raise StopIteration

    def _residual(self, x: FloatArray, value: float, slope: FloatArray) -> float:
        """See `Plan.residual`."""
        # A weight cannot fall by more than is left of it.
        projected = np.where(slope > 0.0, slope * np.minimum(x / CHANGE, 1.0), slope)
        steepest = float(np.sqrt(x.size * (projected @ projected)))
        return CHANGE * steepest / max(abs(value), 1e-12 * self.size)

    def _working(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Value and gradient on the voxels of the working set."""
        self.evaluations += 1
        return self.chosen.at(*self.chosen.arguments(x))

    def _relative(self, x: FloatArray, size: float) -> tuple[float, FloatArray]:
        value, slope = self._working(x)
        self.seen = (x.copy(), value, slope)
        return value / size, slope / size

    def _of(self, number: int, dose: FloatArray, own: FloatArray) -> FloatArray:
        part = self.whole.parts[number]
        return np.asarray((dose if part.on_voxels else own)[part.place])

    def _take_in(self, dose: FloatArray, *, anew: bool) -> bool:
        """Whether every voxel that matters was in the working set; those that were not, and their like, come in.

        With `anew` the set is chosen afresh; later it only grows, so that the rounds end.
        """
        missed = bool((~self.included & (dose > self.silent)).any())
        if missed or anew:
            near = dose > NEAR * self.silent
            self._choose(near if anew and not self.held else self.included | near)
        return not missed

    def _choose(self, included: NDArray[np.bool_]) -> None:
        self.included = included
        self.chosen = self.whole.narrowed(included)


def _stacked(
    matrix: InfluenceMatrix, tied: Sequence[Tied], weights: Sequence[float], unit: float
) -> tuple[_Sum, FloatArray]:
    """All functions on one matrix of voxels, each voxel once, and one of other functionals; and where voxels begin.

    Everything is in double precision and per scaled weight. The second array is the dose under which no function
    sees a voxel, minus infinity where one always does. [Gy]
    """
    asked = [one.voxels for one in tied if one.voxels is not None]
    voxels = np.unique(np.concatenate(asked)) if asked else np.zeros(0, np.int64)
    dose_rows = sparse.csr_array(matrix.matrix[voxels, :].astype(np.float64))
    dose_rows.data *= unit
    silent = np.full(voxels.size, np.inf)
    own: list[sparse.csr_array] = [sparse.csr_array((0, matrix.n_bixels))]
    parts, filled = [], 0
    for one, weight in zip(tied, weights, strict=True):
        if one.voxels is not None:
            place = np.searchsorted(voxels, one.voxels)
            begins = -np.inf if one.silent_below is None or one.of_part is None else one.silent_below
            silent[place] = np.minimum(silent[place], begins)
            repeats = np.unique(place).size < place.size
            parts.append(_Part(one.function, weight, place, True, repeats, one.of_part))
        else:
            rows = sparse.csr_array(one.functionals(matrix)) * unit
            own.append(rows)
            parts.append(_Part(one.function, weight, np.arange(filled, filled + rows.shape[0]), False))
            filled += rows.shape[0]
    stacked = sparse.csr_array(sparse.vstack(own))
    dense = stacked.nnz > 0.3 * filled * matrix.n_bixels
    return _Sum(dose_rows, stacked.toarray() if dense else stacked, tuple(parts)), silent
