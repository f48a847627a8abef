"""Jobs and their events, on every database."""

import pytest

from actions.errors import Conflict, InvalidParameters, JobNotFound
from actions.job_ports import Job
from actions.ports import Session
from server.store import SqlStores
from tests.conftest import HandClock


def submit(stores: SqlStores, session: Session, action: str = "deepLearn.dlTrain") -> Job:
    return stores.jobs.submit(action, {"model": "net", "rate": 0.5}, session)


def start(stores: SqlStores, session: Session) -> Job:
    submit(stores, session)
    claimed = stores.jobs.claim("worker-1")
    assert claimed is not None
    return claimed


def states(stores: SqlStores, job: Job) -> list[object]:
    return [event.data["state"] for event in stores.jobs.events(job.id, kind="state")]


def test_a_job_is_recorded_before_it_starts(
    stores: SqlStores, session: Session, clock: HandClock
) -> None:
    job = submit(stores, session)

    assert stores.jobs.find(job.id, "ann") == job
    assert (job.action, job.params) == ("deepLearn.dlTrain", {"model": "net", "rate": 0.5})
    assert (job.session_id, job.user, job.state) == (session.id, "ann", "queued")
    assert (job.created, job.started, job.finished) == (clock.moment, None, None)
    assert (job.owner, job.attempt, job.cancel_requested) == (None, 0, False)


def test_jobs_are_claimed_in_the_order_of_submission(
    stores: SqlStores, session: Session, clock: HandClock
) -> None:
    ids = [submit(stores, session).id for _ in range(3)]
    clock.advance(2)

    claimed = [stores.jobs.claim("worker-1") for _ in range(4)]

    assert [job.id for job in claimed if job] == ids
    assert claimed[3] is None
    first = stores.jobs.find(ids[0], "ann")
    assert (first.state, first.owner, first.attempt) == ("running", "worker-1", 1)
    assert (first.started, first.heartbeat) == (clock.moment, clock.moment)


def test_a_job_runs_from_queued_to_done(
    stores: SqlStores, session: Session, clock: HandClock
) -> None:
    job = start(stores, session)
    clock.advance(9)

    stores.jobs.finish(job.id, "worker-1", "done", result={"values": {"loss": 0.25}})

    done = stores.jobs.find(job.id, "ann")
    assert (done.state, done.finished) == ("done", clock.moment)
    assert (done.result, done.error) == ({"values": {"loss": 0.25}}, None)
    assert states(stores, job) == ["queued", "running", "done"]


def test_a_failed_job_keeps_its_error(stores: SqlStores, session: Session) -> None:
    job = start(stores, session)

    stores.jobs.finish(job.id, "worker-1", "failed", error={"code": "train.failed"})

    failed = stores.jobs.find(job.id, "ann")
    assert (failed.state, failed.error) == ("failed", {"code": "train.failed"})


def test_a_beat_renews_the_lease(stores: SqlStores, session: Session, clock: HandClock) -> None:
    job = start(stores, session)
    clock.advance(25)

    assert stores.jobs.beat(job.id, "worker-1") is False

    assert [each.heartbeat for each in stores.jobs.running()] == [clock.moment]
    assert stores.jobs.recover_silent(job, "the worker is silent") == []
    assert stores.jobs.find(job.id, "ann").state == "running"


def test_a_job_whose_worker_is_silent_fails(
    stores: SqlStores, session: Session, clock: HandClock
) -> None:
    start(stores, session)
    (job,) = stores.jobs.running()
    clock.advance(31)

    (failed,) = stores.jobs.recover_silent(job, "the worker is silent")

    message = "the worker is silent"
    assert (failed.id, failed.state, failed.finished) == (job.id, "failed", clock.moment)
    assert failed.error == {"code": "job.failed", "message": message, "details": {}}
    assert states(stores, job) == ["queued", "running", "failed"]


def test_a_job_that_was_taken_away_cannot_be_beaten_or_finished(
    stores: SqlStores, session: Session
) -> None:
    job = start(stores, session)
    stores.jobs.recover_owner("worker-1", "the worker died")
    message = f"^job '{job.id}' is failed and no longer run by 'worker-1'$"

    with pytest.raises(Conflict, match=message):
        stores.jobs.beat(job.id, "worker-1")
    with pytest.raises(Conflict, match=message):
        stores.jobs.finish(job.id, "worker-1", "done")


def test_another_worker_cannot_finish_a_job(stores: SqlStores, session: Session) -> None:
    job = start(stores, session)

    with pytest.raises(
        Conflict, match=f"^job '{job.id}' is running and no longer run by 'worker-2'$"
    ):
        stores.jobs.finish(job.id, "worker-2", "done")


def test_only_the_jobs_of_a_dead_owner_fail(stores: SqlStores, session: Session) -> None:
    first, second = start(stores, session), submit(stores, session)
    assert stores.jobs.claim("worker-2") is not None

    (failed,) = stores.jobs.recover_owner("worker-1", "the worker died")

    assert failed.id == first.id
    assert failed.error == {"code": "job.failed", "message": "the worker died", "details": {}}
    assert stores.jobs.find(second.id, "ann").state == "running"
    assert stores.jobs.recover_owner("worker-1", "again") == []


def test_a_job_ends_in_a_final_state_only(stores: SqlStores, session: Session) -> None:
    job = start(stores, session)

    with pytest.raises(
        InvalidParameters,
        match=r"^the end of a job got the state 'queued', "
        r"expected 'done', 'failed' or 'cancelled'$",
    ):
        stores.jobs.finish(job.id, "worker-1", "queued")


def test_a_queued_job_is_cancelled_at_once(
    stores: SqlStores, session: Session, clock: HandClock
) -> None:
    job = submit(stores, session)

    cancelled = stores.jobs.request_cancel(job.id, "ann")

    assert (cancelled.state, cancelled.cancel_requested) == ("cancelled", True)
    assert cancelled.finished == clock.moment
    assert stores.jobs.claim("worker-1") is None
    assert states(stores, job) == ["queued", "cancelled"]


def test_a_running_job_is_asked_to_stop_and_its_worker_learns_it(
    stores: SqlStores, session: Session
) -> None:
    job = start(stores, session)

    asked = stores.jobs.request_cancel(job.id, "ann")

    assert (asked.state, asked.cancel_requested) == ("running", True)
    assert stores.jobs.beat(job.id, "worker-1") is True
    stores.jobs.finish(job.id, "worker-1", "cancelled")
    assert stores.jobs.find(job.id, "ann").state == "cancelled"


def test_a_finished_job_stays_as_it_is_when_cancelled(stores: SqlStores, session: Session) -> None:
    job = start(stores, session)
    stores.jobs.finish(job.id, "worker-1", "done")
    done = stores.jobs.find(job.id, "ann")

    assert stores.jobs.request_cancel(job.id, "ann") == done


def test_events_are_numbered_in_order_from_one(
    stores: SqlStores, session: Session, clock: HandClock
) -> None:
    job = start(stores, session)
    stores.jobs.append(job.id, [("batch", {"batch": 1}), ("batch", {"batch": 2})])
    clock.advance(1)
    stores.jobs.append(job.id, [("epoch", {"epoch": 1, "loss": 0.5})])

    events = stores.jobs.events(job.id)

    assert [(event.seq, event.kind) for event in events] == [
        (1, "state"),
        (2, "state"),
        (3, "batch"),
        (4, "batch"),
        (5, "epoch"),
    ]
    assert events[-1].data == {"epoch": 1, "loss": 0.5}
    assert events[-1].time == clock.moment


def test_events_are_read_in_pages_and_by_kind(stores: SqlStores, session: Session) -> None:
    job = start(stores, session)
    stores.jobs.append(job.id, [("batch", {"n": n}) for n in range(5)])
    stores.jobs.append(job.id, [])

    page = stores.jobs.events(job.id, after=3, limit=2)

    assert [event.seq for event in page] == [4, 5]
    assert [event.data["n"] for event in stores.jobs.events(job.id, kind="batch")] == [*range(5)]
    assert stores.jobs.events(job.id, kind="epoch") == []


def test_jobs_are_listed_by_user_and_page_the_latest_first(
    stores: SqlStores, session: Session
) -> None:
    ids = [submit(stores, session).id for _ in range(5)]
    submit(stores, stores.sessions.create("bob", "his"))

    first = [job.id for job in stores.jobs.list("ann", limit=2)]
    second = [job.id for job in stores.jobs.list("ann", limit=2, before=first[-1])]

    assert first == [ids[4], ids[3]]
    assert second == [ids[2], ids[1]]


def test_a_job_of_somebody_else_is_not_found(stores: SqlStores, session: Session) -> None:
    job = submit(stores, session)
    message = f"^no job has the id '{job.id}'$"

    with pytest.raises(JobNotFound, match=message):
        stores.jobs.find(job.id, "bob")
    with pytest.raises(JobNotFound, match=message):
        stores.jobs.request_cancel(job.id, "bob")
    with pytest.raises(JobNotFound, match=message):
        stores.jobs.list("bob", before=job.id)


def test_an_unknown_job_is_refused_everywhere(stores: SqlStores) -> None:
    message = r"^no job has the id 'x'$"

    with pytest.raises(JobNotFound, match=message):
        stores.jobs.append("x", [("note", {})])
    with pytest.raises(JobNotFound, match=message):
        stores.jobs.beat("x", "worker-1")
    with pytest.raises(JobNotFound, match=message):
        stores.jobs.finish("x", "worker-1", "done")


def test_numbers_that_are_no_numbers_are_kept(stores: SqlStores, session: Session) -> None:
    job = start(stores, session)

    stores.jobs.append(job.id, [("batch", {"loss": float("inf"), "text": "\0\ud800"})])

    assert stores.jobs.events(job.id, kind="batch")[0].data == {
        "loss": float("inf"),
        "text": "\0\ud800",
    }


def start_resuming(stores: SqlStores, session: Session, owner: str = "worker-1") -> Job:
    stores.jobs.submit("deepLearn.dlTrain", {}, session, resumes=True)
    claimed = stores.jobs.claim(owner)
    assert claimed is not None
    return claimed


def test_a_job_that_resumes_is_queued_again_when_its_worker_is_silent(
    stores: SqlStores, session: Session, clock: HandClock
) -> None:
    job = start_resuming(stores, session)
    began = clock.moment
    clock.advance(31)

    (queued,) = stores.jobs.recover_silent(job, "the worker is silent")
    again = stores.jobs.claim("worker-2")

    assert (queued.id, queued.state, queued.owner, queued.lost) == (job.id, "queued", None, 1)
    assert again is not None
    assert (again.id, again.owner, again.attempt) == (job.id, "worker-2", 2)
    assert again.started == began
    assert states(stores, job) == ["queued", "running", "queued", "running"]


def test_the_third_worker_lost_at_a_job_fails_it_with_the_reason(
    stores: SqlStores, session: Session
) -> None:
    job = start_resuming(stores, session)
    for _ in range(2):
        (queued,) = stores.jobs.recover_owner("worker-1", "the worker died")
        assert queued.state == "queued"
        assert stores.jobs.claim("worker-1") is not None

    (failed,) = stores.jobs.recover_owner("worker-1", "the worker died")

    assert (failed.id, failed.state, failed.attempt, failed.lost) == (job.id, "failed", 3, 3)
    assert failed.error is not None
    assert failed.error["message"] == "the worker died; 3 workers were lost at this job"


def test_a_job_that_is_handed_back_loses_no_worker(stores: SqlStores, session: Session) -> None:
    job = start_resuming(stores, session)

    for attempt in range(1, 6):
        back = stores.jobs.hand_back(job.id, "worker-1")
        assert (back.state, back.lost, back.attempt) == ("queued", 0, attempt)
        assert stores.jobs.claim("worker-1") is not None


def test_a_job_of_another_owner_cannot_be_handed_back(stores: SqlStores, session: Session) -> None:
    job = start_resuming(stores, session)

    with pytest.raises(
        Conflict, match=f"^job '{job.id}' is running and no longer run by 'worker-2'$"
    ):
        stores.jobs.hand_back(job.id, "worker-2")


@pytest.mark.parametrize("way", ["handed back", "lost"])
def test_a_job_that_is_to_be_cancelled_is_not_queued_again(
    stores: SqlStores, session: Session, way: str
) -> None:
    job = start_resuming(stores, session)
    stores.jobs.request_cancel(job.id, "ann")

    if way == "lost":
        stores.jobs.recover_owner("worker-1", "the worker died")
    else:
        stores.jobs.hand_back(job.id, "worker-1")

    assert stores.jobs.find(job.id, "ann").state == "cancelled"


def test_a_checkpoint_is_found_by_the_next_worker(stores: SqlStores, session: Session) -> None:
    job = start_resuming(stores, session)
    body = bytes(range(256)) * 40_000  # three parts of 4 MiB
    mine = stores.checkpoint_of(job.id, "worker-1")
    assert mine.load() is None

    mine.save(b"first")
    mine.save(body)
    stores.jobs.recover_owner("worker-1", "the worker died")
    stores.jobs.claim("worker-2")

    assert stores.checkpoint_of(job.id, "worker-2").load() == body


def test_a_worker_that_lost_its_job_leaves_no_checkpoint(
    stores: SqlStores, session: Session
) -> None:
    job = start_resuming(stores, session)
    stores.checkpoint_of(job.id, "worker-1").save(b"good")
    stores.jobs.recover_owner("worker-1", "the worker died")
    stores.jobs.claim("worker-2")

    with pytest.raises(Conflict, match=f"^job '{job.id}' is no longer run by 'worker-1'$"):
        stores.checkpoint_of(job.id, "worker-1").save(b"late")

    assert stores.checkpoint_of(job.id, "worker-2").load() == b"good"


def test_checkpoints_go_when_the_job_has_ended(stores: SqlStores, session: Session) -> None:
    job = start_resuming(stores, session)
    mine = stores.checkpoint_of(job.id, "worker-1")
    mine.save(b"good")

    stores.jobs.finish(job.id, "worker-1", "done")

    assert mine.load() is None
