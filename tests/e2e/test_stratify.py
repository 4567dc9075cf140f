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


def test_the_names_of_columns_are_listed():
    rows = json.loads(abscopal("stratify", "columns", "--json").stdout)
    units = {row["column"]: row["unit"] for row in rows}
    assert units["albumin"] == "g/dL"
    assert units["irradiated_volume"] == "cm^3"
    assert units["nlr"] == "1"


def test_score_refuses_what_is_wrong(tmp_path):
    path = tmp_path / "patients.csv"
    assert_refused(abscopal("stratify", "score", str(path)), "no such file")
    path.write_text(HEAD + "a1,NSCLC,65,10,50,1,38,5\n")
    assert_refused(abscopal("stratify", "score", str(path)), "38 g/L")
    assert_refused(abscopal("stratify", "score", str(path), "--unit", "albumin"), "KEY=VALUE")
    path.write_text(HEAD + "a1,NSCLC,65,10,50,1,3.8,5\n")
    assert_refused(abscopal("stratify", "score", str(path), "--tide", "NSCLC"), "--expression")


def trial_file(tmp_path):
    from abscopal.stratification.benefit.known_truth import simulate_trial

    trial = simulate_trial("linear", 400, 7).trial
    lines = ["arm,months,dead,x1,x2"]
    rows = zip(trial.w, trial.time, trial.event, trial.x[:, 0], trial.x[:, 1], strict=True)
    lines += [f"{w:g},{t!r},{d:g},{a!r},{b!r}" for w, t, d, a, b in (map(float, row) for row in rows)]
    path = tmp_path / "trial.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_benefit_answers_with_a_verdict_and_a_page(tmp_path):
    words = ("--arm", "arm", "--time", "months", "--event", "dead", "--modifier", "x1")
    done = abscopal("stratify", "benefit", str(trial_file(tmp_path)), *words, "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verdict_rt_added_to_ici"].startswith("Insufficient evidence")
    assert found["heterogeneity"][0]["shown"] is True
    assert found["modifiers"]["x1"]["high"] < 1
    for name in ("benefit.html", "benefit.json", "gains.csv", "groups.svg", "toc.svg", "curves.svg", "balance.svg"):
        assert (tmp_path / "out" / name).stat().st_size > 500


def test_benefit_refuses_one_arm(tmp_path):
    path = trial_file(tmp_path)
    head, *rows = path.read_text().splitlines()
    path.write_text("\n".join([head, *(row for row in rows if row.startswith("1"))]))
    words = ("--arm", "arm", "--time", "months", "--event", "dead")
    assert_refused(abscopal("stratify", "benefit", str(path), *words), "one arm")


def test_phenotypes_are_labelled_mechanistic(tmp_path):
    path = tmp_path / "patients.csv"
    path.write_text(
        "id,cancer_type,tmb,nlr,alc,irradiated_volume,other_volume,liver_metastases\na,NSCLC,40,2,2,20,10,1\n"
    )
    done = abscopal("stratify", "phenotypes", str(path), "--draws", "20", "--json", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["evidence"] == "mechanistic"
    assert set(found["patients"][0]["used"]) == {
        "tmb", "nlr", "alc", "irradiated_volume", "other_volume", "liver_metastasis",
    }  # fmt: skip
    assert (tmp_path / "out" / "phenotypes.html").stat().st_size > 5000


def test_a_radiomic_signature_is_filled_in_by_the_user(tmp_path):
    signature, features = tmp_path / "signature.toml", tmp_path / "features.csv"
    signature.write_text(
        'name = "x"\nsource = "me"\npopulation = "mine"\nresampling = [1, 1, 1]\nbin_width = 25\n'
        '[[features]]\nname = "f"\ncoefficient = 2.0\n'
    )
    features.write_text("f\n1.5\n")
    done = abscopal("stratify", "radiomics", str(signature), "--features", str(features), "--json")
    assert json.loads(done.stdout)[0]["value"] == 3
    assert_refused(abscopal("stratify", "radiomics", str(signature)), "--features")
