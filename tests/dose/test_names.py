import pytest

from abscopal.domain.errors import InputError
from abscopal.dose.dicom.names import map_names
from abscopal.knowledge.load import load, record_use


def standard(name: str) -> str | None:
    return map_names([name])[name].standard_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Lt Lung", "Lung_L"), ("LUNG_RT", "Lung_R"), ("LungL", "Lung_L"), ("Lunge links", "Lung_L"),
        ("Lungs", "Lungs"), ("lungs - GTV", "Lungs-GTV"), ("BODY", "External"), ("Heart", "Heart"),
        ("Tumor Bed", "CTV_TumorBed"), ("Femoral Head RT", "Femur_Head_R"), ("Spinal_Cord", "SpinalCord"),
        ("Œsophage", "Esophagus"), ("Schilddrüse", "Glnd_Thyroid"), ("OpticNrv_L", "OpticNrv_L"),
        ("V_Venacava_S", "V_Venacava_S"), ("PTV", "PTV"), ("ptv 60", "PTV_60"), ("PTV1", "PTV1"), ("GTVp", "GTVp"),
    ],
)  # fmt: skip
def test_synonyms(name: str, expected: str) -> None:
    assert standard(name) == expected


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Breast", "Breast_L or Breast_R"),
        ("Lung", "Lung_L or Lung_R"),
        ("Lung L R", "side missing"),
        ("Nodes", "not in the synonym table"),
        ("Tumor Bed Block", "not in the synonym table"),
        ("SpinalCord PRV05", "not in the synonym table"),
        ("PTV opt", "not in the synonym table"),
        ("zPTV", "help structure"),
        ("", "not in the synonym table"),
    ],
)
def test_unmapped_with_a_reason(name: str, reason: str) -> None:
    match = map_names([name])[name]
    assert match.standard_name is None
    assert reason in match.reason


def test_every_standard_name_reads_as_itself() -> None:
    for name in load("dose/tg263").table("synonyms")["standard_name"].unique():
        for side in ("L", "R") if name.endswith("_*") else ("",):
            assert standard(name.replace("*", side)) == name.replace("*", side)


def test_two_candidates_for_one_name_leave_both_unmapped() -> None:
    matches = map_names(["HEART", "cor"])
    assert [match.standard_name for match in matches.values()] == [None, None]
    assert "'cor' also reads as Heart" in matches["HEART"].reason


def test_the_standard_spelling_wins_over_a_synonym() -> None:
    matches = map_names(["Heart", "cor"])
    assert matches["Heart"].standard_name == "Heart"
    assert matches["cor"].standard_name is None


def test_override_wins_and_frees_nothing_else() -> None:
    matches = map_names(["Lt Lung", "other"], {"other": "Lung_L"})
    assert matches["other"].standard_name == "Lung_L"
    assert matches["Lt Lung"].standard_name is None
    assert map_names(["Nodes"], {"Nodes": "LN_Axillary_L"})["Nodes"].standard_name == "LN_Axillary_L"


@pytest.mark.parametrize(
    ("overrides", "try_"),
    [
        ({"Lt lung": "Lung_L"}, "'Lt Lung'"),
        ({"Lt Lung": "Left Lung"}, "'Lung_L'"),
        ({"Lt Lung": "../x"}, "letters, digits"),
        ({"Lt Lung": "Heart", "Nodes": "Heart"}, "keeping one"),
    ],
)
def test_bad_overrides_are_answered(overrides: dict[str, str], try_: str) -> None:
    with pytest.raises(InputError) as refusal:
        map_names(["Lt Lung", "Nodes"], overrides)
    assert try_ in refusal.value.try_


def test_the_table_counts_as_used() -> None:
    with record_use() as usage:
        map_names(["Heart"])
    assert list(usage.keys) == ["dose/tg263:synonyms"]
