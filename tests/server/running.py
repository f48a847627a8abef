"""A real server in a thread of the tests, on a free loopback port."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import httpx

from actions.registry import _BY_FOLDED, ACTIONS
from server.serving import bind, make_server
from server.settings import Settings
from server.wiring import Resources, open_resources
from tests.server import trial_actions

START_S = 60.0

TRIAL = {name: declared for name, declared in ACTIONS.items() if name.startswith("trial.")}
TRIAL_NAMES = {name: each for name, each in _BY_FOLDED.items() if name.startswith("trial.")}

for _name in TRIAL:  # other tests see the registry as it is without this folder
    del ACTIONS[_name]
for _name in TRIAL_NAMES:
    del _BY_FOLDED[_name]


@contextmanager
def trial_actions_registered() -> Iterator[None]:
    """Register the trial actions until the block's end."""
    ACTIONS.update(TRIAL)
    _BY_FOLDED.update(TRIAL_NAMES)
    yield
    for name in TRIAL:
        del ACTIONS[name]
    for name in TRIAL_NAMES:
        del _BY_FOLDED[name]


@dataclass(frozen=True)
class Running:
    """A server that runs, and a client of it."""

    resources: Resources
    url: str
    client: httpx.Client


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
