import json
import subprocess
import sys
from pathlib import Path

import pytest

from abscopal.cli.main import main

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "trials"
THREE = {"mechanism and constant", "meta-regression", "pooled mean"}
FROZEN = ROOT / "validation" / "predictions" / "trials"


def run(*words, cwd=None):
    start = "import sys; from abscopal.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", start, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=120)


def test_evidence_gives_the_stated_pool_and_figures(tmp_path):
    done = run("trials", "evidence", "--endpoint", "OS", "--by", "sequence", "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["pools"]["all"]["hr"] == pytest.approx(0.9170, abs=5e-5)
    assert found["pools"]["after"]["k"] == 8
    assert "not identifiable" in found["contrasts"][-1]
    for name in ("forest", "funnel", "baujat", "bubble", "evidence_map"):
        assert (tmp_path / f"{name}.svg").read_text().count("<svg") == 1
        assert (tmp_path / f"{name}.csv").stat().st_size > 100


def test_an_unknown_endpoint_is_an_input_error():
    done = run("trials", "evidence", "--endpoint", "OSS")
    assert done.returncode == 2
    assert "'OS'" in done.stderr


def test_simulate_an_example(tmp_path):
    done = run("trials", "simulate", EXAMPLES / "consolidation.toml", "--replicates", 10, "--draws", 3,
               "--patients", 12,
               "--out", tmp_path, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["summary"]["simulated"]
    assert (tmp_path / "survival.svg").exists()
    assert "simulated" in (tmp_path / "survival.svg").read_text()


def test_example_is_a_design_that_runs(tmp_path):
    printed = run("trials", "simulate", "--example")
    path = tmp_path / "mine.toml"
    path.write_text(printed.stdout.replace("months = 18", "months = 0"))
    done = run("trials", "simulate", path)
    assert done.returncode == 2
    assert "accrual.months" in done.stderr


def test_design_mode_sweeps_nodes():
    done = run("trials", "design", EXAMPLES / "node_sparing.toml", "--vary", "target=involved,elective",
               "--replicates", 4,
               "--draws", 3, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [row["target"] for row in json.loads(done.stdout)["designs"]] == ["involved", "elective"]
    wrong = run("trials", "design", EXAMPLES / "node_sparing.toml", "--vary", "target=everywhere")
    assert wrong.returncode == 2


@pytest.fixture(scope="module")
def layer(tmp_path_factory):
    """A calibration in which the mechanism does nothing, made at once in place of minutes."""
    import numpy as np

    from abscopal.trials.calibrate import LINKS, calibration_from, usable_rows
    from abscopal.trials.calibration_file import save_calibration

    folder = tmp_path_factory.mktemp("layer")
    for endpoint in ("PFS", "OS"):
        rows = usable_rows(endpoint).loc[lambda table: table["comparison_type"] == "add_ici"].head(8)
        parts = rows["log_hr"].to_numpy(float), rows["se"].to_numpy(float), np.ones(8, bool)
        still = calibration_from(endpoint, tuple(rows["trial"]), *parts, np.zeros((8, 3, 40, LINKS.size)))
        save_calibration(folder, still)
    return folder


def test_score_says_what_the_numbers_show(layer, tmp_path):
    done = run("trials", "score", "--calibration", layer, "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {row["predictor"] for row in found["summary"]} >= {
        "mechanism and constant",
        "meta-regression",
        "pooled mean",
    }
    assert len(found["trials"]) == 8 * len(found["summary"])
    for name in ("left_out.svg", "left_out.csv", "summary.csv"):
        assert (tmp_path / name).stat().st_size > 100
    said = run("trials", "score", "--calibration", layer)
    assert "no gain is shown" in said.stdout


def test_a_withheld_trial_is_predicted_by_its_number_without_touching_the_frozen_set(layer, tmp_path):
    done = run("trials", "predict", "nct03706690", "--calibration", layer, "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "pacific-5.json").read_text())
    assert found["trial"] == "PACIFIC-5"
    for endpoint in ("PFS", "OS"):
        assert set(found["endpoints"][endpoint]) >= THREE
    again = run("trials", "predict", "withheld", "--calibration", layer, "--out", FROZEN)
    assert again.returncode == 2
    assert "a reason to replace it" in again.stderr


@pytest.mark.slow
def test_a_design_is_predicted_beside_baselines(layer):
    done = run("trials", "predict", EXAMPLES / "three_arms.toml", "--calibration", layer, "--json")
    assert done.returncode == 0, done.stderr
    arms = json.loads(done.stdout)["arms"]
    assert {name: one["timing"] for name, one in arms.items()} == {"during and after": "during", "after": "after"}
    assert all(set(one) >= THREE for one in arms.values())
    rate = run("trials", "predict", EXAMPLES / "one_lesion.toml", "--calibration", layer, "--json")
    assert rate.returncode == 2
    assert "abscopal ORR" in json.loads(rate.stderr.strip().splitlines()[-1])["found"]


@pytest.mark.slow
def test_explain_names_the_features_of_a_trial(layer, tmp_path):
    done = run("trials", "explain", "PEMBRO-RT", "--calibration", layer, "--out", tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["explained"]
    assert {row["trial"] for row in rows} == {"PEMBRO-RT"}
    assert all(row["low_90"] <= row["carried"] <= row["high_90"] for row in rows)
    assert (tmp_path / "ablation.svg").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("explain", "PACIFIC 2"), ("calibrate", "--endpoint", "ORR"), ("predict", "NCT00000000"),
        ("design", EXAMPLES / "consolidation.toml", "--vary", "patients=nan"),
        ("simulate", EXAMPLES / "consolidation.toml", "--chunk", "70"),
        ("simulate", EXAMPLES / "consolidation.toml", "--cluster", "tcp://127.0.0.1:1"),
    ],
)  # fmt: skip
def test_words_that_name_nothing_are_refused_before_any_work(words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["trials", *map(str, words), "--json"])
    assert ended.value.code == 2
    assert json.loads(capsys.readouterr().err.strip().splitlines()[-1])["try"]


def test_rates_that_are_not_calibrated_say_so(tmp_path):
    path = tmp_path / "pcr.toml"
    path.write_text(
        (EXAMPLES / "node_sparing.toml").read_text().replace('"EFS"', '"pCR"').replace("events = 250\n", "")
    )
    done = run(
        "trials", "simulate", path, "--replicates", 10, "--draws", 3, "--patients", 12, "--out", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" in done.stdout
    assert "NOT CALIBRATED" in (tmp_path / "out" / "effects.svg").read_text()
