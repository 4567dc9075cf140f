"""Navigation between plans: the sliders' numbers are those of the planning room, and only the owner's."""

import pytest

from abscopal.planning.navigation_file import load_navigation
from tests.web.conftest import BASE_COOKIE, opened, planned_job


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
