"""Calling an action: at once, or as a job that is waited for."""

import time
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from starlette.concurrency import run_in_threadpool

from actions.errors import InvalidParameters, StoreUnavailable
from actions.ports import FINAL_STATES, Job, Session
from actions.registry import Action, find
from actions.results import Json, to_json
from actions.run import run_action
from actions.spelling import from_wire
from engine.errors import Cancelled
from server.errors import error_response
from server.failures import failure
from server.routes.bodies import parse_object
from server.routes.dependencies import AppResources, CallerSession, RawBody, answer
from server.routes.jobs import job_json
from server.telemetry import called
from server.wiring import Resources, context_for

router = APIRouter(prefix="/v1/actions", tags=["actions"])


@router.post("/{name}")
async def call_action(
    name: str,
    request: Request,
    resources: AppResources,
    session: CallerSession,
    body: RawBody,
    prefer: Annotated[str, Header()] = "",
) -> Response:
    """Run an action on the JSON object of the body.

    Long actions run as jobs; the call waits for the end, or with ``Prefer: respond-async`` answers
    202 at once. A caller who goes away while waiting does not stop the job.
    """
    started = time.monotonic()
    declared = find(name)
    called(request.state, declared.name)
    if declared.takes_upload:
        raise InvalidParameters(
            f"action {declared.name!r} got no file, expected one; PUT it to /v1/tables/NAME",
            action=declared.name,
        )
    if declared.runs == "inline":
        return await run_in_threadpool(_run, resources, session, declared, body)
    job = await run_in_threadpool(_submit, resources, session, declared, body)
    if "respond-async" in prefer.lower():
        place = {"Location": f"/v1/jobs/{job.id}", "Preference-Applied": "respond-async"}
        return answer({"ok": True, "job": job_json(job)}, 202, **place)
    ended = await wait_for(resources, job, request)
    return await run_in_threadpool(_answer_job, ended, started)


def succeeded(result: dict[str, Json], started: float, job_id: str | None = None) -> Json:
    """Return the body of an action that went well."""
    elapsed = round(time.monotonic() - started, 6)
    return {"ok": True, **result, "elapsed_s": elapsed, "job": job_id}


def _run(resources: Resources, session: Session, declared: Action, body: bytes) -> Response:
    started = time.monotonic()
    result = run_action(context_for(resources, session), declared.name, parse_object(body))
    return answer(succeeded(to_json(result), started))


def _submit(resources: Resources, session: Session, declared: Action, body: bytes) -> Job:
    raw = parse_object(body)
    # What is wrong with the parameters is told at once; the worker reads them again.
    from_wire(declared.params, raw, place=declared.name, warn=lambda _: None)
    job = resources.stores.jobs.submit(declared.name, raw, session, resumes=declared.resumes)
    resources.runner.wake()
    return job


async def wait_for(resources: Resources, job: Job, request: Request) -> Job:
    """Return the job when it has ended; waiting takes no thread.

    Raises:
        StoreUnavailable: the server stops; the job may go on.
    """
    jobs = resources.stores.jobs
    with resources.signals.follow(job.id, every_event=False) as follower:
        while True:
            now = await run_in_threadpool(jobs.find, job.id, job.user)
            if now.state in FINAL_STATES or await request.is_disconnected():
                return now
            if resources.signals.stopped:
                raise StoreUnavailable(
                    f"the server stops while job {job.id!r} runs; ask for /v1/jobs/{job.id} later",
                    job=job.id,
                )
            await follower.wait(resources.settings.poll_s)


def _answer_job(job: Job, started: float) -> Response:
    if job.state == "done":
        return answer(succeeded(dict(job.result or {}), started, job.id))
    if job.state not in FINAL_STATES:  # the caller went away; nobody reads this
        return answer({"ok": True, "job": job_json(job)}, 202)
    told = job.error or failure(Cancelled(f"job {job.id!r} was cancelled before it began"))
    details = told.get("details")
    known = details if isinstance(details, dict) else {}
    return error_response({**told, "details": {**known, "job": job.id}})
