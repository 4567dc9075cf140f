"""A case and an assessment that the tests of the report share."""

from pathlib import Path

import pytest

from abscopal.assessment.assess import assess
from abscopal.assessment.types import Assessment
from abscopal.domain.patient import read_patient
from abscopal.dose.dicom.intake import Case, read_case

LATE_MELANOMA = """
disease = "melanoma"
drugs = [{ name = "nivolumab", dose = "240 mg", first_day = "60 day", interval = "14 day", doses = 3 }]
"""


@pytest.fixture(scope="session")
def case(thorax_case: Path) -> Case:
    """The synthetic thorax case as read."""
    return read_case(thorax_case)


@pytest.fixture(scope="session")
def sparse(case: Case) -> Assessment:
    """A patient of whom little is known, with a drug after the readout."""
    return assess(case, read_patient(LATE_MELANOMA), quick=True)
