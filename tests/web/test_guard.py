"""Who is let in, and what every answer carries."""

import pytest
from fastapi.testclient import TestClient

from abscopal.cli.main import app as root
from abscopal.cli.main import main
from abscopal.web.app import create_app
from abscopal.web.settings import Settings
from tests.web.conftest import OURS, TOKEN, opened, settings

BASE = "http://127.0.0.1:8765"


def test_nothing_without_a_session(app):
    stranger = TestClient(app, base_url=BASE, headers=OURS)
    for path in ("/", "/api/about", "/api/jobs", "/static/js/main.js", "/openapi.json"):
        assert stranger.get(path).status_code == 401


def test_a_wrong_token_opens_nothing(app):
    answer = TestClient(app, base_url=BASE).get("/open", params={"token": TOKEN + "x"}, follow_redirects=False)
    assert answer.status_code == 422
    assert "set-cookie" not in answer.headers


def test_a_token_that_is_not_shared_opens_one_session(tmp_path):
    app = create_app(Settings(state=tmp_path, token=TOKEN), root, main)
    first, second = TestClient(app, base_url=BASE), TestClient(app, base_url=BASE)
    assert first.get("/open", params={"token": TOKEN}, follow_redirects=False).status_code == 303
    assert first.get("/open", params={"token": TOKEN}, follow_redirects=False).status_code == 303  # the same browser
    assert second.get("/open", params={"token": TOKEN}, follow_redirects=False).status_code == 422


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1:9999", ""])
def test_only_our_own_host_name_is_answered(client, host):
    assert client.get("/api/about", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [{"X-Abscopal": "0"}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_another_page_cannot_write(client, headers):
    assert client.post("/api/cases/sample", headers=headers).status_code == 403


def test_a_large_body_is_refused_before_it_is_read(tmp_path):
    app = create_app(settings(tmp_path, upload_bytes=1000), root, main)
    client = opened(app)
    assert client.post("/api/files?suffix=.csv", content=b"x" * 2000).status_code == 413


def test_a_large_body_that_hides_its_length_is_refused(tmp_path):
    app = create_app(settings(tmp_path, upload_bytes=1000), root, main)
    client = opened(app)
    pieces = (b"x" * 300 for _ in range(10))
    assert client.post("/api/files?suffix=.csv", content=pieces).status_code == 413


def test_every_answer_forbids_foreign_and_inline_script(client):
    for answer in (client.get("/"), client.get("/api/about"), client.get("/api/nothing")):
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == "'self'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_the_session_cookie_is_out_of_reach_of_script(app):
    answer = TestClient(app, base_url=BASE).get("/open", params={"token": TOKEN}, follow_redirects=False)
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_a_wrong_field_is_named_without_its_value(client):
    answer = client.post("/api/window/point", json={"dose": "Jane Doe"})
    assert answer.status_code == 422
    assert "dose" in answer.json()["found"]
    assert "Jane" not in answer.text
