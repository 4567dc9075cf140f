"""Which other regimens this patient could have, and what each would cost."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from abscopal.assessment.evidence import toxicity_of
from abscopal.assessment.immune import immune_alc, immune_blood
from abscopal.assessment.organs import TARGET_ROLES, case_dvhs
from abscopal.assessment.plan import Course
from abscopal.assessment.types import RegimenChoice
from abscopal.blood.compare import refractionated
from abscopal.blood.exposure import BloodDose
from abscopal.domain.patient import Patient
from abscopal.domain.regimen import Regimen
from abscopal.dose.dicom.intake import Case
from abscopal.dose.dvh import DVH
from abscopal.immune.model import ParameterSet, diw_model
from abscopal.knowledge.load import load
from abscopal.radiobiology.isoeffect import bed
from abscopal.regimens.candidates import SHEET, Candidate, Grid
from abscopal.regimens.decide import Decision, Judged, Problem
from abscopal.regimens.judge import Costing, Estimate
from abscopal.regimens.limits import Limits, OrganDose, present_limits, read_limit
from abscopal.window.course import experiment_for
from abscopal.window.ensemble import shipped_set, standard_ensemble

NOT_ORGANS = (*TARGET_ROLES, "EXTERNAL")


def regimen_problem(
    case: Case,
    patient: Patient,
    course: Course,
    *,
    dvhs: Mapping[str, DVH] | None = None,
    blood: BloodDose | None = None,
    tumour_bed: float | None = None,
    organ_limits: Sequence[str] = (),
    allowance: float | None = None,
    most_days: float | None = None,
    modulators: Sequence[str] = (),
    complications: bool = True,
    prefer: str = "distant",
    draws: int | None = None,
    seed: int = 0,
    parameter_set: ParameterSet | None = None,
) -> Problem:
    """The search problem of one patient.

    Parameters
    ----------
    case, patient, course
        As in `assess`.
    dvhs, blood : optional
        Where they are known already.
    tumour_bed : float, optional
        Least BED of the tumour; by default that of the present course. [Gy]
    organ_limits : sequence of str
        `ORGAN:STATISTIC:EQD2`; they replace the present plan's value for that organ and statistic.
    allowance : float, optional
        Share by which the other organs' EQD2 may rise above the present plan's. [1]
    most_days : float, optional
        Longest course. [day]
    modulators : sequence of str
        That candidates may have.
    complications : bool
        Also compute complication probabilities, which takes the most time.
    prefer, draws, seed
        As in `Problem`; draws of the immune model.
    parameter_set : {"set_b", "posterior"}, optional
        Of the immune model; by default the calibrated one where it is shipped.

    Raises
    ------
    InputError
        A limit that cannot be read, a negative allowance, an unknown modulator or drug.
    """
    known = dict(case_dvhs(case) if dvhs is None else dvhs)
    organs = OrganDose(_organs(case, known), course.prescription)
    floor = float(bed(course.dose_per_fraction, course.n_fractions, course.alpha_beta))
    asked = tuple(read_limit(text, organs.dvhs) for text in organ_limits)
    replaced = {(limit.organ, limit.statistic) for limit in asked}
    kept = [
        limit
        for limit in present_limits(organs, course.n_fractions, allowance=allowance)
        if (limit.organ, limit.statistic) not in replaced
    ]
    sheet = load(SHEET)
    used = shipped_set() if parameter_set is None else parameter_set
    setup, notes = experiment_for(course.regimen, used)
    model = diw_model(modulators=tuple(modulators), parameter_set=used)
    setup = replace(setup, model=model, fraction_days=())
    scatter = standard_ensemble(model, used, int(sheet["draws"]) if draws is None else draws, seed=seed)
    return Problem(
        setup=setup,
        ensemble=replace(scatter, notes=(*scatter.notes, *notes)),
        limits=Limits(
            floor if tumour_bed is None else tumour_bed,
            course.alpha_beta,
            (*asked, *kept),
            sheet["most_days"] if most_days is None else most_days,
        ),
        organs=organs,
        costs=_costs(case, patient, course, known, blood, complications=complications),
        present=_present(course),
        prefer=prefer,
    )


def default_grid(course: Course, gaps: tuple[float, ...] = ()) -> Grid:
    """The sheet's grid; ICI starts beside the present one only where the course has an ICI."""
    starts = load(SHEET).vector("ici_starts") if course.regimen.drug_doses else ()
    return Grid(gaps=gaps, ici_starts=(None, *starts))


def choices_of(found: Decision) -> tuple[RegimenChoice, ...]:
    """The present regimen, and the alternatives worth discussing."""
    rows = [] if found.present is None else [(found.present, "the present regimen")]
    return tuple(_choice(row, reason, row is found.present) for row, reason in (*rows, *found.alternatives()))


def verdict_of(found: Decision) -> str:
    """What the search found, in one sentence."""
    tried = len(found.regimens)
    refused = ", ".join(f"{count} for {what}" for what, count in sorted(found.refused.items()))
    if not tried:
        return f"no regimen that was tried is within the limits (refused: {refused})"
    best = found.regimens[0]
    gained = best.better_than_present
    better = "" if gained is None else f"; the best mean is above the present regimen in {100 * gained:.0f} % of draws"
    return f"{tried} regimens within the limits, {len(found.pareto)} that none beats in everything{better}" + (
        f" (refused: {refused})" if refused else ""
    )


def _choice(row: Judged, reason: str, is_present: bool) -> RegimenChoice:
    def band(name: str) -> tuple[float, float, float]:
        value = row.values[name]
        return float(value.low or 0.0), value.value, float(value.high or 0.0)

    def cost(name: str) -> float | None:
        return row.values[name].value if name in row.values else None

    return RegimenChoice(
        regimen=row.candidate.text(),
        n_fractions=row.candidate.n,
        dose_per_fraction_gy=row.candidate.dose,
        course_days=row.candidate.length,
        ici_start_day=row.candidate.ici_start,
        tumour_bed_gy=row.tumour_bed,
        distant=band("distant"),
        local=band("local"),
        alc_nadir=cost("lymphocytes"),
        complication=cost("complications"),
        better_than_present=None if is_present else row.better_than_present,
        is_present=is_present,
        reason=reason,
    )


def _organs(case: Case, dvhs: Mapping[str, DVH]) -> dict[str, DVH]:
    """Histograms of organs at risk that get any dose; targets and the body outline are none."""
    roles = {label: structure.role for label, structure in case.structures.items()}
    return {name: dvh for name, dvh in dvhs.items() if roles.get(name, "ORGAN") not in NOT_ORGANS and dvh.maximum > 0}


def _present(course: Course) -> Candidate:
    first = course.regimen.fraction_days[0]
    days = tuple(day - first for day in course.regimen.fraction_days)
    gap = days[1] - days[0] if len(days) > 1 else 1.0
    return Candidate(course.dose_per_fraction, course.n_fractions, days, gap)


def _costs(
    case: Case,
    patient: Patient,
    course: Course,
    dvhs: Mapping[str, DVH],
    blood: BloodDose | None,
    *,
    complications: bool,
) -> dict[str, Costing]:
    fraction = immune_blood(dvhs, case.plan, patient, course.n_fractions) if blood is None else blood

    def lymphocytes(candidate: Candidate) -> Estimate | None:
        scaled = refractionated(fraction, candidate.dose / course.dose_per_fraction)
        alc = immune_alc(scaled, patient, replace(course, regimen=_regimen(candidate, course)))
        return None if alc is None else Estimate(alc.nadir, *alc.nadir_band)

    def any_complication(candidate: Candidate) -> Estimate | None:
        ratio = candidate.total / course.prescription
        moved = {name: dvh.scaled(ratio) for name, dvh in dvhs.items()}
        here = replace(
            course,
            regimen=_regimen(candidate, course),
            n_fractions=candidate.n,
            dose_per_fraction=candidate.dose,
        )
        free = toxicity_of(moved, patient, here).answer.summary.complication_free
        if free is None:
            return None
        low, high = free.interval
        return Estimate(1 - free.probability, 1 - high, 1 - low)

    known: dict[str, Costing] = {}
    if patient.labs.alc is not None:
        known["lymphocytes"] = lymphocytes
    if complications and case.dose.kind == "physical":
        known["complications"] = any_complication
    return known


def _regimen(candidate: Candidate, course: Course) -> Regimen:
    return Regimen(
        fraction_days=candidate.days,
        fraction_doses=(candidate.dose,) * candidate.n,
        drug_doses=course.regimen.drug_doses,
    )
