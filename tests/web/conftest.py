"""A server in memory, and one that listens, for the tests of the workbench."""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the web extra is not installed")

from fastapi.testclient import TestClient

from abscopal.cli.main import app as root
from abscopal.cli.main import main
from abscopal.planning.navigate import Navigator
from abscopal.planning.navigation_file import save_navigation
from abscopal.web.app import create_app
from abscopal.web.settings import Settings
from abscopal.web.store import Job
from abscopal.web.work import RESULT
from tests.planning.made_up import made_up_matrix

TOKEN = "a-token-for-tests-only"  # noqa: S105 - opens nothing but these tests
OURS = {"X-Abscopal": "1"}
BASE_COOKIE = "abscopal_session"


def settings(folder: Path, **changes: object) -> Settings:
    return Settings(state=folder, token=TOKEN, token_is_shared=True, **changes)  # type: ignore[arg-type]


def opened(app: object) -> TestClient:
    """A browser with a session of its own."""
    client = TestClient(app, base_url="http://127.0.0.1:8765", headers=OURS)  # type: ignore[arg-type]
    assert client.get("/open", params={"token": TOKEN}, follow_redirects=False).status_code == 303
    return client


@pytest.fixture
def app(tmp_path: Path, thorax_case: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A server whose sample is built already: building it takes seconds."""
    built = SimpleNamespace(folder=thorax_case)
    monkeypatch.setattr("abscopal.dose.sample.thorax.build_thorax", lambda *_: built)
    application = create_app(settings(tmp_path / "state"), root, main)
    with TestClient(application):  # starts and stops the job runner
        yield application


@pytest.fixture
def client(app: object) -> TestClient:
    return opened(app)


def finished(client: TestClient, job_id: str, seconds: float = 60.0) -> dict[str, object]:
    """The job once it is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = client.get(f"/api/jobs/{job_id}").json()
        if job["state"] not in {"queued", "running"}:
            return job
        time.sleep(0.1)
    raise AssertionError(f"job still {job['state']}")


def finished_job(application: object, cookie: str, view: str, answer: object) -> Path:
    """Folder of a job of a session that is over, with what its command printed."""
    server = application.state.server  # type: ignore[attr-defined]
    owner = server.sessions.find(cookie).owner
    job = Job(f"{view}-{secrets.token_hex(4)}", owner, view, (view,), "", time.time(), state="done")
    server.store.put(job)
    folder: Path = server.jobs.folder(job)
    folder.mkdir(parents=True)
    (folder / RESULT).write_text(json.dumps(answer), encoding="utf-8")
    return folder


def planned_job(application: object, cookie: str) -> str:
    """A finished planning job of a session: three made-up plans to navigate between."""
    folder = finished_job(application, cookie, "plan-make", {})
    matrix = made_up_matrix()
    rng = np.random.default_rng(0)
    plans = {name: rng.uniform(0.5, 1.5, matrix.n_bixels) for name in ("reference", "sparing", "between")}
    save_navigation(Navigator.from_plans(matrix, plans), folder / "navigation.npz")
    return folder.name


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, object]]:
    """A server that listens on this machine: its address with the token that opens it, and the application."""
    import socket

    import uvicorn

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    application = create_app(settings(tmp_path_factory.mktemp("served"), port=port), root, main)
    config = uvicorn.Config(application, host="127.0.0.1", port=port, log_level="warning", access_log=False)
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/open?token={TOKEN}", application
    running.should_exit = True
    thread.join(20)


@pytest.fixture
def server(served: tuple[str, object]) -> str:
    """The address that opens a session."""
    return served[0]
