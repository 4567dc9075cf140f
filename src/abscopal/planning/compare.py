"""Plans side by side at equal coverage of the target: dose, immune dose, lymphocytes, complications, window.

A comparison is only made at one tumour BED. Every plan is scaled to the D95% of the reference (its isoeffect where
the fraction number differs) before anything is computed, so that no row is bought with coverage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from abscopal.blood.circulation import Sex, load_network
from abscopal.blood.delivery import constant_timing
from abscopal.blood.exposure import BloodDose
from abscopal.blood.forecast import Forecast, forecast_alc
from abscopal.blood.immune_dose import Form, ImmuneDose, edric_from_case
from abscopal.blood.indices import BODY, ImmuneIndex, immune_indices
from abscopal.blood.plan_exposure import blood_dose_of_plan
from abscopal.domain.errors import InputError
from abscopal.domain.progress import track
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.dose.dvh import DVH
from abscopal.dose.grid import FloatArray
from abscopal.immune.model import ParameterSet
from abscopal.knowledge.load import load
from abscopal.pharmacology.drugs import drug_class
from abscopal.planning.course import SHEET, PlannedCourse, respond_in_parts
from abscopal.radiobiology.isoeffect import bed, isoeffective_dose_per_fraction
from abscopal.regimens.candidates import SHEET as SEARCH
from abscopal.regimens.judge import Estimate, Response
from abscopal.toxicity.answer import OrganRisk, Part, ToxicityComparison
from abscopal.toxicity.assess import CaseToxicity, case_toxicity, compare_toxicity
from abscopal.toxicity.covariates import Covariates
from abscopal.window.course import experiment_for
from abscopal.window.ensemble import Ensemble, shipped_set, standard_ensemble
from abscopal.window.experiment import Experiment

Better = Literal["lower", "higher", ""]
Group = Literal["target", "immune dose", "lymphocytes", "complications", "window"]
NEEDS_BODY = "not computable: needs External (body contour)"
NEEDS_ALC = "not computable: needs the lymphocyte count before treatment"


@dataclass(frozen=True)
class Setting:
    """The patient the plans are for; what is left out makes rows not computable rather than guessed.

    Attributes
    ----------
    alpha_beta : float
        Of the tumour. [Gy]
    sex : {"male", "female"}
        Of the reference circulation.
    alc : float, optional
        Lymphocyte count before the first fraction. [1e9/L]
    known : mapping
        Covariates of the complication models.
    drugs : tuple of DrugDose
        Day 0 is the first fraction.
    beam_on_s : float, optional
        Beam-on time of one fraction of the reference; other doses per fraction take as much longer. [s]
    form : {"chest", "oesophagus"}
        Of EDRIC.
    parameter_set : {"set_b", "posterior"}, optional
        Of the immune model; by default the calibrated one where it is shipped.
    draws : int, optional
        Of the immune model and the complication models.
    seed : int
    """

    alpha_beta: float
    sex: Sex = "male"
    alc: float | None = None
    known: Covariates = field(default_factory=dict)
    drugs: tuple[DrugDose, ...] = ()
    beam_on_s: float | None = None
    form: Form = "chest"
    parameter_set: ParameterSet | None = None
    draws: int | None = None
    seed: int = 0

    def experiment(self, course: PlannedCourse) -> tuple[Experiment, Ensemble, tuple[str, ...]]:
        """The two-lesion experiment with this patient's ICI schedule, its draws, and what was assumed."""
        used = shipped_set() if self.parameter_set is None else self.parameter_set
        given = Regimen(
            fraction_days=course.days,
            fraction_doses=(course.matrix.prescription.per_fraction,) * course.n_fractions,
            drug_doses=self.drugs,
        )
        setup, notes = experiment_for(given, used)
        setup = replace(setup, fraction_days=())
        draws = int(load(SEARCH)["draws"]) if self.draws is None else self.draws
        return setup, standard_ensemble(setup.model, used, draws, seed=self.seed), notes


@dataclass(frozen=True)
class Row:
    """One figure of every plan.

    Attributes
    ----------
    group : str
    label, unit : str
    values : tuple of Estimate or None
        In the order of the plans; None where it is not computable.
    needs : str
        `""`, or "not computable: needs X".
    changes : tuple of Estimate or None
        Each plan less the reference under shared draws, where the model has draws.
    better : {"lower", "higher", ""}
    """

    group: Group
    label: str
    unit: str
    values: tuple[Estimate | None, ...]
    needs: str = ""
    changes: tuple[Estimate | None, ...] = ()
    better: Better = ""


@dataclass(frozen=True, eq=False)
class PlanComparison:
    """Plans at equal coverage; the first is the reference.

    Attributes
    ----------
    names : tuple of str
    courses : tuple of PlannedCourse
        As they were compared, scaled.
    factors : tuple of float
        What each plan's weights were multiplied by. [1]
    rows : tuple of Row
    toxicity : tuple of ToxicityComparison
        Reference against each other plan.
    tumour_bed : float
        At the prescription. [Gy]
    notes : tuple of str
    """

    names: tuple[str, ...]
    courses: tuple[PlannedCourse, ...]
    factors: tuple[float, ...]
    rows: tuple[Row, ...]
    toxicity: tuple[ToxicityComparison, ...]
    tumour_bed: float
    notes: tuple[str, ...]

    def row(self, label: str) -> Row:
        """The row called `label`."""
        return next(row for row in self.rows if row.label == label)


def compare_plans(reference: PlannedCourse, others: Sequence[PlannedCourse], setting: Setting) -> PlanComparison:
    """Set plans beside a reference at its coverage of the target.

    Parameters
    ----------
    reference : PlannedCourse
        It should carry the usual terms on body and organs: a plan without them has a normal-tissue dose that any
        other lowers.
    others : sequence of PlannedCourse
        On matrices of the same geometry and target, each with its own prescription.
    setting : Setting

    Returns
    -------
    PlanComparison

    Raises
    ------
    InputError
        No plan to compare, names used twice, prescriptions of unequal tumour BED, a target that is not covered.
    ConvergenceError
        No draw of the immune model could be solved.
    """
    courses = (reference, *others)
    _require_comparable(courses, setting.alpha_beta)
    aim = reference.coverage
    scaled = [reference, *(one.scaled_to(equal_coverage(aim, reference, one, setting.alpha_beta)) for one in others)]
    factors = tuple(float(new.weights.sum() / old.weights.sum()) for new, old in zip(scaled, courses, strict=True))
    bloods = [plan_blood(one, setting, reference) for one in track(scaled, "blood dose of plans", len(scaled))]
    complications = [plan_toxicity(one, setting) for one in track(scaled, "complications of plans", len(scaled))]
    setup, ensemble, assumed = setting.experiment(reference)
    answer = respond_in_parts({(one.name, one.n_fractions): one.parts() for one in scaled})
    response = answer([one.candidate() for one in scaled], setup, ensemble)
    rows = (
        *_target_rows(scaled),
        *_immune_rows(scaled, bloods, setting),
        *_lymphocyte_rows(scaled, bloods, setting),
        *_complication_rows(complications),
        *_window_rows(response),
    )
    names = tuple(one.name for one in scaled)
    return PlanComparison(
        names=names,
        courses=tuple(scaled),
        factors=factors,
        rows=rows,
        toxicity=tuple(
            compare_toxicity(complications[0], other, (names[0], name))
            for name, other in zip(names[1:], complications[1:], strict=True)
        ),
        tumour_bed=tumour_bed(reference, setting.alpha_beta),
        notes=(*_notes(scaled, factors, setting), *setup.notes(), *assumed, *ensemble.notes),
    )


def tumour_bed(course: PlannedCourse, alpha_beta: float) -> float:
    """BED of the tumour at the prescription, in Gy."""
    asked = course.matrix.prescription
    return float(bed(asked.per_fraction, asked.n_fractions, alpha_beta))


def equal_coverage(aim: float, reference: PlannedCourse, other: PlannedCourse, alpha_beta: float) -> float:
    """D95% of `other` with the tumour BED that `aim` [Gy] has in the reference's fractions, in Gy."""
    n, m = reference.n_fractions, other.n_fractions
    if n == m:
        return aim
    target = bed(aim / n, n, alpha_beta)
    return float(m * isoeffective_dose_per_fraction(target, m, alpha_beta))


def plan_blood(course: PlannedCourse, setting: Setting, reference: PlannedCourse) -> BloodDose | None:
    """Blood dose of one fraction from the plan's histograms; None without a body contour."""
    if BODY not in course.dvhs:
        return None
    longer = course.matrix.prescription.per_fraction / reference.matrix.prescription.per_fraction
    timing = constant_timing(setting.beam_on_s).scaled(longer)
    return blood_dose_of_plan(course.dvhs, course.n_fractions, load_network(setting.sex), timing)


def plan_toxicity(course: PlannedCourse, setting: Setting) -> CaseToxicity:
    """Complication models on the plan's histograms."""
    known: dict[str, float | str | bool] = {
        **setting.known,
        "overall_treatment_days": course.days[-1] - course.days[0] + 1,
        "ici": " + ".join(sorted({drug_class(dose.drug) for dose in setting.drugs})),
    }
    return case_toxicity(course.dvhs, course.n_fractions, known, seed=setting.seed)


def plan_forecast(course: PlannedCourse, blood: BloodDose, setting: Setting) -> Forecast | None:
    """Lymphocyte course of a plan, with the same patients drawn for every plan; None without a count."""
    if setting.alc is None:
        return None
    return forecast_alc(setting.alc, blood, course.days, seed=setting.seed)


def _require_comparable(courses: Sequence[PlannedCourse], alpha_beta: float) -> None:
    names = [one.name for one in courses]
    if len(courses) < 2 or len(set(names)) < len(names):
        raise InputError(
            doing="comparing plans",
            found=f"plans called {', '.join(names) or 'nothing'}",
            expected="a reference and at least one other, each with a name of its own",
            try_="naming them apart",
        )
    beds = [tumour_bed(one, alpha_beta) for one in courses]
    share = load(SHEET)["bed_tolerance"]
    apart = [name for name, value in zip(names, beds, strict=True) if abs(value / beds[0] - 1) > share]
    if apart:
        told = "; ".join(
            f"{one.name}: {one.matrix.prescription.total:g} Gy in {one.n_fractions}, BED {value:.1f} Gy"
            for one, value in zip(courses, beds, strict=True)
        )
        raise InputError(
            doing="comparing plans",
            found=f"prescriptions of unequal tumour BED (α/β {alpha_beta:g} Gy): {told}",
            expected=f"one tumour BED, within {100 * share:g} %",
            try_="prescriptions from `abscopal plan fractionation`, which keeps the BED",
        )


def _target_rows(courses: Sequence[PlannedCourse]) -> list[Row]:
    rows = []
    for name in courses[0].matrix.targets:
        found = [one.dvhs[name] for one in courses]

        def row(label: str, values: Sequence[float], unit: str = "Gy", better: Better = "", *, of: str = name) -> Row:
            return Row("target", f"{of} {label}", unit, tuple(Estimate(v) for v in values), better=better)

        rows += [
            row("D95%", [dvh.dose_at_volume(95) for dvh in found], better="higher"),
            row("D98%", [dvh.dose_at_volume(98) for dvh in found], better="higher"),
            row("mean", [dvh.mean for dvh in found]),
            row("D2%", [dvh.dose_at_volume(2) for dvh in found]),
            row("homogeneity index", [homogeneity(dvh) for dvh in found], "1", "lower"),
        ]
    return rows


def homogeneity(dvh: DVH) -> float:
    """(D2% - D98%) / D50%, the homogeneity index of ICRU report 83; 0 is even. [1]."""
    middle = dvh.dose_at_volume(50)
    return (dvh.dose_at_volume(2) - dvh.dose_at_volume(98)) / middle if middle > 0 else float("inf")


def _immune_rows(courses: Sequence[PlannedCourse], bloods: Sequence[BloodDose | None], setting: Setting) -> list[Row]:
    indices = [plan_edric(one, setting.form) for one in courses]
    rows = [
        Row("immune dose", "EDRIC", "Gy", tuple(_estimate(one.value) for one in indices), indices[0].not_computable,
            better="lower")
    ]  # fmt: skip
    totals = [
        None if one is None else one.course(course.n_fractions) for one, course in zip(bloods, courses, strict=True)
    ]
    needs = "" if all(one is not None for one in totals) else NEEDS_BODY
    means = tuple(None if one is None else Estimate(one.mean) for one in totals)
    touched = tuple(None if one is None else Estimate(100 * one.v_any) for one in totals)
    rows.append(Row("immune dose", "Mean blood dose", "Gy", means, needs, better="lower"))
    rows.append(Row("immune dose", "Blood touched at least once", "%", touched, needs, better="lower"))
    found = [immune_indices(one.dvhs) for one in courses]
    return [*rows, *(_index_row(same) for same in zip(*found, strict=True))]


def _index_row(same: Sequence[ImmuneIndex]) -> Row:
    values = tuple(_estimate(one.value) for one in same)
    return Row("immune dose", same[0].label, same[0].unit, values, same[0].not_computable, better="lower")


def plan_edric(course: PlannedCourse, form: Form = "chest") -> ImmuneDose:
    """EDRIC of a plan, or what it lacks."""
    dvhs = course.dvhs
    body = dvhs.get(BODY)
    return edric_from_case(
        {name: dvh.mean for name, dvh in dvhs.items()},
        {name: dvh.volume_cm3 for name, dvh in dvhs.items()},
        None if body is None else body.integral_dose,
        course.n_fractions,
        form=form,
    )


def _lymphocyte_rows(
    courses: Sequence[PlannedCourse], bloods: Sequence[BloodDose | None], setting: Setting
) -> list[Row]:
    ahead = [
        None if blood is None else plan_forecast(one, blood, setting)
        for one, blood in zip(courses, bloods, strict=True)
    ]
    needs = NEEDS_ALC if setting.alc is None else NEEDS_BODY if None in ahead else ""
    nadirs = tuple(None if one is None else Estimate(*one.nadir) for one in ahead)
    grades = tuple(None if one is None else Estimate(one.p_grade3) for one in ahead)
    return [
        Row("lymphocytes", "ALC nadir", "10⁹/L", nadirs, needs, better="higher"),
        Row("lymphocytes", "Probability of grade 3 or worse", "1", grades, needs, better="lower"),
    ]


def _complication_rows(cases: Sequence[CaseToxicity]) -> list[Row]:
    tables = [{(row.label, row.organ): row for row in case.answer.summary.rows} for case in cases]
    radiation = [key for key, row in tables[0].items() if row.radiation is not None]  # the others no plan can change
    rows = [_risk_row(key, [table.get(key) for table in tables]) for key in radiation]
    free = [case.answer.summary.complication_free for case in cases]
    rows.append(
        Row("complications", "Any counted complication", "1", tuple(_any(part) for part in free),
            "" if all(free) else "not computable: needs an organ with a counted model", better="lower")
    )  # fmt: skip
    return rows


def _risk_row(key: tuple[str, str], risks: Sequence[OrganRisk | None]) -> Row:
    label, organ = key
    values = tuple(None if one is None else Estimate(one.combined.probability, *one.combined.interval) for one in risks)
    named = label if organ in label else f"{label}, {organ}"
    needs = "" if all(values) else "not computable for every plan"
    return Row("complications", named, "1", values, needs, better="lower")


def _any(part: Part | None) -> Estimate | None:
    return None if part is None else Estimate(1 - part.probability, 1 - part.interval[1], 1 - part.interval[0])


def _window_rows(response: Response) -> list[Row]:
    table: tuple[tuple[str, str, FloatArray], ...] = (
        ("Window gain, other lesion, log₁₀ over ICI alone", "1", response.gain),
        ("Other lesion, log₁₀ of untreated volume over volume", "1", response.distant),
        ("Irradiated lesion, log₁₀ of start over smallest viable volume", "1", response.local),
        ("Irradiated lesion of the mouse model, probability that no clonogen is left", "1", response.control),
    )
    return [
        Row(
            "window", label, unit,
            tuple(_spread(values[:, k]) for k in range(values.shape[1])),
            changes=tuple(_spread(values[:, k] - values[:, 0]) for k in range(values.shape[1])),
            better="higher",
        )
        for label, unit, values in table
    ]  # fmt: skip


def _spread(draws: FloatArray) -> Estimate:
    low, median, high = np.percentile(draws, [5, 50, 95])
    return Estimate(float(median), float(low), float(high))


def _estimate(value: float | None) -> Estimate | None:
    return None if value is None else Estimate(value)


def _notes(courses: Sequence[PlannedCourse], factors: Sequence[float], setting: Setting) -> list[str]:
    large = load(SHEET)["large_scaling"]
    notes = [
        f"{one.name} was scaled by {factor:.3f} to the coverage of {courses[0].name}"
        for one, factor in zip(courses, factors, strict=True)
        if abs(factor - 1) > large
    ]
    notes.append(
        f"Every plan has the D95% of {courses[0].name} in {courses[0].matrix.targets[0]}, or its isoeffect with α/β "
        f"{setting.alpha_beta:g} Gy."
    )
    node = courses[0].node()
    notes.append(
        "No draining node is contoured: the immune model takes it as spared."
        if node is None
        else f"{node.name} is taken as the draining node of the immune model, with its mean dose of each fraction."
    )
    notes.append(
        "Intervals: ALC over plausible patients, complications 95 % over parameters, window 5th to 95th percentile of "
        "draws. Window rows are of two mouse lesions under this schedule, not of the patient's. Dose rows have no "
        "interval: errors of dose calculation, set-up and contours are not in them."
    )
    return notes


def summary(comparison: PlanComparison) -> Mapping[str, object]:
    """The comparison as plain data, ready for JSON."""
    return {
        "plans": list(comparison.names),
        "scaled_by": list(comparison.factors),
        "tumour_bed_gy": comparison.tumour_bed,
        "rows": [
            {
                "group": row.group,
                "label": row.label,
                "unit": row.unit,
                "values": [_plain(value) for value in row.values],
                "changes": [_plain(value) for value in row.changes],
                "needs": row.needs,
                "better": row.better,
            }
            for row in comparison.rows
        ],
        "toxicity": [one.model_dump() for one in comparison.toxicity],
        "notes": list(comparison.notes),
    }


def _plain(value: Estimate | None) -> dict[str, float | None] | None:
    return None if value is None else {"value": value.value, "low": value.low, "high": value.high}
