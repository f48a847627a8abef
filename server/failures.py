"""Error class to status, and what is told about a failure, in an answer and in a job alike.

The nearest class in the hierarchy of an error decides its status. Errors nobody declared are
logged with an id; the caller gets the id and not the text.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from uuid import uuid4

from actions.errors import (
    CallUnfinished,
    CaslibNotFound,
    ColumnNotFound,
    Conflict,
    FileNotFound,
    JobFailed,
    JobNotFound,
    KeyReused,
    NotAuthenticated,
    NotPermitted,
    PathForbidden,
    SessionNotFound,
    StoreFull,
    StoreUnavailable,
    TableExists,
    TableNotFound,
    TooLarge,
    UnknownAction,
)
from actions.results import Json
from engine.errors import Cancelled, EngineError, NotSupportedError, TrainingError

LOG = logging.getLogger(__name__)

STATUS: Mapping[type[EngineError], int] = {
    EngineError: 400,
    NotAuthenticated: 401,
    NotPermitted: 403,
    PathForbidden: 403,
    UnknownAction: 404,
    TableNotFound: 404,
    ColumnNotFound: 404,
    CaslibNotFound: 404,
    FileNotFound: 404,
    SessionNotFound: 404,
    JobNotFound: 404,
    TableExists: 409,
    Conflict: 409,
    KeyReused: 409,
    CallUnfinished: 409,
    Cancelled: 409,
    TooLarge: 413,
    TrainingError: 422,
    JobFailed: 500,
    NotSupportedError: 501,
    StoreUnavailable: 503,
    StoreFull: 507,
}
"""Status of an error class and of all below it that are not named themselves."""

LONGEST_MESSAGE = 2000
"""Characters of a message; a longer one repeats something very long that the caller has sent."""

INTERNAL = "internal"
"""Code of every failure that nobody declared."""


def status_of(kind: type[EngineError]) -> int:
    """Return the status of the nearest class in the hierarchy that has one."""
    return next(STATUS[each] for each in kind.__mro__ if each in STATUS)


def status_of_code(code: str) -> int:
    """Return the status of the error class with a code; 500 where no class has it."""
    return next((status_of(kind) for kind in _declared(EngineError) if kind.code == code), 500)


def failure(error: BaseException) -> dict[str, Json]:
    """Return what is told about an error: code, message and details.

    An error nobody declared is logged, and only the id of the entry is told.
    """
    if isinstance(error, EngineError):
        details = {name: _plain(value) for name, value in error.details.items()}
        return {"code": error.code, "message": _short(error.message), "details": details}
    entry = uuid4().hex
    LOG.error("unexpected failure %s", entry, exc_info=error)
    message = f"the server failed in an unexpected way; its log has the entry {entry}"
    return {"code": INTERNAL, "message": message, "details": {"id": entry}}


def _declared(root: type[EngineError]) -> Iterator[type[EngineError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _declared(kind)


def _short(text: str) -> str:
    half = LONGEST_MESSAGE // 2
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:half]} ... {text[-half:]}"


def _plain(value: object) -> Json:
    if isinstance(value, str):
        return _short(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return str(value)
