"""A network of many layer types in training: it learns, and does so the same way again."""

import torch

from engine.compile.lower import CompiledModel, compile_graph
from engine.data.batches import ResidentSource
from engine.devices import seeded
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers import LAYERS
from engine.layers.base import BuildOptions, Target
from engine.train.config import Optimizer
from engine.train.loop import Trainer, TrainResult
from engine.weights import read_weights

ROWS = 64

LAYERS_OF_A_NETWORK: list[tuple[str, str, dict[str, object], list[str]]] = [
    ("groups", "groupconvo", {"n_filters": 6, "n_groups": 3}, ["data"]),
    ("mixed", "channelshuffle", {"n_groups": 3}, ["groups"]),
    ("parts", "split", {"n_destination_layers": 2}, ["mixed"]),
    ("left", "convo", {"n_filters": 4, "act": "IDENTITY", "include_bias": False}, ["parts"]),
    ("left_norm", "batchnorm", {"act": "RECTIFIER"}, ["left"]),
    ("right", "convo", {"n_filters": 4, "act": "IDENTITY", "include_bias": False}, ["parts"]),
    ("right_norm", "batchnorm", {"act": "RECTIFIER"}, ["right"]),
    ("sum", "residual", {}, ["left_norm", "right_norm"]),
    ("pool", "pool", {"pool": "RANDOM"}, ["sum"]),
    ("up", "transconvo", {"n_filters": 4, "stride": 2, "output_padding": 1}, ["pool"]),
    ("local", "localconvo", {"n_filters": 2, "stride": 4}, ["up"]),
    ("steps", "reshape", {"width": 8, "height": 4, "depth": 1}, ["local"]),
    ("look", "mhattention", {"n": 8, "n_attn_heads": 2, "attn_dropout": 0.1}, ["steps"]),
    ("norm", "layernorm", {}, ["look"]),
    ("out", "output", {}, ["norm"]),
]
SHARED = {"right": "left", "right_norm": "left_norm"}
CHANGED = {"random_flip": "HV", "random_crop": "RESIZETHENCROP", "random_mutation": "RANDOM"}


def network() -> Graph:
    image = {"n_channels": 3, "width": 12, "scale": 1 / 255, **CHANGED}
    graph = Graph("net").add("data", LAYERS["input"].model_validate(image))
    for name, kind, options, sources in LAYERS_OF_A_NETWORK:
        layer = LAYERS[kind].model_validate(options)
        graph = graph.add(name, layer, sources, shared=SHARED.get(name))
    return bind(graph, {"data": (3, 16, 14)}, {"out": Target("nominal", 2)})


def pictures() -> ResidentSource:
    """Return dark and bright noise, and which it is."""
    labels = torch.arange(ROWS) % 2
    noise = torch.randint(0, 128, (ROWS, 3, 16, 14), generator=seeded(2))
    bright = (noise + 100 * labels.view(-1, 1, 1, 1)).to(torch.uint8)
    return ResidentSource({"data": bright}, {"out": labels})


def trained() -> tuple[CompiledModel, TrainResult]:
    model = compile_graph(network(), BuildOptions(), generator=seeded(3))
    optimizer = Optimizer.model_validate(
        {"algorithm": {"method": "ADAM", "learning_rate": 0.01}, "max_epochs": 8}
    )
    return model, Trainer(model, optimizer, pictures(), batch_rows=16, seed=5).run()


def test_a_network_of_many_layer_types_learns() -> None:
    model, result = trained()
    source = pictures().table

    predicted = model(source.inputs)["out"].argmax(1)

    assert (predicted == source.targets["out"]).float().mean().item() > 0.9
    assert result.history[-1].loss < result.history[0].loss / 2


def test_the_same_seeds_give_the_same_bits_with_random_changes_of_images() -> None:
    first, again = ([c.values.copy() for c in read_weights(trained()[0])] for _ in range(2))

    assert all((one == other).all() for one, other in zip(first, again, strict=True))
