from pathlib import Path

import pytest

from abscopal.report.html import write_whole
from abscopal.report.numbers import percent, percent_range, significant


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0, 3, "0"),
        (14.2857, 3, "14.3"),
        (1234.5, 3, "1234"),
        (61234.0, 3, "61234"),
        (0.000123, 2, "0.00012"),
        (1.2e-9, 2, "1.2e-9"),
        (-0.5, 3, "-0.5"),
        (100.0, 3, "100"),
    ],
)
def test_significant_digits(value: float, digits: int, text: str) -> None:
    assert significant(value, digits) == text


def test_a_probability_too_small_to_mean_anything_is_a_bound() -> None:
    assert percent(1.8e-21) == "below 0.01 %"
    assert percent(0.0) == "0 %"
    assert percent(0.1924) == "19 %"


def test_a_failed_write_leaves_the_old_file_and_no_scrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = write_whole(tmp_path / "deep" / "report.html", "old")

    def refuse(_self: Path, _target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_whole(target, "new")
    assert target.read_text() == "old"
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]


def test_an_interval_names_its_unit_once() -> None:
    assert percent_range(0.0074, 0.032) == "0.74 to 3.2 %"
    assert percent_range(0.0, 0.039) == "0 to 3.9 %"
    assert percent_range(1e-9, 2e-5) == "below 0.01 %"
    assert percent_range(0.0, 0.0) == "0 %"
