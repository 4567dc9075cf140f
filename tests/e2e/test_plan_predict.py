"""`abscopal plan predict | train | score` as a user meets them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from abscopal.cli.main import main
from abscopal.cli.predict import parse_targets
from abscopal.domain.errors import InputError
from abscopal.dose.dicom.intake import read_anatomy
from abscopal.dose.dicom.records import PlanRecord, StudyRecord
from abscopal.dose.dicom.write import write_case
from abscopal.planning.prediction.extra import has_deep
from abscopal.planning.prediction.from_case import anatomy_of
from tests.planning.prediction.made_up import made_up_case, made_up_example, write_openkbp


@pytest.fixture(scope="session")
def head_case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up head-and-neck case with a dose, as DICOM files."""
    case = made_up_case()
    placed = anatomy_of(case)
    dose = placed.dose_grid(placed.anatomy.masks["PTV70"] * 60.0 + placed.anatomy.region * 5.0)
    dose = replace(dose, frame_of_reference_uid="")  # the writer makes one for CT and dose
    folder = tmp_path_factory.mktemp("head") / "case"
    plan = PlanRecord("made up", 35, 70.0, 1, ())
    write_case(
        folder, StudyRecord(replace(case.ct, frame_of_reference_uid=""), tuple(case.structures.values()), dose, plan)
    )
    return folder


def done(*words: str) -> None:
    """Run a command that ends well."""
    with pytest.raises(SystemExit) as ended:
        main(["plan", *words])
    assert ended.value.code == 0


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    done(*words, "--json")
    found: dict = json.loads(capsys.readouterr().out)
    return found


def test_predict_writes_dose_figures_and_what_it_means(
    head_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    found = run(capsys, "predict", str(head_case), "--with", "shadow", "--versus-plan", "--out", str(out))
    assert found["predictor"] == "shadow"
    assert found["status"] == "predicted, not planned"
    assert found["prescribed_gy"] == {"PTV_7000": 70.0, "PTV_5600": 56.0}
    d95 = next(one["value"] for one in found["metrics_gy"] if (one["structure"], one["metric"]) == ("PTV70", "D95"))
    assert 55 < d95 < 75
    assert any("RightParotid is not contoured" in flag for flag in found["flags"])
    assert "Lungs" in found["edric_not_computable"]
    assert 50 < found["elective_target_mean_gy"] < 65
    assert 0 < found["edric_body_terms_gy"] < 5
    assert found["versus_plan"]["dose_score_gy"] > 1
    assert set(found["files"]) == {path.name for path in out.iterdir()}
    with np.load(out / "predicted_dose.npz", allow_pickle=False) as stored:
        assert stored["dose_gy"].max() == pytest.approx(70, abs=8)
        assert stored["affine"].shape == (4, 4)
    assert "predicted less planned dose [Gy]" in (out / "difference.svg").read_text(encoding="utf-8")
    assert (out / "dvh.csv").read_text(encoding="utf-8").startswith("dose,structure,gy,volume_percent")


def test_predict_needs_no_dose(head_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "unplanned"
    folder.mkdir()
    for path in head_case.glob("*.dcm"):
        if "dose" not in path.name and "plan" not in path.name:
            (folder / path.name).write_bytes(path.read_bytes())
    done("predict", str(folder), "--with", "distance")
    assert "Predicted by distance, not planned" in " ".join(capsys.readouterr().out.split())
    assert read_anatomy(folder).ct.values.shape == (61, 50, 50)


def test_the_thorax_case_is_refused_as_no_head_and_neck(thorax_case: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["plan", "predict", str(thorax_case), "--target", "PTV=54"])
    assert stopped.value.code == 2
    assert "head-and-neck" in capsys.readouterr().err


def test_score_of_made_up_patients(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(3):
        write_openkbp(tmp_path, made_up_example(f"p{k}", 4.0 * k), "test")
    found = run(capsys, "score", str(tmp_path), "--split", "test", "--with", "distance")
    value, low, high = found["scores_gy"]["dose_score"]
    assert low <= value <= high
    assert [one["name"] for one in found["patients"]] == ["test_p0", "test_p1", "test_p2"]
    done("score", str(tmp_path), "--split", "test", "--with", "shadow")
    assert "shadow on the 3 test patients" in " ".join(capsys.readouterr().out.split())


@pytest.mark.skipif(not has_deep(), reason="the extra `deep` is not installed: make test-deep")
def test_train_then_use_what_was_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k in range(3):
        write_openkbp(tmp_path / "data", made_up_example(f"p{k}", 4.0 * k), "train" if k < 2 else "validation")
    wanted = tmp_path / "settings.toml"
    wanted.write_text(
        "epochs = 1\nvalidate_every = 1\n[architecture]\nwidth = 2\nlevels = 2\nslab = 16\n", encoding="utf-8"
    )
    words = ("--out", str(tmp_path / "run"), "--settings", str(wanted), "--device", "cpu", "--threads", "1")
    found = run(capsys, "train", str(tmp_path / "data"), *words)
    assert found["best_epoch"] == 1
    assert found["patients"] == 2
    again = run(capsys, "train", str(tmp_path / "data"), *words)  # nothing left to do
    assert again["validation_dose_score_gy"] == found["validation_dose_score_gy"]
    scored = run(capsys, "score", str(tmp_path / "data"), "--weights", found["weights"])
    assert scored["predictor"] == "network"
    assert scored["scores_gy"]["dose_score"][0] == pytest.approx(found["validation_dose_score_gy"], abs=0.05)


@pytest.mark.skipif(has_deep(), reason="the extra `deep` is installed")
def test_without_the_extra_the_message_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["train", str(tmp_path), "--out", str(tmp_path / "run")],
        ["score", str(tmp_path), "--with", "network"],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["plan", *words])
        assert stopped.value.code == 2
        assert "abscopal[deep]" in capsys.readouterr().err


def test_wrong_words(head_case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "weights.safetensors"
    bad.write_bytes(b"x")
    for words, named in (
        (["predict", str(head_case), "--with", "oracle"], "oracle"),
        (["predict", str(head_case), "--target", "PTV_7000"], "PTV_7000"),
        (["predict", str(head_case), "--with", "shadow", "--weights", str(bad)], "--with network"),
        (["predict", str(tmp_path / "nowhere")], "nowhere"),
        (["score", str(tmp_path)], "0 files"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["plan", *words])
        assert stopped.value.code == 2
        assert named in capsys.readouterr().err


def test_targets_as_written() -> None:
    assert parse_targets(["PTV_High=70", "a=b=56"]) == {"PTV_High": 70.0, "a=b": 56.0}
    for word in ("70", "=70", "PTV=x", ""):
        with pytest.raises(InputError):
            parse_targets([word])
