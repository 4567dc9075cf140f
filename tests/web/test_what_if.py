"""Changed numbers: in one session, in its commands, and said wherever they are shown."""

import json

import pytest

from abscopal.cli.main import main
from tests.web.conftest import opened

KEY = "immune/diw:alpha"


def test_a_changed_number_moves_the_sliders_of_its_session_only(client, app):
    before = client.post("/api/window/point", json={}).json()
    assert client.put("/api/knowledge/what-if", json={"key": KEY, "value": 0.3}).json() == {KEY: 0.3}
    after = client.post("/api/window/point", json={}).json()
    assert after["gain"] != before["gain"]
    assert f"--what-if {KEY}=0.3" in after["command"]
    assert opened(app).post("/api/window/point", json={}).json()["gain"] == before["gain"]
    client.put("/api/knowledge/what-if", json={"key": KEY, "value": None})
    assert client.post("/api/window/point", json={}).json()["gain"] == before["gain"]


@pytest.mark.parametrize("parameters", ["posterior", "set-b"])
def test_a_changed_number_moves_every_draw(client, parameters):
    course = {"parameters": parameters}
    before = client.post("/api/window/bands", json=course).json()["gain"]
    client.put("/api/knowledge/what-if", json={"key": "immune/diw:dX", "value": 18})
    assert client.post("/api/window/bands", json=course).json()["gain"] != before


def test_a_changed_number_moves_the_calibrated_model(monkeypatch):
    from abscopal.immune.draws import load_draws
    from abscopal.knowledge import load
    from abscopal.window.experiment import reference_experiment

    monkeypatch.setattr(load, "_changes", {})
    before = reference_experiment(parameter_set="posterior")
    load.change("immune/diw:dX", 18.0)
    after = reference_experiment(parameter_set="posterior")
    course = before.schedule(8, 3)
    assert after.gain(course) != before.gain(course)
    assert (load_draws("posterior").columns()["dX"] == 18).all()


def test_commands_of_the_session_carry_it(client):
    client.put("/api/knowledge/what-if", json={"key": KEY, "value": 0.3})
    shown = client.post("/api/views/window/command", json={"values": {}}).json()["command"]
    assert shown.startswith(f"abscopal --what-if={KEY}=0.3 window")


@pytest.mark.parametrize(("key", "value"), [("immune/diw:alfa", 1.0), ("nothing:x", 1.0), (KEY, 1e9)])
def test_an_unknown_number_or_an_impossible_value_is_refused(client, key, value):
    answer = client.put("/api/knowledge/what-if", json={"key": key, "value": value})
    assert answer.status_code == 422


def test_the_command_line_says_what_was_changed(capsys, monkeypatch):
    from abscopal.knowledge import load

    monkeypatch.setattr(load, "_changes", {})
    with pytest.raises(SystemExit, match="0"):
        main(["--what-if", f"{KEY}=0.3", "knowledge", "show", KEY, "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert shown["value"] == 0.3
    assert "WHAT-IF" in shown["meaning"]
    assert shown["status"] == "assumed"


def test_the_command_beside_the_sliders_gives_the_bounds_of_the_page(client, capsys):
    course = {"dose": 6, "fractions": 2, "ici_start": 4, "modality": "proton", "modulators": ["sildenafil"]}
    point = client.post("/api/window/point", json=course).json()
    page = client.post("/api/window/map", json=course).json()["window"]
    words = point["command"].splitlines()[0].split()[1:]
    with pytest.raises(SystemExit, match="0"):
        main([*words, "--json", "--draws=1", "--animals=0", "--no-map", "--no-ablations"])
    family = json.loads(capsys.readouterr().out)["families"][0]
    for bound in ("lower_gy", "peak_gy", "upper_gy"):
        assert family[bound] == pytest.approx(page[bound], rel=1e-9)
