"""One patient, every question, one answer."""

from collections.abc import Mapping
from types import MappingProxyType

from abscopal.assessment.drugs import summarise_drugs
from abscopal.assessment.evidence import evidence_of, scores_of, toxicity_of, trials_of
from abscopal.assessment.immune import (
    exposure_of,
    immune_alc,
    immune_blood,
    immune_edric,
    summarise_immune,
)
from abscopal.assessment.organs import case_dvhs, summarise_structures
from abscopal.assessment.plan import Course, late_alpha_beta, plan_course, summarise
from abscopal.assessment.provenance import parameter_rows
from abscopal.assessment.regimens import choices_of, default_grid, regimen_problem, verdict_of
from abscopal.assessment.types import Assessment, ChecklistRow
from abscopal.assessment.window import SEED, alternative_row, cost_of, place_course
from abscopal.domain.manifest import make_manifest
from abscopal.domain.patient import Patient
from abscopal.dose.dicom.intake import Case
from abscopal.knowledge.load import parameters_sha256, record_use
from abscopal.regimens.decide import search_regimens
from abscopal.regimens.search import isoeffective_alternatives
from abscopal.window.ensemble import shipped_set

ALTERNATIVES_NOTES = (
    "Ranked by the immune gain of the mouse-calibrated reference model alone; the costs stand beside it.",
    "Organ doses are scaled by the ratio of total doses and beam-on time by the dose per fraction: "
    "the dose distribution is taken as unchanged, which a re-planned course would not be.",
    "The isoeffect is linear-quadratic without a time factor.",
)


def assess(
    case: Case,
    patient: Patient,
    *,
    command: str = "abscopal.assess",
    extra_inputs: Mapping[str, str] = MappingProxyType({}),
    quick: bool = False,
) -> Assessment:
    """Assess one patient: dose, immune dose, window, alternatives, toxicity, scores and evidence.

    Parameters
    ----------
    case : Case
        From `abscopal.read_case`.
    patient : Patient
        From `abscopal.domain.patient.read_patient`.
    command : str
        What was asked, for the manifest.
    extra_inputs : mapping
        Further inputs and their sha256, such as the patient file.
    quick : bool
        Leave out the window's ablations and parameter scatter, and the complications of other regimens.

    Returns
    -------
    Assessment
        With every knowledge entry that was read on the way.

    Raises
    ------
    InputError
        No usable plan, or an unknown drug or option.
    ConvergenceError
        The immune model could not be solved for a schedule.
    """
    with record_use() as used:
        course = plan_course(case, patient)
        content = _compute(case, patient, course, quick=quick)
    inputs = {**case.inputs, **extra_inputs}
    return Assessment(
        **content,
        parameters=parameter_rows(used.keys),
        notes=_notes(case, patient, course),
        manifest=make_manifest(
            command=command,
            inputs=inputs,
            parameters_sha256=parameters_sha256(list(used.keys)),
            seed=None if quick else SEED,
        ),
    )


def _compute(case: Case, patient: Patient, course: Course, *, quick: bool) -> dict[str, object]:
    dvhs = case_dvhs(case)
    exposure = exposure_of(dvhs)
    blood = immune_blood(dvhs, case.plan, patient, course.n_fractions)
    alc = immune_alc(blood, patient, course)
    toxicity = toxicity_of(dvhs, patient, course).answer
    alternatives = isoeffective_alternatives(
        course.regimen,
        alpha_beta=course.alpha_beta,
        late_alpha_beta=late_alpha_beta(),
        cost=cost_of(exposure, blood, patient, course),
        parameter_set=shipped_set(),
    )
    choices = search_regimens(
        regimen_problem(case, patient, course, dvhs=dvhs, blood=blood, complications=not quick, seed=SEED),
        default_grid(course, gaps=(1.0,)),
    )
    edric = immune_edric(exposure, patient, course.n_fractions)
    return {
        "patient": patient.model_dump(mode="json", by_alias=True),
        "plan": summarise(case, course),
        "checklist": tuple(ChecklistRow(kind=c.kind, what=c.what, detail=c.detail) for c in case.checklist),
        "structures": summarise_structures(case, dvhs),
        "immune_dose": summarise_immune(edric, dvhs, blood, alc, patient, course),
        "drugs": summarise_drugs(patient, course),
        "window": place_course(course, quick=quick),
        "alternatives": tuple(alternative_row(row) for row in alternatives),
        "alternatives_notes": ALTERNATIVES_NOTES,
        "choices": choices_of(choices),
        "choices_verdict": verdict_of(choices),
        "choices_notes": choices.notes,
        "toxicity": toxicity.summary,
        "risks": toxicity.risks,
        "risks_not_computable": toxicity.not_computable,
        "risk_anchors": toxicity.anchors,
        "scores": scores_of(patient, course, edric),
        "trials": trials_of(patient, course),
        "evidence": evidence_of(patient, course),
    }


def _notes(case: Case, patient: Patient, course: Course) -> tuple[str, ...]:
    notes = []
    if not any(not lesion.irradiated for lesion in patient.lesions):
        told = "no lesion is listed" if not patient.lesions else "every lesion listed is irradiated"
        notes.append(
            f"{told} in patient.toml: the immune gain concerns a lesion outside the field, which may not exist here"
        )
    if case.dose.kind != "physical":
        notes.append(
            f"the dose grid holds {case.dose.kind} dose: toxicity models of physical dose are not evaluated on it; "
            "EDRIC, blood dose and lymphocytes take it as it stands"
        )
    if not course.regimen.drug_doses:
        notes.append("no drug in patient.toml: the window is drawn for the reference anti-CTLA-4 schedule")
    return tuple(notes)
