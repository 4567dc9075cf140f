"""Jobs: run, watched, cancelled, crashed, restarted."""

import json
import os
import time

import pytest
from fastapi.testclient import TestClient

from abscopal.cli.main import app as root
from abscopal.cli.main import main
from abscopal.web.app import create_app
from tests.web.conftest import BASE_COOKIE, finished, opened, settings


def dies(_words):
    """A program that is killed in the middle."""
    os.kill(os.getpid(), 9)


def sleeps(_words):
    """A program that does not end by itself."""
    from abscopal.domain.progress import track

    for _ in track(range(1000), "waiting"):
        time.sleep(0.1)


QUICK = {
    "values": {"fractions": 2, "ablations": False, "surface": False, "draws": 2, "animals": 1, "parameters": "set-b"},
}
WORDS = [
    "window", "--fractions=2", "--no-ablations", "--no-map", "--draws=2", "--animals=1", "--parameters=set-b", "--json",
]  # fmt: skip


def test_a_job_gives_what_the_command_line_gives(client, capsys):
    started = client.post("/api/views/window/run", json=QUICK)
    assert started.status_code == 202
    job = finished(client, started.json()["id"])
    assert job["state"] == "done"
    assert any(name.endswith(".csv") for name in job["files"])
    shown = client.get(f"/api/jobs/{job['id']}/result").json()
    with pytest.raises(SystemExit, match="0"):
        main(WORDS)
    assert shown == json.loads(capsys.readouterr().out)


def test_progress_is_streamed_to_the_end(client):
    job = client.post("/api/views/window/run", json=QUICK).json()
    with client.stream("GET", f"/api/jobs/{job['id']}/events") as stream:
        lines = [line for line in stream.iter_lines() if line.startswith("data: ")]
    assert json.loads(lines[-1].removeprefix("data: "))["state"] == "done"


def test_a_command_that_refuses_says_why(client):
    job = client.post("/api/views/window/run", json={"values": {"ici": "anti-PD-2"}}).json()
    ended = finished(client, job["id"])
    assert ended["state"] == "failed"
    assert "anti-PD-2" in ended["error"]["found"]


def test_a_process_that_dies_fails_its_job_and_nothing_else(tmp_path):
    app = create_app(settings(tmp_path), root, dies)
    with TestClient(app):
        client = opened(app)
        job = client.post("/api/views/window/run", json=QUICK).json()
        ended = finished(client, job["id"])
        assert ended["state"] == "failed"
        assert "-9" in ended["error"]["found"]
        assert client.get("/api/about").status_code == 200


def test_a_job_can_be_cancelled(tmp_path):
    app = create_app(settings(tmp_path), root, sleeps)
    with TestClient(app):
        client = opened(app)
        job = client.post("/api/views/window/run", json=QUICK).json()
        while client.get(f"/api/jobs/{job['id']}").json()["state"] == "queued":
            time.sleep(0.05)
        assert client.post(f"/api/jobs/{job['id']}/cancel").status_code == 200
        assert finished(client, job["id"], 10)["state"] == "cancelled"


def test_a_restart_runs_again_what_was_not_finished(tmp_path):
    first = create_app(settings(tmp_path), root, sleeps)
    with TestClient(first):
        client = opened(first)
        job = client.post("/api/views/window/run", json=QUICK).json()
        cookie = client.cookies[BASE_COOKIE]
        while client.get(f"/api/jobs/{job['id']}").json()["state"] == "queued":
            time.sleep(0.05)
    second = create_app(settings(tmp_path), root, main)
    with TestClient(second):
        again = TestClient(second, base_url="http://127.0.0.1:8765", headers={"X-Abscopal": "1"})
        again.cookies.set(BASE_COOKIE, cookie)
        assert finished(again, job["id"])["state"] == "done"


def test_the_store_holds_no_path_and_no_name(client, app):
    case = client.post("/api/cases/sample").json()
    file = client.post("/api/files?suffix=.toml", content=b"x = 1").json()
    values = {"case": case["case"], "patient": file["file"]}
    job = client.post("/api/views/assess/run", json={"values": values}).json()
    assert finished(client, job["id"])["state"] == "failed"
    server = app.state.server
    server.store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = (server.store.folder / "jobs.sqlite").read_bytes()
    assert str(server.shelf.folder).encode() not in content
    assert b"@case/" in content


def test_files_of_a_job_are_confined_to_its_folder(client):
    job = finished(client, client.post("/api/views/window/run", json=QUICK).json()["id"])
    for name in ("../../jobs.sqlite", "..%2F..%2Fjobs.sqlite", "/etc/passwd", "result.json"):
        assert client.get(f"/api/jobs/{job['id']}/files/{name}").status_code == 404


def test_a_job_is_seen_by_its_own_session_only(client, app):
    job = client.post("/api/views/window/run", json=QUICK).json()
    other = opened(app)
    assert other.get("/api/jobs").json() == []
    for call in (other.get, other.delete):
        assert call(f"/api/jobs/{job['id']}").status_code == 404
    finished(client, job["id"])
    assert other.get(f"/api/jobs/{job['id']}/result").status_code == 404


def test_a_deleted_job_takes_its_files_along(client, app):
    job = finished(client, client.post("/api/views/window/run", json=QUICK).json()["id"])
    client.delete(f"/api/jobs/{job['id']}")
    assert client.get(f"/api/jobs/{job['id']}").status_code == 404
    assert not (app.state.server.store.folder / "jobs" / str(job["id"])).exists()


def test_an_unknown_view_or_field_is_explained(client):
    for name, told in (("nothing", "window"), ("window", "fields of this form")):
        answer = client.post(f"/api/views/{name}/run", json={"values": {"nonsense": 1}})
        assert answer.status_code == 422
        assert told in answer.json()["expected"] + answer.json()["try"]
    lacking = client.post("/api/views/assess/command", json={"values": {"nonsense": 1}}).json()
    assert "nonsense" in lacking["lacks"]
