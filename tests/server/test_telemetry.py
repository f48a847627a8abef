"""The numbers of a server, read back with the parser of the Prometheus client."""

from collections.abc import Callable

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from actions.errors import StoreUnavailable
from server.app import create_app
from tests.server.conftest import Start
from tests.server.running import Running

Samples = dict[tuple[str, ...], float]


def samples(client: httpx.Client, name: str, *labels: str) -> Samples:
    """Return the values of a metric by those of its labels."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name
    }


def test_requests_are_counted_by_route_template_and_status(start: Start) -> None:
    client = start().client
    for path in ("/v1/jobs/nobody", "/v1/jobs/none", "/v1/jobs", "/no/such/page", "/nor/this"):
        client.get(path)

    found = samples(client, "castorch_requests_total", "method", "route", "status")

    assert found == {
        ("GET", "/v1/jobs/{job_id}", "404"): 2,
        ("GET", "/v1/jobs", "200"): 1,
        ("GET", "unmatched", "404"): 2,
    }


def test_a_method_nobody_knows_makes_no_label_of_its_own(start: Start) -> None:
    client = start().client
    for method in ("BREW", "WHEN"):
        client.request(method, "/v1/jobs")

    found = samples(client, "castorch_requests_total", "method", "route", "status")

    assert [(method, status) for method, _, status in found] == [("other", "405")]
    assert list(found.values()) == [2]


def test_latencies_are_a_histogram_by_route(start: Start) -> None:
    client = start().client
    client.get("/healthz")
    client.get("/healthz")

    count = samples(client, "castorch_request_duration_seconds_count", "route")
    bounds = samples(client, "castorch_request_duration_seconds_bucket", "route", "le")

    assert count[("/healthz",)] == 2
    assert bounds[("/healthz", "1800.0")] == bounds[("/healthz", "+Inf")] == 2


def test_uploaded_bytes_are_counted(start: Start) -> None:
    client = start().client
    client.put("/v1/tables/t", content=b"a,b\n1,2\n", headers={"Content-Type": "text/csv"})

    found = samples(client, "castorch_received_bytes_total", "method", "route")

    assert found == {("PUT", "/v1/tables/{name}"): 8}
    assert samples(client, "castorch_actions_total", "action", "outcome") == {
        ("table.upload", "done"): 1
    }


def test_actions_are_counted_by_name_and_outcome(start: Start) -> None:
    client = start().client
    client.post("/v1/actions/builtins.PING", json={})
    client.post("/v1/actions/ping", json={})
    client.post("/v1/actions/table.fetch", json={"table": "none"})
    client.post("/v1/actions/trial.train", json={}, headers={"Prefer": "respond-async"})
    client.post("/v1/actions/no.such", json={})

    found = samples(client, "castorch_actions_total", "action", "outcome")

    assert found == {
        ("builtins.ping", "done"): 2,
        ("table.fetch", "refused"): 1,
        ("trial.train", "accepted"): 1,
    }


def test_jobs_are_counted_by_state_with_the_length_of_the_queue(start: Start) -> None:
    client = start().client
    bodies = [
        client.post("/v1/actions/trial.train", json={}, headers={"Prefer": "respond-async"}).json()
        for _ in range(3)
    ]
    client.delete(f"/v1/jobs/{bodies[0]['job']['id']}")

    states = samples(client, "castorch_jobs", "state")

    assert states == {
        ("queued",): 2,
        ("running",): 0,
        ("done",): 0,
        ("failed",): 0,
        ("cancelled",): 1,
    }
    assert samples(client, "castorch_queue_length") == {(): 2}


def test_ready_workers_are_told(working: Running) -> None:
    assert samples(working.client, "castorch_workers_ready") == {(): 1}
    assert samples(working.client, "castorch_workers") == {(): 1}


def test_the_process_tells_its_memory(start: Start) -> None:
    client = start().client

    assert samples(client, "process_resident_memory_bytes")[()] > 1 << 20


def test_a_database_that_is_away_takes_only_the_numbers_of_jobs_away(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = start()

    def away(_: object) -> None:
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(type(served.resources.stores), "count_jobs", away)

    assert samples(served.client, "castorch_database_up") == {(): 0}
    assert samples(served.client, "castorch_jobs", "state") == {}
    assert samples(served.client, "castorch_workers") == {(): 0}


def test_every_application_counts_for_itself(start: Start) -> None:
    served = start()
    other = create_app(served.resources)
    served.client.get("/healthz")

    assert b"castorch_requests_total{" not in other.state.telemetry.page()


@pytest.fixture
def guarded(start: Start) -> Callable[[str], httpx.Response]:
    """Ask a server that has a token for its numbers, with a header or without."""
    served = start()
    token = served.resources.stores.tokens.add("prometheus")

    def ask(scheme: str) -> httpx.Response:
        headers = {"Authorization": f"{scheme} {token}"} if scheme else {}
        return served.client.get("/metrics", headers=headers)

    return ask


def test_a_server_with_tokens_tells_its_numbers_to_their_owners_alone(
    guarded: Callable[[str], httpx.Response],
) -> None:
    assert guarded("").status_code == 401
    assert guarded("Bearer").status_code == 200
