import pytest

from abscopal.domain.errors import AbscopalError
from abscopal.knowledge import load
from abscopal.knowledge.schema import MARKS, STATUS_MEANING, Number

SHEET = """
title = "t"
[sources.a]
citation = "Someone 2020"
doi = "10.1000/xyz"
[numbers.alpha]
value = 0.2
unit = "1/Gy"
range = [0.1, 0.3]
meaning = "radiosensitivity"
source = "a"
locator = "Table 1"
status = "read"
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('citation = "Someone 2020"', 'citation = " "'),
        ('source = "a"', 'source = ""'),
        ('source = "a"', 'source = "b"'),
        ('locator = "Table 1"', 'locator = ""'),
        ('status = "read"', 'status = "guessed"'),
        ("value = 0.2", "value = 0.5"),
        ("value = 0.2", "value = nan"),
        ('unit = "1/Gy"', 'unit = "1/Gry"'),
        ('doi = "10.1000/xyz"', 'doi = "doi:10.1000/xyz"'),
        ('meaning = "radiosensitivity"', 'meening = "radiosensitivity"'),
        ('title = "t"', "title = t"),
    ],
)
def test_a_sheet_that_breaks_the_schema_is_refused(old: str, new: str) -> None:
    load.parse_sheet(SHEET, "test/sheet")
    with pytest.raises(AbscopalError):
        load.parse_sheet(SHEET.replace(old, new, 1), "test/sheet")


@pytest.mark.parametrize("name", load.sheet_names())
def test_every_sheet_of_the_package_loads(name: str) -> None:
    sheet = load.load(name)
    assert sheet.content.numbers or sheet.content.tables
    for key in sheet.content.tables:
        assert len(sheet.table(key)) > 0


def test_use_is_recorded_however_deep() -> None:
    key = next(r.key for r in load.catalogue() if isinstance(r.entry, Number) and isinstance(r.entry.value, float))
    name, _, number = key.partition(":")
    with load.record_use() as outer:
        with load.record_use() as inner:
            load.load(name)[number]
        assert list(inner.keys) == [key]
    assert list(outer.keys) == [key]
    assert len(load.parameters_sha256(list(outer.keys))) == 64


def test_unknown_names_answer_with_the_close_match() -> None:
    name = load.sheet_names()[0]
    with pytest.raises(AbscopalError, match=name):
        load.load(name + "x")


def test_every_status_has_a_mark_and_a_meaning() -> None:
    assert MARKS.keys() == STATUS_MEANING.keys()
