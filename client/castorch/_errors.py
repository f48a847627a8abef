"""Everything castorch raises on purpose.

    CastorchError
      ConnectionFailed        connection.failed        no answer from the server
        TimedOut              connection.timed_out     no answer in the time allowed
        ProtocolFailed        connection.protocol      the answer is not one of this interface
      InvalidInput            input.invalid            refused before anything was sent
      MissingExtra            extra.missing            an optional package is not installed
      ActionFailed            any code                 the server answered with an error
        UnknownAction         action.unknown
        InvalidParameters     params.invalid
        TableNotFound         table.not_found
        TableExists           table.exists
        WrongKind             table.kind
        ColumnNotFound        column.not_found
        InvalidExpression     expression.invalid
        InvalidFile           file.invalid
        CaslibNotFound        caslib.not_found
        PathForbidden         path.forbidden
        FileNotFound          file.not_found
        SessionNotFound       session.not_found
        JobNotFound           job.not_found
        JobFailed             job.failed
        JobCancelled          job.cancelled
        KeyReused             request.key_reused
        CallUnfinished        request.unfinished
        Conflict              store.conflict
        StoreFull             store.full
        StoreUnavailable      store.unavailable
        NotAuthenticated      auth.required
        NotPermitted          auth.forbidden
        TooLarge              request.too_large
        NotSupported          not_supported
        GraphError            graph.invalid
          ShapeError          graph.shape
        LayerError            layer.option
        WeightsError          weights.mismatch
        DataError             data.invalid
        TrainingError         train.failed
        DeviceError           device.unavailable
        MemoryExhausted       device.memory

A code this version does not know comes as a plain :class:`ActionFailed` that keeps it.
"""

from collections.abc import Iterator, Mapping
from typing import Any


class CastorchError(Exception):
    """A failure told in one sentence, with its facts as JSON values in ``details``."""

    code: str = "castorch.error"

    def __init__(self, message: str, /, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __reduce__(self) -> tuple[object, tuple[object, ...], dict[str, Any]]:
        return _rebuild, (type(self), self.message), dict(vars(self))


def _rebuild(kind: type[CastorchError], message: str) -> CastorchError:
    return kind(message)


class ConnectionFailed(CastorchError):  # noqa: N818
    """The server could not be reached, or went away in the middle."""

    code = "connection.failed"


class TimedOut(ConnectionFailed):
    """The server, or a job on it, took longer than the time allowed."""

    code = "connection.timed_out"


class ProtocolFailed(ConnectionFailed):
    """Something answered that does not speak this interface."""

    code = "connection.protocol"


class InvalidInput(CastorchError):  # noqa: N818
    """A value was refused before anything was sent."""

    code = "input.invalid"


class MissingExtra(CastorchError, ImportError):  # noqa: N818
    """An optional package is not installed."""

    code = "extra.missing"


class ActionFailed(CastorchError):  # noqa: N818
    """The server answered with an error.

    Attributes:
        code: the server's stable name of the condition.
        status: the HTTP status, 0 when the error was reported by a job.
        request_id: the id to look for in the server's log.
    """

    code = "action.error"
    status: int = 0
    request_id: str | None = None


class UnknownAction(ActionFailed):
    """No action of that name."""

    code = "action.unknown"


class InvalidParameters(ActionFailed):
    """A parameter is unknown, missing or out of range."""

    code = "params.invalid"


class TableNotFound(ActionFailed):
    """The session sees no table of that name."""

    code = "table.not_found"


class TableExists(ActionFailed):
    """The name is taken and replace is false."""

    code = "table.exists"


class WrongKind(ActionFailed):
    """A table of another kind was expected."""

    code = "table.kind"


class ColumnNotFound(ActionFailed):
    """The table has no column of that name."""

    code = "column.not_found"


class InvalidExpression(ActionFailed):
    """A where clause cannot be read or run."""

    code = "expression.invalid"


class InvalidFile(ActionFailed):
    """A file is not what it claims to be."""

    code = "file.invalid"


class CaslibNotFound(ActionFailed):
    """No caslib of that name."""

    code = "caslib.not_found"


class PathForbidden(ActionFailed):
    """A path leaves its caslib."""

    code = "path.forbidden"


class FileNotFound(ActionFailed):
    """A caslib holds no such file."""

    code = "file.not_found"


class SessionNotFound(ActionFailed):
    """The session never was, was ended, or expired."""

    code = "session.not_found"


class JobNotFound(ActionFailed):
    """No job of that id."""

    code = "job.not_found"


class JobFailed(ActionFailed):
    """The process of a job died, or broke."""

    code = "job.failed"


class JobCancelled(ActionFailed):
    """The job was asked to stop, and did."""

    code = "job.cancelled"


class KeyReused(ActionFailed):
    """The idempotency key belongs to another call."""

    code = "request.key_reused"


class CallUnfinished(ActionFailed):
    """The server stopped in the middle of the call; nobody knows whether it took effect."""

    code = "request.unfinished"


class Conflict(ActionFailed):
    """Another session changed the thing first."""

    code = "store.conflict"


class StoreFull(ActionFailed):
    """The database's disk is full."""

    code = "store.full"


class StoreUnavailable(ActionFailed):
    """The database is locked or away."""

    code = "store.unavailable"


class NotAuthenticated(ActionFailed):
    """No token, or a wrong one."""

    code = "auth.required"


class NotPermitted(ActionFailed):
    """The caller may not do this."""

    code = "auth.forbidden"


class TooLarge(ActionFailed):
    """A request or a value is over its limit."""

    code = "request.too_large"


class NotSupported(ActionFailed):
    """Known to the dialect, not built yet."""

    code = "not_supported"


class GraphError(ActionFailed):
    """The layers do not make a network."""

    code = "graph.invalid"


class ShapeError(GraphError):
    """A layer does not fit its sources."""

    code = "graph.shape"


class LayerError(ActionFailed):
    """An option of a layer is out of range or contradicts another."""

    code = "layer.option"


class WeightsError(ActionFailed):
    """Weights do not belong to the model."""

    code = "weights.mismatch"


class DataError(ActionFailed):
    """Rows cannot be turned into tensors."""

    code = "data.invalid"


class TrainingError(ActionFailed):
    """Training cannot start or cannot go on."""

    code = "train.failed"


class DeviceError(ActionFailed):
    """The machine of the server has no such device."""

    code = "device.unavailable"


class MemoryExhausted(ActionFailed):
    """The work does not fit into the server's memory; a smaller mini-batch may."""

    code = "device.memory"


def _family(kind: type[ActionFailed]) -> Iterator[type[ActionFailed]]:
    for child in kind.__subclasses__():
        yield child
        yield from _family(child)


BY_CODE: Mapping[str, type[ActionFailed]] = {kind.code: kind for kind in _family(ActionFailed)}
"""The class of every server code this version knows."""


def from_body(
    body: Mapping[str, Any], *, status: int = 0, request_id: str | None = None
) -> ActionFailed:
    """Return the error a server's error body stands for; an unknown code is kept.

    Args:
        body: ``{"code", "message", "details"}``, as answered over HTTP or kept with a job.
        status: the HTTP status it came with.
        request_id: the ``X-Request-Id`` it came with.
    """
    code = str(body.get("code") or ActionFailed.code)
    message = str(body.get("message") or f"the server answered with the error {code!r}")
    details = body.get("details")
    facts = {str(k): v for k, v in details.items()} if isinstance(details, Mapping) else {}
    error = BY_CODE.get(code, ActionFailed)(message, **facts)
    error.code = code
    error.status = status
    error.request_id = request_id
    return error
