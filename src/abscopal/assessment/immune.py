"""Dose to immune cells and what it does to the lymphocyte count."""

from collections.abc import Mapping
from dataclasses import dataclass

from abscopal.assessment.plan import Course
from abscopal.assessment.types import AlcForecast, ImmuneDose, Quantity
from abscopal.blood.circulation import load_network
from abscopal.blood.delivery import constant_timing, timing_from_plan
from abscopal.blood.exposure import BloodDose
from abscopal.blood.forecast import Forecast, forecast_alc
from abscopal.blood.immune_dose import CohortValue, Form, edric_from_case
from abscopal.blood.immune_dose import ImmuneDose as Edric
from abscopal.blood.indices import ImmuneIndex, immune_indices
from abscopal.blood.lymphocytes import AlcPrediction, predict_alc
from abscopal.blood.plan_exposure import blood_dose_of_plan
from abscopal.domain.patient import Patient
from abscopal.dose.dicom.plan import PlanFacts
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load

UNKNOWN_SEX = "sex not given: the male reference circulation is taken"
FOLLOW_UP = 42.0  # days drawn after the last fraction


@dataclass(frozen=True)
class Exposure:
    """What the organs received, in the form the blood models ask for.

    Attributes
    ----------
    means, volumes : mapping
        TG-263 name to mean dose of the course [Gy] and volume [cm³].
    body_integral : float or None
        [Gy cm³]
    """

    means: Mapping[str, float]
    volumes: Mapping[str, float]
    body_integral: float | None

    def scaled(self, factor: float) -> "Exposure":
        """Every dose multiplied by `factor`, for a course of another total dose."""
        integral = None if self.body_integral is None else factor * self.body_integral
        return Exposure({name: factor * dose for name, dose in self.means.items()}, self.volumes, integral)


def exposure_of(dvhs: Mapping[str, DVH]) -> Exposure:
    """Organ means, volumes and the integral dose of the body contour."""
    body = dvhs.get("External")
    return Exposure(
        {name: dvh.mean for name, dvh in dvhs.items()},
        {name: dvh.volume_cm3 for name, dvh in dvhs.items()},
        None if body is None else body.integral_dose,
    )


def immune_edric(exposure: Exposure, patient: Patient, n_fractions: int) -> Edric:
    """EDRIC in the form of the disease: with the liver for the oesophagus, else the chest form."""
    form: Form = "oesophagus" if patient.disease == "esophageal" else "chest"
    return edric_from_case(
        exposure.means,
        exposure.volumes,
        exposure.body_integral,
        n_fractions,
        allow_one_lung=patient.options.edric_one_lung,
        form=form,
    )


def immune_blood(dvhs: Mapping[str, DVH], plan: PlanFacts | None, patient: Patient, n_fractions: int) -> BloodDose:
    """Blood dose of one fraction, organs split by their histograms, times from the plan where it has them."""
    given = patient.radiotherapy.beam_on_time
    timing = timing_from_plan(plan) if given is None else constant_timing(given)
    return blood_dose_of_plan(dvhs, n_fractions, load_network(patient.sex or "male"), timing)


def immune_risk(blood: BloodDose, patient: Patient, course: Course) -> Forecast | None:
    """Lymphocyte course over plausible patients, for probabilities of grades; None without a baseline count."""
    if patient.labs.alc is None:
        return None
    days = course.regimen.fraction_days
    return forecast_alc(patient.labs.alc, blood, days, horizon=days[-1] + FOLLOW_UP)


def immune_alc(blood: BloodDose, patient: Patient, course: Course) -> AlcPrediction | None:
    """Lymphocyte forecast; None without a baseline count."""
    if patient.labs.alc is None:
        return None
    days = course.regimen.fraction_days
    return predict_alc(patient.labs.alc, blood, days, horizon=days[-1] + FOLLOW_UP)


def summarise_immune(
    edric: Edric, dvhs: Mapping[str, DVH], blood: BloodDose, alc: AlcPrediction | None, patient: Patient, course: Course
) -> ImmuneDose:
    """The immune-dose part of the assessment."""
    notes = blood.notes if patient.sex else (UNKNOWN_SEX, *blood.notes)
    risk = immune_risk(blood, patient, course)
    return ImmuneDose(
        edric=Quantity(
            label=f"EDRIC, {edric.form} form",
            value=edric.value,
            unit=edric.unit,
            status=edric.status,
            not_computable=edric.not_computable,
            notes=edric.notes,
        ),
        edric_terms=tuple(
            Quantity(label=name, value=value, unit="Gy", status=edric.status)
            for name, value in edric.components.items()
        ),
        edric_context=tuple(_cohort(row) for row in edric.context),
        indices=tuple(_index(row) for row in immune_indices(dvhs)),
        blood=_blood_rows(blood, course.n_fractions),
        alc=None if alc is None or risk is None else _forecast(alc, risk, float(patient.labs.alc or 0)),
        alc_not_computable="" if alc is not None else "not computable: needs labs.alc (baseline lymphocyte count)",
        notes=notes,
    )


def _blood_rows(blood: BloodDose, n_fractions: int) -> tuple[Quantity, ...]:
    course = blood.course(n_fractions)
    floor = load("blood/circulation")["smallest_dose_counted"]
    rows = (
        ("Mean blood dose, course", course.mean, "Gy"),
        ("Spread of blood dose (sd), course", course.sd, "Gy"),
        ("Mean blood dose, one fraction", blood.mean, "Gy"),
        (f"Blood touched (more than {floor:g} Gy in the part passed), one fraction", 100 * blood.v_any, "percent"),
        ("Blood touched at least once, course", 100 * course.v_any, "percent"),
        ("Beam-on time, one fraction", blood.irradiated, "s"),
        ("First beam on to last beam off, one fraction", blood.beam_on, "s"),
    )
    return tuple(Quantity(label=label, value=value, unit=unit, status="computed") for label, value, unit in rows)


def _forecast(alc: AlcPrediction, risk: Forecast, baseline: float) -> AlcForecast:
    return AlcForecast(
        baseline=baseline,
        unit="10⁹/L",
        days=tuple(alc.central.t.round(4).tolist()),
        central=tuple(alc.central["ALC"].round(5).tolist()),
        low=tuple(alc.sensitive["ALC"].round(5).tolist()),
        high=tuple(alc.resistant["ALC"].round(5).tolist()),
        nadir=alc.nadir,
        nadir_low=alc.nadir_band[0],
        nadir_high=alc.nadir_band[1],
        nadir_day=alc.nadir_day,
        grade=alc.grade,
        grade_band=alc.grade_band,
        grade_limits=load("blood/lymphocytes").vector("grade_limits"),
        alpha_band=alc.alpha_band,
        p_grade3_or_worse=risk.p_grade3,
        p_grade4=risk.p_grade4,
        days_to_recovery=risk.recovery_days[0],
        status=alc.status,
        notes=tuple(dict.fromkeys((*alc.notes, *risk.notes))),
    )


def _index(row: ImmuneIndex) -> Quantity:
    return Quantity(
        label=row.label,
        value=row.value,
        unit=row.unit,
        status="computed",
        not_computable=row.not_computable,
        notes=(*row.notes, *row.associations),
    )


def _cohort(row: CohortValue) -> str:
    spread = "" if row.low is None else f" ({row.low:g} to {row.high:g})"
    size = "" if row.n is None else f", n = {row.n}"
    return f"for comparison, {row.cohort}{size}: {row.statistic} {row.value:g} Gy{spread}, {row.status}"
