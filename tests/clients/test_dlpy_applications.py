"""What sas-dlpy does beyond a LeNet: explains, deploys, reads text, and detects objects."""

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from dlpy import Model, Sequential
from dlpy.applications import Tiny_YoloV2
from dlpy.images import ImageTable
from dlpy.layers import (
    BN,
    Conv2d,
    Dense,
    InputLayer,
    OutputLayer,
    Pooling,
    Recurrent,
)
from dlpy.model import AdamSolver, DataSpec, Optimizer, TextParms
from PIL import Image

mpl.use("Agg")

SIDE = 12


def square(bright: int, seed: int, side: int = SIDE) -> bytes:
    """A dark picture with noise whose left (0) or right (1) half is bright."""
    pixels = np.random.default_rng(seed).integers(0, 60, (side, side))
    half = side // 2
    pixels[:, bright * half : (bright + 1) * half] += 150
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def load(cas: Any, place: Path, count: int, side: int = SIDE) -> Any:
    """Load so many pictures, named by their number, whose label is the half that is bright."""
    for number in range(count):
        folder = place / ("left", "right")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(square(number % 2, number, side))
    cas.loadactionset("deepLearn")
    return ImageTable.load_files(cas, str(place), casout={"name": "halves"})


@pytest.fixture
def halves(cas: Any, tmp_path: Path) -> Any:
    """Twenty pictures with the half that is bright as label."""
    return load(cas, tmp_path / "halves", 20)


@pytest.fixture
def trained(cas: Any, halves: Any) -> Any:
    """A network that knows the two halves."""
    model = Sequential(cas, model_table="halves_net")
    model.add(InputLayer(1, SIDE, SIDE, scale=1 / 255))
    model.add(Conv2d(4, 3, act="identity", include_bias=False))
    model.add(BN(act="relu"))
    model.add(Pooling(2))
    model.add(Dense(8))
    model.add(OutputLayer(act="softmax", n=2))
    solver = AdamSolver(learning_rate=0.02)
    answer = model.fit(
        halves,
        inputs="_image_",
        target="_label_",
        optimizer=Optimizer(algorithm=solver, mini_batch_size=5, max_epochs=8, seed=1),
        seed=1,
    )
    assert answer.severity == 0, answer.messages
    return model


def test_a_heat_map_shows_where_a_model_looks(trained: Any, halves: Any) -> None:
    told = trained.heat_map_analysis(
        data=halves, mask_width=6, mask_height=6, step_size=3, display=False, max_display=20
    )

    assert len(told) == 20
    assert {each.shape for each in told["heat_map"]} == {(SIDE, SIDE)}
    trained.plot_heat_map(idx=0)


def test_a_model_is_deployed_as_an_astore_that_scores(
    cas: Any, trained: Any, halves: Any, tmp_path: Path
) -> None:
    trained.deploy(str(tmp_path), output_format="astore")

    assert (tmp_path / "halves_net.astore").stat().st_size > 0
    scored = cas.astore.score(
        table=halves, rstore="halves_net_astore", out={"name": "scored"}, copyvars=["_id_"]
    )
    assert scored.severity == 0, scored.messages
    assert len(cas.CASTable("scored")) == 20


def test_a_model_is_deployed_as_tables(cas: Any, trained: Any, tmp_path_factory: Any) -> None:
    place = tmp_path_factory.mktemp("deployed")

    trained.deploy(str(place), output_format="table")

    assert {each.name for each in place.iterdir()} == {
        "halves_net.sashdat",
        "halves_net_weights.sashdat",
        "halves_net_weights_attr.sashdat",
    }
    loaded = Model(cas)
    loaded.load(str(place / "halves_net.sashdat"), display_note=False)
    assert [each.type for each in loaded.layers] == [each.type for each in trained.layers]


def test_texts_are_classified_by_a_recurrent_network(cas: Any) -> None:
    cas.loadactionset("deepLearn")
    texts = pd.DataFrame(
        {
            "text": ["a good film", "truly good , great", "bad film", "an awful , bad film"] * 6,
            "mood": ["up", "up", "down", "down"] * 6,
        }
    )
    vectors = pd.DataFrame(
        {"term": ["good", "great", "bad", "awful"], "x": [1.0, 0.9, -1.0, -0.9], "y": [0.1] * 4}
    )
    cas.upload_frame(texts, casout={"name": "texts", "replace": True})
    cas.upload_frame(vectors, casout={"name": "vectors", "replace": True})
    model = Sequential(cas, model_table="moods")
    model.add(InputLayer(name="text"))
    model.add(Recurrent(n=6, rnn_type="GRU", output_type="encoding"))
    model.add(OutputLayer(act="softmax", n=2))
    words = TextParms(init_input_embeddings="vectors")

    answer = model.fit(
        "texts",
        inputs="text",
        texts="text",
        target="mood",
        nominals="mood",
        text_parms=words,
        optimizer=Optimizer(
            algorithm=AdamSolver(learning_rate=0.05), mini_batch_size=6, max_epochs=10, seed=1
        ),
    )
    judged = model.predict("texts", text_parms=words)

    assert (answer.severity, judged.severity) == (0, 0)
    info = judged["ScoreInfo"].set_index("Descr")["Value"]
    assert float(info["Misclassification Error (%)"]) == 0


@pytest.mark.slow
def test_a_tiny_yolo_learns_to_find_halves(cas: Any, tmp_path: Path) -> None:
    side = 64
    pictures = load(cas, tmp_path / "halves", 8, side)
    boxes = pd.DataFrame({"_filename_0": [f"{number}.png" for number in range(8)]})
    boxes["_nObjects_"] = 1.0
    boxes["_Object0_"] = "half"
    boxes["_Object0_x"] = [0.25, 0.75] * 4
    boxes["_Object0_y"] = 0.5
    boxes["_Object0_width"] = 0.5
    boxes["_Object0_height"] = 1.0
    cas.upload_frame(boxes, casout={"name": "boxes", "replace": True})
    joined = cas.deeplearn.dljoin(
        table=pictures, annotatedtable="boxes", id="_filename_0", casout={"name": "found"}
    )
    assert joined.severity == 0, joined.messages
    cas.altertable("found", drop=["_label_"])  # else the client sends it as a target as well
    model = Tiny_YoloV2(
        cas,
        [1.0, 2.0],
        n_channels=1,
        width=side,
        height=side,
        n_classes=1,
        predictions_per_grid=1,
        grid_number=2,
        max_label_per_image=1,
        max_boxes=1,
        detection_threshold=0.01,
        iou_threshold=0.5,
    )
    targets = ["_nObjects_", "_Object0_"] + [
        f"_Object0_{each}" for each in ("x", "y", "width", "height")
    ]
    specs = [
        DataSpec(type_="IMAGE", layer=model.layers[0].name, data="_image_"),
        DataSpec(type_="OBJECTDETECTION", layer=model.layers[-1].name, data=targets),
    ]

    answer = model.fit(
        "found",
        data_specs=specs,
        optimizer=Optimizer(
            algorithm=AdamSolver(learning_rate=0.001), mini_batch_size=4, max_epochs=3, seed=1
        ),
    )
    scored = model.predict("found")

    assert (answer.severity, scored.severity) == (0, 0), (answer.messages, scored.messages)
    history = model.training_history
    assert history["Loss"].iloc[-1] < history["Loss"].iloc[0]
    assert "_nObjects_" in model.valid_res_tbl.columns.tolist()
