"""The headline says how sure each number is, and what is missing in this patient's terms."""

from abscopal.assessment.assess import assess
from abscopal.assessment.types import Assessment
from abscopal.domain.patient import read_patient
from abscopal.dose.dicom.intake import Case
from abscopal.knowledge.schema import STATUS_MEANING
from abscopal.report.headline import NOT_COMPUTABLE, Card, headline
from abscopal.report.html import ENGLISH, render
from abscopal.report.numbers import percent


def card(assessment: Assessment, start: str) -> Card:
    return next(one for one in headline(assessment, ENGLISH) if one.what.startswith(start))


def test_every_computed_number_carries_a_status(sparse: Assessment) -> None:
    for one in headline(sparse, ENGLISH):
        if one.what != "Prescription" and one.number != NOT_COMPUTABLE:
            assert one.status in STATUS_MEANING, one
    assert card(sparse, "Dose–immune window").status == "assumed"
    assert card(sparse, "Randomised evidence").status == "recalled"


def test_what_is_missing_is_said_once_and_for_this_disease(sparse: Assessment) -> None:
    assert card(sparse, "Lymphocyte").how.startswith("needs labs.alc")
    loris = card(sparse, "LORIS")
    assert "biomarkers.tmb" in loris.how
    assert "NSCLC" not in loris.how
    assert "0 of 8 trials in melanoma" in card(sparse, "Randomised evidence").how


def test_a_drug_after_the_readout_earns_no_synergy(sparse: Assessment) -> None:
    assert sparse.window.radiation_alone
    assert "radiation alone" in card(sparse, "Dose–immune window").how
    assert any("of radiation alone" in note for row in sparse.alternatives for note in row.notes)
    page = render(sparse)
    assert "against no treatment on the non-irradiated lesion" in page
    assert "log synergy" not in page


def test_the_largest_complication_is_one_of_dose(sparse: Assessment) -> None:
    found = card(sparse, "Largest complication")
    assert "heart_rs_aapm26) holds a rate without dose" in found.how
    shown = next(risk for risk in sparse.risks if f"({risk.model})" in found.how)
    assert not any("at zero dose" in text for text in (*shown.notes, *shown.warnings))
    assert found.number == percent(shown.probability)


def test_the_report_shows_both_causes_and_says_what_is_assumed(case: Case) -> None:
    text = 'disease = "NSCLC"\n[[drugs]]\nname = "durvalumab"\ndose = "1500 mg"\nfirst_day = "7 day"\n'
    answer = assess(case, read_patient(text + 'interval = "28 day"\ndoses = 4\n'), quick=True)
    row = next(row for row in answer.toxicity.rows if row.label == "Pneumonitis")
    assert row.radiation is not None
    assert row.immune is not None
    page = render(answer)
    for words in (
        "assuming that they are independent of each other",
        "offset, not a fitted dose-response",
        percent(row.radiation.probability),
        percent(row.immune.probability),
        percent(row.combined.probability),
        "ExtrapolationWarning: fitted on physical dose",
    ):
        assert words in page
    assert "taken as independent" in card(answer, "Largest complication").how


def test_edric_is_named_by_its_form(case: Case) -> None:
    found = assess(case, read_patient('disease = "esophageal"'), quick=True)
    edric = card(found, "EDRIC")
    assert edric.what == "EDRIC, oesophagus form"
    assert "chest" not in edric.how
    assert not found.window.radiation_alone


def test_patient_values_are_printed_with_their_units(case: Case) -> None:
    text = 'disease = "NSCLC"\nage = "66 year"\n[labs]\nalbumin = "38 g/L"\nalc = "1.6 1e9/L"\n'
    text += '[[lesions]]\nname = "a"\nsite = "lung"\nvolume = "20 cm^3"\nirradiated = true\n'
    page = render(assess(case, read_patient(text), quick=True))
    for cell in ("66 year", "3.8 g/dL", "1.6 10⁹/L", "20 cm³"):
        assert f"<td>{cell}</td>" in page
