"""The command as a user meets it: real processes, exit codes, what lands on which stream."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ENTRY = [sys.executable, "-c", "from abscopal.cli.main import main; main()"]


def abscopal(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ENTRY, *words], capture_output=True, text=True, cwd=cwd, timeout=300, check=False)


def test_version_and_help() -> None:
    done = abscopal("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("abscopal ")
    for words in (
        [],
        ["assess"],
        ["sample"],
        ["window"],
        ["simulate"],
        ["interchange"],
        ["knowledge"],
        ["knowledge", "show"],
        ["demo"],
    ):
        done = abscopal(*words, "--help")
        assert done.returncode == 0, done.stderr
        assert "Usage" in done.stdout


def test_the_core_import_leaves_the_heavy_libraries_alone() -> None:
    heavy = ("pandas", "sympy", "scipy", "matplotlib", "pydicom", "xarray")
    code = f"import sys, abscopal, abscopal.cli.main; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_example_patient_is_accepted_by_the_reader() -> None:
    from abscopal.domain.patient import read_patient

    done = abscopal("assess", "--example-patient")
    assert read_patient(done.stdout).disease == "NSCLC"


def test_knowledge_commands() -> None:
    rows = json.loads(abscopal("knowledge", "list", "--json").stdout)
    assert all(row["source"]["citation"] for row in rows)
    key = next(row["key"] for row in rows if "value" in row)
    shown = json.loads(abscopal("knowledge", "show", key, "--json").stdout)
    assert shown["key"] == key
    assert abscopal("knowledge", "cite", key).stdout.strip()
    wrong = abscopal("knowledge", "show", key + "x")
    assert wrong.returncode == 2
    assert key.split(":")[1] in wrong.stderr


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for part in ("while", "found", "expected", "try", *words):
        assert part in done.stderr


def test_assess_refuses_bad_input_and_writes_nothing(thorax_case: Path, tmp_path: Path) -> None:
    good = abscopal("assess", "--example-patient").stdout
    patient = tmp_path / "patient.toml"
    out = tmp_path / "out"
    before = {path.name: path.read_bytes() for path in thorax_case.iterdir()}
    patient.write_text(good.replace('"3.9 g/dL"', '"38 g/dL"'))
    assert_refused(
        abscopal("assess", str(thorax_case), "--patient", str(patient), "--out", str(out)), "38 g/dL", "38 g/L"
    )
    patient.write_text(good)
    assert_refused(abscopal("assess", str(tmp_path / "nothing"), "--patient", str(patient), "--out", str(out)))
    assert_refused(abscopal("assess", str(patient), "--patient", str(patient), "--out", str(out)))
    assert_refused(abscopal("assess", str(thorax_case), "--patient", str(tmp_path / "no.toml"), "--out", str(out)))
    assert_refused(abscopal("assess", str(thorax_case)), "--patient")
    words = tmp_path / "german.toml"
    words.write_text('language = "de"\n[window]\n"Window bounds at {n} fractions" = "Grenzen bei {m} Fraktionen"\n')
    run = ("assess", str(thorax_case), "--patient", str(patient), "--out", str(out), "--words", str(words))
    assert_refused(abscopal(*run), "Window bounds at {n} fractions", "words of german.toml")
    assert not out.exists()
    assert before == {path.name: path.read_bytes() for path in thorax_case.iterdir()}


def test_the_english_words_are_printed_whole_for_a_translator() -> None:
    from abscopal.report.words import english_file

    assert abscopal("assess", "--example-words").stdout == english_file()


def test_errors_are_json_on_request(tmp_path: Path) -> None:
    done = abscopal("assess", str(tmp_path), "--patient", "nowhere.toml", "--out", str(tmp_path / "o"), "--json")
    assert done.returncode == 2
    assert set(json.loads(done.stderr)) == {"error", "doing", "found", "expected", "try"}


@pytest.mark.parametrize("words", [("--version",), ("--help",)])
def test_the_frame_of_the_command_is_quick(words: tuple[str, ...]) -> None:
    # Not a benchmark: guards against a heavy import slipping into the frame (limit one second of CPU).
    code = f"""
import sys, time
from abscopal.cli.main import main
try:
    main({list(words)!r})
except SystemExit:
    pass
print("CPU", time.process_time())
"""
    best = min(
        float(
            subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()[-1]
        )
        for _ in range(3)
    )
    assert best < 1.0


def test_an_output_that_is_a_file_is_refused_before_anything_is_computed(thorax_case: Path, tmp_path: Path) -> None:
    patient = tmp_path / "patient.toml"
    patient.write_text('disease = "NSCLC"')
    (tmp_path / "out").write_text("a file where the folder should be")
    words = ("assess", str(thorax_case), "--patient", str(patient), "--out", str(tmp_path / "out"), "--quick")
    assert_refused(abscopal(*words), "which is a file")
    assert (tmp_path / "out").read_text().startswith("a file")


def test_what_the_system_refuses_is_told_without_a_traceback(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be")
    done = abscopal("simulate", "--out", str(blocked / "course.csv"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "reading or writing a file" in done.stderr


def test_days_and_statuses_that_are_none_are_refused() -> None:
    assert_refused(abscopal("simulate", "--ici-days", "nan"), "numbers separated by commas")
    assert_refused(abscopal("knowledge", "list", "--status", "recaled"), "'recalled'")


def test_a_course_of_impossible_length_is_refused(thorax_case: Path, tmp_path: Path) -> None:
    import shutil

    import pydicom

    case = tmp_path / "case"
    shutil.copytree(thorax_case, case)
    plan = next(path for path in case.iterdir() if "plan" in path.name)
    dataset = pydicom.dcmread(plan)
    dataset.FractionGroupSequence[0].NumberOfFractionsPlanned = 2000
    dataset.save_as(plan)
    patient = tmp_path / "patient.toml"
    patient.write_text('disease = "NSCLC"')
    out = tmp_path / "out"
    done = abscopal("assess", str(case), "--patient", str(patient), "--out", str(out))
    assert_refused(done, "2000", "at most 100 fractions")
    assert not out.exists()


def test_a_report_that_cannot_be_drawn_leaves_no_numbers_behind(
    thorax_case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from abscopal.cli.assess import run
    from abscopal.report import html

    def fail(*_: object) -> str:
        raise RuntimeError("no picture")

    monkeypatch.setattr(html, "render", fail)
    patient = tmp_path / "patient.toml"
    patient.write_text('disease = "NSCLC"')
    with pytest.raises(RuntimeError, match="no picture"):
        run(thorax_case, patient, tmp_path / "out", quick=True)
    assert not (tmp_path / "out").exists()


def test_a_path_is_named_without_its_folder(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be")
    done = abscopal("simulate", "--fractions", "1", "--out", str(blocked / "course.csv"))
    assert done.returncode == 1
    assert str(tmp_path) not in done.stderr
