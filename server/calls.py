"""What a call says beside its parameters: which key it has, and how its job is queued."""

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256

from actions.errors import InvalidParameters, StoreUnavailable
from actions.job_ports import PLAIN, CallKey, Job, Terms
from actions.ports import Session
from actions.registry import Action
from actions.results import Json
from actions.spelling import Unknown, from_wire
from server.wiring import Resources

LOG = logging.getLogger(__name__)

LONGEST_KEY = 255
"""Characters of an idempotency key."""

MOST_PRIORITY = 100
"""Priorities go from minus this to this."""

KEPT_BYTES = 1 << 20
"""The answer of a call with a key is kept up to this size; a longer one is computed again."""

Raw = Mapping[str, Json]


def key_of(text: str | None, session: Session, declared: Action, raw: Raw) -> CallKey | None:
    """Return the key of a call, with a digest of all that it asks for.

    Raises:
        InvalidParameters: the header is empty, too long, or has characters that cannot be shown.
    """
    if text is None:
        return None
    if not 0 < len(text) <= LONGEST_KEY or not text.isprintable():
        raise InvalidParameters(
            f"the Idempotency-Key header got {len(text)} characters, expected 1 to {LONGEST_KEY} "
            "that can be shown",
            parameter="Idempotency-Key",
        )
    asked = json.dumps([declared.name, session.id, raw], sort_keys=True)
    return CallKey(text, sha256(asked.encode()).hexdigest())


def priority_of(value: object, place: str) -> int | None:
    """Return a priority that was read from the wire; None stays None.

    Raises:
        InvalidParameters: it is no whole number, or out of range.
    """
    if value is None:
        return None
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole and isinstance(value, str):
        with suppress(ValueError):
            value, is_whole = int(value), True
    if not is_whole or not isinstance(value, int) or abs(value) > MOST_PRIORITY:
        raise InvalidParameters(
            f"{place} got {value!r}, expected a whole number from {-MOST_PRIORITY} to "
            f"{MOST_PRIORITY}",
            got=value,
        )
    return value


def enqueue(
    resources: Resources,
    session: Session,
    declared: Action,
    raw: Raw,
    terms: Terms = PLAIN,
    *,
    unknown: Unknown = "refuse",
) -> Job:
    """Record a job and wake the workers; a call that was sent before has its job already.

    Raises:
        InvalidParameters: what is wrong with the parameters is told before there is a job.
        KeyReused: the key belongs to another call.
    """
    params = from_wire(
        declared.params, raw, place=declared.name, unknown=unknown, warn=lambda _: None
    )
    told = Terms(terms.priority, gpu=bool(getattr(params, "gpu", None)), key=terms.key)
    jobs = resources.stores.jobs
    job = jobs.submit(declared.name, raw, session, resumes=declared.resumes, terms=told)
    resources.runner.wake()
    return job


def run_once(
    resources: Resources, user: str, key: CallKey | None, work: Callable[[], dict[str, Json]]
) -> tuple[dict[str, Json], bool]:
    """Run what a call asks for, or return the answer it had when it was sent before.

    Returns:
        The answer, and whether it is an earlier one.

    Raises:
        KeyReused: the key belongs to another call.
        CallUnfinished: the call runs, or its server stopped in the middle.
    """
    if key is None:
        return work(), False
    keys = resources.stores.call_keys
    kept = keys.begin(user, key)
    if kept is not None:
        return dict(kept), True
    try:
        body = work()
    except Exception:
        with suppress(StoreUnavailable):
            keys.forget(user, key)
        raise
    try:
        if len(json.dumps(body)) <= KEPT_BYTES:
            keys.finish(user, key, body)
        else:
            keys.forget(user, key)
    except StoreUnavailable as error:
        LOG.warning("the answer of a call is not kept: %s", error)
    return body, False
