"""`abscopal simulate --model` and `abscopal compare` as a user meets them."""

import json
from pathlib import Path

import pytest

from abscopal.cli.main import main
from tests.e2e.test_cli import abscopal


def run(*words: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(list(words))
    assert stop.value.code in (0, None)


REGIMEN = """name = "concurrent"
fraction_days = [0, 1, 2, 3, 4]
fraction_doses = [2, 2, 2, 2, 2]
drug_doses = [{ drug = "pembrolizumab", mg = 200, day = 0 }, { drug = "pembrolizumab", mg = 200, day = 2 }]
"""


def test_simulate_a_published_model(tmp_path: Path) -> None:
    out = tmp_path / "course.csv"
    done = abscopal(
        "simulate", "--model", "kosinsky2018", "--dose", "2", "--fractions", "5", "--ici", "anti-PD-L1", "--control",
        "--horizon", "57", "--out", str(out), "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["card"]["doi"] == "10.1186/s40425-018-0327-9"
    treated, control = found["arms"].values()
    assert control["V"][-1] > 1700
    assert treated["V"][-1] < 100
    assert out.read_text(encoding="utf-8").startswith("arm,t [day],TV [mm^3],")


def test_compare_regimens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "concurrent.toml", tmp_path / "found"
    file.write_text(REGIMEN, encoding="utf-8")
    names = "kosinsky2018,brueningk2021,cho2023"
    words = ["compare", str(file), "--models", names, "--doses", "2,6,10,14", "--readout", "20", "--out", str(out)]
    run(*words, "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["regimens"] == ["concurrent", "radiation alone", "drugs alone"]
    assert len(found["kendall_tau"]) == 3
    assert found["rank"][0][0] < found["rank"][0][1]  # the drug helps radiation in Kosinsky's model
    assert found["window"]["log10_effect"][0][3] is None  # 14 Gy is beyond what its authors allow
    assert "ranks are compared" in found["note"]
    assert found["models_that_take_it"] == [3, 3, 3]
    assert found["window"]["relative_effect"][0][3] is None
    assert json.loads((out / "answer.json").read_text(encoding="utf-8")) == found
    assert len((out / "ranks.csv").read_text(encoding="utf-8").splitlines()) == 10
    assert len((out / "window.csv").read_text(encoding="utf-8").splitlines()) == 13
    assert len((out / "courses.csv").read_text(encoding="utf-8").splitlines()) == 1 + 9 * 121
    for name in ("ranks", "courses", "window"):
        assert "<svg" in (out / f"{name}.svg").read_text(encoding="utf-8")
    run(*words[:-2])
    shown = capsys.readouterr().out
    assert "mean rank (models)" in shown
    assert "(3 of 3)" in shown
    assert "tau" in shown


def test_cards_and_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("compare", "--cards", "--json")
    assert len(json.loads(capsys.readouterr().out)) > 15
    bad = tmp_path / "bad.toml"
    bad.write_text("fraction_days = [1]", encoding="utf-8")
    good = tmp_path / "good.toml"
    good.write_text(REGIMEN, encoding="utf-8")
    for words, named in (
        (["compare"], "no regimen"),
        (["compare", str(bad)], "same length"),
        (["compare", str(good), "--models", "kosinski"], "kosinsky2018"),
        (["compare", str(good), "--models", "serre2016"], "parameter table"),
        (["compare", str(good), "--doses", "2,x"], "two or more doses"),
        (["simulate", "--model", "cho2023", "--n", "10"], "one patient"),
        (["simulate", "--model", "kosinsky2018", "--ici", "ipilimumab"], "anti-CTLA-4"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code in (1, 2)
        assert named in capsys.readouterr().err
