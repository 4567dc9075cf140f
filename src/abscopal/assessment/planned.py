"""What the planning room asks of a patient: everything a comparison of plans or a fractionation needs to know."""

from abscopal.assessment.evidence import sequence_of
from abscopal.assessment.plan import Course, tumour_alpha_beta
from abscopal.domain.patient import Patient, covariates
from abscopal.domain.regimen import Regimen
from abscopal.pharmacology.schedules import expand_schedules
from abscopal.planning.compare import Setting
from abscopal.planning.influence import Prescription


def planned_setting(
    patient: Patient, prescription: Prescription, *, draws: int | None = None, seed: int = 0
) -> Setting:
    """The patient as the planning room sees one.

    Parameters
    ----------
    patient : Patient
    prescription : Prescription
        Of the reference; the order of ICI and radiation is taken from its weekdays.
    draws : int, optional
        Of the immune model; by default those of the search over regimens.
    seed : int

    Raises
    ------
    InputError
        An unknown drug.
    """
    drugs = expand_schedules(patient.drugs)
    n, dose = prescription.n_fractions, prescription.per_fraction
    regimen = Regimen.equal_fractions(dose, n, weekdays=True, drug_doses=drugs)
    alpha_beta, origin = tumour_alpha_beta(patient)
    course = Course(regimen, n, dose, alpha_beta, origin, 0.0, "")
    known = dict(covariates(patient))
    sequence = sequence_of(course)
    if sequence is not None:
        known["ici_sequence"] = sequence
    return Setting(
        alpha_beta=alpha_beta,
        sex=patient.sex or "male",
        alc=patient.labs.alc,
        known=known,
        drugs=drugs,
        beam_on_s=patient.radiotherapy.beam_on_time,
        form="oesophagus" if patient.disease == "esophageal" else "chest",
        draws=draws,
        seed=seed,
    )
