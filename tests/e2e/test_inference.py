"""`abscopal inference` as a user runs it."""

import json
from pathlib import Path

import pytest

from abscopal.cli.main import main


def _run(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 0
    return capsys.readouterr().out


@pytest.mark.slow
def test_a_short_calibration_writes_draws_that_can_be_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["inference", "calibrate", "--variant", "full", "--steps", "4", "--walkers", "120", "--climbs", "0"]
    facts = json.loads(_run([*words, "--out", str(tmp_path), "--json"], capsys))
    assert facts["settings"]["walkers"] == 120
    assert (tmp_path / "immune" / "posterior.csv").is_file()
    page, sealed = tmp_path / "window.md", tmp_path / "predictions"
    words = ["inference", "evidence", "--variant", "full", "--out", str(tmp_path), "--json"]
    found = json.loads(_run([*words, "--docs", str(page), "--predictions", str(sealed)], capsys))
    assert {row["split"] for row in found} == {"calibration", "validation"}
    text = page.read_text(encoding="utf-8")
    assert "Counter-evidence" in text
    assert "not testable" in text
    assert (sealed / "preclinical.sha256").is_file()


def test_an_unknown_variant_is_answered_with_the_close_match(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["inference", "calibrate", "--variant", "no-TREX", "--out", str(tmp_path)])
    assert stopped.value.code == 2
    assert "no-TREX1" in capsys.readouterr().err
