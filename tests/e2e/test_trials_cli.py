import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "trials"


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
