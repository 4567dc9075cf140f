from pathlib import Path

import pytest

from abscopal.assessment.assess import assess
from abscopal.assessment.types import Assessment
from abscopal.domain.patient import Patient, example_toml, read_patient
from abscopal.dose.dicom.intake import Case, read_case


@pytest.fixture(scope="session")
def thorax(thorax_case: Path) -> Case:
    return read_case(thorax_case)


@pytest.fixture(scope="session")
def patient() -> Patient:
    return read_patient(example_toml())


@pytest.fixture(scope="session")
def thorax_assessment(thorax: Case, patient: Patient) -> Assessment:
    return assess(thorax, patient, quick=True)


@pytest.fixture(scope="session")
def breast(breast_case: Path) -> Case:
    return read_case(breast_case)
