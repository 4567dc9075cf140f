"""Toxicity, scores and trial evidence of a course: asking the rooms that know."""

from collections.abc import Iterable, Mapping

from abscopal.assessment.plan import Course
from abscopal.blood.immune_dose import ImmuneDose
from abscopal.domain.patient import Patient, covariates
from abscopal.dose.dvh import DVH
from abscopal.knowledge.load import load
from abscopal.pharmacology.drugs import drug_class
from abscopal.stratification.score import Score
from abscopal.stratification.stratify import score_patient
from abscopal.toxicity.assess import CaseToxicity, case_toxicity
from abscopal.trials.nearest import TrialRow, nearest_trials
from abscopal.trials.summary import EvidenceSummary, evidence_summary

TRIALS_SHOWN = 8


def toxicity_of(dvhs: Mapping[str, DVH], patient: Patient, course: Course, ici: str | None = None) -> CaseToxicity:
    """Complication models evaluated with everything known about the patient and the course.

    Parameters
    ----------
    ici : str, optional
        Classes as `ici_classes` writes them, in place of the drugs of `patient.toml`; "" for none.
    """
    days = course.regimen.fraction_days
    known = dict(covariates(patient))
    known["overall_treatment_days"] = days[-1] - days[0] + 1
    known["ici"] = ici_classes(course) if ici is None else ici
    sequence = sequence_of(course)
    if sequence is not None and ici is None:
        known["ici_sequence"] = sequence
    return case_toxicity(dvhs, course.n_fractions, known)


def scores_of(patient: Patient, course: Course, dose: ImmuneDose) -> tuple[Score, ...]:
    """Every score under the case's own plan; what `patient.toml` says of the plan gives way to it."""
    given = dose.inputs if dose.form == "chest" else {}  # the score is of the chest form
    body = given.get("mean body dose")
    plan = {
        "fractions": course.n_fractions,
        "dose_per_fraction": course.dose_per_fraction,
        "mean_lung_dose": given.get("mean lung dose"),
        "mean_heart_dose": given.get("mean heart dose"),
        "integral_dose": None if body is None else body * load("blood/edric")["body_volume"],
    }
    return score_patient(patient.model_copy(update={"radiotherapy": patient.radiotherapy.model_copy(update=plan)}))


def trials_of(patient: Patient, course: Course) -> tuple[TrialRow, ...]:
    """The trials nearest to the disease, sequence and dose per fraction."""
    rows = nearest_trials(patient.disease, course.dose_per_fraction, sequence_of(course), n=TRIALS_SHOWN)
    return tuple(rows)


def evidence_of(patient: Patient, course: Course) -> tuple[EvidenceSummary, ...]:
    """What the pooled randomised evidence says about this combination and timing."""
    return evidence_summary(disease=patient.disease, sequence=sequence_of(course))


def ici_classes(course: Course) -> str:
    """Classes of the checkpoint inhibitors of the course, "" for none."""
    return join_classes(dose.drug for dose in course.regimen.drug_doses)


def join_classes(drugs: Iterable[str]) -> str:
    """Classes of drugs, each once, as one text."""
    return " + ".join(sorted({drug_class(drug) for drug in drugs}))


def sequence_of(course: Course) -> str | None:
    """When the ICI is given relative to RT, in the trial table's words; None without an ICI."""
    doses = [dose.day for dose in course.regimen.drug_doses]
    if not doses:
        return None
    first, last = course.regimen.fraction_days[0], course.regimen.fraction_days[-1]
    if min(doses) > last:
        return "sequential"
    if max(doses) < first:
        return "neoadjuvant"
    inside_only = min(doses) >= first and max(doses) <= last
    return "concurrent" if inside_only else "both"
