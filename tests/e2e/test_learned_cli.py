"""fit, validate and predict as a user meets them."""

import csv
import io
import json
import subprocess
import sys

import pytest

from tests.learning.simulated import binary_table, survival_table

ENTRY = [sys.executable, "-c", "from abscopal.cli.main import main; main()"]
FIT = ["--folds", "2", "--resamples", "20"]


def abscopal(*words, cwd):
    return subprocess.run([*ENTRY, *words], capture_output=True, text=True, cwd=cwd, timeout=300, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cohorts")
    binary_table(200).to_csv(path / "one.csv", index=False)
    binary_table(200, seed=8).to_csv(path / "two.csv", index=False)
    survival_table(150).to_csv(path / "cohort.csv", index=False)
    return path


def test_toxicity_fit_and_validate(folder):
    done = abscopal(
        "toxicity", "fit", "one.csv", "--endpoint", "toxic", "--features", "dose,site", "--model", "logistic",
        "--out", "model", *FIT, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "internal validation" in done.stdout
    assert {p.name for p in (folder / "model").iterdir()} == {
        "model.abscopal", "card.html", "card.json", "tripod-ai.csv"
    }  # fmt: skip
    assert len(list(csv.DictReader(io.StringIO((folder / "model/tripod-ai.csv").read_text())))) == 27
    page = (folder / "model/card.html").read_text()
    assert "Research use only" in page
    assert "<script" not in page
    done = abscopal(
        "toxicity", "validate", "model/model.abscopal", "two.csv", "--out", "report", "--resamples", "20", "--json",
        cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["n"] == 200
    assert said == json.loads((folder / "report/validation.json").read_text())
    page = (folder / "report/validation.html").read_text()
    for word in ("Calibration", "Decision curve", "sex = f", "Transport check"):
        assert word in page


def test_stratify_fit_predict_and_refuse(folder):
    done = abscopal(
        "stratify", "fit", "cohort.csv", "--outcome", "os_months,event", "--features", "a,b", "--model", "cox",
        "--out", "prognosis", *FIT, cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = abscopal(
        "stratify", "predict", "prognosis/model.abscopal", "cohort.csv", "--out", "risk.csv", "--json", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["evidence"] == "prognostic"
    assert len((folder / "risk.csv").read_text().splitlines()) == 151
    done = abscopal("stratify", "validate", "prognosis/model.abscopal", "one.csv", cwd=folder)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["toxicity", "fit", "one.csv", "--endpoint", "toxic", "--features", "doze"], "dose"),
        (["toxicity", "fit", "one.csv", "--endpoint", "toxic", "--features", "gEUD:Lung"], "Lung_V10"),
        (["stratify", "fit", "cohort.csv", "--outcome", "os_months,event", "--features", "a,os_event"], "leakage"),
        (
            ["stratify", "fit", "cohort.csv", "--outcome", "os_months,event", "--features", "a", "--unit", "day"],
            "--unit",
        ),
        (["stratify", "predict", "one.csv", "one.csv"], "reading the model"),
        (["toxicity", "validate", "column:dose", "one.csv", "--endpoint", "toxic"], "no probability"),
    ],
)
def test_bad_input_says_what_to_do(folder, words, expected):
    done = abscopal(*words, cwd=folder)
    assert done.returncode == 2, done.stdout + done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_subcommand_of_toxicity_is_still_a_case(folder):
    done = abscopal("toxicity", "nowhere", cwd=folder)
    assert done.returncode == 2
