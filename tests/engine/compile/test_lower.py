import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.compile.lower import CompiledModel, compile_graph
from engine.devices import seeded
from engine.errors import GraphError
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Concatenation, Residual
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from tests.engine.classics import lenet, small

DEFAULTS = BuildOptions()


def compiled(graph: Graph, *, seed: int = 1, **options: object) -> CompiledModel:
    return compile_graph(graph, BuildOptions.model_validate(options), generator=seeded(seed))


def branches() -> Graph:
    """Return a bound network with two inputs, a fork and two outputs."""
    graph = (
        Graph("branches")
        .add("image", Input(n_channels=2, width=6, height=6, scale=1 / 255))
        .add("left", Convolution(n_filters=3, width=4), ["image"])
        .add("right", Convolution(n_filters=3, width=1), ["image"])
        .add("sum", Residual(act="RECTIFIER"), ["left", "right"])
        .add("wide", Concatenation(), ["sum", "image"])
        .add("pool", Pooling(width=3, stride=2, pool="MEAN"), ["wide"])
        .add("rows", Input())
        .add("fc", FullyConnected(n=4), ["pool", "rows"])
        .add("level", Output(), ["fc"])
        .add("value", Output(), ["fc"])
    )
    return bind(
        graph, {"rows": (3,)}, {"level": Target("nominal", 3), "value": Target("interval", 2)}
    )


def batch(rows: int = 4) -> dict[str, Tensor]:
    draw = np.random.default_rng(1)
    return {
        "image": torch.tensor(draw.integers(0, 256, (rows, 2, 6, 6)), dtype=torch.uint8),
        "rows": torch.tensor(draw.normal(size=(rows, 3)), dtype=torch.float32),
    }


def test_every_layer_is_called_once_by_its_id() -> None:
    model = compiled(branches())
    calls = [node.target for node in model.module.graph.nodes if node.op == "call_module"]

    assert calls == [f"layer_{layer_id}" for layer_id in range(10)]


def test_raw_outputs_of_task_layers_come_by_name() -> None:
    results = compiled(branches())(batch())

    assert {name: tuple(each.shape) for name, each in results.items()} == {
        "level": (4, 3),
        "value": (4, 2),
    }


def test_activations_of_other_layers_come_when_asked_for() -> None:
    model = compile_graph(branches(), DEFAULTS, generator=seeded(1), outputs=["SUM", "level"])

    results = model(batch())

    assert list(results) == ["level", "value", "sum"]
    assert results["sum"].shape == (4, 3, 6, 6)
    assert results["sum"].min().item() >= 0.0


def test_a_network_equals_the_same_one_written_with_torch() -> None:
    model = compiled(bind(lenet(), {}, {"out": Target("nominal", 10)}))
    images = torch.rand(2, 1, 28, 28, generator=seeded(2))
    w = {(spec.layer_id, spec.name): model.tensor(spec) for spec in model.specs}

    x = torch.tanh(torch.conv2d(images, w[1, "weight"], w[1, "bias"]))
    x = torch.max_pool2d(x, 2)
    x = torch.tanh(torch.conv2d(x, w[3, "weight"], w[3, "bias"]))
    x = torch.max_pool2d(x, 2).flatten(1)
    x = torch.tanh(x @ w[5, "weight"] + w[5, "bias"])
    expected = x @ w[6, "weight"] + w[6, "bias"]

    torch.testing.assert_close(model({"data": images})["out"], expected)


def test_one_generator_state_gives_one_start() -> None:
    first, second, third = (compiled(branches(), seed=seed) for seed in (1, 1, 2))

    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )
    assert not torch.equal(first.parameters()[0], third.parameters()[0])


def test_parameters_come_in_table_order_by_part() -> None:
    model = compiled(small())

    assert [tuple(each.shape) for each in model.parameters()] == [
        (2, 1, 3, 3),
        (2, 2),
        (32, 3),
        (3,),
    ]
    assert [tuple(each.shape) for each in model.parameters("weights")] == [(2, 1, 3, 3), (32, 3)]
    assert [tuple(each.shape) for each in model.parameters("biases")] == [(2, 2), (3,)]
    assert model.parameters("statistics") == []


def test_tasks_are_those_of_the_bound_layers() -> None:
    tasks = compiled(branches()).tasks

    assert {name: task.target for name, task in tasks.items()} == {
        "level": Target("nominal", 3),
        "value": Target("interval", 2),
    }


def test_the_memory_order_of_images_does_not_change_numbers() -> None:
    plain, other = compiled(branches()), compiled(branches())
    other.to(torch.device("cpu"), channels_last=True)
    weight = other.parameters()[0]

    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert weight.shape == plain.parameters()[0].shape
    assert other.device == torch.device("cpu")
    for name, values in other(batch()).items():
        torch.testing.assert_close(values, plain(batch())[name], atol=1e-5, rtol=1e-5)


def test_an_epoch_of_training_sets_the_statistics_for_scoring() -> None:
    # B8, B9: the statistics of the convolution's outputs over both mini-batches
    model = compile_graph(small(), DEFAULTS, generator=seeded(1), outputs=["conv"])
    images = torch.rand(6, 1, 4, 4, generator=seeded(2))

    model.begin_epoch()
    maps = [model({"data": part})["conv"].detach() for part in (images[:4], images[4:])]
    model.end_epoch()

    values = torch.cat(maps).double().numpy()
    statistics = model.tensor(model.specs[-1]).numpy()
    np.testing.assert_allclose(statistics[:, 0], values.mean((0, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(statistics[:, 1], values.std((0, 2, 3)), rtol=1e-4)


def test_scoring_pools_nothing() -> None:
    model = compiled(small())
    model.eval()

    model({"data": torch.rand(3, 1, 4, 4)})
    model.end_epoch()

    assert model.tensor(model.specs[-1]).tolist() == [[0.0, 1.0], [0.0, 1.0]]


def test_a_row_is_scored_alike_in_any_company() -> None:
    model = compiled(small())
    images = torch.rand(5, 1, 4, 4, generator=seeded(2))
    model({"data": images})
    model.end_epoch()
    model.eval()

    alone = torch.cat([model({"data": images[row : row + 1]})["out"] for row in range(5)])

    torch.testing.assert_close(model({"data": images})["out"], alone)


def test_beginning_an_epoch_forgets_the_last() -> None:
    images = torch.rand(4, 1, 4, 4, generator=seeded(2))
    models = [compiled(small()), compiled(small())]
    models[0]({"data": images + 5.0})
    for model in models:
        model.begin_epoch()
        model({"data": images})
        model.end_epoch()

    assert torch.equal(*(model.tensor(model.specs[-1]) for model in models))


def test_dropout_draws_from_the_generator_of_the_model() -> None:
    graph = bind(
        Graph("net").add("rows", Input(dropout=0.5)).add("out", Output(), ["rows"]),
        {"rows": (50,)},
        {"out": Target("interval", 1)},
    )
    model, rows = compiled(graph), {"rows": torch.rand(3, 50)}
    results = []
    for seed in (1, 1, 2):
        model.set_generator(seeded(seed))
        results.append(model(rows)["out"])

    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_equal_padding_reaches_the_modules() -> None:
    # C7: 1 2 3 4 5 with 1 2 gives 2 5 8 11 14 5
    graph = (
        Graph("net")
        .add("data", Input(n_channels=1, width=5, height=1))
        .add(
            "conv",
            Convolution(n_filters=1, width=2, height=1, act="IDENTITY", include_bias=False),
            ["data"],
        )
        .add("out", Output(full_connect=False), ["conv"])
    )
    bound = bind(graph, {}, {"out": Target("nominal", 5)})
    model = compiled(bound, force_equal_padding=True)
    model.parameters()[0].data.copy_(torch.tensor([1.0, 2.0]).view(1, 1, 1, 2))

    assert model({"data": torch.tensor([[[[1.0, 2, 3, 4, 5]]]])})["out"].tolist() == [
        [2.0, 5.0, 8.0, 11.0, 14.0, 5.0]
    ]


def test_layers_follow_their_sources_and_not_their_ids() -> None:
    graph = (
        Graph("net")
        .add("rows", Input(features=2))
        .add("a", FullyConnected(n=2), ["rows"])
        .add("b", FullyConnected(n=3), ["rows"])
        .add("a", FullyConnected(n=2), ["b"], replacing=True)
        .add("out", Output(), ["a"])
    )
    model = compiled(bind(graph, {}, {"out": Target("interval", 1)}))

    assert model({"rows": torch.rand(2, 2)})["out"].shape == (2, 1)


def test_an_unknown_output_is_refused() -> None:
    with pytest.raises(GraphError, match=r"^the layer 'poo' does not exist in model 'branches'"):
        compile_graph(branches(), DEFAULTS, outputs=["poo"])


def test_missing_values_are_refused_by_the_name_of_their_layer() -> None:
    message = "got values for 'image', expected 'image', 'rows'"
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        compiled(branches())({"image": batch()["image"]})


def test_an_incomplete_graph_is_not_compiled() -> None:
    with pytest.raises(GraphError, match=r"^model 'net' has no input layer, expected at least one"):
        compile_graph(Graph("net"), DEFAULTS)


def test_batch_normalisation_of_vectors_trains_on_one_row() -> None:
    graph = (
        Graph("net")
        .add("rows", Input(features=3))
        .add("norm", BatchNormalization(), ["rows"])
        .add("out", Output(), ["norm"])
    )
    model = compiled(bind(graph, {}, {"out": Target("interval", 1)}))

    assert model({"rows": torch.rand(1, 3)})["out"].isfinite().all()


def test_a_model_is_scored_and_trained_in_turns() -> None:
    model = compiled(small())

    model.eval()
    model.train()
    model({"data": torch.rand(3, 1, 4, 4)})
    model.end_epoch()

    assert model.tensor(model.specs[-1]).tolist() != [[0.0, 1.0], [0.0, 1.0]]


MEMORY = """
import numpy as np
from engine.compile.lower import compile_graph
from engine.layers.base import BuildOptions, Target
from engine.graph.infer import bind
from engine.weights import CHUNK_VALUES, Chunk, load_weights
from tests.engine.classics import vgg16

def peak():
    # of this program alone: ru_maxrss would begin with the peak of the process that forked it
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

model = compile_graph(bind(vgg16(), {}, {"fc8": Target("nominal", 1000)}), BuildOptions())
before = peak()
load_weights(model, (
    Chunk(spec, offset, np.ones(min(CHUNK_VALUES, spec.size - offset), np.float32))
    for spec in model.specs for offset in range(0, spec.size, CHUNK_VALUES)
))
print(peak() - before)
"""


@pytest.mark.slow
def test_loading_vgg16_takes_the_model_and_one_chunk() -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )

    # 138,357,544 numbers of 4 bytes, two chunks of 4 MiB at the change from one to the next, and
    # 16 MiB for the allocator
    assert int(done.stdout) <= 138_357_544 * 4 + 24 * 2**20
