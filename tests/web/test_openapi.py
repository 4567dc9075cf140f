"""Whatever is sent to any route, the server answers as its description says, explains itself, and does not fail."""

from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.web.conftest import BASE_COOKIE, OURS

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SLOW = {"POST /api/cases/sample", "POST /api/window/why"}


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_as_described(app, client, mode):
    session = {**OURS, "Cookie": f"{BASE_COOKIE}={client.cookies[BASE_COOKIE]}"}
    reached = set()

    def try_one(operation):
        @settings(max_examples=12, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def one(case):
            answer = case.call(base_url="http://127.0.0.1:8765", headers=session)
            reached.add(answer.status_code)
            case.validate_response(answer, checks=CHECKS)
            if answer.status_code >= 400:
                assert answer.json()["found"]

        one()

    described = schemathesis.openapi.from_asgi("/openapi.json", app, headers={**session, "Host": "127.0.0.1:8765"})
    operations = [one.ok() for one in described.get_all_operations()]
    for operation in operations:
        if operation.label not in SLOW:
            with suppress(Unsatisfiable):  # nothing can be wrong with a request that takes nothing
                try_one(operation)
    assert {200, 404, 422} <= reached if mode is GenerationMode.POSITIVE else 422 in reached
    assert 401 not in reached


def test_every_route_is_described(client):
    described = client.get("/openapi.json").json()["paths"]
    assert all(way.get("description") for ways in described.values() for way in ways.values())
