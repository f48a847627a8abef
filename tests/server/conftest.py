"""Servers for the tests of this folder; each has a database file of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.server.running import (
    START_S,
    Running,
    running,
    settings_in,
    trial_actions_registered,
)


@pytest.fixture(scope="module")
def trials() -> Iterator[None]:
    """Register the trial actions while a module's tests run."""
    with trial_actions_registered():
        yield


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path, trials: None) -> Iterator[Start]:
    """Start a server with other settings; stopped after the test."""
    del trials
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(running(settings_in(tmp_path, **changes)))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, trials: None) -> Iterator[Running]:
    """A server without workers that the tests of a module share."""
    del trials
    with running(settings_in(tmp_path_factory.mktemp("served"))) as found:
        yield found


@pytest.fixture
def client(served: Running) -> httpx.Client:
    """A client of the shared server."""
    return served.client


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory, trials: None) -> Iterator[Running]:
    """A server with one worker that the tests of a module share; its worker is ready."""
    del trials
    folder = tmp_path_factory.mktemp("working")
    with running(settings_in(folder, workers=1, heartbeat_s=0.2)) as found:
        assert found.resources.runner.wait_ready(START_S)
        yield found
