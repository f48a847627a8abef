"""Every answer that is not a success has one body.

    {"ok": false, "code": "table.not_found", "message": "...", "details": {...}, "status": 404}

- It is JSON with exactly these keys, whatever failed: an action, a route, the body's syntax, a
  query parameter, the caller's token, or the server itself.
- ``code`` names the kind of failure and never changes; ``status`` is the status of the answer.
- ``message`` is one sentence; ``details`` are facts as JSON values.
- The status follows from the class of the error: the nearest class of its hierarchy that has one.
- Of an error that nobody declared only an id is told; the log has the rest under that id.
- The header ``X-Request-Id`` goes with every answer.
"""

import logging
import pickle
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from actions import errors as action_errors
from engine import errors as engine_errors
from engine.errors import EngineError, ShapeError
from server.failures import INTERNAL, STATUS, failure, status_of, status_of_code
from tests.server.running import running, settings_in, trial_actions_registered


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    settings = settings_in(tmp_path_factory.mktemp("served"))
    with trial_actions_registered(), running(settings) as served:
        yield served.client


KEYS = {"ok", "code", "message", "details", "status"}

STATUSES = {
    "engine.error": 400,
    "graph.invalid": 400,
    "graph.shape": 400,
    "layer.option": 400,
    "weights.mismatch": 400,
    "data.invalid": 400,
    "device.memory": 400,
    "device.unavailable": 400,
    "train.failed": 422,
    "job.cancelled": 409,
    "not_supported": 501,
    "action.error": 400,
    "action.unknown": 404,
    "params.invalid": 400,
    "table.not_found": 404,
    "table.exists": 409,
    "table.kind": 400,
    "column.not_found": 404,
    "expression.invalid": 400,
    "file.invalid": 400,
    "caslib.not_found": 404,
    "path.forbidden": 403,
    "file.not_found": 404,
    "session.not_found": 404,
    "job.not_found": 404,
    "job.failed": 500,
    "store.conflict": 409,
    "store.full": 507,
    "store.unavailable": 503,
    "auth.required": 401,
    "auth.forbidden": 403,
    "request.too_large": 413,
    "request.key_reused": 409,
    "request.unfinished": 409,
}
"""What callers rely on; a new class is a new line here."""


def declared(root: type[EngineError] = EngineError) -> Iterator[type[EngineError]]:
    if root.__module__ in (engine_errors.__name__, action_errors.__name__):
        yield root
    for kind in root.__subclasses__():
        yield from declared(kind)


def check(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/json"
    assert set(body) == KEYS
    assert body["ok"] is False
    assert body["code"] == code
    assert body["status"] == status
    assert isinstance(body["message"], str)
    assert isinstance(body["details"], dict)
    assert len(answer.headers["X-Request-Id"]) == 32
    return body


def test_every_declared_class_has_its_status() -> None:
    assert {kind.code: status_of(kind) for kind in declared()} == STATUSES


def test_the_table_names_only_declared_classes() -> None:
    assert set(STATUS) <= set(declared())


def test_a_code_has_the_status_of_its_class() -> None:
    assert {code: status_of_code(code) for code in STATUSES} == STATUSES
    assert status_of_code(INTERNAL) == 500
    assert status_of_code("no.such.code") == 500


def test_a_class_without_a_line_has_the_status_of_the_nearest_above() -> None:
    class Narrower(action_errors.TableNotFound):
        """A failure of a later version."""

    assert status_of(Narrower) == 404
    assert status_of(ShapeError) == 400


@pytest.mark.parametrize("kind", list(declared()), ids=lambda kind: str(kind.code))
def test_every_error_survives_the_way_between_processes(kind: type[EngineError]) -> None:
    error = kind("the layer 'a' got 1, expected 2", layer="a", got=1)

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(again) is kind
    assert (again.message, again.details) == (error.message, error.details)


def test_details_are_plain_json_values() -> None:
    odd = {"a": (1, 2.5), "b": {1: float("nan")}, "c": ValueError("x"), "d": None}

    told = failure(EngineError("odd", **odd))

    assert told["details"] == {"a": [1, 2.5], "b": {"1": None}, "c": "x", "d": None}


def test_what_a_caller_sent_is_not_repeated_without_end() -> None:
    told = failure(EngineError(f"no caslib is named {'x' * 10_000!r}", caslib="x" * 10_000))

    assert told["message"] == f"no caslib is named '{'x' * 980} ... {'x' * 999}'"
    assert told["details"] == {"caslib": f"{'x' * 1000} ... {'x' * 1000}"}


def test_a_failing_action(client: httpx.Client) -> None:
    body = check(
        client.post("/v1/actions/trial.refuse", json={"text": "y"}), 404, "column.not_found"
    )

    assert body["message"] == "no column is named 'y'"
    assert body["details"] == {"column": "y", "nearest": ["x"]}


def test_an_unknown_action(client: httpx.Client) -> None:
    body = check(client.post("/v1/actions/trial.ecko"), 404, "action.unknown")

    assert body["message"].startswith("no action is named 'trial.ecko'; did you mean 'trial.echo'")
    assert body["details"]["nearest"][0] == "trial.echo"


def test_a_wrong_parameter(client: httpx.Client) -> None:
    body = check(
        client.post("/v1/actions/trial.echo", json={"epochs": "many"}), 400, "params.invalid"
    )

    assert body["details"]["parameter"] == "epochs"


def test_a_body_that_is_not_json(client: httpx.Client) -> None:
    check(client.post("/v1/actions/trial.echo", content=b"{"), 400, "params.invalid")


def test_a_body_that_is_too_long(client: httpx.Client) -> None:
    answer = client.post("/v1/actions/trial.echo", content=b" " * (33 << 20))

    check(answer, 413, "request.too_large")


def test_an_unknown_route(client: httpx.Client) -> None:
    body = check(client.get("/v1/model"), 404, "route.not_found")

    assert body["message"] == "no route is at '/v1/model'; GET /openapi.json lists them"


def test_a_route_called_the_wrong_way(client: httpx.Client) -> None:
    answer = client.delete("/v1/actions/trial.echo")

    body = check(answer, 405, "route.method")
    assert body["message"] == (
        "the route '/v1/actions/trial.echo' got DELETE, expected another method"
    )
    assert answer.headers["Allow"]


def test_a_wrong_query_parameter(client: httpx.Client) -> None:
    body = check(client.get("/v1/jobs", params={"limit": "few"}), 400, "params.invalid")

    assert body["message"] == (
        "parameter 'limit' got 'few': input should be a valid integer, "
        "unable to parse string as an integer"
    )
    assert body["details"] == {"parameter": "limit", "got": "few"}


def test_credentials_of_an_unknown_scheme(client: httpx.Client) -> None:
    answer = client.get("/v1/jobs", headers={"Authorization": "Digest YTpi"})

    check(answer, 401, "auth.required")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_error_that_nobody_declared_is_an_id(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="server.failures"):
        answer = client.post("/v1/actions/trial.explode", json={"text": "password"})

    body = check(answer, 500, "internal")
    entry = body["details"]["id"]
    assert "password" not in answer.text
    assert body["message"] == (
        f"the server failed in an unexpected way; its log has the entry {entry}"
    )
    (record,) = caplog.records
    assert entry in record.getMessage()
    assert record.exc_info is not None
    assert "password" in str(record.exc_info[1])
