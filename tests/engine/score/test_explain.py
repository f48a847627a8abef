"""What a network sees in an image, against torch by hand."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from engine.compile.lower import CompiledModel, compile_graph
from engine.errors import LayerError
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.input import Input
from engine.layers.output import Output
from engine.score.explain import heat_maps, image_layers, layer_filters, layer_maps

GRAPH = (
    Graph("net")
    .add("data", Input(n_channels=1, width=6, height=5))
    .add("conv", Convolution(n_filters=3, width=3, act="RECTIFIER"), ["data"])
    .add("out", Output(n=2), ["conv"])
)
IMAGES = torch.from_numpy(np.random.default_rng(4).integers(0, 256, (2, 1, 5, 6)).astype(np.uint8))


@pytest.fixture
def model() -> CompiledModel:
    made = compile_graph(
        bind(GRAPH, {}, {"out": Target("nominal", 2)}),
        BuildOptions(),
        generator=torch.Generator().manual_seed(1),
        outputs=["data", "conv"],
    )
    made.eval()
    return made


def numbers(model: CompiledModel) -> dict[tuple[int, str], torch.Tensor]:
    """Return weights and biases by id of layer."""
    return {(spec.layer_id, spec.part): model.tensor(spec).detach() for spec in model.specs}


def maps_by_hand(model: CompiledModel) -> torch.Tensor:
    held = numbers(model)
    x = functional.conv2d(IMAGES.float(), held[1, "weights"], held[1, "biases"], padding=1)
    return functional.relu(x)


def test_maps_are_what_the_layer_gives(model: CompiledModel) -> None:
    found = layer_maps(model, {"data": IMAGES}, "conv")
    torch.testing.assert_close(found, maps_by_hand(model), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("level", [0, 1])
def test_heat_weighs_maps_by_the_slope_of_the_score(model: CompiledModel, level: int) -> None:
    found = heat_maps(model, {"data": IMAGES}, "conv", "out", level)

    # the score is linear in the maps: its slope is the output layer's own weights
    maps = maps_by_hand(model)
    held = numbers(model)
    slope = held[2, "weights"].T.reshape(2, 3, 5, 6)[level]
    expected = torch.einsum("c,nchw->nhw", slope.mean((1, 2)), maps).clamp_min(0)
    torch.testing.assert_close(found.maps, expected, rtol=1e-4, atol=1e-3)
    scores = maps.flatten(1) @ held[2, "weights"] + held[2, "biases"]
    shares = scores.softmax(1)[:, level]
    torch.testing.assert_close(found.probabilities, shares, rtol=1e-3, atol=1e-5)


def test_the_likeliest_level_is_taken(model: CompiledModel) -> None:
    found = heat_maps(model, {"data": IMAGES}, "conv", "out", None)
    assert (found.probabilities >= 0.5).all()
    each = [heat_maps(model, {"data": IMAGES}, "conv", "out", level) for level in (0, 1)]
    for row, level in enumerate(found.levels.tolist()):
        torch.testing.assert_close(found.maps[row], each[level].maps[row])


def test_a_layer_before_all_weights_is_refused(model: CompiledModel) -> None:
    message = (
        r"^layer 'out' does not depend on the maps of layer 'data', expected a layer with weights "
        r"before it or of its own, on the way to the output$"
    )
    with pytest.raises(LayerError, match=message):
        heat_maps(model, {"data": IMAGES}, "data", "out", 0)


def test_filters_are_the_weights(model: CompiledModel) -> None:
    torch.testing.assert_close(layer_filters(model, "CONV"), numbers(model)[1, "weights"])
    message = r"^layer 'out' of type output has no filters, expected a convolution$"
    with pytest.raises(LayerError, match=message):
        layer_filters(model, "out")


def test_layers_of_maps_are_found() -> None:
    assert image_layers(GRAPH, BuildOptions()) == ("conv",)
