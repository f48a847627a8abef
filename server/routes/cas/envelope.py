"""The answer to an action as CAS writes it: disposition, log, cost, results.

An envelope is made of what ``/v1`` answers, so that both dialects carry the same tables and values.

Source: CAS REST dialect, response envelope (3).
"""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, cast

from actions.results import Json
from server.routes.cas.tables import cas_table

FAILED = 2710999
"""The status code of an action that failed; no client tells one failure from another by it."""

_STOPPED = "ERROR: The action stopped due to errors."

Level = Literal["note", "warning", "error", "none"]
_RANK = {"note": 0, "warning": 1, "error": 2, "none": 3}


def level_of(text: object) -> Level:
    """Return the least important level of log lines that a caller wants to see."""
    folded = str(text).lower()
    return cast("Level", folded) if folded in _RANK else "note"


@dataclass(frozen=True)
class Clock:
    """When a call began, by the wall and by the processor time of this process."""

    wall: float = field(default_factory=time.perf_counter)
    processor: os.times_result = field(default_factory=os.times)

    def metrics(self) -> dict[str, Json]:
        """Return what the call has cost until now; memory is in bytes."""
        now = os.times()
        memory = _resident()
        return {
            "elapsedTime": round(time.perf_counter() - self.wall, 6),
            "cpuUserTime": round(now.user - self.processor.user, 6),
            "cpuSystemTime": round(now.system - self.processor.system, 6),
            "systemNodes": 1,
            "systemCores": os.cpu_count() or 1,
            "systemTotalMemory": _memory_of_machine(),
            "memory": memory,
            "memoryOs": memory,
            "memoryQuota": _memory_of_machine(),
            "dataMovementTime": 0.0,
            "dataMovementBytes": 0,
        }


def succeeded(result: Mapping[str, Any], clock: Clock, level: Level) -> dict[str, Json]:
    """Return the envelope of an action that went well, from its answer under ``/v1``."""
    messages = result.get("messages", ())
    warned = any(each["level"] == "warning" for each in messages)
    return {
        "status": 0,
        "disposition": {
            "severity": "Warning" if warned else "Normal",
            "reason": "ok",
            "statusCode": 0,
            "formattedStatus": None,
            "debugInfo": None,
        },
        "metrics": clock.metrics(),
        "logEntries": _log(messages, level),
        "changedResources": [],
        "results": _results(result),
    }


def failed(
    told: Mapping[str, Any], clock: Clock, level: Level, messages: Iterable[Mapping[str, Any]] = ()
) -> dict[str, Json]:
    """Return the envelope of an action that failed, from what ``failure`` told.

    Args:
        told: code and message.
        clock: when the call began.
        level: the log lines that are wanted.
        messages: what the action had logged before.
    """
    text = str(told["message"])
    entries = _log(messages, level)
    if level != "none":
        entries += [
            {"level": "error", "message": f"ERROR: {text}"},
            {"level": "error", "message": _STOPPED},
        ]
    return {
        "status": FAILED,
        "disposition": {
            "severity": "Error",
            "reason": "abort",
            "statusCode": FAILED,
            "formattedStatus": text,
            "debugInfo": str(told["code"]),
        },
        "metrics": clock.metrics(),
        "logEntries": entries,
        "changedResources": [],
        "results": {},
    }


def _log(messages: Iterable[Mapping[str, Any]], level: Level) -> list[Json]:
    return [
        {"level": each["level"], "message": f"{each['level'].upper()}: {each['text']}"}
        for each in messages
        if each["text"] and _RANK[each["level"]] >= _RANK[level]
    ]


def _results(result: Mapping[str, Any]) -> Json:
    """Return values and tables by name; values that are numbered from 0 are a list."""
    values: dict[str, Json] = dict(result.get("values", {}))
    tables: Mapping[str, Mapping[str, Any]] = result.get("tables", {})
    if values and not tables and list(values) == [str(at) for at in range(len(values))]:
        return list(values.values())
    return {**values, **{name: cas_table(name, table) for name, table in tables.items()}}


@lru_cache(maxsize=1)
def _memory_of_machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _resident() -> int:
    """Return the bytes of memory this process has; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - no file of ours
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
