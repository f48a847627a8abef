import re

import pytest

from engine.errors import ShapeError
from engine.graph.infer import infer_shapes
from engine.graph.spec import Graph
from engine.layers.base import Layer
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input

IMAGE = Graph("net").add("data", Input(n_channels=1, width=28, height=28))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            # 28 x 28 x 10^9
            Convolution(n_filters=10**9, width=3),
            (
                "layer 'new' (convo) makes (1000000000, 28, 28) of a row, which are 784000000000 "
                "values, expected at most 268435456"
            ),
        ),
        (
            # 785 x 2 735 671, where 2^31 is 785 x 2 735 647 and a rest
            FullyConnected(n=2_735_671),
            "layer 'new' (fc) needs 2147501735 weights and biases, expected at most 2147483648",
        ),
    ],
)
def test_a_layer_larger_than_memory_is_told_by_its_size(layer: Layer, message: str) -> None:
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        IMAGE.add("new", layer, ["data"])


def test_a_layer_is_too_large_before_its_source_is_known() -> None:
    graph = Graph("net").add("data", Input())

    with pytest.raises(ShapeError, match="which are 1000000000 values"):
        graph.add("new", FullyConnected(n=10**9), ["data"])


def test_an_image_larger_than_any_that_is_decoded_is_told() -> None:
    with pytest.raises(ShapeError, match=r"^layer 'data' \(input\) makes \(3, 1000000, 1000000\)"):
        Graph("net").add("data", Input(n_channels=3, width=10**6, height=10**6))


def test_a_layer_as_large_as_may_be_is_taken() -> None:
    # 785 x 2 735 647 = 2 147 482 895 <= 2^31
    graph = IMAGE.add("new", FullyConnected(n=2_735_647), ["data"])

    assert infer_shapes(graph)["new"] == (2_735_647,)
