"""The example of every action page runs, in a small world that all examples share."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from actions import run_action
from actions.context import Context
from actions.memory import MemoryStores
from actions.registry import ACTIONS
from actions.results import Json, json_value
from tests.actions.house import picture, put

PAGES = Path(__file__).parents[2] / "docs" / "actions"
NETWORK: list[Json] = [
    {"name": "data", "layer": {"type": "input", "std": "STD"}},
    {"name": "hidden", "layer": {"type": "fc", "n": 4}, "srcLayers": "data"},
    {"name": "out", "layer": {"type": "output"}, "srcLayers": "hidden"},
]
POINTS = [(x / 4, y / 4) for x in range(-4, 4) for y in range(-4, 4)]
CSV = "x,y,place\n" + "\n".join(
    f"{x},{y},{'inside' if x * x + y * y < 0.4 else 'outside'}" for x, y in POINTS
)


@pytest.fixture
def world(tmp_path: Path) -> Context:
    """A session with points, a network for them, its weights, and files in PUBLIC."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    upload = tmp_path / "people.csv"
    upload.write_text("name,age\nAda,36\nAlan,41\n")
    ctx = MemoryStores(tmp_path / "data").context(caslib_roots=(tmp_path,), upload=upload)
    public = ctx.caslibs.find("PUBLIC").path
    (public / "points.csv").write_text(CSV)
    (public / "vectors.txt").write_text("the 0.5 -1\ncat 2 0.25\n")
    put(ctx, "reviews", {"text": ["a good film", "not good"], "positive": [1, 0]})
    (public / "boxes").mkdir()
    (public / "boxes" / "1.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    (public / "digits.idx").write_bytes(b"\0\0\x08\x03" + b"\0\0\0\2" * 3 + bytes(range(8)))
    for label in ("cat", "dog"):
        (public / "pets" / label).mkdir(parents=True)
        (public / "pets" / label / "1.png").write_bytes(picture(np.zeros((4, 4))))
    put(ctx, "pictures", {"_image_": [picture(np.zeros((4, 4)))], "_filename_0": ["1.png"]})
    points: dict[str, Json] = {"name": "points", "caslib": "CASUSER"}
    source: dict[str, Json] = {"path": "points.csv", "caslib": "PUBLIC", "casOut": points}
    run_action(ctx, "table.loadTable", source)
    run_action(ctx, "castorch.declareModel", {"modelTable": "circle", "layers": NETWORK})
    run_action(
        ctx,
        "deepLearn.dlTrain",
        {
            "table": "points",
            "modelTable": "circle",
            "modelWeights": "circle_weights",
            "inputs": ["x", "y"],
            "target": "place",
            "optimizer": {"totalMiniBatchSize": 16, "maxEpochs": 1},
        },
    )
    run_action(
        ctx,
        "deepLearn.dlExportModel",
        {"modelTable": "circle", "initWeights": "circle_weights", "casOut": "circle_store"},
    )
    names = {"label_id": [0, 1], "label": ["in", "out"], "place": ["inside", "outside"]}
    put(ctx, "places", names)
    attic: dict[str, Json] = {"name": "attic", "path": str(shelf), "activeOnAdd": False}
    run_action(ctx, "table.addCaslib", attic)
    return ctx


def train_gaze(ctx: Context) -> None:
    """Make and train a network for images, with a batch normalisation."""
    convo: Json = {"type": "convo", "nFilters": 2, "padding": 0, "act": "identity"}
    layers: list[Json] = [
        {"name": "data", "layer": {"type": "input", "nChannels": 1, "width": 6, "height": 6}},
        {"name": "conv", "layer": convo, "srcLayers": "data"},
        {"name": "norm", "layer": {"type": "batchnorm", "act": "relu"}, "srcLayers": "conv"},
        {"name": "out", "layer": {"type": "output"}, "srcLayers": "norm"},
    ]
    shades = np.random.default_rng(1).integers(0, 256, (4, 6, 6))
    put(ctx, "looks", {"_image_": [picture(s) for s in shades], "_label_": ["up", "down"] * 2})
    run_action(ctx, "castorch.declareModel", {"modelTable": "gaze", "layers": layers})
    train: dict[str, Json] = {
        "table": "looks",
        "modelTable": "gaze",
        "modelWeights": "gaze_weights",
        "optimizer": {"totalMiniBatchSize": 4, "maxEpochs": 1},
    }
    run_action(ctx, "deepLearn.dlTrain", train)


def example(name: str) -> str:
    """Return the JSON body on the page of an action."""
    text = (PAGES / f"{name}.md").read_text().partition("## Example")[2]
    found = re.search(r"```json\n(.*?)\n```", text, re.DOTALL)
    assert found is not None, f"{name}.md has no example"
    return found[1]


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_the_example_on_the_page_of_an_action_runs(
    world: Context, name: str, tmp_path: Path
) -> None:
    blob = run_action(world, "astore.download", {"rstore": "circle_store"}).values["blob"]
    text = example(name).replace("@SHELF@", str(tmp_path / "shelf"))
    body = json.loads(text.replace("@STORE@", str(json_value(blob))))
    if '"gaze"' in text:
        train_gaze(world)

    result = run_action(world, name, body)

    assert all(message.level != "error" for message in result.messages)
