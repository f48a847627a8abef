import re
from typing import Any

import numpy as np
import pytest

import engine.data.pixels
from engine.data.encode import Encoder
from engine.data.variables import PixelsTarget
from engine.errors import DataError
from engine.graph.spec import Graph
from engine.layers.convolution import Convolution
from engine.layers.input import Input
from engine.layers.segmentation import Segmentation
from engine.losses import ABSENT, UNSEEN
from tests.engine.networks import learned, objects
from tests.engine.pictures import picture, png

MASK = np.array([[0, 7, 7], [255, 0, 7]])


def painter(maps: int = 3, **options: Any) -> Graph:
    graph = Graph("net").add("data", Input(n_channels=1, width=3, height=2))
    graph = graph.add("maps", Convolution(n_filters=maps), ["data"])
    return graph.add("mask", Segmentation.model_validate(options), ["maps"])


def table(*masks: bytes | None) -> dict[str, Any]:
    return {"_image_": objects(*[picture(3, 2)] * len(masks)), "y": objects(*masks)}


def test_the_values_of_a_label_image_are_its_classes() -> None:
    columns = table(png(MASK), None)
    schema = learned(painter(), columns)
    encoded = Encoder(schema).encode(columns)

    target = schema.targets[0]
    assert isinstance(target, PixelsTarget)
    assert (target.levels, target.shape, target.is_image) == (("0", "7", "255"), (1, 2, 3), True)
    assert (target.target.kind, target.target.size) == ("pixels", 3)
    assert encoded.targets["mask"].tolist() == [[[0, 1, 1], [2, 0, 1]]]
    assert encoded.used.tolist() == [True, False]


def test_a_palette_numbers_the_classes() -> None:
    columns = table(png(MASK, palette=True))
    assert learned(painter(), columns).targets[0].levels == ("0", "7", "255")  # type: ignore[union-attr]


def test_descending_order_turns_the_classes_round() -> None:
    columns = table(png(MASK))
    schema = learned(painter(), columns, target_order="DESCENDING")
    encoded = Encoder(schema).encode(columns)

    assert schema.targets[0].levels == ("255", "7", "0")  # type: ignore[union-attr]
    assert encoded.targets["mask"][0, 1].tolist() == [0, 2, 1]


def test_a_column_per_pixel_is_a_label_image_too() -> None:
    columns = {"_image_": objects(*[picture(3, 2)] * 2)}
    columns |= {f"p{place}": np.array([value, 0.0]) for place, value in enumerate(MASK.ravel())}
    schema = learned(painter(), columns, target=tuple(columns)[1:])
    encoded = Encoder(schema).encode(columns)

    assert not schema.targets[0].is_image  # type: ignore[union-attr]
    assert encoded.targets["mask"][0].tolist() == [[0, 1, 1], [2, 0, 1]]


def test_scoring_keeps_rows_without_a_mask_and_counts_unknown_pixels() -> None:
    schema = learned(painter(), table(png(MASK)))
    encoder = Encoder(schema, "score")
    columns = table(None, png(np.array([[0, 7, 7], [9, 9, 7]])))
    encoded = encoder.encode(columns)

    assert bool((encoded.targets["mask"][0] == ABSENT).all())
    assert encoded.targets["mask"][1, 1].tolist() == [UNSEEN, UNSEEN, 1]
    assert encoder.unseen["y"] == 2


def test_pixels_may_be_numbers() -> None:
    columns = table(png(MASK))
    schema = learned(painter(1, act="IDENTITY", target_scale=0.1), columns)
    encoded = Encoder(schema, "score").encode(table(png(MASK), None)).targets["mask"]

    assert schema.targets[0].target.size == 6
    np.testing.assert_allclose(encoded[0, 0].numpy(), MASK * 0.1, rtol=1e-6)
    assert encoded[1].isnan().all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            table(png(np.zeros((2, 3)))),
            "target 'y' has pixels of one value, 0, expected at least two",
        ),
        (
            {"_image_": objects(picture(3, 2)), "y": objects("mask.png")},
            "column 'y', row 0 got 'mask.png', expected the bytes of an image",
        ),
        (table(None), "column 'y' has only missing values"),
    ],
)
def test_targets_that_are_no_label_images_are_refused(
    columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        learned(painter(), columns)


def test_a_wrong_number_of_columns_is_refused() -> None:
    columns = {"_image_": objects(picture(3, 2)), "a": np.ones(1), "b": np.ones(1)}
    message = (
        "layer 'mask' got 2 target variables, expected one column of images or 6 variables, one "
        "per pixel"
    )
    with pytest.raises(DataError, match=f"^{message}$"):
        learned(painter(), columns, target=("a", "b"))


def test_a_photograph_is_no_label_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.data.pixels, "CLASS_LIMIT", 2)
    message = (
        "column 'y' has more than 2 values of pixels, expected fewer; is it a photograph, not a "
        "label image?"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        learned(painter(), table(png(MASK)))
