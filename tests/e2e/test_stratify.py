"""`abscopal stratify` as a user meets it."""

import json

import pytest

from tests.e2e.test_cli import abscopal, assert_refused

HEAD = "patient_id,cancer_type,age_years,tmb_mut_per_mb,pdl1_tps_pct,prior_systemic_therapy,albumin_g_dl,nlr\n"


def test_score_writes_a_page_a_table_and_cards(tmp_path):
    path = tmp_path / "patients.csv"
    path.write_text(HEAD + "a1,NSCLC,65,10,50,1,3.8,5\na2,<b>Moon</b>,65,10,50,1,3.8,5\n")
    done = abscopal("stratify", "score", str(path), "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    people = json.loads(done.stdout)["patients"]
    scores = {score["name"]: score for score in people[0]["scores"]}
    assert scores["loris_pan"]["value"] == pytest.approx(0.401768, abs=1e-5)
    page = (tmp_path / "out" / "scores.html").read_text()
    assert "<b>Moon" not in page
    assert "prognostic" in page
    assert (tmp_path / "out" / "cards" / "a1.svg").read_text().startswith("<svg")
    lines = (tmp_path / "out" / "scores.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * len(people[0]["scores"])
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["manifest"]["inputs"]


def test_score_refuses_what_is_wrong(tmp_path):
    path = tmp_path / "patients.csv"
    assert_refused(abscopal("stratify", "score", str(path)), "no such file")
    path.write_text(HEAD + "a1,NSCLC,65,10,50,1,38,5\n")
    assert_refused(abscopal("stratify", "score", str(path)), "38 g/L")
    assert_refused(abscopal("stratify", "score", str(path), "--unit", "albumin"), "KEY=VALUE")
    path.write_text(HEAD + "a1,NSCLC,65,10,50,1,3.8,5\n")
    assert_refused(abscopal("stratify", "score", str(path), "--tide", "NSCLC"), "--expression")
