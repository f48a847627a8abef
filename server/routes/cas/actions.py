"""Actions over the CAS dialect: called with JSON, or with a file."""

import json
from collections.abc import Awaitable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from actions.context import Context
from actions.errors import InvalidParameters
from actions.fields import fold
from actions.ports import Session
from actions.registry import Action, find
from actions.results import ActionResult, Json, json_value, message_json, to_json
from actions.run import run_action
from actions.sets import loaded_sets
from engine.errors import EngineError
from server.calls import enqueue
from server.errors import Failure, or_failure
from server.failures import failure
from server.routes.actions import wait_for
from server.routes.bodies import parse_object, spool_body
from server.routes.cas.envelope import Clock, Level, failed, level_of, succeeded
from server.routes.cas.retrieval import Answers, outcome, retrieve
from server.routes.cas.routing import CasRoute
from server.routes.dependencies import AppResources, Caller, RawBody
from server.telemetry import called
from server.wiring import Resources, context_for

router = APIRouter(prefix="/cas/sessions", route_class=CasRoute, include_in_schema=False)

UPLOAD = "table.upload"

_ABOUT_ANSWERS = frozenset({"listresults", "fetchresult"})
"""Actions of the set ``session`` that are about answers, and so about this dialect alone."""

Result = dict[str, Any]
"""An answer as ``/v1`` gives it."""

Ended = Result | Failure | bytes
"""How a call ended: with an answer, without, or with an envelope that was kept."""


@router.post("/{session_id}/actions/{name}")
async def call_action(
    session_id: str,
    name: str,
    request: Request,
    resources: AppResources,
    user: Caller,
    body: RawBody,
) -> Response:
    """Run an action on the JSON object of the body and answer with an envelope.

    Long actions run as jobs and are waited for. A caller who goes away does not stop them.
    """
    clock = Clock()
    session = await run_in_threadpool(resources.stores.sessions.find, session_id, user)
    raw = parse_object(body, lenient=True)
    level, is_own = _controls(raw, session)
    answers = _answers(request)
    if fold(name).removeprefix("session.") in _ABOUT_ANSWERS:
        fetched = run_in_threadpool(retrieve, resources, answers, session, raw)
        return _response(await _envelope(fetched, clock, level))
    before = answers.last(session.id)
    with answers.running(session.id):
        written = await _envelope(_work(request, resources, session, name, raw), clock, level)
    if not is_own and answers.last(session.id) is before:  # of a job the database keeps the answer
        answers.keep(session.id, name, written)
    return _response(written)


@router.put("/{session_id}/actions/table.upload")
async def upload(
    session_id: str, request: Request, resources: AppResources, user: Caller
) -> Response:
    """Make a table of the file in the body; its parameters are JSON in a header.

    The answer is an envelope however the call ends, as clients fail over anything else.
    """
    clock = Clock()
    return _response(await _envelope(_upload(request, resources, session_id, user), clock, "note"))


async def _upload(
    request: Request, resources: Resources, session_id: str, user: str
) -> Result | Failure:
    session = await run_in_threadpool(resources.stores.sessions.find, session_id, user)
    told = request.headers.get("json-parameters", "")
    raw = parse_object(told.encode("latin-1"), "the header JSON-Parameters", lenient=True)
    _controls(raw, session)
    with _answers(request).running(session.id), resources.spool.file() as path:
        await spool_body(request, path)
        context = context_for(resources, session, upload=path)
        return await run_in_threadpool(_run, context, UPLOAD, raw)


async def _work(
    request: Request, resources: Resources, session: Session, name: str, raw: dict[str, Json]
) -> Result | Failure:
    declared = find(name, loaded_sets(session))
    if declared.takes_upload:
        raise InvalidParameters(
            f"action {declared.name!r} got no file, expected one; send it with PUT",
            action=declared.name,
        )
    called(request.state, declared.name, "failed")
    if declared.runs == "inline":
        context = context_for(resources, session)
        ended = await run_in_threadpool(_run, context, declared.name, raw)
    else:
        ended = await _run_job(request, resources, session, declared, raw)
    outcome = "refused" if isinstance(ended, Failure) else "done"
    called(request.state, declared.name, outcome)
    return ended


def _run(context: Context, name: str, raw: dict[str, Json]) -> Result | Failure:
    """Run an action in this thread; a failure takes along what was logged before it."""
    try:
        return _with_blobs(run_action(context, name, raw, unknown="warn"))
    except EngineError as error:
        return Failure(failure(error), [message_json(each) for each in context.messages])


def _with_blobs(result: ActionResult) -> Result:
    """Return an answer whose bytes are blobs, as this dialect writes them."""
    blobs = {
        name: {"data": json_value(value), "length": len(value)}
        for name, value in result.values.items()
        if isinstance(value, bytes)
    }
    shown: Result = to_json(result)
    return {**shown, "values": {**shown["values"], **blobs}}


async def _run_job(
    request: Request,
    resources: Resources,
    session: Session,
    declared: Action,
    raw: dict[str, Json],
) -> Result | Failure:
    job = await run_in_threadpool(
        partial(enqueue, resources, session, declared, raw, unknown="warn")
    )
    _answers(request).await_job(session.id, declared.name, job.id)
    ended = await wait_for(resources, job, request)
    return await run_in_threadpool(outcome, resources, ended)


async def _envelope(work: Awaitable[Ended], clock: Clock, level: Level) -> bytes:
    """Return the envelope of some work as JSON, however it ends."""
    ended = await or_failure(work)
    return await run_in_threadpool(_written, ended, clock, level)


def _written(ended: Ended, clock: Clock, level: Level) -> bytes:
    if isinstance(ended, bytes):
        return ended
    if isinstance(ended, Failure):
        body = failed(ended.told, clock, level, ended.messages)
    else:
        body = succeeded(ended, clock, level)
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _controls(raw: dict[str, Json], session: Session) -> tuple[Level, bool]:
    """Take what is about the call out of its parameters.

    Returns the least important log lines that are wanted, and whether the client calls for itself.
    """
    controls = {key.lower(): raw.pop(key) for key in list(raw) if key.startswith("_")}
    level = controls.get("_messagelevel") or session.options.get("messagelevel") or "note"
    return level_of(level), controls.get("_apptag") == "UI"


def _answers(request: Request) -> Answers:
    found: Answers = request.app.state.answers
    return found


def _response(body: bytes) -> Response:
    return Response(body, media_type="application/json; charset=utf-8")
