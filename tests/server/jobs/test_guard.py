"""Jobs that take too much, in a process of their own where the limit is the system's."""

import subprocess
import sys
import threading
import time

import pytest

from engine.errors import Cancelled, EngineError, MemoryExhausted
from server.jobs import guard
from server.jobs.guard import Limits, guarded

PATIENCE_S = 30.0
MEBIBYTE = 1 << 20


class Ended:
    """What a guard gives up with."""

    def __init__(self) -> None:
        self.reasons: list[EngineError] = []
        self.told = threading.Event()

    def __call__(self, reason: EngineError) -> None:
        self.reasons.append(reason)
        self.told.set()


def never() -> bool:
    return False


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LOOK_S", 0.005)


def test_work_within_its_limits_is_left_alone() -> None:
    ended = Ended()

    with guarded(Limits(), never, ended):
        time.sleep(0.05)

    assert ended.reasons == []


def test_memory_that_grows_beyond_the_limit_ends_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = Ended()
    monkeypatch.setattr(guard, "held_bytes", lambda: 140 * MEBIBYTE)
    monkeypatch.setattr(guard, "data_bytes", lambda: 1 << 46)

    with guarded(Limits(memory_bytes=100 * MEBIBYTE), never, ended):
        assert ended.told.wait(PATIENCE_S)

    (reason,) = ended.reasons
    assert isinstance(reason, MemoryExhausted)
    assert reason.message == (
        "the job holds 140 MB, expected at most 100 MB (CASTORCH_JOB_MEMORY_MB); use a smaller "
        "mini-batch or buffer first, then a smaller model"
    )
    assert reason.details == {"limit_bytes": 100 * MEBIBYTE, "held_bytes": 140 * MEBIBYTE}


def test_work_that_does_not_stop_when_asked_to_is_ended() -> None:
    ended = Ended()

    with guarded(Limits(cancel_grace_s=0.01), lambda: True, ended):
        assert ended.told.wait(PATIENCE_S)

    (reason,) = ended.reasons
    assert isinstance(reason, Cancelled)
    assert reason.message == ("the job did not stop within 0.01 s and was ended with its worker")


def test_work_that_stops_in_time_is_left_alone() -> None:
    ended = Ended()

    with guarded(Limits(cancel_grace_s=PATIENCE_S), lambda: True, ended):
        time.sleep(0.05)

    assert ended.reasons == []


REFUSED = """
from engine.memory import held_bytes
from server.jobs.guard import Limits, guarded

def too_much(reason):
    raise SystemExit(reason.message)

before = held_bytes()
with guarded(Limits(memory_bytes=before + (64 << 20)), lambda: False, too_much):
    try:
        block = bytearray(256 << 20)
    except MemoryError:
        print("refused")
block = bytearray(256 << 20)
print(len(block) >> 20)
"""


def test_an_allocation_beyond_the_limit_is_refused_while_the_job_runs() -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", REFUSED], check=True, capture_output=True, text=True
    )

    assert done.stdout.splitlines() == ["refused", "256"]


ENDED = """
from server.jobs.guard import end_process
import threading
threading.Thread(target=threading.Event().wait).start()
end_process()
"""


def test_a_process_is_ended_whatever_its_threads_do() -> None:
    done = subprocess.run([sys.executable, "-c", ENDED], check=False)  # noqa: S603 - our own

    assert done.returncode == guard.EXIT_CODE
