"""`abscopal population` as a user meets it."""

import csv
import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from abscopal.cli import population
from abscopal.domain.errors import InputError
from abscopal.immune.model import diw_model
from abscopal.simulation.population import VirtualPopulation
from abscopal.simulation.population_spec import spec_from_model

app = typer.Typer()
population.add_to(app)


def abscopal(*words):
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_arms_side_by_side_as_text_json_and_csv(tmp_path):
    words = ("--n", 60, "--seed", 1, "--start", 7, "--drug", "anti-PD-1:0.2:9,12", "--control")
    words += ("--summary", "V_0:minimum", "--summary", "V_0:above:300", "--out", tmp_path / "s.csv")
    shown = abscopal(*words).stdout
    for word in ("60 virtual patients (random, seed 1)", "no treatment", "3 × 8 Gy + anti-PD-1", "mouse reference"):
        assert word in shown
    told = json.loads(abscopal(*words, "--json").stdout)
    assert [row["arm"] for row in told["summaries"]] == ["3 × 8 Gy + anti-PD-1", "no treatment"] * 2
    with (tmp_path / "s.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 120
    treated = [float(row["V_0_minimum [mm^3]"]) for row in rows if row["arm"] != "no treatment"]
    assert told["summaries"][0]["median"] == np.quantile(treated, 0.5, method="inverted_cdf")
    late = [float(row["V_0_above [day]"]) for row in rows if row["arm"] != "no treatment"]
    assert told["summaries"][2]["reached"] == pytest.approx(np.isfinite(late).mean())


def test_example_spec_is_drawn_from_and_patients_are_read(tmp_path):
    spec = tmp_path / "spec.toml"
    spec.write_text(abscopal("--example-spec").stdout, encoding="utf-8")
    drawn = VirtualPopulation.draw(spec_from_model(diw_model()), 20, model=diw_model(), method="sobol", seed=2)
    told = json.loads(abscopal(spec, "--n", 20, "--seed", 2, "--method", "sobol", "--json").stdout)
    assert told["population_sha256"] == drawn.digest
    drawn.to_csv(tmp_path / "p.csv")
    read = json.loads(abscopal(tmp_path / "p.csv", "--json").stdout)
    assert read["how"] == "imported"
    assert read["summaries"] == told["summaries"]


def test_store_is_resumed(tmp_path):
    pytest.importorskip("zarr", reason="stores come with the extra 'cluster'")
    words = ("--n", 30, "--seed", 2, "--out", tmp_path / "r.zarr", "--chunk", 8, "--json")
    assert abscopal(*words).stdout == abscopal(*words).stdout
    with pytest.raises(InputError, match="differs in regimens"):
        abscopal(*words, "--dose", 9)


def test_regimen_files_are_arms(tmp_path):
    (tmp_path / "a.toml").write_text("fraction_days = [7, 9]\nfraction_doses = [8, 8]\n")
    (tmp_path / "b.toml").write_text("[[drug_doses]]\ndrug = 'anti-PD-1'\nmg = 0.2\nday = 3\n")
    words = ("--regimen", tmp_path / "a.toml", "--regimen", f"drug alone={tmp_path / 'b.toml'}", "--n", 9)
    told = json.loads(abscopal(*words, "--json", "--seed", 1).stdout)
    assert [row["arm"] for row in told["summaries"]] == ["a", "drug alone"] * 2


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (("--drug", "a:b"), "NAME:MG:DAYS"),
        (("--drug", "anti-PD-1:-1:3"), "NAME:MG:DAYS"),
        (("--drug", "anti-PD1:1:3"), "anti-PD-1"),
        (("--summary", "V_0:over:3"), "crossing"),
        (("--summary", "V_0:above:x"), "THRESHOLD"),
        (("--summary", "V:minimum"), "unknown name 'V'"),
        (("--regimen", "none.toml"), "fraction_days"),
        (("--out", "x.nc"), r"\.zarr or \.csv"),
        (("--cluster", "tcp://127.0.0.1:1"), "no place for its results"),
        (("none.toml",), "No such file"),
        (("none.csv",), "no such file"),
    ],
)
def test_wrong_words_are_refused(words, word):
    with pytest.raises(InputError, match=word):
        abscopal("--n", 5, *words)
