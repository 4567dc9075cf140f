"""Navigation between plans: the sliders' numbers are those of the planning room, and only the owner's."""

import pytest

from abscopal.planning.navigation_file import load_navigation
from tests.web.conftest import BASE_COOKIE, finished, opened, planned_job


@pytest.fixture
def job(app, client):
    return planned_job(app, client.cookies[BASE_COOKIE])


def test_a_mix_has_the_numbers_of_the_planning_room(app, client, job):
    made = load_navigation(app.state.server.store.folder / "jobs" / job / "navigation.npz")
    asked = client.get(f"/api/planning/{job}").json()
    assert asked["plans"] == list(made.plans)
    found = client.post(f"/api/planning/{job}", json={"mix": [1, 1, 0]}).json()
    expected = made.at([0.5, 0.5, 0])
    assert found["mix"] == pytest.approx([0.5, 0.5, 0])
    assert {one["name"]: one["value"] for one in found["metrics"]} == pytest.approx(
        {one.name: one.value for one in expected.metrics}
    )
    assert found["curves"][0]["volume"][0] == pytest.approx(1)


def test_a_moved_figure_takes_the_value_it_is_moved_to(client, job):
    figure = next(
        one for one in client.get(f"/api/planning/{job}").json()["figures"] if max(one["values"]) > min(one["values"])
    )
    aim = sum(figure["values"]) / 3
    moved = client.post(f"/api/planning/{job}", json={"mix": [1, 0, 0], "figure": figure["name"], "value": aim}).json()
    assert {one["name"]: one["value"] for one in moved["metrics"]}[figure["name"]] == pytest.approx(aim, rel=1e-6)


def test_a_plane_is_drawn_and_nonsense_is_refused(client, job):
    picture = client.get(f"/api/planning/{job}/plane", params={"mix": "0.2,0.3,0.5"})
    assert picture.content.startswith(b"\x89PNG")
    assert client.get(f"/api/planning/{job}/plane", params={"mix": "0,__import__,1"}).status_code == 422
    assert client.post(f"/api/planning/{job}", json={"mix": [1, 0]}).status_code == 422
    wrong = client.post(f"/api/planning/{job}", json={"mix": [1, 0, 0], "figure": "Hart mean", "value": 1})
    assert wrong.status_code == 422


def test_other_sessions_have_no_such_plans(app, job):
    assert opened(app).get(f"/api/planning/{job}").status_code == 404


def test_plans_of_a_job_are_compared_by_another(client, job, app):
    from abscopal.domain.patient import example_toml

    patient = client.post("/api/files?suffix=.toml", content=example_toml().encode()).json()["file"]
    asked = {"plans": f"@job/{job}", "patient": patient, "draws": 2}
    shown = client.post("/api/views/plan-compare/command", json={"values": asked}).json()["command"]
    assert shown.startswith("abscopal plan compare")
    assert job not in shown
    run = client.post("/api/views/plan-compare/run", json={"values": asked}).json()
    done = finished(client, run["id"], 120)
    assert done["state"] == "done", done["error"]
    assert "answer.json" in client.get(f"/api/jobs/{run['id']}").json()["files"]


def test_nobody_reads_the_plans_of_another_session(app, job):
    other = opened(app)
    patient = other.post("/api/files?suffix=.toml", content=b"").json()["file"]
    asked = {"plans": f"@job/{job}", "patient": patient}
    run = other.post("/api/views/plan-compare/run", json={"values": asked}).json()
    assert finished(other, run["id"])["state"] == "failed"
