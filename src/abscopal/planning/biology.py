"""Fluence and fractionation together: a plan of its own for each number of fractions, judged by the biology.

Outside, numbers of fractions, spacing and the start of the ICI are tried at one tumour BED. Inside, each number of
fractions gets a convex plan of its own whose limits have the same effect on each organ. The immune model then sees
the dose that was planned: in the tumour part by part, in the draining node, in the blood. Every point of the Pareto
set is the dose of a plan that exists.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.dose.grid import FloatArray
from abscopal.knowledge.load import load
from abscopal.planning.bounds import AtMost, Bound, MaxDose, excess_at
from abscopal.planning.compare import Setting, plan_blood, plan_forecast, plan_toxicity, tumour_bed
from abscopal.planning.course import SHEET, PlannedCourse, respond_in_parts
from abscopal.planning.influence import InfluenceMatrix
from abscopal.planning.isoeffective import bounds_in_fractions, goals_in_fractions, in_fractions, sensitivity_of
from abscopal.planning.optimise import BOUND_TOLERANCE, TOLERANCE, Goal, Plan
from abscopal.planning.protocol import immune_terms, reference_goals, sparing_bounds, sparing_goals, with_plan_regions
from abscopal.planning.sweep import KEPT, REFERENCE, kept_plan
from abscopal.regimens.candidates import SHEET as SEARCH
from abscopal.regimens.candidates import Candidate
from abscopal.regimens.decide import Decision, Problem, decide
from abscopal.regimens.judge import Costing, Estimate
from abscopal.regimens.limits import Limits, broken

UNPLANNED = "plans whose bounds cannot be kept together"
OVER = "plans that break a bound at equal coverage"
UNCONVERGED = "plans that did not converge"
TIGHTENINGS = 4
LEAST_COVERAGE = 1e-9
DOSE_BOUNDS = (AtMost, MaxDose)
LONG = "length of the course"


@dataclass(frozen=True)
class Variant:
    """One way of planning, written down for the prescription of the matrix.

    Attributes
    ----------
    name : str
    goals : tuple of Goal
    bounds : tuple of Bound
    """

    name: str
    goals: tuple[Goal, ...]
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True)
class Outer:
    """What is tried around the plans; None for the values of the knowledge sheet.

    Attributes
    ----------
    fractions : tuple of int, optional
        The present number is always among them.
    gaps : tuple of float, optional
        Least days between fractions. [day]
    ici_starts : tuple of float, optional
        Days of the first ICI dose beside the present schedule; without drugs none is tried. [day]
    prefer : str
        The objective that decides: `distant` or `local`.
    complications : bool
        Also the probability of any complication, which takes the most time beside planning.
    """

    fractions: tuple[int, ...] | None = None
    gaps: tuple[float, ...] | None = None
    ici_starts: tuple[float, ...] | None = None
    prefer: str = "distant"
    complications: bool = True


@dataclass(frozen=True, eq=False)
class Fractionation:
    """What the search found.

    Attributes
    ----------
    decision : Decision
        Every regimen that was judged, the Pareto set and the choices.
    plans : mapping of (str, int) to PlannedCourse
        By variant and number of fractions, at equal coverage.
    residuals : mapping of (str, int) to float
        How far each plan is from its optimum, see `abscopal.planning.optimise.Plan`. [1]
    skipped : mapping of str to str
        What was not judged, and why.
    """

    decision: Decision
    plans: Mapping[tuple[str, int], PlannedCourse]
    residuals: Mapping[tuple[str, int], float]
    skipped: Mapping[str, str] = field(default_factory=dict)

    def plan_of(self, candidate: Candidate) -> PlannedCourse:
        """The plan behind a regimen, on its days."""
        found = self.plans[candidate.plan, candidate.n]
        return replace(found, gap=candidate.gap, ici_start=candidate.ici_start)


def plan_fractionations(
    matrix: InfluenceMatrix,
    variants: Sequence[Variant],
    setting: Setting,
    outer: Outer | None = None,
    *,
    folder: Path | None = None,
    tumour_regions: Sequence[str] = (),
    tolerance: float = TOLERANCE,
) -> Fractionation:
    """Plan every number of fractions in every variant, judge all regimens on these plans, and choose.

    Parameters
    ----------
    matrix : InfluenceMatrix
        Its prescription is the present course and sets the tumour BED.
    variants : sequence of Variant
        The first is the reference; its plan for the present number of fractions is the present course.
    setting : Setting
    outer : Outer, optional
    folder : Path, optional
        Plans are kept there and found again: an interrupted search goes on where it stopped.
    tumour_regions : sequence of str
        Further structures inside the tumour, whose limits go with its α/β.
    tolerance : float
        Residual at which a plan is converged, see `abscopal.planning.optimise.Plan`. [1]

    Returns
    -------
    Fractionation
        The Pareto set of tumour control, immune gain, lymphocytes and complications is exact over what was tried.

    Raises
    ------
    InputError
        No variant, names used twice, or a reference plan that cannot be made.
    ConvergenceError
        No draw of the immune model could be solved.
    """
    tried = outer or Outer()
    _check(variants)
    work = _Inner(matrix, setting, folder, tuple(tumour_regions), tolerance)
    present = matrix.prescription.n_fractions
    asked = tried.fractions or tuple(int(n) for n in load(SHEET).vector("fraction_numbers"))
    order = sorted({present, *asked}, key=lambda n: (abs(np.log(n / present)), n))
    for number, variant in enumerate(variants):
        for n in track(order, f"plans, {variant.name}", len(order)):
            work.plan(variant, n, required=number == 0 and n == present)
    return _decided(work, tried, variants[0].name, present)


def protocol_variants(
    matrix: InfluenceMatrix,
    spare: Sequence[str],
    *,
    weights: Sequence[float] = (1.0,),
    bounds: Sequence[Bound] = (),
    folder: Path | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[InfluenceMatrix, tuple[Variant, ...]]:
    """The reference of the planning protocol, and variants that spare the immune system.

    Parameters
    ----------
    matrix : InfluenceMatrix
    spare : sequence of str
        As in `abscopal.planning.sweep.sweep_plans`.
    weights : sequence of float
        Of the immune terms, one variant for each. [1]
    bounds, folder, tolerance
        As in `sweep_plans`.

    Returns
    -------
    (InfluenceMatrix, tuple of Variant)
        The matrix with the regions of the protocol.
    """
    made = with_plan_regions(matrix)
    terms = immune_terms(made, spare)
    reference = kept_plan(folder, made, reference_goals(made), bounds, tolerance, None)
    held = (*bounds, *sparing_bounds(made, reference))
    return made, (
        Variant(REFERENCE, reference.goals, tuple(bounds)),
        *(Variant(f"sparing {weight:g}", sparing_goals(made, reference, terms, weight), held) for weight in weights),
    )


class _Inner:
    """The convex plans: one for each variant and number of fractions, each begun at its nearest neighbour."""

    def __init__(
        self,
        matrix: InfluenceMatrix,
        setting: Setting,
        folder: Path | None,
        tumour_regions: tuple[str, ...],
        tolerance: float,
    ) -> None:
        self.matrix, self.setting, self.folder, self.tolerance = matrix, setting, folder, tolerance
        self.sensitivity = sensitivity_of(matrix, setting.alpha_beta, tumour_regions)
        self.plans: dict[tuple[str, int], PlannedCourse] = {}
        self.residuals: dict[tuple[str, int], float] = {}
        self.skipped: dict[str, str] = {}
        self.refused: dict[str, int] = {}

    def plan(self, variant: Variant, n: int, *, required: bool) -> None:
        """Make one plan at the coverage of the prescription, and keep it if it breaks no bound there."""
        here = in_fractions(self.matrix, n, self.setting.alpha_beta)
        bounds = bounds_in_fractions(variant.bounds, self.matrix.prescription.n_fractions, n, self.sensitivity)
        try:
            goals = goals_in_fractions(variant.goals, self.matrix, here, self.sensitivity)
            plan, made, over = self._at_coverage(here, variant.name, goals, bounds)
        except InputError as problem:
            if required:
                raise
            self._refuse(UNPLANNED, variant, n, problem.found)
            return
        if plan.status != "converged":
            self._refuse(UNCONVERGED, variant, n, f"residual {plan.residual:.2g}")
        elif over > KEPT:
            self._refuse(OVER, variant, n, f"{100 * over:.1f} % over")
        else:
            self.plans[variant.name, n] = made
            self.residuals[variant.name, n] = plan.residual

    def _at_coverage(
        self, here: InfluenceMatrix, name: str, goals: tuple[Goal, ...], bounds: tuple[Bound, ...]
    ) -> tuple[Plan, PlannedCourse, float]:
        """The plan, the same scaled to the prescription at D95%, and its largest excess over a bound then.

        Scaling up would carry a plan over its bounds: it is made again with bounds as much tighter.
        """
        start, factor = self._start(here, name), 1.0
        for _ in range(TIGHTENINGS):
            plan = kept_plan(self.folder, here, goals, _tightened(bounds, factor), self.tolerance, start)
            made = PlannedCourse(name, here, plan.weights)
            scale = here.prescription.total / max(made.coverage, LEAST_COVERAGE)
            made = made.scaled_to(here.prescription.total)
            over = max((excess_at(bound, here, made.weights) for bound in bounds), default=0.0)
            if over <= KEPT or plan.status != "converged":
                break
            start, factor = plan.weights, max(scale, factor) * (1.0 + BOUND_TOLERANCE)
        return plan, made, over

    def _refuse(self, why: str, variant: Variant, n: int, detail: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1
        self.skipped[f"{variant.name}, {n} fractions"] = f"{why}: {detail}"

    def _start(self, here: InfluenceMatrix, name: str) -> FloatArray | None:
        """Weights of the nearest plan at hand, scaled to the prescription: of this variant, else of any."""
        n = here.prescription.n_fractions
        if not self.plans:
            return None
        near = min(self.plans, key=lambda key: (key[0] != name, abs(np.log(key[1] / n))))
        other = self.plans[near]
        return np.asarray(other.weights * (here.prescription.total / other.matrix.prescription.total))


def _decided(work: _Inner, tried: Outer, reference: str, present: int) -> Fractionation:
    sheet, setting = load(SHEET), work.setting
    gaps = tried.gaps or sheet.vector("gaps")
    asked: Sequence[float] = sheet.vector("ici_starts") if tried.ici_starts is None else tried.ici_starts
    now = min((dose.day for dose in setting.drugs), default=None)
    starts: tuple[float | None, ...] = (None, *(day for day in asked if now is not None and day != now))
    base = work.plans.get((reference, present))
    if base is None:
        raise InputError(
            doing="choosing a fractionation", found=work.skipped.get(f"{reference}, {present} fractions", "no plan"),
            expected="a converged plan for the present course", try_="looser bounds, or more beams",
        )  # fmt: skip
    setup, ensemble, notes = setting.experiment(base)
    most_days = load(SEARCH)["most_days"]
    bed = tumour_bed(base, setting.alpha_beta)
    limits = Limits(bed, setting.alpha_beta, (), most_days)
    result = Fractionation(_NOTHING, work.plans, work.residuals, work.skipped)
    every = [
        replace(course, gap=gap, ici_start=start).candidate()
        for course in work.plans.values()
        for gap in (gaps if course.n_fractions > 1 else gaps[:1])
        for start in starts
    ]
    # The BED is that of every plan; rounding it to a floor must not refuse any.
    allowed = [one for one in every if not broken(one, replace(limits, tumour_bed=0.0), None)]
    refused = dict(work.refused)
    if len(allowed) < len(every):
        refused[LONG] = len(every) - len(allowed)
    problem = Problem(
        setup=setup,
        ensemble=replace(ensemble, notes=(*ensemble.notes, *notes)),
        limits=limits,
        costs=_costs(result, setting, base, complications=tried.complications),
        present=base.candidate(),
        prefer=tried.prefer,
        responder=respond_in_parts({key: course.parts() for key, course in work.plans.items()}),
        rules=_rules(work, bed),
    )
    return replace(result, decision=decide(problem, allowed, refused))


_NOTHING = Decision((), None, None, None, None, {}, {}, (), "distant", ())


def _costs(found: Fractionation, setting: Setting, base: PlannedCourse, *, complications: bool) -> dict[str, Costing]:
    def lymphocytes(candidate: Candidate) -> Estimate | None:
        course = found.plan_of(candidate)
        blood = plan_blood(course, setting, base)
        ahead = None if blood is None else plan_forecast(course, blood, setting)
        return None if ahead is None else Estimate(*ahead.nadir)

    def any_complication(candidate: Candidate) -> Estimate | None:
        free = plan_toxicity(found.plan_of(candidate), setting).answer.summary.complication_free
        return None if free is None else Estimate(1 - free.probability, 1 - free.interval[1], 1 - free.interval[0])

    known: dict[str, Costing] = {}
    if setting.alc is not None:
        known["lymphocytes"] = lymphocytes
    if complications:
        known["complications"] = any_complication
    return known


def _rules(work: _Inner, bed: float) -> tuple[str, ...]:
    kept = len(work.plans)
    low, high = load("radiobiology/tissue").vector("lql_transition")
    largest = max(plan.matrix.prescription.per_fraction for plan in work.plans.values())
    beyond = (
        f"Isoeffect is extrapolated up to {largest:.3g} Gy per fraction: {low:g} to {high:g} Gy is where the "
        "linear-quadratic model is said to give way to the linear-quadratic-linear one.",
    )
    return (
        f"Every regimen has a plan of its own for its number of fractions ({kept} plans), at a tumour BED of "
        f"{bed:.1f} Gy, scaled to the prescription at D95%; limits on organs have the same EQD2 in every "
        "number of fractions.",
        "The immune model sees the planned dose: the tumour in parts of even dose, the draining node by its mean, "
        "lymphocytes through the blood dose of the plan.",
        *(beyond if largest > low else ()),
    )


def _tightened(bounds: Sequence[Bound], factor: float) -> tuple[Bound, ...]:
    """Bounds on doses divided by a factor; ratios stay."""
    return tuple(replace(one, limit=one.limit / factor) if isinstance(one, DOSE_BOUNDS) else one for one in bounds)


def _check(variants: Sequence[Variant]) -> None:
    names = [variant.name for variant in variants]
    if not names or len(set(names)) < len(names):
        raise InputError(
            doing="planning fractionations",
            found=f"variants called {', '.join(names) or 'nothing'}",
            expected="at least one, each with a name of its own",
            try_="a reference with the usual terms, and a variant that adds immune terms",
        )
