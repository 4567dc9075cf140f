import pytest

from abscopal.domain.errors import AbscopalError
from abscopal.domain.patient import Patient, example_toml, field_units, read_patient


def test_the_example_is_valid_and_names_every_field() -> None:
    text = example_toml()
    patient = read_patient(text)
    assert patient.labs.albumin == pytest.approx(3.9)
    assert patient.drugs[0].name == "pembrolizumab"
    parts = (patient.labs, patient.biomarkers, patient.history, patient.options)
    for section in (Patient, *map(type, parts)):
        for name, field in section.model_fields.items():
            assert f"{field.alias or name}" in text


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"3.9 g/dL"', '"38 g/dL"', ["38 g/dL", "between 1 and 7", "38 g/L", "3.8"]),
        ('"3.9 g/dL"', "38", ["bare number", "unit"]),
        ('"3.9 g/dL"', '"3.9 mg/L"', ["between 1 and 7"]),
        ("albumin =", "albumn =", ["albumn", "albumin"]),
        ('"NSCLC"', '"nsclc"', ["nsclc", "NSCLC"]),
        ('"66 year"', '"66 kg"', ["year", "mass"]),
        ('"50 percent"', '"150 percent"', ["150", "100"]),
        ('"case-1"', '"Jane Doe"', ["pseudonym"]),
        ("doses = 4", "doses = 0", ["doses"]),
        ("schema = 1", "schema = 2", ["schema"]),
        ('wbc = "7.4 1e9/L"', 'wbc = "3 1e9/L"', ["neutrophils", "white cell count"]),
        ("[labs]", "[labz]", ["labz", "labs"]),
        ('disease = "NSCLC"', "disease = ", ["TOML", "line"]),
    ],
)
def test_bad_input_is_explained(old: str, new: str, words: list[str]) -> None:
    text = example_toml()
    assert old in text
    with pytest.raises(AbscopalError) as caught:
        read_patient(text.replace(old, new, 1))
    assert caught.value.exit_code == 2
    for word in words:
        assert word in str(caught.value)


def test_only_the_disease_is_required() -> None:
    assert read_patient('disease = "melanoma"').labs.alc is None
    with pytest.raises(AbscopalError, match="disease"):
        read_patient("")


def test_examples_are_written_in_the_unit_that_is_kept() -> None:
    kept = read_patient(example_toml()).model_dump()
    assert field_units()["labs.albumin"] == "g/dL"
    for path, unit in field_units().items():
        section, _, name = path.rpartition(".")
        holder = kept[section] if section else kept
        holder = holder[0] if isinstance(holder, tuple) else holder
        assert f'{name} = "{holder[name]:g} {unit}"' in example_toml()
