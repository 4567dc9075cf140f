"""`abscopal plan compare` and `export` as a user runs them, on plans made up from a formula."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest

from abscopal.cli.main import main
from abscopal.dose.dicom.intake import read_case
from abscopal.dose.dicom.write import write_case
from abscopal.dose.structures import occupancy
from abscopal.planning.influence import Prescription, from_arrays
from abscopal.planning.navigate import Navigator
from abscopal.planning.navigation_file import save_navigation
from tests.dose.test_write import small_record
from tests.planning.made_up import made_up_matrix

PATIENT = """
pseudonym = "case-1"
disease = "NSCLC"
age = "66 year"
[labs]
alc = "1.8 1e9/L"
[[drugs]]
name = "pembrolizumab"
dose = "200 mg"
first_day = "0 day"
interval = "21 day"
doses = 2
"""


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    def command(*words: object) -> Done:
        with pytest.raises(SystemExit) as stopped:
            main(["plan", *map(str, words)])
        said = capsys.readouterr()
        return Done(int(stopped.value.code or 0), said.out, said.err)

    return command


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plans")
    matrix = made_up_matrix()
    lit = {name: np.isin(matrix.bixels.beam, beams).astype(float) for name, beams in
           {"reference": range(5), "two beams": (0, 3)}.items()}  # fmt: skip
    save_navigation(Navigator.from_plans(matrix, lit), folder / "navigation.npz")
    (folder / "patient.toml").write_text(PATIENT)
    return folder


def test_plans_are_compared_into_a_folder(plans: Path, tmp_path: Path, run: Callable[..., Done]) -> None:
    done = run("compare", plans, "--patient", plans / "patient.toml", "--draws", 5, "--out", tmp_path / "out",
               "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["plans"] == ["reference", "two beams"]
    rows = {row["label"]: row for row in answer["rows"]}
    assert rows["PTV D95%"]["values"][0]["value"] == pytest.approx(rows["PTV D95%"]["values"][1]["value"], abs=0.02)
    assert rows["ALC nadir"]["values"][0]["low"] < rows["ALC nadir"]["values"][0]["high"]
    assert rows["Mean dose, thymus"]["needs"] == "not computable: needs Thymus"
    assert any("mouse" in note for note in answer["notes"])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"answer.json", "comparison.svg", "comparison.csv"}


def test_a_mix_is_a_plan_and_a_bad_one_is_explained(plans: Path, run: Callable[..., Done]) -> None:
    words = ("compare", plans, "--patient", plans / "patient.toml", "--draws", 2)
    done = run(*words, "--plan", "reference", "--plan", "reference=0.5,two beams=0.5")
    assert done.returncode == 0, done.stderr
    assert "reference=0.5,two" in done.stdout
    for wrong in ("three beams", "reference=x", "reference=-1,two beams=1"):
        done = run(*words, "--plan", "reference", "--plan", wrong)
        assert done.returncode == 2
        assert "Stopped" in done.stderr
    assert run("compare", plans / "none", "--patient", plans / "patient.toml").returncode == 2


def test_a_plan_is_written_as_dicom_and_read_back(tmp_path: Path, run: Callable[..., Done]) -> None:
    case = tmp_path / "case"
    write_case(case, small_record())
    read = read_case(case)
    grid = read.dose
    i = np.indices(grid.values.shape)[2].ravel()
    made = from_arrays(
        np.stack([1.0 + 0.1 * i, 2.0 - 0.1 * i], axis=1), grid.values.shape, grid.affine,
        {name: occupancy(one, grid) for name, one in read.structures.items()},
        targets=("PTV",), prescription=Prescription(50.0, 5), frame_of_reference_uid=grid.frame_of_reference_uid,
    )  # fmt: skip
    save_navigation(Navigator.from_plans(made, {"a": [20.0, 1.0], "b": [1.0, 20.0]}), tmp_path / "navigation.npz")
    words = ("export", case, tmp_path, "--plan", "a=0.5,b=0.5", "--alpha-beta", 10)
    done = run(*words, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert {"rtdose_eqd2_10.dcm", "rtdose_bed_10.dcm", "rtplan.dcm"} <= set(json.loads(done.stdout)["files"])
    back = read_case(tmp_path / "out")
    assert (back.plan.n_fractions, back.plan.prescription_gy) == (5, 50.0)
    inside = occupancy(read.structures["PTV"], grid) > 0.99
    assert back.dose.values[inside] == pytest.approx((10.5 * 3.0) * np.ones(inside.sum()), rel=1e-4)
    filed = run(*words, "--out", tmp_path / "filed", "--into-study")
    assert filed.returncode == 0, filed.stderr
    assert "not for treatment" in filed.stdout
    first, made = (pydicom.dcmread(path) for path in (case / "ct_001.dcm", tmp_path / "filed" / "rtdose.dcm"))
    assert first.StudyInstanceUID == made.StudyInstanceUID
    again = run(*words, "--out", tmp_path / "out")
    assert again.returncode == 2
    assert "same name" in again.stderr


def test_vertices_are_placed_and_drawn(thorax_case: Path, tmp_path: Path, run: Callable[..., Done]) -> None:
    none = run("lattice", thorax_case, "--json")
    assert json.loads(none.stdout)["centres"] == []
    assert "no vertex fits" in none.stdout
    small = ("--diameter", 10, "--spacing", 20, "--edge", 2, "--away", 3)
    done = run("lattice", thorax_case, *small, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["centres"]) == 2
    assert answer["edge_margin"] > 1.0
    contours = pydicom.dcmread(tmp_path / "out" / "rtstruct.dcm")
    assert {"Vertex_1", "Vertex_2", "Valleys"} <= {roi.ROIName for roi in contours.StructureSetROISequence}
    assert run("lattice", thorax_case, "--tumour", "GVT").returncode == 2


@pytest.mark.slow
def test_every_number_of_fractions_gets_a_plan_and_a_folder(
    plans: Path, tmp_path: Path, run: Callable[..., Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine is stood in for by the matrix from a formula; everything behind it is real."""
    monkeypatch.setattr("abscopal.cli.plan.matrix_on", lambda *_given: made_up_matrix())
    words = ("fractionation", "CASE", "--prescription", "50/25", "--patient", plans / "patient.toml",
             "--spare", "edric", "--fractions", 5, "--gap", 1, "--ici-start", 7,
             "--no-complications", "--draws", 4)  # fmt: skip
    done = run(*words, "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert {(row["plan"], row["n_fractions"]) for row in answer["plans"]} | {
        tuple(name.rsplit(", ", 1)) for name in answer["skipped"]
    } >= {("reference", 25), ("reference", 5)}
    assert answer["objectives"] == ["local", "distant", "lymphocytes"]
    assert len(answer["plans"]) + len(answer["skipped"]) == 4
    assert {"pareto.svg", "regimens.csv", "answer.json"} <= {path.name for path in (tmp_path / "out").iterdir()}
    folder = tmp_path / "out" / "fractions-05"
    assert run("compare", folder, "--patient", plans / "patient.toml", "--draws", 2).returncode == 0
