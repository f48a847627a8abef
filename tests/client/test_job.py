import httpx
import pytest

from castorch import (
    ConnectionFailed,
    DataError,
    Job,
    JobCancelled,
    JobFailed,
    JobNotFound,
    TimedOut,
)
from castorch._client import Client
from tests.client.fakes import FakeServer, error, job, stream, table

PATH = "/v1/jobs/j1"
DONE = job("done", result={"tables": {"T": table("a:int64", [1])}, "values": {}, "messages": []})


def started(server: FakeServer) -> Job:
    return Job(server.transport(), job("queued"))


def test_waiting_asks_again_after_growing_pauses_until_the_end() -> None:
    server = FakeServer({f"GET {PATH}": [job("queued"), job("running"), DONE]})

    result = started(server).wait()

    assert result["T"].rows == ((1,),)
    assert result.job == "j1"
    assert server.clock.pauses == pytest.approx([0.05, 0.075])


def test_waiting_no_longer_than_allowed_leaves_the_job_running() -> None:
    server = FakeServer({f"GET {PATH}": job("running")})

    with pytest.raises(TimedOut, match=r"^job 'j1' is still running after 2 s$"):
        started(server).wait(timeout_s=2)

    assert all(request.method == "GET" for request in server.requests)


def test_a_failed_job_raises_the_class_of_its_error() -> None:
    failure = {"code": "data.invalid", "message": "row 3 has no image", "details": {"row": 3}}
    server = FakeServer({f"GET {PATH}": job("failed", error=failure)})

    with pytest.raises(DataError, match=r"^row 3 has no image$") as caught:
        started(server).wait()

    assert caught.value.details == {"row": 3}


def test_a_cancelled_job_without_an_error_says_so() -> None:
    server = FakeServer({f"GET {PATH}": job("cancelled")})

    with pytest.raises(JobCancelled, match=r"^job 'j1' was cancelled$"):
        started(server).wait()


def test_a_job_that_has_not_ended_has_no_result() -> None:
    with pytest.raises(JobFailed, match=r"^job 'j1' is queued, expected it done$"):
        started(FakeServer()).result()


def test_following_yields_every_event_once_and_ends_with_the_job() -> None:
    events: list[tuple[int, str, dict[str, object]]] = [
        (1, "state", {"state": "running"}),
        (2, "epoch", {"epoch": 0, "learningRate": 0.1}),
        (3, "state", {"state": "done"}),
    ]
    server = FakeServer({f"GET {PATH}/events": stream(*events), f"GET {PATH}": DONE})
    handle = started(server)

    seen = list(handle.follow())

    assert [(event.kind, event.id) for event in seen] == [
        ("state", "1"),
        ("epoch", "2"),
        ("state", "3"),
    ]
    assert seen[1].data == {"epoch": 0, "learning_rate": 0.1}
    assert handle.state == "done"
    assert handle.is_final


def test_a_broken_stream_is_opened_again_behind_the_last_event() -> None:
    server = FakeServer(
        {
            f"GET {PATH}/events": [
                stream((1, "epoch", {"epoch": 0})),
                httpx.ReadError("cable"),
                stream((2, "epoch", {"epoch": 1})),
            ],
            f"GET {PATH}": [job("running"), DONE],
        }
    )

    seen = [event.data["epoch"] for event in started(server).follow()]

    asked = [each for each in server.requests if each.url.path.endswith("/events")]
    assert seen == [0, 1]
    assert [each.headers.get("last-event-id") for each in asked] == [None, "1", "1"]


def test_a_server_that_stays_away_for_a_minute_is_given_up() -> None:
    server = FakeServer({f"GET {PATH}/events": httpx.ConnectError("refused")})

    with pytest.raises(ConnectionFailed, match=r"refused$"):
        list(started(server).follow())

    assert server.clock.time == 60.0


@pytest.mark.parametrize(
    "away",
    [httpx.ConnectError("refused"), error("store.unavailable", "the server stops", 503)],
    ids=["gone", "stopping"],
)
def test_a_restart_of_the_server_is_waited_for(away: object) -> None:
    server = FakeServer(
        {
            f"GET {PATH}/events": [away, stream((1, "epoch", {"epoch": 0})), stream()],
            f"GET {PATH}": [job("running"), away, job("running"), DONE],
        }
    )

    assert [event.kind for event in started(server).follow()] == ["epoch"]
    assert server.clock.time < 60.0

    again = FakeServer({f"GET {PATH}": [job("running"), away, away, DONE]})
    assert "T" in started(again).wait()


def test_waiting_for_a_server_that_stays_away_is_given_up() -> None:
    server = FakeServer({f"GET {PATH}": httpx.ConnectError("refused")})

    with pytest.raises(ConnectionFailed, match=r"refused$"):
        started(server).wait()


def test_following_a_job_that_is_not_there_is_told_at_once() -> None:
    missing = error("job.not_found", "no job 'j1'", 404)
    server = FakeServer({f"GET {PATH}/events": missing})

    with pytest.raises(JobNotFound, match=r"^no job 'j1'$"):
        list(started(server).follow())


def test_cancelling_asks_the_server_and_keeps_its_answer() -> None:
    server = FakeServer({f"DELETE {PATH}": job("running", cancel_requested=True)})
    handle = started(server)

    assert handle.cancel() is handle
    assert handle.info["cancel_requested"] is True
    assert repr(handle) == "Job('j1', deepLearn.dlTrain, running)"


def test_metrics_are_in_snake_case() -> None:
    server = FakeServer({f"GET {PATH}/metrics": {"metrics": [{"epoch": 0, "fitError": 0.5}]}})

    assert started(server).metrics("batch") == [{"epoch": 0, "fit_error": 0.5}]
    assert server.last.url.query == b"kind=batch&cursor=0"


def test_metrics_are_read_page_by_page() -> None:
    first, rest = {"metrics": [{"epoch": 0}], "cursor": 7}, {"metrics": [{"epoch": 1}]}
    server = FakeServer({f"GET {PATH}/metrics": [first, rest]})

    assert started(server).metrics() == [{"epoch": 0}, {"epoch": 1}]
    assert server.last.url.query == b"kind=epoch&cursor=7"


def test_the_client_lists_jobs_and_finds_one() -> None:
    server = FakeServer({"GET /v1/jobs": {"jobs": [DONE], "cursor": None}, f"GET {PATH}": DONE})
    client = Client(server.transport())

    assert [each.id for each in client.jobs()] == ["j1"]
    assert client.job("j1").state == "done"
    assert server.session().job("j1").state == "done"


def test_a_job_that_has_ended_tells_how_long_it_ran() -> None:
    times = {"started": "2030-01-02T03:04:05+00:00", "finished": "2030-01-02T03:04:07.5+00:00"}
    transport = FakeServer().transport()

    assert Job(transport, job("done", **times)).seconds == 2.5
    assert Job(transport, job("cancelled", started=None, finished=None)).seconds is None
