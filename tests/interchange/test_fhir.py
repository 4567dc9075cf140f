"""Regimens as FHIR bundles and back; treated courses of others; hostile files."""

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from abscopal.cli.main import app
from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.manifest import RESEARCH_USE
from abscopal.domain.regimen import DrugDose, Regimen
from abscopal.domain.risk import Risk

pytest.importorskip("fhir.resources", reason="FHIR comes with the extra 'interchange'")

from fhir.resources.R4B import get_fhir_model_class

from abscopal.interchange import fhir_names as names
from abscopal.interchange.fhir_file import LARGEST, MOST
from abscopal.interchange.fhir_read import read_fhir
from abscopal.interchange.fhir_write import write_fhir

HYPO = Regimen(
    fraction_days=(0.0, 1.0, 2.0, 7.25),
    fraction_doses=(8.0, 8.0, 8.0, 6.5),
    drug_doses=(DrugDose(drug="nivolumab", mg=240.0, day=-3.0), DrugDose(drug="ipilimumab", mg=70.5, day=4.0)),
    name="Regimen of Jane Doe",
)
RISK = Risk(
    endpoint="pneumonitis", organ="Lung", grade=">=2", model="lung_mld", probability=0.123456789,
    interval=(0.05, 0.31), basis="printed limits", source="a source", status="read", warnings=("UnverifiedWarning: x",),
)  # fmt: skip


def unnamed(regimen):
    return regimen.model_copy(update={"name": ""})


def resources(text, kind):
    return [e["resource"] for e in json.loads(text)["entry"] if e["resource"]["resourceType"] == kind]


def profile(resource):
    return resource["meta"]["profile"][0].rpartition("/")[2]


minutes = st.integers(0, 200 * 1440).map(lambda m: m / 1440)
drug = st.builds(
    DrugDose, drug=st.sampled_from(["nivolumab", "durvalumab"]), mg=st.integers(0, 30_000).map(lambda c: c / 10),
    day=st.integers(-90, 365).map(float),
)  # fmt: skip


@st.composite
def regimens(draw):
    days = sorted([0.0, *draw(st.lists(minutes, max_size=12))])
    doses = draw(st.lists(st.integers(0, 3000).map(lambda c: c / 100), min_size=len(days), max_size=len(days)))
    return Regimen(fraction_days=days, fraction_doses=doses, drug_doses=draw(st.lists(drug, max_size=5)))


@settings(max_examples=40, deadline=None)
@given(regimens(), st.booleans(), st.dates(date(1950, 1, 1), date(2100, 1, 1)))
def test_what_is_written_is_read_back(regimen, delivered, start):
    found = read_fhir(write_fhir(regimen, delivered=delivered, start=start))
    assert [round(day, 8) for day in found.regimen.fraction_days] == [round(d, 8) for d in regimen.fraction_days]
    assert found.regimen.fraction_doses == regimen.fraction_doses
    assert found.regimen.drug_doses == regimen.drug_doses
    assert (found.delivered, found.notes) == (delivered, ())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(1e-300, 30), min_size=1, max_size=4), st.booleans())
def test_doses_of_any_digits_come_back_to_the_last_of_them(doses, delivered):
    regimen = Regimen.equal_fractions(2.0, len(doses)).model_copy(update={"fraction_doses": tuple(doses)})
    found = read_fhir(write_fhir(regimen, delivered=delivered)).regimen
    assert found.fraction_doses == pytest.approx(doses, rel=1e-15, abs=0)


def test_day_0_is_the_first_fraction_whatever_the_clock():
    late = HYPO.model_copy(update={"fraction_days": tuple(day + 7 for day in HYPO.fraction_days)})
    found = read_fhir(write_fhir(late)).regimen
    assert found.fraction_days == HYPO.fraction_days
    assert [dose.day for dose in found.drug_doses] == [-10.0, -3.0]


def test_drugs_alone():
    alone = HYPO.without_radiation()
    found = read_fhir(write_fhir(alone, delivered=True))
    assert [dose.day for dose in found.regimen.drug_doses] == [0.0, 7.0]
    assert (found.origin, found.volume) == ("none", "")


@pytest.mark.parametrize("delivered", [False, True])
def test_bundle_holds_no_name_and_the_same_regimen_is_the_same_text(delivered):
    text = write_fhir(HYPO, delivered=delivered)
    assert text == write_fhir(HYPO, delivered=delivered)
    assert "Jane" not in text
    (patient,) = resources(text, "Patient")
    assert patient["name"] == [{"extension": [{"url": names.ABSENT, "valueCode": "masked"}]}]
    assert json.loads(text)["meta"]["security"][0]["code"] == "ANONYED"


def test_profiles_and_codes_of_a_delivered_course():
    text = write_fhir(HYPO, delivered=True)
    found = [
        (one["meta"]["profile"][0].rpartition("/")[2], one["code"]["coding"][0]["code"])
        for one in resources(text, "Procedure")
    ]
    assert found[0] == ("codexrt-radiotherapy-course-summary", "1217123003")
    assert found.count(("codexrt-radiotherapy-treated-phase", "1222565005")) == 2
    assert found.count(("codexrt-radiotherapy-treated-fraction", "1297069006")) == 4
    drugs = resources(text, "MedicationAdministration")
    assert all(one["reasonCode"] for one in (resources(text, "Procedure")[0], *drugs))  # mcode-reason-required
    phases = [one for one in resources(text, "Procedure") if one["code"]["coding"][0]["code"] == names.PHASE_CODE]
    doses = [e for one in phases for e in one["extension"] if e["url"] == names.DOSE_DELIVERED]
    assert [d["extension"][1]["valueQuantity"]["value"] for d in doses] == [2400, 650]
    assert all(one["identifier"][1]["value"].startswith("urn:oid:2.25.") for one in phases)
    assert len(resources(text, "MedicationAdministration")) == 2


def test_profiles_of_a_prescription():
    text = write_fhir(HYPO)
    course, *phases = resources(text, "ServiceRequest")
    assert course["meta"]["profile"][0].endswith("codexrt-radiotherapy-course-prescription")
    assert {one["meta"]["profile"][0].rpartition("/")[2] for one in phases} == {
        "codexrt-radiotherapy-phase-prescription"
    }
    assert {one["intent"] for one in (course, *phases)} == {"original-order"}
    assert not resources(text, "Procedure")
    assert len(resources(text, "MedicationRequest")) == 2


def test_risk_carries_model_interval_and_research_use():
    (one,) = resources(write_fhir(HYPO, risks=[RISK]), "RiskAssessment")
    assert one["method"]["text"] == "lung_mld"
    assert one["prediction"][0]["probabilityDecimal"] == 0.123457
    limits = one["prediction"][1]["probabilityRange"]
    assert (limits["low"]["value"], limits["high"]["value"], limits["low"]["code"]) == (5, 31, "%")
    assert one["note"][0]["text"] == RESEARCH_USE
    assert any("UnverifiedWarning" in note["text"] for note in one["note"])


# courses of other programs


def dose(volume, total, unit="cGy", fractions=None):
    parts = [
        {"url": "volume", "valueReference": {"reference": f"BodyStructure/{volume}", "display": volume}},
        {"url": "totalDoseDelivered", "valueQuantity": {"value": total, "unit": unit, "code": unit}},
    ]
    if fractions is not None:
        parts.append({"url": "fractionsDelivered", "valueUnsignedInt": fractions})
    return {"url": names.DOSE_DELIVERED, "extension": parts}


def procedure(code, start, end, *extensions, **more):
    return {
        "resourceType": "Procedure", "status": "completed", "subject": {"reference": "Patient/1"},
        "code": {"coding": [{"system": names.SNOMED, "code": code}]},
        "performedPeriod": {"start": start} | ({"end": end} if end else {}), "extension": list(extensions),
    } | more  # fmt: skip


def count(n):
    return {"url": names.FRACTIONS_DELIVERED, "valueUnsignedInt": n}


def bundle(*parts):
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": part} for part in parts]})


BOTH = [
    procedure(names.COURSE_CODE, "2021-09-06T13:15:17+01:00", "2021-09-17T13:21:17+01:00",
              dose("Left", 900, fractions=3), dose("Boost", 1700, fractions=7)),
    procedure(names.PHASE_CODE, "2021-09-06T13:15:17+01:00", "2021-09-08T13:21:17+01:00", count(3),
              dose("Left", 900), dose("Boost", 900)),
    procedure(names.PHASE_CODE, "2021-09-14T13:15:17+01:00", "2021-09-17T13:21:17+01:00", count(4), dose("Boost", 800)),
]  # fmt: skip


def test_phases_of_another_program_give_the_fractions_of_the_chosen_volume():
    found = read_fhir(bundle(*BOTH))
    assert (found.volume, found.origin) == ("Boost", "treated phases")
    assert found.regimen.fraction_days == (0, 1, 2, 8, 9, 10, 11)
    assert found.regimen.fraction_doses == (3, 3, 3, 2, 2, 2, 2)
    assert "largest total dose" in found.notes[0]
    left = read_fhir(bundle(*BOTH), volume="Left")
    assert (left.regimen.fraction_days, left.regimen.total_dose) == ((0, 1, 2), 9)
    with pytest.raises(InputError, match="'Left' or 'Boost'"):
        read_fhir(bundle(*BOTH), volume="Right")


def test_summary_alone_is_put_on_weekdays_and_says_so():
    course = procedure(names.COURSE_CODE, "2024-01-03", "2024-01-09", dose("PTV", 10, "Gy", 5))
    found = read_fhir(bundle(course))
    assert found.regimen.fraction_days == (0, 1, 2, 5, 6)
    assert "assumed" in found.notes[0]
    uneven = procedure(names.COURSE_CODE, "2024-01-01", "2024-01-09", dose("PTV", 30, "Gy", 5))
    spread = read_fhir(bundle(uneven))
    assert spread.regimen.fraction_days == (0, 2, 4, 6, 8)
    assert "evenly" in spread.notes[0]


def test_parts_that_do_not_add_up_are_left_aside_with_a_note():
    short = [BOTH[0], BOTH[1]]
    found = read_fhir(bundle(*short))
    assert found.origin == "course summary"
    assert "9 Gy of 17 Gy" in " ".join(found.notes)


def test_what_was_entered_in_error_is_not_read():
    wrong = BOTH[0] | {"status": "entered-in-error"}
    assert read_fhir(bundle(wrong, *BOTH)).regimen.n_fractions == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON"),
        ("[1]", "no Bundle"),
        ('{"resourceType": "Patient"}', "no Bundle"),
        ('{"resourceType": "Bundle", "resourceType": "Bundle"}', "twice"),
        ('{"resourceType": "Bundle", "type": "collection", "x": NaN}', "NaN"),
        ("[" * 100_000, "nested"),
        ('{"resourceType": "Bundle", "a": ' + "[" * 100 + "]" * 100 + "}", "nested"),
        (bundle({"resourceType": "Banana"}), r"'Banana' at entry\[0\].resource"),
        (bundle({"resourceType": "Quantity"}), r"'Quantity' at entry\[0\].resource"),
        (bundle({"resourceType": "../os"}), "unknown resource type"),
        (bundle({"resourceType": ["Patient"]}), "unknown resource type"),
        (bundle({"resourceType": "Patient", "contained": [{"resourceType": "Evil"}]}), r"resource.contained\[0\]"),
        (bundle({"resourceType": "Procedure", "status": "completed"}), r"entry\[0\].resource.subject"),
        (bundle(BOTH[0] | {"zzz": 1}), r"entry\[0\].resource.zzz"),
        (bundle(BOTH[0], BOTH[0]), r"2 courses of radiotherapy, at entry\[0\].resource, entry\[1\]"),
        (bundle({"resourceType": "Patient"}), "neither a course"),
        (bundle(procedure(names.COURSE_CODE, "2024-01-03", None, dose("P", 10, "mg", 5))), "'mg' at"),
        (bundle(procedure(names.COURSE_CODE, "2024-01-03", None, dose("P", -10, "Gy", 5))), "negative"),
        (bundle(procedure(names.COURSE_CODE, "2024-01-03", "2024-01-01", dose("P", 10, "Gy", 5))), "end before"),
        (bundle(procedure(names.COURSE_CODE, "2024", None, dose("P", 10, "Gy", 5))), "time without its day"),
        (bundle(procedure(names.COURSE_CODE, "2024-01-03", None, dose("P", 10, "Gy"))), "no number of fractions"),
        (bundle(procedure(names.COURSE_CODE, "2024-01-03", None, dose("P", 10, "Gy", 10**8))), "fractions at"),
        (json.dumps({"resourceType": "Bundle", "entry": [{}] * (MOST + 1)}), "entries"),
        ('{"resourceType": "Bundle", "type": "collection", "total": 1' + "0" * 5000 + "}", "no JSON"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_with_their_place(text, said):
    with pytest.raises(InputError, match=said):
        read_fhir(text)


def test_large_files_and_modifiers_are_refused(tmp_path):
    big = tmp_path / "big.json"
    big.write_bytes(b" " * (LARGEST + 1))
    with pytest.raises(InputError, match="16 MiB at most"):
        read_fhir(big)
    turned = BOTH[0] | {"modifierExtension": [{"url": "http://example.org/not", "valueBoolean": True}]}
    with pytest.raises(UnsupportedError, match=r"modifierExtension at entry\[0\]"):
        read_fhir(bundle(turned))


def test_regimens_that_cannot_be_written():
    with pytest.raises(InputError, match="neither fractions nor drugs"):
        write_fhir(Regimen())
    with pytest.raises(InputError, match="day 1e"):
        write_fhir(Regimen(fraction_days=(1e9,), fraction_doses=(2.0,)))


def test_commands_write_and_read(tmp_path):
    runner, out, back = CliRunner(), tmp_path / "bundle.json", tmp_path / "back.toml"
    source = tmp_path / "r.toml"
    source.write_text(
        'fraction_days = [0, 1]\nfraction_doses = [8, 8]\ndrug_doses = [{drug = "nivolumab", mg = 240, day = 1}]\n'
    )
    done = runner.invoke(app, ["interchange", "fhir-export", str(source), "--out", str(out), "--start", "2020-02-03"])
    assert done.exit_code == 0, done.output
    get_fhir_model_class("Bundle").model_validate_json(out.read_text())
    assert "2020-02-04T00:00:00Z" in out.read_text()
    shown = runner.invoke(app, ["interchange", "fhir-import", str(out), "--out", str(back)])
    assert shown.exit_code == 0
    assert "prescribed to PTV: from phase" in " ".join(shown.stdout.split())
    again = runner.invoke(app, ["interchange", "fhir-export", str(back), "--out", str(out), "--delivered"])
    assert again.exit_code == 0
    told = json.loads(runner.invoke(app, ["interchange", "fhir-import", str(out), "--json"]).stdout)
    assert told["regimen"]["fraction_doses"] == [8.0, 8.0]
    assert told["regimen"]["drug_doses"] == [{"drug": "nivolumab", "mg": 240.0, "day": 1.0}]
    bad = runner.invoke(app, ["interchange", "fhir-export", str(source), "--out", str(out), "--start", "yesterday"])
    assert isinstance(bad.exception, InputError)
