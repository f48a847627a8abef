"""Calling an action: at once, or as a job that is waited for."""

import logging
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from actions.errors import InvalidParameters, StoreUnavailable
from actions.job_ports import FINAL_STATES, CallKey, Job, Terms
from actions.ports import Session
from actions.registry import Action, find
from actions.results import Json, to_json
from actions.run import run_action
from engine.errors import Cancelled
from server.calls import enqueue, key_of, priority_of, run_once
from server.errors import error_response
from server.failures import failure
from server.routes.bodies import parse_object
from server.routes.dependencies import AppResources, CallerSession, RawBody, answer
from server.routes.jobs import job_json
from server.telemetry import called
from server.wiring import Resources, context_for

LOG = logging.getLogger(__name__)

router = APIRouter(prefix="/v1/actions", tags=["actions"])

REPLAYED = "Idempotency-Replayed"
"""Header of an answer that the same call had before."""

JOB_STATE = "Castorch-Job-State"
"""Header of an answer that tells of a job that went wrong: sent again, the call goes no better."""

AWAY_S = 120.0
"""Time a waiting call bears with a database that is away, in seconds."""


@dataclass(frozen=True)
class _Headers:
    """What the headers of a call say."""

    is_async: bool
    key: str | None
    priority: int | None


async def _headers(
    prefer: Annotated[str, Header()] = "",
    idempotency_key: Annotated[
        str | None, Header(description="Your name for the call; sent again, it runs once")
    ] = None,
    castorch_priority: Annotated[
        str | None, Header(description="Priority of the job, -100 to 100; left out: the session's")
    ] = None,
) -> _Headers:
    priority = priority_of(castorch_priority, "the Castorch-Priority header")
    return _Headers("respond-async" in prefer.lower(), idempotency_key, priority)


@router.post("/{name}")
async def call_action(
    name: str,
    request: Request,
    resources: AppResources,
    session: CallerSession,
    body: RawBody,
    headers: Annotated[_Headers, Depends(_headers)],
) -> Response:
    """Run an action on the JSON object of the body.

    Long actions run as jobs; the call waits for the end, or with ``Prefer: respond-async`` answers
    202 at once. A caller who goes away while waiting does not stop the job; with an
    ``Idempotency-Key`` the same call may be sent again, and gets the same job and result.
    """
    started = time.monotonic()
    declared = find(name)
    called(request.state, declared.name)
    if declared.takes_upload:
        raise InvalidParameters(
            f"action {declared.name!r} got no file, expected one; PUT it to /v1/tables/NAME",
            action=declared.name,
        )
    call = _Call(resources, session, declared, body, headers)
    if declared.runs == "inline":
        return await run_in_threadpool(call.run)
    job = await run_in_threadpool(call.submit)
    if headers.is_async:
        place = {"Location": f"/v1/jobs/{job.id}", "Preference-Applied": "respond-async"}
        return answer({"ok": True, "job": job_json(job)}, 202, **place)
    ended = await wait_for(resources, job, request)
    return await run_in_threadpool(_answer_job, ended, started)


def succeeded(
    result: dict[str, Json], started: float, job_id: str | None = None
) -> dict[str, Json]:
    """Return the body of an action that went well."""
    elapsed = round(time.monotonic() - started, 6)
    return {"ok": True, **result, "elapsed_s": elapsed, "job": job_id}


@dataclass(frozen=True)
class _Call:
    """A call as it came; its work is done in a thread of its own."""

    resources: Resources
    session: Session
    declared: Action
    body: bytes
    headers: _Headers

    @cached_property
    def raw(self) -> dict[str, Json]:
        return parse_object(self.body)

    def run(self) -> Response:
        body, is_earlier = run_once(self.resources, self.session.user, self.key(), self._work)
        response = answer(body)
        if is_earlier:
            response.headers[REPLAYED] = "true"
        return response

    def submit(self) -> Job:
        terms = Terms(self.headers.priority, key=self.key())
        return enqueue(self.resources, self.session, self.declared, self.raw, terms)

    def key(self) -> CallKey | None:
        return key_of(self.headers.key, self.session, self.declared, self.raw)

    def _work(self) -> dict[str, Json]:
        started = time.monotonic()
        ctx = context_for(self.resources, self.session)
        return succeeded(to_json(run_action(ctx, self.declared.name, self.raw)), started)


async def wait_for(resources: Resources, job: Job, request: Request) -> Job:
    """Return the job when it has ended; waiting takes no thread.

    Raises:
        StoreUnavailable: the server stops, or the database stays away; the job may go on.
    """
    heard = time.monotonic()
    with resources.signals.follow(job.id, every_event=False) as follower:
        while True:
            now = await run_in_threadpool(_look, resources, job)
            heard = heard if now is None else time.monotonic()
            if now is not None and (now.state in FINAL_STATES or await request.is_disconnected()):
                return now
            if time.monotonic() - heard > AWAY_S:
                raise StoreUnavailable(
                    f"the database is away while job {job.id!r} runs; ask for /v1/jobs/{job.id} "
                    "later",
                    job=job.id,
                )
            if resources.signals.stopped:
                raise StoreUnavailable(
                    f"the server stops while job {job.id!r} runs; ask for /v1/jobs/{job.id} later",
                    job=job.id,
                )
            await follower.wait(resources.settings.poll_s)


def _look(resources: Resources, job: Job) -> Job | None:
    """Return the job as it is now, or None while the database is away."""
    try:
        return resources.stores.jobs.find(job.id, job.user)
    except StoreUnavailable as error:
        LOG.warning("a waiting call cannot see its job: %s", error)
        return None


def _answer_job(job: Job, started: float) -> Response:
    if job.state == "done":
        return answer(succeeded(dict(job.result or {}), started, job.id))
    if job.state not in FINAL_STATES:  # the caller went away; nobody reads this
        return answer({"ok": True, "job": job_json(job)}, 202)
    told = job.error or failure(Cancelled(f"job {job.id!r} was cancelled before it began"))
    details = told.get("details")
    known = details if isinstance(details, dict) else {}
    response = error_response({**told, "details": {**known, "job": job.id}})
    response.headers[JOB_STATE] = job.state
    return response
