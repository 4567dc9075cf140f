"""Reference plan, the sweep over the weight of the immune terms, and the plan that is chosen from it.

Every finished plan is kept as a file, so that a run that was cut short goes on where it stopped.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from abscopal.domain.progress import track
from abscopal.dose.grid import FloatArray
from abscopal.knowledge.load import load
from abscopal.planning.archive import UNREADABLE, read_archive, write_archive
from abscopal.planning.bounds import Bound, excess_at
from abscopal.planning.course import PlannedCourse
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.lattice import VALLEYS, VERTICES
from abscopal.planning.optimise import BOUND_TOLERANCE, TOLERANCE, Goal, Plan, solve
from abscopal.planning.protocol import (
    FAR,
    SHEET,
    broken_limits,
    immune_terms,
    organ_limits,
    organs_of,
    reference_goals,
    sparing_bounds,
    sparing_goals,
    with_plan_regions,
)
from abscopal.planning.terms.base import Term
from abscopal.regimens.limits import OrganLimit, present_limits

FORMAT = "abscopal plan 1"
REFERENCE = "reference"
KEPT = 2 * BOUND_TOLERANCE
"""Relative excess at which a bound still counts as kept."""
TARGET_PERCENTS = (98, 95, 2)


@dataclass(frozen=True, eq=False)
class Point:
    """One plan of the sweep, scaled so that D95% of the leading target is the prescription.

    Attributes
    ----------
    name : str
    weight : float
        Of the immune terms; 0 for the reference. [1]
    plan : Plan
        As optimised.
    course : PlannedCourse
        Scaled.
    immune : tuple of float
        Each immune term of the scaled plan.
    broken : tuple of str
        Limits of the sheet that it breaks and the reference does not, and a target that gets too hot beside it.
    raised : tuple of str
        Organs whose EQD2 rises more than the allowance of `regimens/search` above the reference.
    """

    name: str
    weight: float
    plan: Plan
    course: PlannedCourse
    immune: tuple[float, ...]
    broken: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()

    def figure(self, name: str, percent: float | None = None) -> float:
        """Mean dose of a region, or the dose that `percent` of it gets, in Gy."""
        dvh = self.course.dvhs[name]
        return dvh.mean if percent is None else dvh.dose_at_volume(percent)


@dataclass(frozen=True, eq=False)
class Sweep:
    """Everything one run makes.

    Attributes
    ----------
    matrix : InfluenceMatrix
        With the regions of `with_plan_regions`.
    terms : tuple of Term
        Immune terms.
    points : tuple of Point
        The reference first, then by rising weight.
    chosen : Point
        The last plan that is converged and breaks nothing; the reference where there is none.
    limits : tuple of OrganLimit
    """

    matrix: InfluenceMatrix
    terms: tuple[Term, ...]
    points: tuple[Point, ...]
    chosen: Point
    limits: tuple[OrganLimit, ...]

    @property
    def reference(self) -> Point:
        """The plan without immune terms."""
        return self.points[0]


def sweep_plans(
    matrix: InfluenceMatrix,
    spare: Sequence[str],
    *,
    weights: Sequence[float] | None = None,
    bounds: Sequence[Bound] = (),
    folder: Path | None = None,
    tolerance: float = TOLERANCE,
    extra: Sequence[Goal] = (),
    peak: float = 0.0,
    robust: float = 0.0,
) -> Sweep:
    """The reference plan and plans that spare the immune system more and more, each at the same target coverage.

    Parameters
    ----------
    matrix : InfluenceMatrix
        Contoured regions only; those of the protocol are added.
    spare : sequence of str
        Words of the table `spare` of `planning/goals`.
    weights : sequence of float, optional
        Of the immune terms; those of the sheet by default. [1]
    bounds : sequence of Bound
        Hard bounds of every plan, the reference included.
    folder : Path, optional
        Where finished plans are kept and looked for.
    tolerance : float
        See `Plan.residual`. [1]
    extra : sequence of Goal
        Further goals of the reference, and so of every plan.
    peak, robust : float
        As in `reference_goals`. [Gy], [mm]

    Raises
    ------
    InputError
        A structure that is missing for a word, bounds in conflict.
    """
    made = with_plan_regions(matrix)
    terms = immune_terms(made, spare)
    goals = (*reference_goals(made, peak=peak, robust=robust), *extra)
    reference = kept_plan(folder, made, goals, bounds, tolerance, None)
    first = _point(REFERENCE, 0.0, reference, made, terms)
    first = replace(first, broken=_over_bounds(bounds, first.course))
    limits = organ_limits(first.course)
    broken = broken_limits(first.course, limits)
    usual = present_limits(organs_of(first.course), first.course.n_fractions)
    points, start = [first], reference.weights
    chosen_weights = sorted(load(SHEET).vector("sweep") if weights is None else weights)
    held = (*bounds, *sparing_bounds(made, reference))
    for weight in track(chosen_weights, "plans with immunity spared"):
        plan = kept_plan(folder, made, sparing_goals(made, reference, terms, weight), held, tolerance, start)
        start = plan.weights
        point = _point(f"sparing {weight:g}", weight, plan, made, terms)
        points.append(
            Point(
                point.name, weight, plan, point.course, point.immune,
                (*_over_bounds(bounds, point.course),
                 *(text for text in broken_limits(point.course, limits) if text not in broken),
                 *_too_hot(first, point)),
                broken_limits(point.course, usual),
            )
        )  # fmt: skip
    return Sweep(made, terms, tuple(points), _chosen(points), limits)


def rows_of(sweep: Sweep) -> tuple[list[str], list[list[float | str]]]:
    """The trade-off as a table: heading, and one row for each point."""
    regions = sweep.matrix.regions
    organs = [name for name in sweep.reference.course.dvhs if not name.startswith(("GTV", "CTV", "ITV"))]
    target = sweep.matrix.targets[0]
    head = [
        "plan",
        "weight",
        "status",
        "residual",
        "objective",
        *(f"{target} D{percent}% [Gy]" for percent in TARGET_PERCENTS),
    ]
    head += [f"{term.label}" for term in sweep.terms]
    head += [f"{name} mean [Gy]" for name in organs] + [f"{FAR} max [Gy]"]
    rows: list[list[float | str]] = []
    for point in sweep.points:
        means = [point.figure(name) for name in organs]
        far = point.course.dvhs[FAR].maximum if FAR in regions else 0.0
        rows.append(
            [point.name, point.weight, point.plan.status, point.plan.residual, point.plan.objective,
             *(point.figure(target, percent) for percent in TARGET_PERCENTS), *point.immune, *means, far]
        )  # fmt: skip
    return head, rows


def _over_bounds(bounds: Sequence[Bound], course: PlannedCourse) -> tuple[str, ...]:
    """Hard bounds that hold as optimised, and no longer once the plan is scaled to its coverage."""
    over = {bound.label: excess_at(bound, course.matrix, course.weights) for bound in bounds}
    return tuple(f"{label}: {100 * part:.1f} % over after scaling" for label, part in over.items() if part > KEPT)


def _too_hot(reference: Point, point: Point) -> tuple[str, ...]:
    """A target that gets hotter than in the reference; of a lattice its valleys, for peaks are wanted."""
    regions = point.course.matrix.regions
    target = VALLEYS if VALLEYS in regions and VERTICES in regions else point.course.matrix.targets[0]
    most = reference.figure(target, 2) * (1.0 + load(SHEET)["target_rise"])
    hottest = point.figure(target, 2)
    return (f"{target} D2% {hottest:.1f} over {most:.1f} Gy",) if hottest > most else ()


def _chosen(points: Sequence[Point]) -> Point:
    good = [point for point in points if not point.broken and point.plan.status == "converged"]
    return good[-1] if good else points[0]


def _point(name: str, weight: float, plan: Plan, matrix: InfluenceMatrix, terms: Sequence[Term]) -> Point:
    course = PlannedCourse(name, matrix, plan.weights).scaled_to(matrix.prescription.total)
    return Point(name, weight, plan, course, tuple(term.value(matrix, course.weights) for term in terms))


def kept_plan(
    folder: Path | None, matrix: InfluenceMatrix, goals: Sequence[Goal], bounds: Sequence[Bound], tolerance: float,
    start: FloatArray | None,
) -> Plan:  # fmt: skip
    """A plan from its file, or made now and kept."""
    if folder is None:
        return solve(matrix, goals, bounds, start=start, tolerance=tolerance)
    identity = f"{FORMAT} {matrix.digest()} {tuple(goals)!r} {tuple(bounds)!r} {tolerance!r}"
    path = folder / f"plan-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.npz"
    found = _read(path, goals, bounds, matrix.n_bixels) if path.is_file() else None
    if found is not None:
        return found
    plan = solve(matrix, goals, bounds, start=start, tolerance=tolerance)
    _write(path, plan)
    return plan


_FACTS = ("values", "objective", "status", "residual", "tolerance", "excess", "multipliers", "iterations",
          "evaluations", "cpu_s", "local")  # fmt: skip


def _write(path: Path, plan: Plan) -> None:
    facts = {"format": FORMAT, **{name: getattr(plan, name) for name in _FACTS}}
    write_archive(path, facts, {"weights": plan.weights})


def _read(path: Path, goals: Sequence[Goal], bounds: Sequence[Bound], n_bixels: int) -> Plan | None:
    """None where the file is damaged: the plan is then made again."""
    try:
        arrays, facts = read_archive(path, FORMAT)
        weights = np.asarray(arrays["weights"], dtype=np.float64)
        if weights.shape != (n_bixels,):
            return None
        facts |= {"values": tuple(facts["values"]), "multipliers": tuple(facts["multipliers"])}
        return Plan(weights=weights, goals=tuple(goals), bounds=tuple(bounds), **facts)
    except UNREADABLE:
        return None
