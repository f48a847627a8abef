"""Tables of images larger than the input layer, which cuts them down."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from engine.data.columns import Columns
from engine.data.encode import Encoder
from engine.data.schema import bound_graph
from engine.errors import DataError, GraphError
from engine.graph.spec import Graph
from engine.layers.input import Input
from tests.engine.networks import learned, network, objects


def picture(height: int, width: int, shade: int = 0) -> bytes:
    out = BytesIO()
    Image.fromarray(np.full((height, width), shade, dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def table(*pictures: bytes | None) -> Columns:
    labels = ["a", "b"] * len(pictures)
    return {"_image_": objects(*pictures), "y": objects(*labels[: len(pictures)])}


def cutting(crop: str = "UNIQUE") -> Graph:
    options = {"n_channels": 1, "width": 4, "height": 3, "random_crop": crop}
    return network(Input.model_validate(options))


def test_all_images_are_as_large_as_the_first_one_there() -> None:
    rows = table(None, picture(6, 8), picture(6, 8, 9))
    schema = learned(cutting(), rows)

    encoded = Encoder(schema).encode(rows)

    assert schema.inputs[0].shape == (1, 6, 8)
    assert encoded.inputs["data"].shape == (2, 1, 6, 8)
    assert bound_graph(schema, cutting()).shapes["data"] == (1, 3, 4)


def test_another_size_in_the_same_table_is_refused() -> None:
    rows = table(picture(6, 8), picture(8, 8))
    message = (
        "column '_image_', row 1 got an image of 8 x 8 pixels, expected 8 x 6 as the input layer "
        "declares; resize it first"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        Encoder(learned(cutting(), rows)).encode(rows)


def test_images_too_small_to_cut_are_refused() -> None:
    schema = learned(cutting(), table(picture(2, 8), picture(2, 8)))
    message = "layer 'data' (input) got rows of shape (1, 2, 8), expected (1, 3, 4) or larger"
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        bound_graph(schema, cutting())


def test_images_of_any_size_are_resized() -> None:
    schema = learned(cutting("RANDOMRESIZED"), table(picture(2, 2), picture(2, 2)))

    assert bound_graph(schema, cutting("RANDOMRESIZED")).shapes["data"] == (1, 3, 4)


def test_a_layer_that_cuts_nothing_keeps_its_size() -> None:
    schema = learned(cutting("NONE"), table(picture(6, 8), picture(6, 8)))

    assert schema.inputs[0].shape == (1, 3, 4)


def test_what_is_no_picture_is_refused_by_the_encoder() -> None:
    rows = table(picture(6, 8), picture(6, 8))
    rows = {**rows, "_image_": objects("a.png", "b.png")}
    message = "column '_image_', row 0 got 'a.png', expected the bytes of an image"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        Encoder(learned(cutting(), rows)).encode(rows)
