"""`abscopal plan` as a user meets it; the dose engine is replaced by the made-up matrix where it is not needed."""

import csv
import json
import sys
from pathlib import Path

import pytest

from abscopal.cli import plan as command
from abscopal.cli.main import main
from tests.planning.made_up import made_up_matrix


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["plan", *words])
    return int(stopped.value.code or 0)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        command, "matrix_on", lambda _case, wanted, *_: made_up_matrix(f"{wanted.total}/{wanted.n_fractions}")
    )


def test_a_reference_and_a_sparing_plan(made_up: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    words = ["CASE", "--prescription", "50/25", "--spare", "lymphocytes", "--weight", "0.1", "--weight", "0.3"]
    assert run(*words, "--out", str(out)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Reference plan and sparing" in said
    assert "EDRIC" in said
    answer = json.loads((out / "answer.json").read_text())
    first, *others = answer["plans"]
    assert [plan["status"] for plan in answer["plans"]] == ["converged"] * 3
    assert first["name"] == "reference"
    assert "not contoured, so not spared: BoneMarrow, Thymus" in answer["notes"]
    assert first["target"]["D95_gy"] == pytest.approx(50.0, rel=1e-3)
    assert others[-1]["target"]["D95_gy"] == pytest.approx(50.0, rel=1e-3)
    assert others[-1]["immune"]["EDRIC"] < others[0]["immune"]["EDRIC"] < first["immune"]["EDRIC"]
    assert others[-1]["bounds"][0]["bound"].startswith("Body beyond target maximum at most")
    rows = list(csv.DictReader((out / "tradeoff.csv").read_text().splitlines()))
    assert [float(row["weight"]) for row in rows] == [0.0, 0.1, 0.3]
    assert float(rows[-1]["EDRIC"]) == pytest.approx(others[-1]["immune"]["EDRIC"])
    for name in ("dvh.svg", "tradeoff.svg"):
        assert "<svg" in (out / name).read_text()
    kept = {path.name: path.stat().st_mtime_ns for path in (out / "cache").glob("plan-*.npz")}
    assert len(kept) == 3
    assert run(*words, "--out", str(out), "--json") == 0
    assert json.loads(capsys.readouterr().out)["plans"][-1]["objective"] == others[-1]["objective"]
    assert kept == {path.name: path.stat().st_mtime_ns for path in (out / "cache").glob("plan-*.npz")}
    assert (out / "navigation.npz").is_file()


def test_a_damaged_point_is_made_again(made_up: None, tmp_path: Path) -> None:
    words = ["CASE", "--prescription", "50/25", "--spare", "edric", "--weight", "1", "--out", str(tmp_path)]
    assert run(*words) == 0
    before = json.loads((tmp_path / "answer.json").read_text())
    for path in (tmp_path / "cache").glob("plan-*.npz"):
        path.write_bytes(b"no archive")
    assert run(*words) == 0
    after = json.loads((tmp_path / "answer.json").read_text())
    assert after["plans"][-1]["objective"] == pytest.approx(before["plans"][-1]["objective"], rel=1e-12)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(*words) == 2
    said = " ".join(capsys.readouterr().err.split())
    for part in ("Stopped while", "found", "expected", "try"):
        assert part in said
    return said


def test_bounds_in_conflict_are_named(made_up: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["CASE", "--prescription", "50/25", "--out", str(tmp_path)]
    said = refused(capsys, *words, "--limit", "PTV:min:49", "--limit", "External:mean:0.2", "--limit", "EDRIC:50")
    assert "PTV minimum at least 49 Gy; External mean at most 0.2 Gy" in said
    assert "EDRIC at most" not in said
    assert "STRUCTURE:max:GY" in refused(capsys, *words, "--limit", "Heart:V20:5")
    assert "no structure Liver" in refused(capsys, *words, "--limit", "Liver:max:5")


def test_what_to_spare_must_be_there(made_up: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["CASE", "--prescription", "50/25", "--out", str(tmp_path)]
    assert "no structure Thymus" in refused(capsys, *words, "--spare", "thymus")
    assert "lymphocytes" in refused(capsys, *words, "--spare", "lymphocites")


def test_bad_words(thorax_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ["--out", str(tmp_path)]
    assert "50/5" in refused(capsys, str(thorax_case), "--prescription", "50", *out)
    assert "no structure Brain" in refused(
        capsys, str(thorax_case), "--prescription", "50/5", "--target", "Brain", *out
    )
    only_dose = tmp_path / "dose"
    only_dose.mkdir()
    (only_dose / "rtstruct.dcm").write_bytes((thorax_case / "rtstruct.dcm").read_bytes())
    assert "no CT" in refused(capsys, str(only_dose), "--prescription", "50/5", *out)


def test_without_the_engine_the_extra_is_named(
    thorax_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyRadPlan", None)
    said = refused(capsys, str(thorax_case), "--prescription", "54/3", "--out", str(tmp_path))
    assert "pip install 'abscopal[planning]'" in said


@pytest.mark.planning
def test_the_phantom_needs_lungs_and_heart_for_edric(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyRadPlan", reason="pyRadPlan is not in this environment; `make test-planning` has it")
    said = refused(capsys, "tg119", "--prescription", "50/25", "--bixel", "20", "--grid", "10", "--out", str(tmp_path))
    assert "no structure Lungs, Heart" in said


def test_help_shows_the_plan_and_its_companions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    said = capsys.readouterr().out
    for word in ("make", "compare", "export"):
        assert word in said
