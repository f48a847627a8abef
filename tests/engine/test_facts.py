"""Facts of the classic texts on convolutional networks, each under its id in the reference."""

from itertools import product
from math import prod

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.graph.infer import account, infer_shapes
from engine.graph.spec import Graph
from engine.layers.base import Layer
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from engine.shapes import Shape
from tests.engine.classics import lenet, vgg16
from tests.engine.rows import DEFAULTS, built, line


def filters(count: int, size: int, **given: int) -> Convolution:
    """Return a convolution layer that does not activate."""
    return Convolution(n_filters=count, width=size, act="IDENTITY", **given)


def with_weights(layer: Convolution, source: Shape, weight: Tensor, bias: Tensor) -> nn.Module:
    """Return the module of a convolution with the given tensors."""
    module = built(layer, source)
    module.get_parameter("weight").data.copy_(weight)
    module.get_parameter("bias").data.copy_(bias)
    return module


def run(module: nn.Module, x: Tensor) -> Tensor:
    result = module(x)
    assert isinstance(result, Tensor)
    return result.detach()


def chain(source: Input, *layers: Layer) -> Graph:
    """Return layers one after the other, called 1, 2, ... behind data."""
    graph, last = Graph("chain").add("data", source), "data"
    for place, layer in enumerate(layers, 1):
        graph = graph.add(f"l{place}", layer, [last])
        last = f"l{place}"
    return graph


def last_shape(graph: Graph) -> Shape | None:
    return infer_shapes(graph)[graph.nodes[-1].name]


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_f11_three_weights_of_the_demonstration_slide_over_a_row() -> None:
    # F11: weights 1, 0, -1 without bias; by hand 1 + 1, 2 - 1, -1 + 3; zeros around; every other
    row, weights = [1.0, 2.0, -1.0, 1.0, -3.0], [1.0, 0.0, -1.0]

    assert line(row, weights, padding_width=0) == [2, 1, 2]
    assert line(row, weights) == [-2, 2, 1, 2, 1]
    assert line(row, weights, stride_horizontal=2) == [-2, 1, 1]


def test_f19_a_side_of_224_does_not_fit_eleven_by_four_exactly() -> None:
    # F19: (224 - 11) / 4 + 1 = 54.25; whole steps only, and 227 fits exactly with 55 (F14)
    layer = filters(96, 11, stride=4, padding=0)

    assert (224 - 11) / 4 + 1 == 54.25
    assert layer.infer([(3, 224, 224)], DEFAULTS) == (96, 54, 54)
    assert layer.infer([(3, 227, 227)], DEFAULTS) == (96, 55, 55)


def test_f20_the_numpy_example_gives_four_by_four_maps() -> None:
    # F20: X (11, 11, 4), F = 5, P = 0, S = 2
    assert filters(2, 5, stride=2, padding=0).infer([(4, 11, 11)], DEFAULTS) == (2, 4, 4)


def test_f21_the_ten_listed_elements_are_sums_over_their_windows() -> None:
    # F21: X[x, y, depth] and V[x, y, filter], as the document indexes
    rng = np.random.default_rng(3)
    image, weights = rng.normal(size=(11, 11, 4)), rng.normal(size=(2, 5, 5, 4))
    biases = rng.normal(size=2)
    listed = [(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0)]
    listed += [(0, 0, 1), (1, 0, 1), (2, 0, 1), (3, 0, 1), (0, 1, 1), (2, 3, 1)]
    channels_first = torch.tensor(weights.transpose(0, 3, 1, 2), dtype=torch.float32)
    layer = filters(2, 5, stride=2, padding=0)
    module = with_weights(layer, (4, 11, 11), channels_first, torch.tensor(biases))

    volume = run(module, torch.tensor(image.transpose(2, 0, 1), dtype=torch.float32)[None])[0]

    for x, y, kind in listed:
        window = image[2 * x : 2 * x + 5, 2 * y : 2 * y + 5, :]
        expected = (window * weights[kind]).sum() + biases[kind]
        assert float(volume[kind, x, y]) == pytest.approx(expected, abs=1e-4)


def test_f24_a_convolution_is_a_product_with_unfolded_windows() -> None:
    # F24: X_col 363 x 3025, W_row 96 x 363, the result 96 x 3025, folded 55 x 55 x 96
    layer, shape = filters(96, 11, stride=4, padding=0), (3, 227, 227)
    module, image = built(layer, shape), noise(1, *shape)
    columns = functional.unfold(image, 11, stride=4)[0]
    rows = module.get_parameter("weight").detach().reshape(96, 363)

    result = run(module, image)[0]

    assert columns.shape == (363, 3025)
    assert result.shape == (96, 55, 55)
    torch.testing.assert_close(result, (rows @ columns).reshape(96, 55, 55), rtol=0, atol=1e-4)


def test_f25_a_one_by_one_convolution_is_a_product_per_pixel() -> None:
    # F25: on 32 x 32 x 3
    module, image = built(filters(5, 1), (3, 32, 32)), noise(1, 3, 32, 32)
    matrix = module.get_parameter("weight").detach().reshape(5, 3)

    expected = torch.einsum("fc,nchw->nfhw", matrix, image)

    torch.testing.assert_close(run(module, image), expected, rtol=0, atol=1e-5)


def seen(layers: int, side: int, height: int | None = None) -> list[int]:
    """Return the rows and columns of the input that one middle output of a stack depends on."""
    image = torch.ones(1, 1, height or side, side, requires_grad=True)
    result: Tensor = image
    for _ in range(layers):
        layer = Convolution(n_filters=1, width=3, height=1 if height else 3, act="IDENTITY")
        module = built(layer, tuple(result.shape[1:]))
        nn.init.ones_(module.get_parameter("weight"))
        result = module(result)
    result[0, 0, (height or side) // 2, side // 2].backward()  # type: ignore[no-untyped-call]
    assert image.grad is not None
    used = image.grad[0, 0] != 0
    return [int(used.any(dim=1).sum()), int(used.any(dim=0).sum())]


def test_f27_stacked_filters_of_three_see_three_five_and_seven_pixels() -> None:
    # F27
    assert [seen(layers, 15) for layers in (1, 2, 3)] == [[3, 3], [5, 5], [7, 7]]


def test_f60_two_layers_of_width_three_see_five_pixels_of_a_row() -> None:
    # F60
    assert [seen(layers, 15, height=1) for layers in (1, 2)] == [[1, 3], [1, 5]]


HEAD = (filters(4096, 7, padding=0), filters(4096, 1), filters(1000, 1))


def test_f34_three_matrices_as_convolutions_give_single_pixels() -> None:
    # F34: CONV F = 7, 1, 1
    graph = chain(Input(n_channels=512, width=7, height=7), *HEAD)

    assert list(infer_shapes(graph).values())[1:] == [(4096, 1, 1), (4096, 1, 1), (1000, 1, 1)]


def test_f35_a_larger_image_gives_six_by_six_answers() -> None:
    # F35: 384 / 32 = 12, (12 - 7) + 1 = 6
    halved = chain(Input(n_channels=3, width=384, height=384), *[Pooling()] * 5)
    graph = chain(Input(n_channels=512, width=12, height=12), *HEAD)

    assert last_shape(halved) == (3, 12, 12)
    assert last_shape(graph) == (1000, 6, 6)


def test_f36_one_pass_over_a_larger_image_equals_a_pass_per_crop() -> None:
    # F36, without padding in the reducer and in small: crops of 16 pixels at a stride of 4 over
    # 36 pixels are 6 x 6 positions, as crops of 224 at a stride of 32 over 384 are
    reduced = [filters(4, 2, stride=2, padding=0), filters(6, 2, stride=2, padding=0)]
    layers = [*reduced, filters(3, 4, padding=0)]
    modules, shape = [], (2, 36, 36)
    for layer in layers:
        modules.append(built(layer, shape))
        inferred = layer.infer([shape], DEFAULTS)
        assert inferred is not None
        shape = inferred  # type: ignore[assignment]
    crop_modules, side = [], (2, 16, 16)
    for layer, module in zip(layers, modules, strict=True):
        crop_modules.append(built(layer, side))
        crop_modules[-1].load_state_dict(module.state_dict())
        side = layer.infer([side], DEFAULTS)  # type: ignore[assignment]
    image = noise(1, 2, 36, 36)

    whole = run(nn.Sequential(*modules), image)[0]
    crops = [
        run(nn.Sequential(*crop_modules), image[:, :, 4 * i : 4 * i + 16, 4 * j : 4 * j + 16])
        for i, j in product(range(6), repeat=2)
    ]

    assert whole.shape == (3, 6, 6)
    expected = torch.cat(crops).reshape(36, 3).t().reshape(3, 6, 6)
    torch.testing.assert_close(whole, expected, rtol=0, atol=1e-5)


def test_f36_behind_filters_that_pad_a_pass_per_crop_differs_at_its_borders() -> None:
    # F36 holds without padding only: a crop of 8 of 16 pixels sees zeros where the image goes on
    module, image = built(filters(3, 3, padding=1), (2, 8, 8)), noise(1, 2, 16, 16)

    whole = run(module, image)[:, :, 4:12, 4:12]
    crop = run(module, image[:, :, 4:12, 4:12])

    torch.testing.assert_close(whole[:, :, 1:-1, 1:-1], crop[:, :, 1:-1, 1:-1])
    assert not torch.isclose(whole, crop)[:, :, 0].all()


def test_f39_three_convolutions_of_64_maps_hold_ten_million_values() -> None:
    # F39: 3 * 224 * 224 * 64 values, twice, of 4 bytes: 73.5 MiB
    layers = [filters(64, 3, padding=1)] * 3
    shapes = list(infer_shapes(chain(Input(n_channels=3, width=224, height=224), *layers)).values())

    values = sum(prod(shape) for shape in shapes[1:] if shape is not None)

    assert values == 9_633_792
    assert values * 2 * 4 == 77_070_336
    assert values * 2 * 4 / 1024**2 == 73.5


# F40: INPUT -> [[CONV -> RELU] * N -> POOL?] * M -> [FC -> RELU] * K -> FC
INSTANCES = {
    "linear classifier": (0, 0, False, 0, (3, 32, 32)),
    "one convolution": (1, 1, False, 0, (8, 32, 32)),
    "a pool per convolution": (1, 2, True, 1, (8, 8, 8)),
    "two convolutions per pool": (2, 3, True, 2, (8, 4, 4)),
}


@pytest.mark.parametrize("name", INSTANCES)
def test_f40_networks_of_the_grammar_have_the_expected_shapes(name: str) -> None:
    # F40: N convolutions, M blocks, a pool or none, K hidden matrices
    n, m, pools, k, expected = INSTANCES[name]
    block: list[Layer] = [*[Convolution(n_filters=8)] * n, *([Pooling()] if pools else [])]
    hidden = [FullyConnected(n=16, act="RECTIFIER")] * k
    graph = chain(Input(n_channels=3, width=32, height=32), *block * m, *hidden, Output(n=10))
    shapes = list(infer_shapes(graph).values())

    assert shapes[len(block) * m] == expected
    assert shapes[len(block) * m + 1 :] == [(16,)] * k + [(10,)]


def test_f43_the_rows_of_vgg16_hold_fifteen_million_values() -> None:
    # F43: the listed rows sum to 15,237,608 values, 58.1 MiB
    values = sum(prod(shape) for shape in infer_shapes(vgg16()).values() if shape is not None)

    assert values == 15_237_608
    assert round(values * 4 / 1024**2, 1) == 58.1


def test_f44_the_first_matrix_of_vgg16_holds_three_quarters_of_it() -> None:
    # F44: 102,760,448 / 138,357,544 = 74%
    costs = {each.name: ((each.weights or 0), (each.biases or 0)) for each in account(vgg16())}
    total = sum(map(sum, costs.values()))

    assert costs["fc6"][0] == 102_760_448
    assert round(100 * costs["fc6"][0] / total) == 74


def test_f55_pooling_has_no_parameters_but_convolution_and_output_have() -> None:
    # F55
    graph = lenet()
    for each in account(graph):
        owns = (each.weights or 0) + (each.biases or 0) > 0
        assert owns == (each.type not in ("input", "pool"))


def test_f57_the_examples_of_padding_and_pooling_come_out() -> None:
    # F57: C2 and Q1; all of C1 to C10, Q1, Q2 and Q9 are tests of their layers
    row = [2.0, 4, 6, 1, 5, 3, 2]
    expected = [-1.6, 0.6, 2.1, 11.5, -2.7, 7.2, 4.0]
    pooled = run(built(Pooling(width=3, height=1, stride=2), (1, 1, 7)), torch.tensor([[[row]]]))

    assert line(row, [2, -1, 0.1]) == pytest.approx(expected, abs=1e-5)
    assert pooled.flatten().tolist() == [6, 6, 5, 2]


@pytest.mark.parametrize(("shape", "means", "values"), [((2, 5, 5), 2, 75), ((50,), 50, 3)])
def test_f58_a_batch_of_three_has_a_mean_per_map_or_neuron(
    shape: Shape, means: int, values: int
) -> None:
    # F58, B6, B7
    rows, module = noise(3, *shape), built(BatchNormalization(), shape)

    module.train()(rows)

    columns = np.moveaxis(rows.numpy(), 1, 0).reshape(means, values)
    batch_mean = module.batch_mean
    assert isinstance(batch_mean, Tensor)
    np.testing.assert_allclose(batch_mean.numpy(), columns.mean(1), atol=1e-6)


def tutorial_filters() -> tuple[np.ndarray, np.ndarray]:
    """Return the tutorial's weights (2, 3, 9, 9) and biases (2,), drawn in its order."""
    rng = np.random.RandomState(23455)
    bound = 1 / np.sqrt(3 * 9 * 9)
    return rng.uniform(-bound, bound, (2, 3, 9, 9)), rng.uniform(-0.5, 0.5, 2)


def test_f64_the_tutorials_filters_are_those_it_prints_and_a_layer_takes_them() -> None:
    # F64: bound 1 / sqrt(3 * 9 * 9), printed values, and F66: 639 x 516 gives 631 x 508
    weights, biases = tutorial_filters()
    layer = Convolution(n_filters=2, width=9, padding=0, act="LOGISTIC")
    image = np.random.RandomState(1).randint(0, 256, (3, 639, 516)) / 256
    module = with_weights(layer, (3, 639, 516), torch.tensor(weights), torch.tensor(biases))

    result = run(module, torch.tensor(image, dtype=torch.float32)[None])

    printed = [0.04297323, -0.0494174, 0.02168239]
    assert 1 / np.sqrt(3 * 9 * 9) == pytest.approx(0.06415002990995841, rel=1e-15)
    assert weights[0, 0, 0, :3] == pytest.approx(printed, abs=5e-9)
    assert weights[1, 2, 8, 8] == pytest.approx(0.047293789925232865, rel=1e-12)
    assert biases == pytest.approx([-0.3943425, 0.16818965], abs=5e-9)
    assert result.shape == (1, 2, 631, 508)
    corner = (image[:, :9, :9] * weights[1]).sum() + biases[1]
    assert float(result[0, 1, 0, 0]) == pytest.approx(1 / (1 + np.exp(-corner)), abs=1e-5)


def test_f103_neither_maximum_nor_mean_pooling_has_parameters() -> None:
    # F103
    for kind in ("MAX", "MEAN"):
        layer = Pooling.model_validate({"pool": kind})
        assert layer.tensors([(3, 8, 8)], DEFAULTS) == ()
        assert not list(built(layer, (3, 8, 8)).parameters())
