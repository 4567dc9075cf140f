"""Whatever is sent to any route, the server answers, explains itself, and does not fail."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LEAVES = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(max_size=20)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
SLOW = {"/api/cases/sample", "/api/window/why", "/api/window/bands", "/api/window/map"}


def _operations(client):
    paths = client.get("/openapi.json").json()["paths"]
    return sorted((path, method) for path, ways in paths.items() for method in ways if path not in SLOW)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_no_request_breaks_the_server(client, data):
    path, method = data.draw(st.sampled_from(_operations(client)))
    while "{" in path:
        head, rest = path.split("{", 1)
        path = head + data.draw(st.text("abcXYZ019.-_", min_size=1, max_size=8)) + rest.split("}", 1)[1]
    body = {} if method in {"get", "delete"} else {"json": data.draw(JSON)}
    answer = client.request(method.upper(), path, **body)
    assert answer.status_code < 500
    if answer.status_code == 422:
        assert answer.json()["found"]


def test_every_route_is_described(client):
    described = client.get("/openapi.json").json()["paths"]
    assert all(way.get("description") for ways in described.values() for way in ways.values())
