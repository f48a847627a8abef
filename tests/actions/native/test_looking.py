"""Pictures of what a network sees."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from actions.context import Context
from actions.errors import InvalidParameters
from actions.native import feature_maps, filters
from actions.results import ActionResult
from engine.errors import LayerError
from tests.actions.house import Run, picture, put

MODEL: dict[str, Any] = {"modelTable": "gaze", "initWeights": "gaze_weights"}
SHADES = np.random.default_rng(1).integers(0, 256, (4, 6, 6, 3), np.uint8)


@pytest.fixture(autouse=True)
def gaze(run: Run, ctx: Context) -> None:
    """A network for colour images of 6 x 6 pixels, trained for one pass."""
    put(
        ctx,
        "looks",
        {
            "_image_": [None, *map(picture, SHADES)],
            "_label_": ["up", "up", "down", "up", "down"],
            "number": list(range(5)),
        },
    )
    convo = {"type": "convo", "nFilters": 2, "act": "relu"}
    layers: list[dict[str, Any]] = [
        {"name": "data", "layer": {"type": "input", "nChannels": 3, "width": 6, "height": 6}},
        {"name": "first", "layer": convo, "srcLayers": "data"},
        {"name": "second", "layer": convo, "srcLayers": "first"},
        {"name": "out", "layer": {"type": "output"}, "srcLayers": "second"},
    ]
    run("castorch.declareModel", modelTable="gaze", layers=layers)
    optimizer = {"totalMiniBatchSize": 4, "maxEpochs": 1, "algorithm": {"learningRate": 1e-5}}
    run(
        "deepLearn.dlTrain",
        table="looks",
        optimizer=optimizer,
        seed=3,
        modelTable="gaze",
        modelWeights="gaze_weights",
    )


def drawn(answer: ActionResult, row: int = 0) -> npt.NDArray[np.uint8]:
    data = answer.tables["Images"].rows[row][0]
    assert isinstance(data, bytes)
    return np.asarray(Image.open(io.BytesIO(data)))


def weights(run: Run, layer: int) -> npt.NDArray[np.float64]:
    """Return the numbers of a layer as the weight table has them."""
    table = {"name": "gaze_weights", "where": f"_LayerID_ = {layer}"}
    rows = run("table.fetch", table=table, to=10_000).tables["Fetch"].rows
    numbers = np.array([row[1:3] for row in rows], dtype=float)
    held: npt.NDArray[np.float64] = numbers[numbers[:, 0].argsort(), 1]
    return held


def convolved(x: npt.NDArray[np.float64], numbers: npt.NDArray[np.float64]) -> Any:
    """Return relu of a 3 x 3 convolution with two filters, zeros around: (2, H, W)."""
    channels, height, width = x.shape
    kernels = numbers[:-2].reshape(2, channels, 3, 3)
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    found = np.empty((2, height, width))
    for f in range(2):
        for i in range(height):
            for j in range(width):
                window = padded[:, i : i + 3, j : j + 3]
                found[f, i, j] = (window * kernels[f]).sum() + numbers[-2 + f]
    return found.clip(min=0)


def test_maps_are_those_worked_out_by_hand(run: Run) -> None:
    answer = run("castorch.featureMaps", table="looks", layer="first", maxRows=2, **MODEL)

    maps = convolved(SHADES[0, :, :, ::-1].transpose(2, 0, 1).astype(float), weights(run, 1))
    table = answer.tables["Maps"]
    assert [each.name for each in table.columns] == ["Row", "Map", "Min", "Max", "Mean"]
    told = np.array(table.rows, dtype=float)
    assert told[:, :2].tolist() == [[2, 0], [2, 1], [3, 0], [3, 1]]  # the first row has no image
    expected = [[each.min(), each.max(), each.mean()] for each in maps]
    np.testing.assert_allclose(told[:2, 2:], expected, rtol=1e-4, atol=1e-3)
    # two maps of 6 x 6, each enlarged eight times, with two pixels between them
    sheet = drawn(answer)
    assert sheet.shape == (48, 98)
    span = maps[0].max() - maps[0].min()
    shades = np.rint((maps[0] - maps[0].min()) / (span or 1) * 255) * (span > 0)
    np.testing.assert_allclose(sheet[4::8, 4:48:8], shades, atol=1)


def test_maps_are_chosen(run: Run) -> None:
    answer = run("castorch.featureMaps", table="looks", maps=[1], **MODEL)
    assert answer.tables["Images"].rows[0][1:] == (2, "second")
    assert drawn(answer).shape == (48, 48)
    message = r"^parameter 'maps' got 2, expected 0 to 1 as layer 'second' has 2 maps$"
    with pytest.raises(InvalidParameters, match=message):
        run("castorch.featureMaps", table="looks", maps=[2], **MODEL)


def test_no_more_is_drawn_than_can_be_seen(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_maps, "MOST_TILES", 1)
    monkeypatch.setattr(filters, "MOST_TILES", 3)
    message = r"^layer 'second' has 2 maps, expected at most 1 to draw; choose with 'maps'$"
    with pytest.raises(InvalidParameters, match=message):
        run("castorch.featureMaps", table="looks", **MODEL)
    message = r"^layer 'second' has 4 pictures of filters, expected at most 3; choose with 'maps'$"
    with pytest.raises(InvalidParameters, match=message):
        run("castorch.filters", layer="second", **MODEL)


def test_heat_is_that_worked_out_by_hand(run: Run) -> None:
    answer = run("castorch.heatMap", table="looks", level="up", **MODEL)

    first = convolved(SHADES[0, :, :, ::-1].transpose(2, 0, 1).astype(float), weights(run, 1))
    maps = convolved(first, weights(run, 2))
    numbers = weights(run, 3)
    slopes = numbers[:-2].reshape(-1, 2).T.reshape(2, 2, 6, 6)[1]  # levels in order: down, up
    expected = np.einsum("c,chw->hw", slopes.mean(axis=(1, 2)), maps).clip(min=0)
    told = np.array(answer.tables["Heat"].rows, dtype=float)
    np.testing.assert_allclose(told[:, 3].reshape(6, 6), expected, rtol=1e-3, atol=1e-3)
    scores = maps.ravel() @ numbers[:-2].reshape(-1, 2) + numbers[-2:]
    share = 1 / (1 + np.exp(scores[0] - scores[1]))
    assert answer.tables["Images"].rows[0][1:4] == (2, "second", "up")
    assert answer.tables["Images"].rows[0][4] == pytest.approx(share, rel=1e-3, abs=1e-6)
    # the image on the left is the one of the table
    assert drawn(answer).shape == (48, 98, 3)
    np.testing.assert_array_equal(drawn(answer)[4::8, 4:48:8], SHADES[0])


def test_the_likeliest_level_is_drawn(run: Run) -> None:
    answer = run("castorch.heatMap", table="looks", maxRows=9, layer="first", **MODEL)
    rows = answer.tables["Images"].rows
    assert [row[1] for row in rows] == [2, 3, 4, 5]
    assert all(float(row[4]) >= 0.5 for row in rows)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"level": "upp"},
            r"^parameter 'level' got 'upp', expected a level of '_label_': down, up;",
        ),
        (
            {"layer": "out"},
            r"^parameter 'layer' got 'out', expected a layer of 'gaze' whose output",
        ),
    ],
)
def test_what_is_not_there_is_refused(run: Run, more: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidParameters, match=message):
        run("castorch.heatMap", table="looks", **MODEL, **more)


def test_heat_of_the_input_is_refused(run: Run) -> None:
    with pytest.raises(
        LayerError, match=r"^layer 'out' does not depend on the maps of layer 'data'"
    ):
        run("castorch.heatMap", table="looks", layer="data", **MODEL)


def test_filters_of_colours_are_drawn_in_colours(run: Run) -> None:
    sheet = drawn(run("castorch.filters", layer="first", **MODEL))

    kernels = weights(run, 1)[:-2].reshape(2, 3, 3, 3)
    assert sheet.shape == (48, 98, 3)
    expected = np.rint((0.5 + 0.5 * kernels / abs(kernels).max()) * 255)
    red_first = expected[0, ::-1].transpose(1, 2, 0)
    np.testing.assert_allclose(sheet[8::16, 8:48:16], red_first, atol=1)


def test_other_filters_have_a_row_each(run: Run) -> None:
    answer = run("castorch.filters", layer="second", maps=[1], **MODEL)
    kernels = weights(run, 2)[:-2].reshape(2, 2, 3, 3)
    expected = np.rint((0.5 + 0.5 * kernels / abs(kernels).max()) * 255)
    sheet = drawn(answer)
    assert sheet.shape == (48, 98)
    np.testing.assert_allclose(sheet[8::16, 58::16], expected[1, 1], atol=1)
    message = r"^parameter 'maps' got 7, expected 0 to 1 as layer 'second' has 2 filters$"
    with pytest.raises(InvalidParameters, match=message):
        run("castorch.filters", layer="second", maps=[7], **MODEL)


def test_a_model_of_numbers_sees_no_images(run: Run, ctx: Context) -> None:
    put(ctx, "points", {"x": [0.0, 1.0, 2.0], "y": [1.0, 2.0, 4.0]})
    layers: list[dict[str, Any]] = [
        {"name": "data", "layer": {"type": "input"}},
        {"name": "out", "layer": {"type": "output"}, "srcLayers": "data"},
    ]
    run("castorch.declareModel", modelTable="line", layers=layers)
    run(
        "deepLearn.dlTrain",
        table="points",
        modelTable="line",
        modelWeights="line_weights",
        inputs="x",
        target="y",
        optimizer={"maxEpochs": 1, "totalMiniBatchSize": 3},
    )
    message = r"^parameter 'layer' got None, expected a layer of 'line' whose output is maps$"
    with pytest.raises(InvalidParameters, match=message):
        run("castorch.heatMap", table="points", modelTable="line", initWeights="line_weights")
