"""A real server in a thread, on a free loopback port and a database file of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import httpx
import pytest

from actions.registry import _BY_FOLDED, ACTIONS
from server.serving import bind, make_server
from server.settings import Settings
from server.wiring import Resources, open_resources
from tests.server import trial_actions

START_S = 60.0
TRIAL = {name: declared for name, declared in ACTIONS.items() if name.startswith("trial.")}
TRIAL_NAMES = {name: each for name, each in _BY_FOLDED.items() if name.startswith("trial.")}

for registry, names in ((ACTIONS, TRIAL), (_BY_FOLDED, TRIAL_NAMES)):
    for each in names:  # other tests see the registry as it is without this folder
        del registry[each]


@pytest.fixture(scope="module")
def trials() -> Iterator[None]:
    """Register the trial actions while a module's tests run."""
    ACTIONS.update(TRIAL)
    _BY_FOLDED.update(TRIAL_NAMES)
    yield
    for name in TRIAL:
        del ACTIONS[name]
    for name in TRIAL_NAMES:
        del _BY_FOLDED[name]


class Running:
    """A server that runs, and a client of it."""

    def __init__(self, resources: Resources, url: str, client: httpx.Client) -> None:
        self.resources = resources
        self.url = url
        self.client = client


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    """Run a server until the block's end."""
    with bind(settings.host, settings.port) as listener, open_resources(settings) as resources:
        ready = Event()
        server_ = make_server(resources, ready.set)
        thread = Thread(target=server_.run, kwargs={"sockets": [listener]})
        thread.start()
        assert ready.wait(START_S)
        url = "http://{}:{}".format(*listener.getsockname()[:2])
        try:
            with httpx.Client(base_url=url, timeout=START_S, trust_env=False) as client:
                yield Running(resources, url, client)
        finally:
            server_.should_exit = True
            thread.join()


def settings_in(folder: Path, **changes: object) -> Settings:
    """Return settings whose files are all in one folder."""
    values: dict[str, object] = {
        "database": f"sqlite:///{folder / 'castorch.db'}",
        "data": folder / "data",
        "port": 0,
        "workers": 0,
        "worker_threads": 1,
        "stop_grace_s": 0.0,
        "extensions": (trial_actions.__name__,),
    }
    return Settings(**{**values, **changes})  # type: ignore[arg-type]  # checked by pydantic


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
