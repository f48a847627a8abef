import json
import subprocess
import sys
from pathlib import Path

import pytest

import castorch

BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
PARAMETERS = 138_357_544
"""Simonyan and Zisserman (2014), configuration D."""


def declared() -> list[tuple[str, dict[str, object], list[str]]]:
    """Return the 22 layers of VGG-16: an input, 13 convolutions, 5 pools, 3 dense layers."""
    entry: dict[str, object] = {"type": "input", "nChannels": 3, "width": 224, "height": 224}
    calls: list[tuple[str, dict[str, object], list[str]]] = [("data", entry, [])]
    for block, filters in enumerate(BLOCKS, 1):
        for position, count in enumerate(filters, 1):
            convo: dict[str, object] = {"type": "convo", "nFilters": count, "width": 3}
            calls.append((f"conv{block}_{position}", convo, [calls[-1][0]]))
        calls.append((f"pool{block}", {"type": "pool", "width": 2, "height": 2}, [calls[-1][0]]))
    for name in ("fc6", "fc7"):
        calls.append((name, {"type": "fc", "n": 4096, "act": "relu"}, [calls[-1][0]]))
    calls.append(("fc8", {"type": "output", "n": 1000}, [calls[-1][0]]))
    return calls


def test_a_vgg16_declared_in_22_calls_has_its_published_parameters(
    session: castorch.Session,
) -> None:
    session.run("deepLearn.buildModel", model_table="vgg16", type="CNN")
    calls = declared()
    for name, layer, sources in calls:
        session.run(
            "deepLearn.addLayer", model_table="vgg16", name=name, layer=layer, src_layers=sources
        )

    answer = session.run("deepLearn.modelInfo", model_table="vgg16")

    info = {row["Descr"]: row["Value"] for row in answer.tables["ModelInfo"].records()}
    assert len(calls) == 22
    assert int(info["Total Number of Model Parameters"]) == PARAMETERS
    assert int(info["Number of Weight Parameters"]) == 138_344_128
    assert int(info["Number of Convolutional Layers"]) == 13
    assert int(info["Number of Pooling Layers"]) == 5


PROGRAM = """
import json, sys
from pathlib import Path

import numpy as np
import torch

from actions.ports import Name, Output, WeightsHeader
from engine.compile.lower import compile_graph
from engine.layers.base import BuildOptions
from engine.weights import load_weights, read_weights
from server.store import SqlStores
from tests.engine.classics import vgg16
from engine.graph.infer import bind
from engine.layers.base import Target

def peak():
    # of this program alone: ru_maxrss would begin with the peak of the process that forked it
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

torch.set_num_threads(1)
folder = Path(sys.argv[2])
stores = SqlStores.open(f"sqlite:///{folder / 'store.db'}", data=folder)
bound = stores.for_session(stores.sessions.default("ann"))
graph = bind(vgg16(), {}, {"fc8": Target("nominal", 1000)})
before = peak()
generator = torch.Generator().manual_seed(1) if sys.argv[1] == "store" else None
model = compile_graph(graph, BuildOptions(), generator=generator)
if sys.argv[1] == "store":
    header = WeightsHeader(specs=model.specs)
    with bound.weights.stage(header, read_weights(model)) as staged:
        bound.tables.publish((staged, Output(Name("w"))))
else:
    table, _ = bound.weights.load(Name("w"))
    load_weights(model, bound.weights.chunks(table))
total = sum(float(np.sum(p.detach().numpy(), dtype=np.float64)) for p in model.parameters())
print(json.dumps([peak() - before, total]))
stores.close()
"""


def in_a_process(task: str, folder: Path) -> tuple[int, float]:
    done = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", PROGRAM, task, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    grown, total = json.loads(done.stdout)
    return int(grown), float(total)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_vgg16_is_stored_and_loaded_within_two_copies_of_its_weights(tmp_path: Path) -> None:
    stored, written = in_a_process("store", tmp_path)
    loaded, read = in_a_process("load", tmp_path)

    copy = PARAMETERS * 4
    assert written == read
    assert stored < 2 * copy
    assert loaded < 2 * copy
    # the numbers themselves have to be somewhere
    assert min(stored, loaded) > 0.9 * copy
