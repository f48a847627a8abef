import re

import numpy as np
import pytest
import torch

from engine.compile.lower import compile_graph
from engine.devices import seeded
from engine.errors import GraphError, NotSupportedError, ShapeError
from engine.graph.infer import bind, check_trainable
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.channels import ChannelShuffle, Split
from engine.layers.input import Input
from engine.layers.merge import Concatenation
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from engine.shapes import Shape
from tests.engine.rows import DEFAULTS


def dealing(parts: int = 3) -> Graph:
    """Return data of six maps and a split layer."""
    data = Input(n_channels=6, width=2, height=2)
    return Graph("net").add("data", data).add("s", Split(n_destination_layers=parts), ["data"])


def run(graph: Graph, values: torch.Tensor, *layers: str) -> dict[str, torch.Tensor]:
    bound = bind(graph, {}, {"out": Target("nominal", 2)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1), outputs=layers)
    model.eval()
    return model({"data": values})


def whole_map() -> Pooling:
    return Pooling(width=0, height=0)


def test_destinations_take_the_parts_in_the_order_they_were_added() -> None:
    graph = (
        dealing()
        .add("b", whole_map(), ["s"])
        .add("a", whole_map(), ["s"])
        .add("c", whole_map(), ["s"])
        .add("all", Concatenation(), ["c", "b", "a"])
        .add("out", Output(), ["all"])
    )
    maps = torch.arange(6.0).view(1, 6, 1, 1).expand(1, 6, 2, 2)

    found = run(graph, maps, "s", "a", "b", "c")

    assert {name: found[name].flatten().tolist() for name in "abc"} == {
        "b": [0, 1],
        "a": [2, 3],
        "c": [4, 5],
    }
    assert torch.equal(found["s"], maps)


def test_a_destination_that_names_the_layer_twice_takes_two_parts() -> None:
    graph = (
        dealing()
        .add("first", Pooling(width=1), ["s"])
        .add("both", Concatenation(), ["s", "first", "s"])
        .add("out", Output(), ["both"])
    )
    maps = torch.arange(6.0).view(1, 6, 1, 1).expand(1, 6, 2, 2)

    found = run(graph, maps, "both")["both"]

    assert found[0, :, 0, 0].tolist() == [2, 3, 0, 1, 4, 5]


def test_destinations_see_the_shape_of_a_part() -> None:
    graph = dealing(2).add("a", Pooling(), ["s"])

    assert (graph.shapes["s"], graph.shapes["a"]) == ((6, 2, 2), (3, 1, 1))
    message = (
        "layer 't' (split) got (3, 2, 2), expected maps, or a vector, of a number that "
        "2 destinations can share equally"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        graph.add("t", Split(n_destination_layers=2), ["s"])


@pytest.mark.parametrize("shape", [(5,), (3, 4, 4), (4, 6)])
def test_what_cannot_be_shared_equally_is_refused(shape: Shape) -> None:
    message = (
        f"got {shape}, expected maps, or a vector, of a number that 2 destinations can share "
        "equally"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        Split(n_destination_layers=2).infer([shape], DEFAULTS)


def test_a_part_has_one_destination() -> None:
    graph = dealing(2).add("a", whole_map(), ["s"]).add("b", whole_map(), ["s"])
    message = (
        "layer 's' (split) has 3 destinations: 'a', 'b', 'c'; expected 2, one for each part it "
        "deals out"
    )
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        graph.add("c", whole_map(), ["s"])


def test_a_replacement_does_not_take_away_parts_in_use() -> None:
    graph = dealing(2).add("a", whole_map(), ["s"]).add("b", whole_map(), ["s"])
    message = (
        "layer 's' (split) has 2 destinations: 'a', 'b'; expected 1, one for each part it deals out"
    )
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        graph.replace_layer("s", Split(n_destination_layers=1))


def test_every_part_needs_a_destination_before_training() -> None:
    graph = dealing(2).add("out", Output(), ["s"])
    message = (
        "layer 's' (split) has 1 destinations: 'out'; expected 2, one for each part it deals out"
    )
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        check_trainable(graph)


def test_maps_are_taken_from_every_group_in_turn() -> None:
    # by hand: groups (0 1 2) and (3 4 5) become 0 3 1 4 2 5
    layer = ChannelShuffle(n_groups=2)
    maps = torch.arange(6.0).view(1, 6, 1, 1)

    assert layer.build([(6, 1, 1)], DEFAULTS)(maps).flatten().tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6, 12])
def test_map_jg_plus_g_is_map_j_of_group_g(groups: int) -> None:
    image = np.random.default_rng(groups).normal(size=(12, 3, 2))
    expected = np.empty_like(image)
    per_group = 12 // groups
    for group in range(groups):
        for place in range(per_group):
            expected[place * groups + group] = image[group * per_group + place]

    module = ChannelShuffle(n_groups=groups).build([image.shape], DEFAULTS)

    assert np.array_equal(module(torch.tensor(image)[None])[0].numpy(), expected)


def test_groups_must_share_the_maps_equally() -> None:
    message = "got 5 maps, expected a number that 2 groups can share equally"
    with pytest.raises(ShapeError, match=f"^{message}$"):
        ChannelShuffle(n_groups=2).infer([(5, 2, 2)], DEFAULTS)


def test_another_number_of_maps_is_refused() -> None:
    message = "option 'scale' with 2.0 is not supported yet; expected 1"
    with pytest.raises(NotSupportedError, match=f"^{re.escape(message)}$"):
        ChannelShuffle(scale=2.0)
