"""`abscopal regimens` as a user meets it."""

import csv
import json
from pathlib import Path

import pytest

from abscopal.cli.main import main
from abscopal.domain.patient import example_toml


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("patient") / "patient.toml"
    path.write_text(example_toml(), encoding="utf-8")
    return path


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["regimens", *words])
    return int(stopped.value.code or 0)


def test_regimens_of_a_case(
    thorax_case: Path, patient: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = [str(thorax_case), "--patient", str(patient), "--no-complications", "--draws", "10", "--gap", "1"]
    assert run(*words, "--out", str(out)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Regimens that no other beats" in said
    assert "not tolerance doses" in said
    assert "Not computed: any complication" in said
    answer = json.loads((out / "answer.json").read_text())
    assert answer["present"]["regimen"].startswith("3 × 18 Gy")
    assert answer["objectives"] == ["local", "distant", "lymphocytes"]
    assert answer["choices"]["mean"]["pareto"]
    assert all(not row["broken"] for row in answer["pareto"])
    assert 1 <= len(answer["alternatives"]) <= 3
    rows = list(csv.DictReader((out / "regimens.csv").read_text().splitlines()))
    assert len(rows) == answer["within_limits"]
    assert "<svg" in (out / "pareto.svg").read_text()


def test_a_limit_on_an_organ_that_is_not_there(
    thorax_case: Path, patient: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(thorax_case), "--patient", str(patient), "--limit", "Cord:D2%:45") == 2
    said = " ".join(capsys.readouterr().err.split())
    for part in ("while", "found", "expected", "try", "SpinalCord"):
        assert part in said
