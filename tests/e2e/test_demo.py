"""The walk of the README: from nothing to a report, without a network."""

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest

from tests.e2e.test_cli import ENTRY, abscopal, assert_refused


def test_without_a_network_the_demo_builds_the_thorax_case(tmp_path: Path) -> None:
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
    done = subprocess.run(
        [*ENTRY, "demo", "--out", "demo", "--quick"],
        capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "synthetic thorax case" in done.stderr
    assert "report.html" in done.stdout
    numbers = json.loads((tmp_path / "demo" / "assessment.json").read_text())
    jsonschema.validate(numbers, json.loads(abscopal("assess", "--schema").stdout))
    assert numbers["immune_dose"]["edric"]["value"] > 0
    assert numbers["plan"]["n_fractions"] == 3
    html = (tmp_path / "demo" / "report.html").read_text()
    assert "Research use only" in html
    assert str(tmp_path) not in html, "a report names no path of the machine it was made on"


def test_a_user_assesses_a_zip_with_a_name_of_their_own(thorax_case: Path, tmp_path: Path) -> None:
    import shutil

    archive = shutil.make_archive(str(tmp_path / "case"), "zip", thorax_case)
    patient = tmp_path / "patient.toml"
    patient.write_text('disease = "NSCLC"\nlabs = { alc = "1200 1e6/L" }\nstructures = { VB_T = "BoneMarrow" }\n')
    out = tmp_path / "result"
    done = abscopal("assess", archive, "--patient", str(patient), "--out", str(out), "--quick", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer == json.loads((out / "assessment.json").read_text())
    assert answer["immune_dose"]["alc"]["baseline"] == pytest.approx(1.2)
    assert "BoneMarrow" in [row["standard_name"] for row in answer["structures"]]
    patient.write_text('disease = "NSCLC"\nstructures = { "VBT" = "BoneMarrow" }\n')
    assert_refused(abscopal("assess", archive, "--patient", str(patient), "--out", str(out), "--quick"), "VB_T")


def test_window_and_simulate(tmp_path: Path) -> None:
    words = ("window", "--fractions", "3", "--no-ablations", "--no-map", "--draws", "20", "--out", "window", "--json")
    done = abscopal(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    families = json.loads(done.stdout)["families"]
    full = families[0]
    assert 2 < full["lower_gy"] < full["peak_gy"] < full["upper_gy"] < 20
    rows = (tmp_path / "window" / "families.csv").read_text().splitlines()
    assert len(rows) == 1 + sum(len(family["gain"]) for family in families)
    done = abscopal("simulate", "--out", "course.csv", "--json", cwd=tmp_path)
    course = json.loads(done.stdout)
    (arm,) = course["arms"].values()
    assert all(len(values) == len(course["t_day"]) for values in arm.values())
    assert len((tmp_path / "course.csv").read_text().splitlines()) == 1 + len(course["t_day"])
    assert_refused(abscopal("simulate", "--fractions", "60"), "horizon")
    assert_refused(abscopal("simulate", "--off", "trexx"), "trex1")
    assert_refused(abscopal("window", "--ici", "pembrolizumap"), "pembrolizumab")
    assert_refused(abscopal("window", "--ici-days", "two"), "2,5,8")
