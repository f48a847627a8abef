import json
import threading
import time
from collections.abc import Iterator
from datetime import datetime

import httpx
import pytest

from tests.server.running import Running

PATIENCE_S = 30.0
Event = tuple[str, str, dict[str, object]]


def submit(working: Running, **params: object) -> str:
    answer = working.client.post(
        "/v1/actions/trial.train", json=params, headers={"Prefer": "respond-async"}
    )
    return str(answer.json()["job"]["id"])


def until(working: Running, job: str, *states: str) -> dict[str, object]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        body: dict[str, object] = working.client.get(f"/v1/jobs/{job}").json()
        if body["state"] in states:
            return body
        assert time.monotonic() < deadline
        time.sleep(0.01)


def read(lines: Iterator[str]) -> Iterator[Event]:
    found: dict[str, str] = {}
    for line in lines:
        if line == "" and "event" in found:
            yield found["id"], found["event"], json.loads(found["data"])
            found = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            found[name] = value


def follow(working: Running, job: str, after: str | None = None) -> list[Event]:
    headers = {"Last-Event-ID": after} if after is not None else {}
    with working.client.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        return list(read(answer.iter_lines()))


def test_a_job_tells_its_state_times_and_result(working: Running) -> None:
    job = submit(working, epochs=1, text="x")

    body = until(working, job, "done")

    result = body.pop("result")
    assert isinstance(result, dict)
    assert result["values"]["text"] == "x"
    assert set(result) == {"tables", "values", "messages"}
    assert body["created"] < body["started"] < body["finished"]  # type: ignore[operator]
    assert set(body) == {
        "id",
        "action",
        "session",
        "state",
        "created",
        "started",
        "finished",
        "error",
        "cancel_requested",
        "attempt",
        "priority",
    }


def test_jobs_are_listed_newest_first_a_page_at_a_time(working: Running) -> None:
    first, second, third = (submit(working, epochs=1) for _ in range(3))

    page = working.client.get("/v1/jobs", params={"limit": 2}).json()
    rest = working.client.get("/v1/jobs", params={"limit": 2, "cursor": page["cursor"]}).json()

    assert [job["id"] for job in page["jobs"]] == [third, second]
    assert rest["jobs"][0]["id"] == first
    until(working, third, "done")


def test_events_are_sent_as_they_come_and_end_with_the_final_state(working: Running) -> None:
    job = submit(working, epochs=2, pause_s=0.1)

    told = follow(working, job)

    assert [event for _, event, _ in told] == [
        "state",
        "state",
        "batch",
        "epoch",
        "batch",
        "epoch",
        "note",
        "state",
    ]
    assert told[0][2] == {"state": "queued"}
    assert told[3][2] == {"epoch": 1, "epochs": 2, "loss": 1.0}
    assert told[-1][2] == {"state": "done"}
    assert [int(seq) for seq, _, _ in told] == sorted({int(seq) for seq, _, _ in told})


def test_events_go_on_behind_the_last_one_seen(working: Running) -> None:
    job = submit(working, epochs=2)
    until(working, job, "done")
    told = follow(working, job)

    rest = follow(working, job, after=told[4][0])

    assert rest == told[5:]


def test_following_a_job_that_has_told_everything_is_answered_with_no_content(
    working: Running,
) -> None:
    job = submit(working, epochs=1)
    until(working, job, "done")
    last = follow(working, job)[-1][0]

    answer = working.client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": last})

    assert answer.status_code == 204


def test_a_last_event_that_is_no_number_is_refused(working: Running) -> None:
    job = submit(working, epochs=1)

    answer = working.client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": "x"})

    assert answer.status_code == 400
    assert answer.json()["message"] == (
        "the Last-Event-ID header got 'x', expected the number of an event"
    )


def test_silence_is_kept_from_being_taken_for_the_end(
    working: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.routes.jobs.KEEP_ALIVE_S", 0.0)
    job = submit(working, epochs=1000, pause_s=5.0)

    with working.client.stream("GET", f"/v1/jobs/{job}/events") as answer:
        found = next(line for line in answer.iter_lines() if line == ": still here")

    assert found
    working.client.delete(f"/v1/jobs/{job}")


def test_metrics_are_objects_of_one_kind_in_order(working: Running) -> None:
    job = submit(working, epochs=3)
    until(working, job, "done")

    epochs = working.client.get(f"/v1/jobs/{job}/metrics").json()
    batches = working.client.get(f"/v1/jobs/{job}/metrics", params={"kind": "batch"}).json()

    times = [datetime.fromisoformat(each.pop("time")) for each in epochs["metrics"]]
    assert epochs == {
        "metrics": [{"epoch": n, "epochs": 3, "loss": 1.0 / n} for n in (1, 2, 3)],
        "cursor": None,
    }
    assert times == sorted(times)
    assert [each["batch"] for each in batches["metrics"]] == [1, 1, 1]


def test_metrics_come_in_pages(working: Running) -> None:
    job = submit(working, epochs=3)
    until(working, job, "done")
    path = f"/v1/jobs/{job}/metrics"

    page = working.client.get(path, params={"limit": 2}).json()
    rest = working.client.get(path, params={"limit": 2, "cursor": page["cursor"]}).json()

    assert [each["epoch"] for each in page["metrics"]] == [1, 2]
    assert [each["epoch"] for each in rest["metrics"]] == [3]


def test_a_cancelled_job_ends_and_whoever_waits_is_told(working: Running) -> None:
    answers: list[httpx.Response] = []

    def wait() -> None:
        url = f"{working.url}/v1/actions/trial.train"
        body = {"epochs": 1000, "pause_s": 5.0, "text": "waited for"}
        answers.append(httpx.post(url, json=body, timeout=PATIENCE_S, trust_env=False))

    thread = threading.Thread(target=wait)
    thread.start()
    deadline = time.monotonic() + PATIENCE_S
    while (newest := working.client.get("/v1/jobs").json()["jobs"][0])["state"] != "running":
        assert time.monotonic() < deadline
        time.sleep(0.01)

    answer = working.client.delete(f"/v1/jobs/{newest['id']}")
    thread.join()

    assert answer.status_code == 202
    assert answer.json()["cancel_requested"] is True
    assert answers[0].status_code == 409
    assert answers[0].json()["code"] == "job.cancelled"
    assert answers[0].json()["message"] == "the training was stopped in epoch 1"


def test_a_caller_who_goes_away_does_not_stop_the_job(working: Running) -> None:
    url = f"{working.url}/v1/actions/trial.train"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, json={"epochs": 2, "pause_s": 0.4}, timeout=0.3, trust_env=False)

    newest = working.client.get("/v1/jobs").json()["jobs"][0]

    assert until(working, newest["id"], "done", "failed", "cancelled")["state"] == "done"


def test_waiting_callers_take_no_threads(working: Running) -> None:
    before = threading.active_count()
    job = submit(working, epochs=1000, pause_s=5.0)
    until(working, job, "running")
    url = f"{working.url}/v1/jobs/{job}/events"
    streams = [httpx.Client(timeout=PATIENCE_S, trust_env=False) for _ in range(60)]
    answers = [each.send(each.build_request("GET", url), stream=True) for each in streams]

    assert [answer.status_code for answer in answers] == [200] * 60
    assert working.client.get("/healthz").status_code == 200
    assert working.resources.signals.followers == 60
    assert threading.active_count() - before <= 41  # those of the pool, whoever follows

    working.client.delete(f"/v1/jobs/{job}")
    for answer in answers:
        answer.close()
    for each in streams:
        each.close()
    until(working, job, "cancelled")


@pytest.mark.parametrize("path", ["", "/events", "/metrics"])
def test_an_unknown_job_is_not_found(working: Running, path: str) -> None:
    answer = working.client.get(f"/v1/jobs/nowhere{path}")

    assert answer.status_code == 404
    assert answer.json()["code"] == "job.not_found"
