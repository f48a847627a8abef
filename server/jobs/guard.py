"""Ends a job that takes more memory than it may, or does not stop when it was asked to.

While a job runs, an allocation beyond the limit is refused by the system, so that the job can tell
what did not fit. Memory that grows without one, and work that never looks whether it should stop,
is seen by a thread: it records how the job ended, and ends the process, since a thread cannot be
stopped. The process is replaced by its runner.
"""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from engine.errors import Cancelled, EngineError, MemoryExhausted
from engine.memory import data_bytes, held_bytes

LOOK_S = 0.2
"""Time between two looks at the job."""

LEAST_BYTES = 16 << 20
"""Data that a job may add whatever its worker holds already, so that it can say what is wrong."""

MEBIBYTE = 1 << 20

EXIT_CODE = 70
"""Of a worker process that ended its job this way."""


@dataclass(frozen=True)
class Limits:
    """What a job may take.

    Attributes:
        memory_bytes: of the worker process; None: all there is.
        cancel_grace_s: time a job has to stop when it was asked to.
    """

    memory_bytes: int | None = None
    cancel_grace_s: float = 60.0


@contextmanager
def guarded(
    limits: Limits, is_cancelled: Callable[[], bool], give_up: Callable[[EngineError], None]
) -> Iterator[None]:
    """Watch over the work of the block.

    Args:
        limits: what it may take.
        is_cancelled: whether it was asked to stop.
        give_up: called in another thread with the reason; returns only if the work has ended.
    """
    done = Event()
    watch = Thread(target=_watch, args=(limits, is_cancelled, give_up, done), daemon=True)
    watch.start()
    try:
        with _refusing(limits.memory_bytes):
            yield
    finally:
        done.set()
        watch.join()


@contextmanager
def _refusing(limit: int | None) -> Iterator[None]:
    """Have the system refuse what goes beyond a limit, where it can."""
    if limit is None or sys.platform != "linux":
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    most = data_bytes() + max(limit - held_bytes(), LEAST_BYTES)
    resource.setrlimit(resource.RLIMIT_DATA, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _watch(
    limits: Limits,
    is_cancelled: Callable[[], bool],
    give_up: Callable[[EngineError], None],
    done: Event,
) -> None:
    cancelled_at: float | None = None
    while not done.wait(LOOK_S):
        held, limit = held_bytes(), limits.memory_bytes
        if limit is not None and held > limit + LEAST_BYTES:
            give_up(_too_much(held, limit))
            return
        if cancelled_at is None and is_cancelled():
            cancelled_at = time.monotonic()
        if cancelled_at is not None and time.monotonic() - cancelled_at > limits.cancel_grace_s:
            give_up(
                Cancelled(
                    f"the job did not stop within {limits.cancel_grace_s:g} s and was ended with "
                    "its worker"
                )
            )
            return


def _too_much(held: int, limit: int) -> MemoryExhausted:
    return MemoryExhausted(
        f"the job holds {held // MEBIBYTE} MB, expected at most {limit // MEBIBYTE} MB "
        "(CASTORCH_JOB_MEMORY_MB); use a smaller mini-batch or buffer first, then a smaller model",
        limit_bytes=limit,
        held_bytes=held,
    )


def end_process() -> None:
    """End this process at once, whatever its threads do."""
    os._exit(EXIT_CODE)
