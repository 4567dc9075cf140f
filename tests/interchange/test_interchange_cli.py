"""`abscopal interchange` as a user meets it."""

import csv
import json
import zipfile

import pytest
from typer.testing import CliRunner

from abscopal.cli.main import app
from abscopal.domain.errors import InputError

pytest.importorskip("libsbml", reason="SBML comes with the extra 'interchange'")


def abscopal(*words):
    done = CliRunner().invoke(app, ["interchange", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_model_goes_out_and_comes_back_in(tmp_path):
    path = tmp_path / "model.xml"
    abscopal("export", "--rt-start", 7, "--fractions", 2, "--drug", "anti-PD-1:0.2:8", "--out", path)
    told = json.loads(abscopal("run", path, "--until", 20, "--steps", 4, "--json").stdout)
    assert told["time"] == [0, 5, 10, 15, 20]
    abscopal("run", path, "--until", 20, "--steps", 4, "--out", tmp_path / "course.csv")
    with (tmp_path / "course.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["V_0"]) for row in rows] == told["values"]["V_0"]
    assert told["values"]["V_0"][1] > told["values"]["V_0"][2]  # the fractions on days 7 and 8 were felt


def test_a_file_that_is_not_sbml_is_refused(tmp_path):
    (tmp_path / "x.xml").write_text("<html/>")
    with pytest.raises(InputError, match="reading SBML"):
        abscopal("run", tmp_path / "x.xml", "--until", 1)


def test_an_archive_is_written(tmp_path):
    abscopal("export", "--rt-start", 7, "--fractions", 1, "--until", 10, "--steps", 5, "--out", tmp_path / "a.omex")
    with zipfile.ZipFile(tmp_path / "a.omex") as archive:
        assert archive.testzip() is None
        assert len(archive.read("results.csv").splitlines()) == 7


def test_a_published_model_goes_out_and_comes_back_with_its_own_course(tmp_path):
    from abscopal.domain.regimen import DrugDose, Regimen
    from abscopal.immune.published.catalogue import published

    path = tmp_path / "kosinsky.xml"
    abscopal(
        "export", "--model", "kosinsky2018", "--dose", 2, "--fractions", 5, "--drug", "anti-PD-L1:1:7,9", "--out", path
    )
    told = json.loads(abscopal("run", path, "--until", 40, "--steps", 4, "--json").stdout)
    doses = [DrugDose(drug="anti-PD-L1", mg=1.0, day=day) for day in (7.0, 9.0)]
    direct = published("kosinsky2018").run(Regimen.equal_fractions(2, 5, start=7.0, drug_doses=doses), told["time"])
    for name in ("TV", "nT", "mAb"):
        assert told["values"][name] == pytest.approx(direct[name].tolist(), rel=1e-4, abs=1e-6)


def test_what_a_model_cannot_do_is_said(tmp_path):
    with pytest.raises(InputError, match="--model diw"):
        abscopal("export", "--model", "cho2023", "--off", "treg", "--out", tmp_path / "x.xml")
    with pytest.raises(InputError, match="delay"):
        abscopal("export", "--model", "gonzalez_crespo2022", "--out", tmp_path / "x.xml")
