"""`abscopal simulate` as a user meets it."""

import csv
import json
from contextlib import contextmanager

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from abscopal.cli import simulate
from abscopal.domain.errors import InputError, UnsupportedError
from abscopal.domain.progress import report_to
from abscopal.domain.regimen import Regimen
from abscopal.immune.model import diw_model
from abscopal.simulation.many import simulate_many
from abscopal.simulation.population import VirtualPopulation
from abscopal.simulation.population_spec import spec_from_model

app = typer.Typer()
simulate.add_to(app)


def abscopal(*words):
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_arms_side_by_side_as_text_json_and_csv(tmp_path):
    words = ("--n", 60, "--seed", 1, "--rt-start", 7, "--drug", "anti-PD-1:0.2:9,12", "--control")
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


def test_one_patient_side_by_side_as_text_json_and_csv(tmp_path):
    words = ("--fractions", 2, "--rt-start", 3, "--drug", "anti-PD-1:0.2:9", "--control", "--horizon", 12, "--step", 4)
    shown = abscopal(*words, "--out", tmp_path / "c.csv").stdout
    assert "one patient, day 12" in shown
    told = json.loads(abscopal(*words, "--json").stdout)
    assert told["t_day"] == [0, 4, 8, 12]
    assert list(told["arms"]) == ["2 × 8 Gy + anti-PD-1", "no treatment"]
    with (tmp_path / "c.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["arm"] for row in rows] == [arm for arm in told["arms"] for _ in range(4)]
    assert float(rows[3][f"V_0 [{told['units']['V_0']}]"]) == told["arms"]["2 × 8 Gy + anti-PD-1"]["V_0"][3]
    model = diw_model()
    alone = simulate_many(model, Regimen(), [12.0])
    assert told["arms"]["no treatment"]["V_1"][-1] == pytest.approx(alone.V_1.item(), rel=1e-5)


def test_ici_is_given_at_the_reference_doses_unless_a_drug_is_named():
    one = json.loads(abscopal("--json").stdout)
    none = json.loads(abscopal("--json", "--ici", "none").stdout)
    assert list(one["arms"]) == ["3 × 8 Gy + anti-CTLA-4"]
    assert list(none["arms"]) == ["3 × 8 Gy"]


@pytest.mark.parametrize("where", [("--workers", 2), ("--cluster", "tcp://127.0.0.1:1")])
def test_one_patient_needs_no_cluster(where):
    with pytest.raises(InputError, match="one patient"):
        abscopal(*where)


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_threads_and_workers_give_the_same_numbers(tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="workers come with the extra 'cluster'")
    told = []

    @contextmanager
    def bars():
        with report_to(lambda what, done, total: told.append((what, done, total))):
            yield

    monkeypatch.setattr("abscopal.cli.patients.progress_bars", bars)
    words = ("--n", 24, "--seed", 3, "--json")
    alone = abscopal(*words, "--threads", 1).stdout
    told.clear()
    together = abscopal(*words, "--workers", 2, "--chunk", 6, "--out", tmp_path / "w.zarr").stdout
    assert together == alone
    assert told[-1][1:] == (4, 4)  # chunks of both workers in one count


def test_a_graphics_processor_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr("abscopal.simulation.kernels.gpu.why_no_gpu", lambda: "no device")
    with pytest.raises(UnsupportedError, match="no device"):
        abscopal("--device", "gpu")
