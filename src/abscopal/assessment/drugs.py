"""What the patient's checkpoint inhibitors do in the blood: concentration and occupancy."""

from itertools import groupby

import numpy as np

from abscopal.assessment.plan import Course
from abscopal.assessment.types import Curve, DrugCourse
from abscopal.domain.errors import UnsupportedError
from abscopal.domain.patient import Patient
from abscopal.domain.regimen import DrugDose
from abscopal.immune.exposure import drug_exposure
from abscopal.knowledge.load import load
from abscopal.pharmacology.drugs import drug_class, kinetics_of
from abscopal.pharmacology.occupancy import occupancy

SHOWN_AFTER_LAST = 42.0  # days drawn after the last dose
STEP = 0.5  # days between drawn points
POTENCY = ("drugs/pembrolizumab", "elassaiss_schaap_2017_IC50")


def summarise_drugs(patient: Patient, course: Course) -> tuple[DrugCourse, ...]:
    """One entry per drug, in the order of the first dose."""
    doses = sorted(course.regimen.drug_doses, key=lambda dose: dose.drug)
    groups = [list(group) for _, group in groupby(doses, key=lambda dose: dose.drug)]
    return tuple(_drug(group, patient) for group in sorted(groups, key=lambda group: group[0].day))


def _drug(doses: list[DrugDose], patient: Patient) -> DrugCourse:
    name = doses[0].drug
    first, last = doses[0].day, doses[-1].day
    try:
        person = kinetics_of(name, weight=patient.weight, sex=patient.sex)
        days = np.arange(first, last + SHOWN_AFTER_LAST + STEP, STEP)
        course = drug_exposure(doses, days.tolist(), weight=patient.weight, sex=patient.sex, side="both")
    except UnsupportedError as error:
        return DrugCourse(drug=name, ici_class=drug_class(name), parameters="none", not_computable=str(error))
    trough = None
    if len(doses) > 1:
        before = drug_exposure(doses[:1], [doses[1].day], weight=patient.weight, sex=patient.sex)
        trough = float(before["C"][-1])
    occupied, occupancy_note = _occupancy(name, course.t, course["C"])
    return DrugCourse(
        drug=name,
        ici_class=drug_class(name),
        parameters=person.row,
        concentration=_curve(course.t, course["C"], "mg/L"),
        occupancy=occupied,
        first_trough_mg_per_l=trough,
        notes=("typical subject, dose as a bolus", *person.notes, *occupancy_note),
    )


def _occupancy(name: str, t: np.ndarray, concentration: np.ndarray) -> tuple[Curve | None, tuple[str, ...]]:
    """Occupancy where a potency in man was read; only for the drug it was read for."""
    sheet, key = POTENCY
    if sheet != f"drugs/{name}":
        return None, (f"no potency in man on file for {name}: occupancy is not shown",)
    k50 = load(sheet)[key]
    note = (
        f"occupancy from a half-maximal concentration of {k50:g} mg/L (ex vivo IL-2 release), in blood, not in tumour"
    )
    return _curve(t, occupancy(concentration, k50), "1"), (note,)


def _curve(t: np.ndarray, y: np.ndarray, unit: str) -> Curve:
    return Curve(x=tuple(np.round(t, 3).tolist()), y=tuple(np.round(y, 5).tolist()), x_unit="day", y_unit=unit)
