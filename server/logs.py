"""One JSON object a log line, with the ids of the request and the job it belongs to."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

REQUEST: ContextVar[str | None] = ContextVar("request", default=None)
"""Id of the request that is being answered."""

JOB: ContextVar[str | None] = ContextVar("job", default=None)
"""Id of the job that is being run."""

CHATTY = ("alembic", "uvicorn")
"""Libraries whose notes of every start and stop tell nothing that our own lines do not."""

_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
"""Fields that every record has, or that repeat the message for terminals."""


def _is_fact(name: str) -> bool:
    """Return whether a field of a record is an extra one; what other libraries add is private."""
    return name not in _KNOWN and not name.startswith("_")


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON; extra fields of the record become keys."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        ids = {"request": REQUEST.get(), "job": JOB.get()}
        line |= {name: value for name, value in ids.items() if value is not None}
        line |= {name: value for name, value in vars(record).items() if _is_fact(name)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def start_logging(level: str) -> None:
    """Send all logging of this process to its standard error, as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
