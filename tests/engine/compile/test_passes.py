import pytest
import torch

from engine.compile.lower import CompiledModel, compile_graph
from engine.compile.passes import fold_batch_norm
from engine.devices import seeded
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Residual
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.modules.normalization import BatchNorm

IMAGES = torch.rand(5, 2, 6, 6, generator=seeded(3))


def trained(first: Convolution, *, outputs: tuple[str, ...] = ()) -> CompiledModel:
    """Return a network of convolution, fully connected and residual layers with statistics."""
    graph = (
        Graph("net")
        .add("data", Input(n_channels=2, width=6, height=6))
        .add("conv", first, ["data"])
        .add("norm", BatchNormalization(act="RECTIFIER"), ["conv"])
        .add("sum", Residual(), ["norm", "norm"])
        .add("fc", FullyConnected(n=4, act="IDENTITY", include_bias=False), ["sum"])
        .add("norm2", BatchNormalization(act="TANH"), ["fc"])
        .add("out", Output(), ["norm2"])
    )
    bound = bind(graph, {}, {"out": Target("nominal", 3)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1), outputs=outputs)
    for parameter in model.parameters("biases"):
        parameter.data.uniform_(0.5, 1.5, generator=seeded(2))
    model({"data": IMAGES})
    model.end_epoch()
    model.eval()
    return model


def norms(model: CompiledModel) -> int:
    return sum(isinstance(module, BatchNorm) for module in model.module.modules())


PLAIN = Convolution(n_filters=3, act="IDENTITY")


@pytest.mark.parametrize("channels_last", [False, True])
def test_folding_keeps_the_numbers(channels_last: bool) -> None:  # noqa: FBT001 - parametrised
    model = trained(PLAIN)
    model.to(torch.device("cpu"), channels_last=channels_last)
    expected = model({"data": IMAGES})["out"]

    folded = fold_batch_norm(model)

    assert (norms(model), norms(folded)) == (2, 0)
    torch.testing.assert_close(folded({"data": IMAGES})["out"], expected, atol=1e-5, rtol=1e-5)


def test_folding_leaves_the_given_model_as_it_was() -> None:
    model = trained(PLAIN)
    before = [each.clone() for each in model.module.state_dict().values()]

    fold_batch_norm(model)

    after = model.module.state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_folded_model_has_no_weight_table() -> None:
    assert fold_batch_norm(trained(PLAIN)).specs == ()


@pytest.mark.parametrize(
    ("first", "outputs"),
    [
        (Convolution(n_filters=3, act="TANH"), ()),
        (Convolution(n_filters=3, act="IDENTITY", dropout=0.5), ()),
        (PLAIN, ("conv",)),
    ],
)
def test_a_layer_whose_own_output_counts_is_not_folded(
    first: Convolution, outputs: tuple[str, ...]
) -> None:
    model = trained(first, outputs=outputs)
    expected = model({"data": IMAGES})

    folded = fold_batch_norm(model)

    assert norms(folded) == 1  # the one after fc is folded
    for name, result in folded({"data": IMAGES}).items():
        torch.testing.assert_close(result, expected[name], atol=1e-5, rtol=1e-5)


def test_normalised_inputs_are_not_folded() -> None:
    graph = (
        Graph("net")
        .add("rows", Input(features=2))
        .add("norm", BatchNormalization(), ["rows"])
        .add("sum", Residual(), ["norm"])
        .add("norm2", BatchNormalization(), ["sum"])
        .add("out", Output(), ["norm2"])
    )
    bound = bind(graph, {}, {"out": Target("interval", 1)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1))

    assert norms(fold_batch_norm(model)) == 2
