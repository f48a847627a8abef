"""A pytest plugin: a test that takes longer than ``TEST_SECONDS`` fails."""

import os
import signal
from typing import Any, Generator

import pytest

SECONDS = int(os.environ.get("TEST_SECONDS", "60"))


def _late(number: int, frame: Any) -> None:
    raise TimeoutError(f"the test took longer than {SECONDS} seconds")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, None, None]:
    del item
    signal.signal(signal.SIGALRM, _late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
