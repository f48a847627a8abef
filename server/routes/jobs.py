"""Jobs: their state, what they report, and asking them to stop."""

import json
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from actions.errors import InvalidParameters
from actions.job_ports import FINAL_STATES, Job, JobEvent
from actions.results import Json
from server.routes.dependencies import AppResources, Caller, answer
from server.wiring import Resources

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

KEEP_ALIVE_S = 15.0
"""Seconds of silence after which a comment is sent, so that nobody closes the connection."""

EVENTS_A_PAGE = 1000


def job_json(job: Job) -> dict[str, Json]:
    """Return a job as the wire tells it, without its result."""
    return {
        "id": job.id,
        "action": job.action,
        "session": job.session_id,
        "state": job.state,
        "created": _iso(job.created),
        "started": _iso(job.started),
        "finished": _iso(job.finished),
        "error": dict(job.error) if job.error is not None else None,
        "cancel_requested": job.cancel_requested,
        "attempt": job.attempt,
        "priority": job.priority,
    }


@router.get("")
def list_jobs(
    resources: AppResources,
    user: Caller,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: str | None = None,
) -> Response:
    """List your jobs, the newest first."""
    jobs = resources.stores.jobs.list(user, limit=limit, before=cursor)
    more = jobs[-1].id if len(jobs) == limit else None
    return answer({"jobs": [job_json(job) for job in jobs], "cursor": more})


@router.get("/{job_id}")
def show_job(resources: AppResources, user: Caller, job_id: str) -> Response:
    """Return a job, with its result when it is done."""
    job = resources.stores.jobs.find(job_id, user)
    result = {"result": dict(job.result)} if job.result is not None else {}
    return answer({**job_json(job), **result})


@router.delete("/{job_id}", status_code=202)
def cancel_job(resources: AppResources, user: Caller, job_id: str) -> Response:
    """Ask a job to stop; it has stopped when its state says so."""
    job = resources.stores.jobs.request_cancel(job_id, user)
    resources.runner.wake()
    resources.signals.notify(job_id, state=True)
    return answer(job_json(job), 202)


@router.get("/{job_id}/metrics")
def list_metrics(
    resources: AppResources,
    user: Caller,
    job_id: str,
    kind: Literal["epoch", "batch"] = "epoch",
    limit: Annotated[int, Query(ge=1, le=1_000_000)] = 100_000,
    cursor: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """Return what a training has measured and when, an object an epoch or a mini-batch."""
    jobs = resources.stores.jobs
    jobs.find(job_id, user)
    events = jobs.events(job_id, after=cursor, kind=kind, limit=limit)
    more = events[-1].seq if len(events) == limit else None
    found: list[Json] = [{**event.data, "time": _iso(event.time)} for event in events]
    return answer({"metrics": found, "cursor": more})


@router.get("/{job_id}/events", response_class=StreamingResponse)
async def follow_job(
    request: Request,
    resources: AppResources,
    user: Caller,
    job_id: str,
    last_event_id: Annotated[str, Header()] = "0",
) -> Response:
    """Send what a job reports as server-sent events, from its start to its final state.

    ``Last-Event-ID`` goes on after that event. Where nothing can follow any more the answer is 204,
    which tells a browser to stop asking.
    """
    if not last_event_id.isdecimal():
        raise InvalidParameters(
            f"the Last-Event-ID header got {last_event_id!r}, expected the number of an event",
            parameter="Last-Event-ID",
        )
    after = int(last_event_id)
    job = await run_in_threadpool(resources.stores.jobs.find, job_id, user)
    if job.state in FINAL_STATES and after > 0:
        rest = await run_in_threadpool(resources.stores.jobs.events, job_id, after=after, limit=1)
        if not rest:
            return Response(status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    stream = _events(request, resources, job, after)
    return StreamingResponse(stream, headers=headers, media_type="text/event-stream")


async def _events(
    request: Request, resources: Resources, job: Job, after: int
) -> AsyncIterator[str]:
    jobs, spoke = resources.stores.jobs, time.monotonic()
    with resources.signals.follow(job.id, every_event=True) as follower:
        yield ": connected\n\n"
        while not resources.signals.stopped:
            # The state is read before the events: a final state has all events before it.
            now = await run_in_threadpool(jobs.find, job.id, job.user)
            page = await run_in_threadpool(jobs.events, job.id, after=after, limit=EVENTS_A_PAGE)
            for event in page:
                yield _message(event)
                after, spoke = event.seq, time.monotonic()
            if len(page) == EVENTS_A_PAGE:
                continue
            if now.state in FINAL_STATES or await request.is_disconnected():
                return
            await follower.wait(resources.settings.poll_s)
            if time.monotonic() - spoke >= KEEP_ALIVE_S:
                yield ": still here\n\n"
                spoke = time.monotonic()


def _message(event: JobEvent) -> str:
    data = json.dumps(dict(event.data), ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
