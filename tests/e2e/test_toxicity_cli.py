"""`abscopal toxicity` as a user meets it."""

import csv
import json
from pathlib import Path

import pytest

from tests.e2e.test_cli import abscopal, assert_refused

TABLE = "structure,dose_gy,volume_percent,structure_volume_cm3\n" + "".join(
    f"{name},{dose},{100 - 100 * dose / top:g},{volume}\n"
    for name, top, volume in (("Lungs-GTV", 40, 3500), ("Esophagus", 50, 35), ("Heart", 24, 700))
    for dose in range(0, top + 1, 2)
)


@pytest.fixture
def dvhs(tmp_path: Path) -> Path:
    path = tmp_path / "dvh.csv"
    path.write_text(TABLE)
    return path


def test_a_table_of_histograms_is_assessed(dvhs: Path, tmp_path: Path) -> None:
    words = ("--dvh", str(dvhs), "--fractions", "30", "--ici", "pembrolizumab", "--disease", "NSCLC")
    done = abscopal("toxicity", "assess", *words, "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    summary = answer["summary"]
    assert summary["ici"] == "anti-PD-1"
    row = next(r for r in summary["rows"] if r["label"] == "Pneumonitis")
    p, q = row["radiation"]["probability"], row["immune"]["probability"]
    assert row["combined"]["probability"] == pytest.approx(1 - (1 - p) * (1 - q))
    assert json.loads((tmp_path / "out" / "toxicity.json").read_text()) == answer
    rows = list(csv.DictReader((tmp_path / "out" / "toxicity.csv").read_text().splitlines()))
    assert {r["cause"] for r in rows} == {"radiation", "immune", "combined", "with_interaction"}
    assert (tmp_path / "out" / "toxicity.svg").read_text().startswith("<?xml")
    shown = abscopal("toxicity", str(dvhs), "--fractions", "30", "--ici", "pembrolizumab")
    assert shown.returncode == 0, shown.stderr
    assert "assuming that they are independent" in " ".join(shown.stdout.split())


def test_two_regimens_are_compared(dvhs: Path, tmp_path: Path) -> None:
    words = ("--fractions", "30", "--second-fractions", "15", "--ici", "none", "--second-ici", "ipilimumab+nivolumab")
    done = abscopal("toxicity", "compare", str(dvhs), *words, "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out" / "comparison.json").read_text())
    by_label = {row["label"]: row for row in found["rows"]}
    assert by_label["Colitis"]["difference"] == pytest.approx(0.136)
    assert by_label["Acute oesophagitis"]["difference"] > 0  # the same dose in fewer fractions
    assert found["complication_free"]["difference"] < 0


def test_the_case_is_the_default_subcommand(thorax_case: Path) -> None:
    done = abscopal("toxicity", str(thorax_case), "--ici", "pembrolizumab", "--json")
    assert done.returncode == 0, done.stderr
    assert any(r["label"] == "Pneumonitis" for r in json.loads(done.stdout)["summary"]["rows"])


def test_bad_input_is_refused(dvhs: Path, tmp_path: Path) -> None:
    assert_refused(abscopal("toxicity", "assess"), "no case")
    assert_refused(abscopal("toxicity", str(dvhs)), "--fractions 30")
    assert_refused(abscopal("toxicity", str(dvhs), "--fractions", "30", "--ici", "pembrolizumap"), "pembrolizumab")
    assert_refused(abscopal("toxicity", str(dvhs), "--fractions", "30", "--disease", "NSLC"), "NSCLC")
    centigray = tmp_path / "cgy.csv"
    centigray.write_text("structure,dose_gy,volume_percent\nHeart,0,100\nHeart,3000,50\nHeart,4000,0\n")
    assert_refused(abscopal("toxicity", str(centigray), "--fractions", "30"), "cGy")


def test_models_are_listed() -> None:
    rows = json.loads(abscopal("toxicity", "models", "xerostomia", "--json").stdout)
    assert {row["model"] for row in rows} >= {"xer_nipp_g2_primary", "xer_beetz_2012"}
    assert "Usage" in abscopal("toxicity", "--help").stdout
