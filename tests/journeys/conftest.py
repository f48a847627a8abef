import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import castorch

ROOT = Path(__file__).parents[2]
STOP_S = 30.0


def environment() -> dict[str, str]:
    """Return the environment of a process that must not find a server by itself."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CASTORCH_")}
    return clean | {"OMP_NUM_THREADS": "1", "CASTORCH_WORKER_THREADS": "1"}


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a server on SQLite and a free port for all journeys, and give its address."""
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "castorch", "serve", "--port", "0"]
    places = ["--database", f"sqlite:///{folder / 'journeys.db'}", "--data", str(folder / "data")]
    log = folder / "server.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(  # noqa: S603 - our own server
            [*command, *places],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env=environment(),
        ) as server,
    ):
        assert server.stdout is not None
        line = server.stdout.readline()
        if " serves " not in line:
            server.wait(STOP_S)
            pytest.fail(f"the server did not start:\n{log.read_text()}")
        yield line.split()[-1]
        server.terminate()
        server.wait(STOP_S)


@pytest.fixture
def session(url: str, request: pytest.FixtureRequest) -> Iterator[castorch.Session]:
    """Give a session of the test's own."""
    with castorch.connect(url) as client, client.session(name=request.node.name) as opened:
        yield opened


def points(count: int = 20) -> dict[str, list[Any]]:
    """Return a grid of points, each labelled by whether it lies in the circle of radius 0.6."""
    steps = [2 * i / count - 1 + 1 / count for i in range(count)]
    pairs = [(x, y) for x in steps for y in steps]
    return {
        "x": [x for x, _ in pairs],
        "y": [y for _, y in pairs],
        "label": ["inside" if x * x + y * y < 0.36 else "outside" for x, y in pairs],
    }


def circle(session: castorch.Session, name: str = "circle") -> castorch.Model:
    """Declare a small network for the points."""
    layers = castorch.layers
    declaration = {
        "model": name,
        "type": "DNN",
        "layers": [
            {"name": "data", "layer": layers.Input(std="STD")},
            {"name": "fc1", "layer": layers.Fc(n=16, act="TANH")},
            {"name": "out", "layer": layers.Output(act="SOFTMAX")},
        ],
    }
    return session.declare(declaration, replace=True)


def optimizer(epochs: int = 20) -> dict[str, Any]:
    """Return solver and sizes that separate the points well."""
    return {
        "algorithm": {"method": "ADAM", "learning_rate": 0.02},
        "mini_batch_size": 20,
        "max_epochs": epochs,
    }
