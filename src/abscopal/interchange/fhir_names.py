"""Profiles, extensions and codes of CodeX Radiation Therapy STU2, mCODE STU4 and FHIR R4 that bundles hold.

Sources: hl7.org/fhir/us/codex-radiation-therapy (2.0.0), hl7.org/fhir/us/mcode (4.0.0), hl7.org/fhir/R4B.
"""

from typing import Any

_CODEX = "http://hl7.org/fhir/us/codex-radiation-therapy/StructureDefinition/codexrt-radiotherapy-"
_MCODE = "http://hl7.org/fhir/us/mcode/StructureDefinition/mcode-"
SNOMED = "http://snomed.info/sct"
_REQUESTED = "http://hl7.org/fhir/us/codex-radiation-therapy/CodeSystem/snomed-requested-cs"
UCUM = "http://unitsofmeasure.org"
DICOM_UID = "urn:dicom:uid"

COURSE_PRESCRIPTION = (f"{_CODEX}course-prescription",)
PHASE_PRESCRIPTION = (f"{_CODEX}phase-prescription",)
COURSE_SUMMARY = (f"{_CODEX}course-summary", f"{_MCODE}radiotherapy-course-summary")
TREATED_PHASE = (f"{_CODEX}treated-phase",)
TREATED_FRACTION = (f"{_CODEX}treated-fraction",)
VOLUME = (f"{_CODEX}volume", f"{_MCODE}radiotherapy-volume")
PATIENT = (f"{_MCODE}cancer-patient",)
MEDICATION_REQUEST = (f"{_MCODE}cancer-related-medication-request",)
MEDICATION_ADMINISTRATION = (f"{_MCODE}cancer-related-medication-administration",)

DOSE_PRESCRIBED = f"{_CODEX}dose-prescribed-to-volume"
FRACTIONS_PRESCRIBED = f"{_CODEX}fractions-prescribed"
FRACTIONS_DELIVERED = f"{_CODEX}fractions-delivered"
FRACTION_IN_PLAN = f"{_CODEX}fraction-number-in-plan"
FRACTION_IN_PHASE = f"{_CODEX}fraction-number-in-phase"
UNIFORM = f"{_CODEX}uniform-fractionation"
DOSE_DELIVERED = f"{_MCODE}radiotherapy-dose-delivered-to-volume"
SESSIONS = f"{_MCODE}radiotherapy-sessions"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"

COURSE_CODE, PHASE_CODE, FRACTION_CODE = "1217123003", "1222565005", "1297069006"


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}


COURSE = _concept(SNOMED, COURSE_CODE, "Radiotherapy course of treatment (regime/therapy)")
PHASE = _concept(SNOMED, PHASE_CODE, "Radiotherapy treatment phase (regime/therapy)")
FRACTION = _concept(_REQUESTED, FRACTION_CODE, "Fractionated dose radiotherapy (procedure)")
CATEGORY = _concept(SNOMED, "108290001", "Radiation oncology AND/OR radiotherapy (procedure)")
TARGET = _concept(SNOMED, "228793007", "Planning target volume (observable entity)")
CANCER = _concept(SNOMED, "363346000", "Malignant neoplastic disease (disorder)")
"""The reason that mCODE requires of courses and drugs, without saying which cancer."""
ANONYMISED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "ANONYED",
    "display": "anonymized",
}
