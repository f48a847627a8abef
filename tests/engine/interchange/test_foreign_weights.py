"""Files as conversions for CAS write them, and forward passes in NumPy by the rules of Keras."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional

from engine.compile.lower import CompiledModel, compile_graph
from engine.errors import DataError, WeightsError
from engine.graph.infer import bind
from engine.graph.layout import layout
from engine.graph.spec import Graph
from engine.interchange.foreign_weights import ForeignWeights, Format
from engine.interchange.hdf5_file import Layout, open_hdf5
from engine.layers.base import BuildOptions, Layer, Target
from engine.layers.convolution import Convolution, GroupConvolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization, LayerNormalization
from engine.layers.output import Output
from engine.layers.recurrent import RecurrentLayer
from engine.weights import load_weights

Array = npt.NDArray[Any]
Layers = Mapping[str, Mapping[str, Array]]

DRAW = np.random.default_rng(11)


def drawn(*shape: int) -> Array:
    return DRAW.normal(size=shape).astype(np.float32)


def numbers(values: list[float]) -> Array:
    return np.array(values, np.float32)


def keras_file(path: Path, layers: Layers) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, datasets in layers.items():
            group = file.create_group(name)
            for kind, values in datasets.items():
                group.create_dataset(f"{name}/{kind}:0", data=values)
            group.attrs["weight_names"] = [f"{name}/{kind}:0".encode() for kind in datasets]
    return path


def caffe_file(path: Path, layers: Layers) -> Path:
    with h5py.File(path, "w") as file:
        for name, blobs in layers.items():
            group = file.create_group(f"data/{name}")
            for kind, values in blobs.items():
                group.create_dataset(kind, data=values)
    return path


def network(*layers: tuple[str, Layer], shape: tuple[int, int, int] = (2, 4, 5)) -> Graph:
    channels, height, width = shape
    graph = Graph("net").add("data", Input(n_channels=channels, width=width, height=height))
    for name, layer in layers:
        graph = graph.add(name, layer, [graph.nodes[-1].name])
    return graph


def loaded(path: Path, graph: Graph, format_: Format = "KERAS") -> CompiledModel:
    task = graph.nodes[-1]
    assert isinstance(task.layer, Output)
    target = {task.name: Target("nominal", task.layer.n or 0)}
    bound = bind(graph, {"data": graph.shapes["data"] or ()}, target)
    kind: Layout = "CAFFE" if format_ == "CAFFE" else "KERAS"
    with open_hdf5(path, "the file", kind) as file:
        weights = ForeignWeights(bound, layout(bound, BuildOptions()), file, format_)
        weights.check()
        model = compile_graph(bound, BuildOptions(), outputs=[node.name for node in bound.nodes])
        load_weights(model, weights.chunks())
    model.eval()
    return model


def outputs(model: CompiledModel, x: Array) -> dict[str, Array]:
    with torch.inference_mode():
        return {name: each.numpy() for name, each in model({"data": torch.from_numpy(x)}).items()}


IDENTITY: dict[str, Any] = {"act": "IDENTITY"}


def test_a_network_of_keras_gives_what_keras_gives(tmp_path: Path) -> None:
    kernel, bias = drawn(3, 2, 3, 3), drawn(3)
    gamma, beta, mean = drawn(3), drawn(3), drawn(3)
    variance = np.abs(drawn(3)) + 0.5
    dense, dense_bias, last = drawn(7, 60), drawn(7), drawn(2, 7)
    path = keras_file(
        tmp_path / "net.kerasmodel.h5",
        {
            "Conv_1": {"kernel": kernel, "bias": bias},
            "bn": {
                "gamma": gamma,
                "beta": beta,
                "moving_mean": mean,
                "moving_variance": variance + np.float32(1e-3),
            },
            "dense": {"kernel": dense, "bias": dense_bias},
            "out": {"kernel": last},
        },
    )
    graph = network(
        ("conv_1", Convolution(n_filters=3, **IDENTITY)),
        ("bn", BatchNormalization()),
        ("dense", FullyConnected(n=7, **IDENTITY)),
        ("out", Output(n=2, include_bias=False)),
    )
    x = drawn(4, 2, 4, 5)

    found = outputs(loaded(path, graph), x)

    y = functional.conv2d(
        torch.from_numpy(x), torch.from_numpy(kernel), torch.from_numpy(bias), padding=1
    )
    np.testing.assert_allclose(found["conv_1"], y.numpy(), rtol=1e-5, atol=1e-5)
    column = (slice(None), None, None)
    # Keras normalises with its own epsilon of 0.001, which the file adds to the variance.
    normal = (y.numpy() - mean[column]) / np.sqrt(variance + 1e-3)[column]
    normal = normal * gamma[column] + beta[column]
    np.testing.assert_allclose(found["bn"], normal, rtol=1e-4, atol=1e-5)
    hidden = normal.reshape(4, 60) @ dense.T + dense_bias
    np.testing.assert_allclose(found["dense"], hidden, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["out"], hidden @ last.T, rtol=1e-3, atol=1e-3)


def statistics(path: Path, format_: Format, epsilon: float = 1e-5) -> Array:
    graph = network(("bn", BatchNormalization(epsilon=epsilon)), ("out", Output(n=2)))
    model = loaded(path, graph, format_)
    return model.tensor(next(s for s in model.specs if s.part == "statistics")).numpy()


OUT = {"kernel": drawn(2, 40), "bias": drawn(2)}


def test_the_variance_of_onnx_is_taken_as_it_is(tmp_path: Path) -> None:
    moments = {"moving_mean": numbers([1, 2]), "moving_variance": numbers([4, 1e-12])}
    path = keras_file(tmp_path / "x.onnxmodel.h5", {"bn": moments, "out": OUT})

    expected = np.array([[1.0, 2.0], [2.0, 1e-6]])
    np.testing.assert_allclose(statistics(path, "ONNX"), expected, rtol=1e-6)


def test_our_epsilon_is_taken_off_the_variance_of_keras_but_never_below_zero(
    tmp_path: Path,
) -> None:
    moments = {"moving_mean": numbers([1, 2]), "moving_variance": numbers([4.5, 0.25])}
    path = keras_file(tmp_path / "x.kerasmodel.h5", {"bn": moments, "out": OUT})

    np.testing.assert_allclose(statistics(path, "KERAS", 0.5), [[1, 2], [2, 0]], rtol=1e-6)


def test_missing_gamma_and_beta_are_one_and_zero(tmp_path: Path) -> None:
    moments = {"moving_mean": drawn(2), "moving_variance": np.abs(drawn(2))}
    path = keras_file(tmp_path / "x.h5", {"bn": moments, "out": OUT})

    model = loaded(path, network(("bn", BatchNormalization()), ("out", Output(n=2))))

    affine = model.tensor(next(s for s in model.specs if s.name == "affine")).detach()
    assert affine.tolist() == [[1, 0], [1, 0]]


def test_blobs_of_caffe_are_scaled_and_joined(tmp_path: Path) -> None:
    kernel, last = drawn(2, 1, 3, 3), drawn(1, 1, 2, 40)
    path = caffe_file(
        tmp_path / "x.caffemodel.h5",
        {
            "Group": {"0": kernel, "1": drawn(2)},
            "relu": {},
            "bn": {"0": numbers([2, 4]), "1": numbers([8, 18]), "2": numbers([2])},
            "bn_scale": {"0": numbers([5, 6]), "1": numbers([7, 8])},
            "block/out": {"0": last, "1": drawn(2)},
        },
    )
    graph = network(
        ("group", GroupConvolution(n_filters=2, n_groups=2)),
        ("bn", BatchNormalization()),
        ("block_out", Output(n=2)),
    )

    model = loaded(path, graph, "CAFFE")

    tensors = {f"{s.layer_id} {s.name}": model.tensor(s).detach().numpy() for s in model.specs}
    np.testing.assert_array_equal(tensors["1 weight"], kernel)
    assert tensors["2 affine"].tolist() == [[5, 7], [6, 8]]
    assert tensors["2 statistics"].tolist() == [[1, 2], [2, 3]]
    np.testing.assert_array_equal(tensors["3 weight"], last[0, 0].T)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def lstm(x: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """Return the last state as keras.layers.LSTM computes it: gates i, f, c, o."""
    n = len(recurrent)
    h = c = np.zeros((len(x), n))
    for step in x.transpose(1, 0, 2):
        z = step @ kernel + h @ recurrent + bias
        i, f, g, o = (z[:, at * n : (at + 1) * n] for at in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def gru(x: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """Return the last state as keras.layers.GRU(reset_after=True) computes it: gates z, r, h."""
    n = len(recurrent)
    h = np.zeros((len(x), n))
    for step in x.transpose(1, 0, 2):
        given, kept = step @ kernel + bias, h @ recurrent
        z = sigmoid(given[:, :n] + kept[:, :n])
        r = sigmoid(given[:, n : 2 * n] + kept[:, n : 2 * n])
        h = z * h + (1 - z) * np.tanh(given[:, 2 * n :] + r * kept[:, 2 * n :])
    return h


def simple(x: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    h = np.zeros((len(x), len(recurrent)))
    for step in x.transpose(1, 0, 2):
        h = np.tanh(step @ kernel + h @ recurrent + bias)
    return h


@pytest.mark.parametrize(
    ("kind", "gates", "forward"), [("RNN", 1, simple), ("LSTM", 4, lstm), ("GRU", 3, gru)]
)
@pytest.mark.parametrize("parts", [1, 2])
def test_recurrent_layers_of_keras_give_what_keras_gives(
    tmp_path: Path, kind: Any, gates: int, forward: Any, parts: int
) -> None:
    kernel, recurrent, bias = drawn(5, gates * 3), drawn(3, gates * 3), drawn(gates * 3)
    kept = np.tile(bias / np.float32(parts), parts)
    path = keras_file(
        tmp_path / "x.kerasmodel.h5",
        {
            "forward_rnn": {"kernel": kernel, "recurrent_kernel": recurrent, "bias": kept},
            "out": {"kernel": drawn(2, 3), "bias": drawn(2)},
        },
    )
    graph = network(
        ("forward_rnn", RecurrentLayer(n=3, rnn_type=kind)), ("out", Output(n=2)), shape=(1, 4, 5)
    )
    x = drawn(6, 1, 4, 5)

    found = outputs(loaded(path, graph), x)

    expected = forward(x[:, 0], kernel, recurrent, bias)
    np.testing.assert_allclose(found["forward_rnn"], expected, rtol=1e-4, atol=1e-5)


def test_scales_and_shifts_of_a_layer_normalisation_are_kernel_and_bias(tmp_path: Path) -> None:
    scale, shift = drawn(40), drawn(40)
    path = keras_file(
        tmp_path / "x.h5",
        {
            "fc": {"kernel": drawn(40, 40), "bias": drawn(40)},
            "ln": {"kernel": scale, "bias": shift},
            "out": OUT,
        },
    )
    graph = network(
        ("fc", FullyConnected(n=40)), ("ln", LayerNormalization()), ("out", Output(n=2))
    )

    model = loaded(path, graph)

    tensors = {f"{s.layer_id} {s.name}": model.tensor(s).detach().numpy() for s in model.specs}
    np.testing.assert_array_equal(tensors["2 weight"], scale)
    np.testing.assert_array_equal(tensors["2 bias"], shift)


FC = (("fc", FullyConnected(n=3)), ("out", Output(n=2)))
GOOD = {
    "fc": {"kernel": drawn(3, 40), "bias": drawn(3)},
    "out": {"kernel": drawn(2, 3), "bias": drawn(2)},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"fc": {"kernel": drawn(3, 40)}},
            "the file lacks 'bias' of layer 'fc', expected it by model 'net'",
        ),
        (
            {"fc": {**GOOD["fc"], "gamma": drawn(3)}},
            "the file has 'gamma' of layer 'fc', which model 'net' does not have",
        ),
        (
            {"More": {"kernel": drawn(3)}},
            "the file has 'kernel' of layer 'more', which model 'net' does not have",
        ),
    ],
)
def test_a_file_of_another_model_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = keras_file(tmp_path / "x.h5", {**GOOD, **changes})

    with pytest.raises(WeightsError) as caught:
        loaded(path, network(*FC))

    assert caught.value.message == message


def test_a_tensor_of_another_shape_is_refused(tmp_path: Path) -> None:
    fc = {"kernel": drawn(40, 3), "bias": drawn(3)}
    path = keras_file(tmp_path / "x.h5", {**GOOD, "fc": fc})

    with pytest.raises(DataError) as caught:
        loaded(path, network(*FC))

    assert caught.value.message == (
        "the file holds 'kernel' of layer 'fc' in shape (40, 3), expected (3, 40)"
    )


def test_a_layer_without_a_place_in_the_format_is_told(tmp_path: Path) -> None:
    path = caffe_file(tmp_path / "x.h5", {"rnn": {}})
    graph = network(("rnn", RecurrentLayer(n=3)), ("out", Output(n=2)), shape=(1, 4, 5))

    with pytest.raises(WeightsError) as caught:
        loaded(path, graph, "CAFFE")

    assert caught.value.message == (
        "layer 'rnn' (recurrent) has weight_input, weight_state, bias, which the file has no "
        "place for"
    )
