"""Every task layer through the actions: train, score, and what both answer."""

from typing import Any

import numpy as np
import pytest

from actions.context import Context
from tests.actions.house import Run, build, picture, put, rows_of

IMAGE = {"name": "data", "layer": {"type": "input", "nChannels": 1, "width": 8, "height": 8}}
ROW = {"name": "data", "layer": {"type": "input", "std": "STD"}}
ROWS = 24


def train(run: Run, layers: list[dict[str, Any]], **more: Any) -> Any:
    build(run, layers)
    adam = {"method": "ADAM", "learningRate": 0.02}
    optimizer = {"algorithm": adam, "miniBatchSize": 8, "maxEpochs": more.pop("epochs", 12)}
    return run(
        "deepLearn.dlTrain",
        table="t",
        modelTable="net",
        modelWeights="w",
        optimizer={**optimizer, "regL2": 0.0},
        seed=3,
        **more,
    )


def score(run: Run, **more: Any) -> Any:
    given = {"table": "t", "modelTable": "net", "initWeights": "w", "casOut": "scored"}
    return run("deepLearn.dlScore", **{**given, **more})


def facts(answer: Any) -> dict[str, float]:
    return {row["Descr"]: float(row["Value"]) for row in answer.tables["ScoreInfo"].records()}


def errors(answer: Any) -> list[float]:
    return [row["FitError"] for row in answer.tables["OptIterHistory"].records()]


def squares() -> tuple[list[bytes], list[tuple[int, int]]]:
    """Return images of 8 x 8 with a bright square of 4 x 4, and its left upper corners."""
    random = np.random.default_rng(1)
    corners = [(int(x), int(y)) for x, y in random.integers(0, 5, (ROWS, 2))]
    images = []
    for x, y in corners:
        pixels = np.zeros((8, 8))
        pixels[y : y + 4, x : x + 4] = 255
        images.append(picture(pixels))
    return images, corners


DETECTION: list[dict[str, Any]] = [
    {**IMAGE, "layer": {**IMAGE["layer"], "scale": 1 / 255}},  # type: ignore[dict-item]
    {"name": "conv1", "layer": {"type": "convo", "nFilters": 8}, "srcLayers": "data"},
    {"name": "pool1", "layer": {"type": "pool", "width": 4}, "srcLayers": "conv1"},
    {
        "name": "values",
        "layer": {"type": "convo", "nFilters": 7, "width": 3, "act": "identity"},
        "srcLayers": "pool1",
    },
    {
        "name": "found",
        "layer": {
            "type": "detection",
            "gridNumber": 2,
            "anchors": [1.0, 1.0],
            "coordType": "RECT",
            "detectionThreshold": 0.3,
            "maxBoxes": 3,
        },
        "srcLayers": "values",
    },
]


def test_objects_are_found_without_naming_their_columns(ctx: Context, run: Run) -> None:
    images, corners = squares()
    columns: dict[str, Any] = {
        "_image_": images,
        "_nObjects_": [1.0] * ROWS,
        "_Object0_": ["tall" if x % 2 else "wide" for x, _ in corners],
        "_Object0_x": [float(x) for x, _ in corners],
        "_Object0_y": [float(y) for _, y in corners],
        "_Object0_width": [4.0] * ROWS,
        "_Object0_height": [4.0] * ROWS,
    }
    put(ctx, "t", columns)

    trained = train(run, DETECTION, epochs=40)
    answer = score(run)

    assert errors(trained)[-1] < errors(trained)[0]
    assert list(facts(answer))[2:] == ["Average IOU in Detection", "Loss Error"]
    assert facts(answer)["Average IOU in Detection"] > 0.6
    rows = rows_of(ctx, "scored")
    assert list(rows[0])[:7] == [
        "_nObjects_",
        "_Object0_",
        "_P_Object0_",
        "_Object0_xmin",
        "_Object0_ymin",
        "_Object0_xmax",
        "_Object0_ymax",
    ]
    found = [row for row in rows if row["_nObjects_"]]
    assert len(found) > ROWS / 2
    assert {row["_Object0_"] for row in found} <= {"tall", "wide"}


def test_keypoints_are_scored_like_interval_targets(ctx: Context, run: Run) -> None:
    images, corners = squares()
    put(ctx, "t", {"_image_": images, "x": [x for x, _ in corners], "y": [y for _, y in corners]})
    points = {"type": "keypoints", "targetStd": "STD"}

    train(
        run,
        [IMAGE, {"name": "points", "layer": points, "srcLayers": "data"}],
        target=["x", "y"],
    )
    answer = score(run, encodeName=False)

    found = facts(answer)
    assert list(found)[2:] == ["Mean Squared Error", "Loss Error"]
    assert list(rows_of(ctx, "scored")[0]) == ["_DL_Pred0_", "_DL_Pred1_"]


@pytest.mark.parametrize("kind", ["WIDE", "PNG", "BASE64"])
def test_pixels_are_classified(ctx: Context, run: Run, kind: str) -> None:
    images, _ = squares()
    put(ctx, "t", {"_image_": images, "mask": images})
    layers: list[dict[str, Any]] = [
        IMAGE,
        {"name": "bn", "layer": {"type": "batchnorm"}, "srcLayers": "data"},
        {
            "name": "maps",
            "layer": {"type": "convo", "nFilters": 2, "width": 1, "act": "identity"},
            "srcLayers": "bn",
        },
        {
            "name": "mask",
            "layer": {"type": "segmentation", "outputImageType": kind},
            "srcLayers": "maps",
        },
    ]

    trained = train(run, layers, target="mask", epochs=30)
    answer = score(run, displayClassScoreInfo="ALL")

    found = facts(answer)
    assert list(found)[2:] == [
        "Misclassification Error (%)",
        "Pixel Accuracy (%)",
        "Mean Accuracy (%)",
        "Mean IoU (%)",
        "Frequency Weighted IoU (%)",
        "Loss Error",
    ]
    assert found["Pixel Accuracy (%)"] == pytest.approx(100.0)
    assert errors(trained)[-1] == pytest.approx(0.0)
    classes = answer.tables["ClassScoreInfo"].records()
    assert [row["ClassName"] for row in classes] == ["0", "255"]
    assert sum(row["Frequency"] for row in classes) == ROWS * 64
    row = rows_of(ctx, "scored")[0]
    if kind == "PNG":
        assert row["_DL_PredImg_"] == images[0]
    assert len(row) == (64 if kind == "WIDE" else 1) + 4


def test_an_image_may_be_its_own_target(ctx: Context, run: Run) -> None:
    images, _ = squares()
    put(ctx, "t", {"_image_": images, "same": images})
    layers: list[dict[str, Any]] = [
        {**IMAGE, "layer": {**IMAGE["layer"], "scale": 1 / 255}},  # type: ignore[dict-item]
        {"name": "c", "layer": {"type": "convo", "nFilters": 1, "width": 1}, "srcLayers": "data"},
        {
            "name": "picture",
            "layer": {"type": "segmentation", "act": "IDENTITY", "targetScale": 1 / 255},
            "srcLayers": "c",
        },
    ]

    train(run, layers, target="same")
    assert list(facts(score(run)))[2:] == ["Mean Absolute Error", "Loss Error"]


def test_clusters_are_found_without_a_target(ctx: Context, run: Run) -> None:
    random = np.random.default_rng(2)
    near = random.normal(size=(ROWS, 2)) * 0.1
    put(ctx, "t", {"x": near[:, 0] + np.arange(ROWS) % 2, "y": near[:, 1]})
    cluster = {"type": "cluster", "nClusters": 2}

    train(
        run,
        [ROW, {"name": "groups", "layer": cluster, "srcLayers": "data"}],
        inputs=["x", "y"],
        epochs=40,
    )
    answer = score(run)

    assert list(facts(answer))[2:] == ["Loss Error"]
    levels = [row["_DL_PredLevel_"] for row in rows_of(ctx, "scored")]
    assert levels in ([place % 2 for place in range(ROWS)], [1 - p % 2 for p in range(ROWS)])


def test_survival_answers_with_the_cumulative_hazard(ctx: Context, run: Run) -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=ROWS)
    time = random.exponential(np.exp(-x))
    put(ctx, "t", {"x": x, "time": time, "event": (np.arange(ROWS) % 4 > 0).astype(float)})
    layers: list[dict[str, Any]] = [
        ROW,
        {"name": "f", "layer": {"type": "fc", "n": 1, "act": "identity"}, "srcLayers": "data"},
        {"name": "risk", "layer": {"type": "survival"}, "srcLayers": "f"},
    ]

    trained = train(run, layers, inputs=["x"], target=["time", "event"], epochs=60)
    answer = score(run)

    assert errors(trained)[-1] < 0.45
    assert list(facts(answer))[2:] == ["Loss Error"]
    hazard = [row["CumHaz"] for row in answer.tables["CumHazard"].records()]
    assert len(hazard) == ROWS * 3 // 4
    assert hazard == sorted(hazard)
    assert np.corrcoef(x, [row["_DL_Pred_"] for row in rows_of(ctx, "scored")])[0, 1] > 0.99


def branches(count: int) -> list[dict[str, Any]]:
    """Return layers that embed equal parts of a row by the same weights and compare them."""
    layers: list[dict[str, Any]] = [
        ROW,
        {
            "name": "parts",
            "layer": {"type": "split", "nDestinationLayers": count},
            "srcLayers": "data",
        },
        {"name": "e0", "layer": {"type": "fc", "n": 2, "act": "identity"}, "srcLayers": "parts"},
    ]
    layers += [
        {
            "name": f"e{place}",
            "layer": {"type": "fc", "n": 2, "act": "identity"},
            "srcLayers": "parts",
            "sharedWeights": "e0",
        }
        for place in range(1, count)
    ]
    names = [f"e{place}" for place in range(count)]
    return [*layers, {"name": "loss", "layer": {"type": "closs"}, "srcLayers": names}]


@pytest.mark.parametrize("count", [2, 3, 4])
def test_embeddings_are_compared(ctx: Context, run: Run, count: int) -> None:
    random = np.random.default_rng(4)
    columns = {f"x{place}": random.normal(size=ROWS) for place in range(count)}
    put(ctx, "t", {**columns, "same": (np.abs(columns["x0"] - columns["x1"]) < 0.5) * 1.0})
    target = {"target": "same"} if count == 2 else {}

    trained = train(run, branches(count), inputs=list(columns), **target)
    answer = score(run)

    losses = [row["Loss"] for row in trained.tables["OptIterHistory"].records()]
    assert losses[-1] < losses[0]
    assert list(facts(answer))[2:] == ["Mean Absolute Error", "Loss Error"]
    names = ["_DL_Pred_"] if count == 2 else [f"_DL_Pred{place}_" for place in range(count - 1)]
    assert list(rows_of(ctx, "scored")[0]) == names


FASTER: list[dict[str, Any]] = [
    {**IMAGE, "layer": {**IMAGE["layer"], "scale": 1 / 255}},  # type: ignore[dict-item]
    {
        "name": "maps",
        "layer": {"type": "convo", "nFilters": 4, "stride": 2, "act": "tanh"},
        "srcLayers": "data",
    },
    {
        "name": "values",
        "layer": {"type": "convo", "nFilters": 6, "act": "identity"},
        "srcLayers": "maps",
    },
    {
        "name": "regions",
        "layer": {
            "type": "regionproposal",
            "anchorRatio": [1.0],
            "anchorScale": [1.0],
            "baseAnchorSize": 4,
            "roiTrainSampleNum": 4,
        },
        "srcLayers": "values",
    },
    {
        "name": "parts",
        "layer": {"type": "roipooling", "outputHeight": 2, "outputWidth": 2, "spatialScale": 0.5},
        "srcLayers": ["maps", "regions"],
    },
    {
        "name": "scores",
        "layer": {"type": "fc", "n": 2, "act": "identity", "perStep": True},
        "srcLayers": "parts",
    },
    {
        "name": "shifts",
        "layer": {"type": "fc", "n": 8, "act": "identity", "perStep": True},
        "srcLayers": "parts",
    },
    {
        "name": "found",
        "layer": {"type": "fastrcnn", "classNumber": 1, "maxObjectNum": 2},
        "srcLayers": ["scores", "shifts", "regions"],
    },
]


def test_objects_are_found_in_two_steps(ctx: Context, run: Run) -> None:
    images, corners = squares()
    columns: dict[str, Any] = {"_image_": images, "_Object0_": ["square"] * ROWS}
    for place, name in enumerate(("xmin", "ymin", "xmax", "ymax")):
        columns[f"_Object0_{name}"] = [c[place % 2] + 4.0 * (place > 1) for c in corners]
    put(ctx, "t", columns)
    names = [name for name in columns if name != "_image_"]
    specs = [
        {"type": "IMAGE", "layer": "data", "data": ["_image_"]},
        {"type": "OBJECTDETECTION", "layer": "regions", "data": names},
        {"type": "OBJECTDETECTION", "layer": "found", "data": names},
    ]

    trained = train(run, FASTER, dataSpecs=specs, epochs=20)
    answer = score(run)

    losses = [row["Loss"] for row in trained.tables["OptIterHistory"].records()]
    assert losses[-1] < losses[0]
    assert [name.partition(" (")[0] for name in list(facts(answer))[2:]] == [
        "Average IOU in Detection",
        "Average IOU in Detection",
        "Loss Error",
    ]
    assert list(rows_of(ctx, "scored")[0])[:4] == [
        "_nObjects_",
        "_Object0_",
        "_P_Object0_",
        "_Object0_xmin",
    ]
