"""Blood scores: the checks of the stratification dossier, section 6."""

import pytest

from abscopal.domain.patient import read_patient
from abscopal.stratification.stratify import score_patient


def scores(**labs):
    lines = [f'{name} = "{value}"' for name, value in labs.items()]
    patient = read_patient("\n".join(['disease = "NSCLC"', "[labs]", *lines]))
    return {score.name: score for score in score_patient(patient)}


@pytest.mark.parametrize(("anc", "dnlr", "points", "category"), [(6, 3.0, 1, "intermediate"), (6.1, 3.211, 2, "poor")])
def test_lipi_check(anc, dnlr, points, category):
    """ANC 6, WBC 8, LDH 1.2 ULN: dNLR 3.0 is not above 3, one point; ANC 6.1: 3.211, two points."""
    found = scores(anc=f"{anc} 1e9/L", wbc="8 1e9/L", ldh="300 IU/L", ldh_uln="250 IU/L")
    assert found["dnlr"].value == pytest.approx(dnlr, abs=5e-4)
    assert found["lipi"].value == points
    assert found["lipi"].category == category


def test_lipi_good():
    assert scores(anc="4 1e9/L", wbc="8 1e9/L", ldh="200 IU/L", ldh_uln="250 IU/L")["lipi"].category == "good"


def test_lipi_quotes_its_hazard_ratios():
    poor = scores(anc="6.1 1e9/L", wbc="8 1e9/L", ldh="300 IU/L", ldh_uln="250 IU/L")["lipi"]
    assert any("3.03" in note for note in poor.notes)


@pytest.mark.parametrize(("alc", "grade"), [(0.19, 4), (0.2, 3), (0.49, 3), (0.5, 2), (0.79, 2), (0.8, 0), (2.0, 0)])
def test_ctcae_grade(alc, grade):
    assert scores(alc=f"{alc} 1e9/L")["alc_grade"].value == grade


def test_ratios():
    found = scores(anc="4 1e9/L", alc="0.5 1e9/L", platelets="300 1e9/L", monocytes="0.5 1e9/L")
    assert found["nlr"].value == pytest.approx(8)
    assert found["nlr"].category.startswith("high")
    assert found["plr"].value == pytest.approx(600)
    assert found["sii"].value == pytest.approx(2400)
    assert found["piv"].value == pytest.approx(1200)
