"""Errors of the action surface, each with a stable code.

    ActionError
      UnknownAction         action.unknown      no action of that name
      InvalidParameters     params.invalid      a parameter is unknown, missing or out of range
      TableNotFound         table.not_found     the session sees no table of that name
      TableExists           table.exists        the name is taken and replace is false
      WrongKind             table.kind          a table of another kind was expected
      ColumnNotFound        column.not_found    the table has no column of that name
      InvalidExpression     expression.invalid  a condition or a program cannot be read or run
      InvalidFile           file.invalid        a file is not what it claims to be
      CaslibNotFound        caslib.not_found    no caslib of that name
      PathForbidden         path.forbidden      a path leaves its caslib
      FileNotFound          file.not_found      a caslib holds no such file
      SessionNotFound       session.not_found   the session never was, was ended, or expired
      JobNotFound           job.not_found       no job of that id
      JobFailed             job.failed          the process of a job died, or broke
      KeyReused             request.key_reused  the idempotency key belongs to another call
      CallUnfinished        request.unfinished  a call with this key began, and nobody knows its end
      Conflict              store.conflict      the thing was changed by another first
      StoreUnavailable      store.unavailable   the database is locked or away
        StoreFull           store.full          the database's disk is full
      NotAuthenticated      auth.required       no token, or a wrong one
      NotPermitted          auth.forbidden      the caller may not do this
      TooLarge              request.too_large   a request or a value is over its limit

Errors of the engine (``engine.errors``) pass through unchanged and carry codes of their own.
"""

from typing import ClassVar

from engine.errors import EngineError


class ActionError(EngineError):
    """A failure of the action surface; built, pickled and reported like an engine error."""

    code: ClassVar[str] = "action.error"


class UnknownAction(ActionError):  # noqa: N818
    """No action of that name."""

    code = "action.unknown"


class InvalidParameters(ActionError):  # noqa: N818
    """A parameter is unknown, missing or out of range."""

    code = "params.invalid"


class TableNotFound(ActionError):  # noqa: N818
    """The session sees no table of that name."""

    code = "table.not_found"


class TableExists(ActionError):  # noqa: N818
    """The name is taken and replace is false."""

    code = "table.exists"


class WrongKind(ActionError):  # noqa: N818
    """A table of another kind was expected."""

    code = "table.kind"


class ColumnNotFound(ActionError):  # noqa: N818
    """The table has no column of that name."""

    code = "column.not_found"


class InvalidExpression(ActionError):  # noqa: N818
    """A condition or a program cannot be read or run."""

    code = "expression.invalid"


class InvalidFile(ActionError):  # noqa: N818
    """A file is not what it claims to be."""

    code = "file.invalid"


class CaslibNotFound(ActionError):  # noqa: N818
    """No caslib of that name."""

    code = "caslib.not_found"


class PathForbidden(ActionError):  # noqa: N818
    """A path leaves its caslib."""

    code = "path.forbidden"


class FileNotFound(ActionError):  # noqa: N818
    """A caslib holds no such file."""

    code = "file.not_found"


class SessionNotFound(ActionError):  # noqa: N818
    """The session never was, was ended, or expired."""

    code = "session.not_found"


class JobNotFound(ActionError):  # noqa: N818
    """No job of that id."""

    code = "job.not_found"


class JobFailed(ActionError):  # noqa: N818
    """The process of a job died, or broke."""

    code = "job.failed"


class KeyReused(ActionError):  # noqa: N818
    """The idempotency key belongs to another call."""

    code = "request.key_reused"


class CallUnfinished(ActionError):  # noqa: N818
    """A call with this idempotency key has begun, and its end is not known."""

    code = "request.unfinished"


class Conflict(ActionError):  # noqa: N818
    """Another session changed the thing first, or somebody the file of a link."""

    code = "store.conflict"


class StoreUnavailable(ActionError):  # noqa: N818
    """The database is locked or away."""

    code = "store.unavailable"


class StoreFull(StoreUnavailable):
    """The database's disk is full.

    What waits for a database that is away waits for room in it, too.
    """

    code = "store.full"


class NotAuthenticated(ActionError):  # noqa: N818
    """No token, or a wrong one."""

    code = "auth.required"


class NotPermitted(ActionError):  # noqa: N818
    """The caller may not do this."""

    code = "auth.forbidden"


class TooLarge(ActionError):  # noqa: N818
    """A request or a value is over its limit."""

    code = "request.too_large"
