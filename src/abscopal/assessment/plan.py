"""The course as it will be judged: prescription, fractions on the calendar, drugs, isoeffect."""

from dataclasses import dataclass

from abscopal.assessment.types import PlanSummary
from abscopal.domain.errors import InputError
from abscopal.domain.patient import Patient
from abscopal.domain.regimen import Regimen
from abscopal.dose.dicom.intake import Beam, Case, PlanFacts
from abscopal.knowledge.load import load
from abscopal.pharmacology.schedules import expand_schedules
from abscopal.radiobiology.isoeffect import bed, eqd2
from abscopal.radiobiology.tissue import alpha_beta_of, alpha_beta_of_disease

MOST_FRACTIONS = 100  # no course has more; a mistyped number would run the models for years of days


@dataclass(frozen=True)
class Course:
    """One patient's course.

    Attributes
    ----------
    regimen : Regimen
        Day 0 is the first fraction.
    alpha_beta : float
        Of the tumour. [Gy]
    beam_on_s : float
        Per fraction. [s]
    """

    regimen: Regimen
    n_fractions: int
    dose_per_fraction: float
    alpha_beta: float
    alpha_beta_origin: str
    beam_on_s: float
    beam_on_origin: str

    @property
    def prescription(self) -> float:
        """Total dose, in Gy."""
        return self.n_fractions * self.dose_per_fraction


def plan_course(case: Case, patient: Patient) -> Course:
    """The course from RTPLAN and `patient.toml`.

    Raises
    ------
    InputError
        No RTPLAN, or one without a prescription or a number of fractions.
    """
    plan = _usable(case.plan)
    n, dose = int(plan.n_fractions or 0), float(plan.prescription_gy or 0) / int(plan.n_fractions or 1)
    alpha_beta, alpha_beta_origin = tumour_alpha_beta(patient)
    beam_on, beam_on_origin = _beam_on(plan, patient)
    therapy = patient.radiotherapy
    regimen = Regimen.equal_fractions(
        dose, n, weekdays=therapy.weekdays, interval=therapy.interval, drug_doses=expand_schedules(patient.drugs)
    )
    return Course(regimen, n, dose, alpha_beta, alpha_beta_origin, beam_on, beam_on_origin)


def summarise(case: Case, course: Course) -> PlanSummary:
    """The plan part of the assessment."""
    plan = _usable(case.plan)
    return PlanSummary(
        label=plan.label or "unlabelled plan",
        n_fractions=course.n_fractions,
        dose_per_fraction_gy=course.dose_per_fraction,
        prescription_gy=course.prescription,
        prescription_origin="; ".join(plan.notes) or "RTPLAN",
        dose_kind=case.dose.kind,
        grid_max_gy=case.dose.max,
        beams=tuple(_beam_line(beam) for beam in plan.beams),
        beam_on_s=course.beam_on_s,
        beam_on_origin=course.beam_on_origin,
        alpha_beta_gy=course.alpha_beta,
        alpha_beta_origin=course.alpha_beta_origin,
        late_alpha_beta_gy=late_alpha_beta(),
        bed_gy=float(bed(course.dose_per_fraction, course.n_fractions, course.alpha_beta)),
        eqd2_gy=float(eqd2(course.dose_per_fraction, course.n_fractions, course.alpha_beta)),
    )


def late_alpha_beta() -> float:
    """α/β of late-reacting normal tissue, in Gy."""
    return alpha_beta_of("late_normal").alpha_beta


def _usable(plan: PlanFacts | None) -> PlanFacts:
    if plan is None or not plan.n_fractions or not plan.prescription_gy:
        missing = "no RTPLAN" if plan is None else "an RTPLAN without a prescription or number of fractions"
        raise InputError(
            doing="reading the course of radiotherapy",
            found=missing,
            expected="an RTPLAN with NumberOfFractionsPlanned and a target prescription",
            try_="exporting the approved plan together with its dose",
        )
    if plan.n_fractions > MOST_FRACTIONS:
        raise InputError(
            doing="reading the course of radiotherapy",
            found=f"NumberOfFractionsPlanned {plan.n_fractions}",
            expected=f"a course of at most {MOST_FRACTIONS} fractions, the horizon of the models",
            try_="correcting the RTPLAN",
        )
    return plan


def tumour_alpha_beta(patient: Patient) -> tuple[float, str]:
    """α/β of the patient's tumour [Gy], and where it comes from."""
    given = patient.radiotherapy.alpha_beta
    if given is not None:
        return given, "patient.toml"
    tissue = alpha_beta_of_disease(patient.disease)
    return tissue.alpha_beta, "; ".join((f"{tissue.key}, {tissue.entry.status}", *tissue.notes))


def _beam_on(plan: PlanFacts, patient: Patient) -> tuple[float, str]:
    given = patient.radiotherapy.beam_on_time
    if given is not None:
        return given, "patient.toml"
    if plan.beam_on_s:
        return plan.beam_on_s, "RTPLAN meterset over dose rate"
    return load("blood/circulation")["beam_on_time"], "assumed: the plan gives no dose rate"


def _beam_line(beam: Beam) -> str:
    parts = [beam.name or "unnamed beam", beam.radiation_type.lower()]
    if beam.energy_mv is not None:
        parts.append(f"{beam.energy_mv:g} MV" if beam.radiation_type == "PHOTON" else f"{beam.energy_mv:g} MeV")
    if beam.gantry_start is not None:
        turn = "" if beam.gantry_stop in (None, beam.gantry_start) else f" to {beam.gantry_stop:g}°"
        parts.append(f"gantry {beam.gantry_start:g}°{turn}")
    if beam.meterset is not None:
        parts.append(f"{beam.meterset:.0f} MU")
    return ", ".join(part for part in parts if part)
