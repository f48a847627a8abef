"""A real server on a free port, and the CAS clients as they are.

These tests run in an environment of their own, ``.venv-clients``, which ``make`` creates: the
clients need older versions of pandas and NumPy than the server. Where swat is missing there is
nothing to collect.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

collect_ignore_glob = [] if find_spec("swat") else ["test_*.py"]

ROOT = Path(__file__).resolve().parents[2]
COMMAND = os.environ.get("CASTORCH_COMMAND", str(ROOT / ".venv" / "bin" / "castorch"))
STOP_S = 120.0

Connect = Callable[..., Any]


def _environment() -> "dict[str, str]":
    """Return the environment of a server that uses one thread, for numbers that stay the same."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CAS")}
    return {**clean, "OMP_NUM_THREADS": "1", "CASTORCH_WORKER_THREADS": "1"}


def _start(folder: Path) -> "tuple[subprocess.Popen[str], str]":
    command = [COMMAND, "serve", "--port", "0", "--database", f"sqlite:///{folder / 'clients.db'}"]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(  # noqa: S603 - our own server
            [*command, "--data", str(folder / "data")],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
            env={**_environment(), "CASTORCH_CASLIB_ROOTS": f'["{folder.parent}"]'},
        )
    assert server.stdout is not None
    line = server.stdout.readline()
    if " serves " not in line:
        server.communicate(timeout=STOP_S)
        pytest.fail(f"the server did not start:\n{(folder / 'server.log').read_text()}")
    return server, line.split()[-1]


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server without tokens that all tests share."""
    server, address = _start(tmp_path_factory.mktemp("server"))
    with server:
        yield address
        server.terminate()
        server.wait(STOP_S)


@pytest.fixture
def connect(url: str) -> Iterator[Connect]:
    """Open connections; their sessions end with the test."""
    import swat

    opened: list[Any] = []

    def open_one(**options: Any) -> Any:
        given = {"username": "ann", "password": "open sesame", **options}
        opened.append(swat.CAS(url, **given))
        return opened[-1]

    yield open_one
    for connection in {each._session: each for each in opened}.values():
        with suppress(swat.SWATError):  # a test may have ended it
            connection.endsession()


@pytest.fixture
def cas(connect: Connect) -> Any:
    """A connection with a session of its own."""
    return connect()


@pytest.fixture(autouse=True)
def no_complaints(
    request: pytest.FixtureRequest, capfd: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """Check that a client prints no warning and no error of the server unless it is meant to."""
    yield
    printed = "".join(capfd.readouterr())
    if request.node.get_closest_marker("complains") is None:
        assert "WARNING" not in printed
        assert "ERROR" not in printed
