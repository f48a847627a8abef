"""What architectures do besides counting: shapes, forward passes, choices that do not fit."""

from collections.abc import Callable
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import engine.modules.convolution as convolution
from engine.compile.lower import CompiledModel, compile_graph
from engine.compile.passes import train_by_loops
from engine.devices import seeded
from engine.errors import GraphError, ShapeError
from engine.graph.infer import account, bind, check_trainable
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target, TargetKind
from engine.layers.convolution import Convolution
from engine.layers.input import Input
from engine.modules.winograd import convolve, loops
from engine.zoo import ZOO
from engine.zoo.draft import Draft
from engine.zoo.lenet import CONNECTIONS, FIRST_MAPS
from engine.zoo.registry import register
from engine.zoo.yolo import _gathered


def test_the_first_module_of_googlenet_has_the_weights_of_the_paper() -> None:
    layers = account(ZOO["googlenet"].build())
    weights = sum(each.weights or 0 for each in layers if each.name.startswith("inception3a"))

    # by hand, branch by branch
    assert weights == 192 * 64 + 192 * 96 + 96 * 128 * 9 + 192 * 16 + 16 * 32 * 25 + 192 * 32
    # Szegedy et al., 2015, table 1: 159K
    assert weights // 1024 == 159


def test_the_bottleneck_of_googlenet_saves_nine_of_ten_multiplications() -> None:
    # F106, F107, F108: 5 x 5 filters on 192 maps of 28 x 28 pixels, with and without 1 x 1 before
    costs = {each.name: each.multiply_adds or 0 for each in account(ZOO["googlenet"].build())}
    plain = Graph("plain").add("data", Input(n_channels=192, width=28, height=28))
    plain = plain.add("branch", Convolution(n_filters=32, width=5), ["data"])

    without = sum(each.multiply_adds or 0 for each in account(plain))
    within = costs["inception3a_5x5_reduce"] + costs["inception3a_5x5"]

    assert (without, within) == (120_422_400, 2_408_448 + 10_035_200)
    assert round(without / within, 3) == 9.677


SIZES = {
    # Krizhevsky et al., 2012, figure 2
    ("alexnet", "pool5"): (256, 6, 6),
    # Zeiler and Fergus, 2014, figure 3: 110, 26, 13, 6
    ("zfnet", "conv1"): (96, 110, 110),
    ("zfnet", "conv2"): (256, 26, 26),
    ("zfnet", "pool5"): (256, 6, 6),
    # Szegedy et al., 2015, table 1
    ("googlenet", "pool2"): (192, 28, 28),
    ("googlenet", "inception4e"): (832, 14, 14),
    ("googlenet", "inception5b"): (1024, 7, 7),
    # Szegedy et al., 2016, table 1
    ("inceptionv3", "pool5"): (192, 35, 35),
    ("inceptionv3", "mixed17_4"): (768, 17, 17),
    ("inceptionv3", "mixed8_2"): (2048, 8, 8),
    # He et al., 2015, table 1
    ("resnet50", "res5_3"): (2048, 7, 7),
    ("resnet20", "res3_3"): (64, 8, 8),
    # Huang et al., 2017, table 1, with 32 maps of growth
    ("densenet121", "dense5_16"): (1024, 7, 7),
    ("mobilenetv2", "conv9_bn"): (1280, 7, 7),
    ("shufflenet", "unit4_4"): (960, 7, 7),
    ("efficientnetb0", "conv9_bn"): (1280, 7, 7),
    ("unet", "bottom_2"): (1024, 16, 16),
    ("unet", "out"): (2, 256, 256),
    # Redmon and Farhadi, 2017: 13 x 13 cells of 5 boxes
    ("yolov2", "joined"): (1280, 13, 13),
    ("yolov2", "out"): (125, 13, 13),
    ("tinyyolov1", "out"): (1470,),
    # LeCun et al., 1998, figure 2
    ("lenet5", "c3"): (16, 10, 10),
    ("lenet5", "c5"): (120, 1, 1),
}


@pytest.mark.parametrize(("place", "shape"), SIZES.items())
def test_maps_have_the_sizes_that_are_published(
    place: tuple[str, str], shape: tuple[int, ...]
) -> None:
    architecture, layer = place

    assert ZOO[architecture].build().shapes[layer] == shape


@pytest.mark.parametrize("name", ZOO)
def test_every_architecture_can_be_trained(name: str) -> None:
    check_trainable(ZOO[name].build())


SMALL: list[tuple[str, dict[str, object]]] = [
    ("lenet", {}),
    ("lenet5", {}),
    ("googlenet", {"size": 32}),
    ("inceptionv3", {"size": 75}),
    ("resnet18", {"size": 32}),
    ("resnet18v2", {"size": 32}),
    ("resnet20", {}),
    ("resnet110v2", {}),
    ("densenet121", {"size": 32}),
    ("mobilenet", {"size": 32, "width": 0.25}),
    ("mobilenetv2", {"size": 32, "width": 0.35}),
    ("shufflenet", {"size": 32}),
    ("shufflenetv2", {"size": 32, "width": 0.5}),
    ("efficientnetb0", {"size": 32}),
    ("unet", {"size": 16, "filters": 4, "depth": 2}),
    ("tinyyolov2", {"size": 64}),
    ("yolov2", {"size": 64}),
]


KINDS: dict[str, tuple[TargetKind, int]] = {
    "segmentation": ("pixels", 2),
    "detection": ("objects", 20),
}


def ran(graph: Graph, rows: int = 2) -> torch.Tensor:
    """Return the output of an architecture with fresh weights for random images."""
    kind, size = KINDS.get(graph.node("out").layer.type, ("nominal", 2))
    bound = bind(graph, {}, {"out": Target(kind, size)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1))
    model.eval()
    (source,) = (node.name for node in graph.nodes if isinstance(node.layer, Input))
    images = torch.rand(rows, *(graph.shapes[source] or ()), generator=seeded(2)) * 255
    with torch.no_grad():
        return model({source: images})["out"]


@pytest.mark.parametrize(("name", "choices"), SMALL)
def test_an_architecture_runs_forward(name: str, choices: dict[str, object]) -> None:
    graph = ZOO[name].build(**choices)

    out = ran(graph)

    assert out.shape[1:] == graph.shapes["out"]
    assert out.isfinite().all()


def gradients(graph: Graph, rows: int, change: Callable[[CompiledModel], None]) -> list[Tensor]:
    """Return those of a sum of the output, after a change of the model."""
    kind, size = KINDS.get(graph.node("out").layer.type, ("nominal", 2))
    bound = bind(graph, {}, {"out": Target(kind, size)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1))
    model.to(torch.device("cpu"), channels_last=True)
    change(model)
    (source,) = (node.name for node in graph.nodes if isinstance(node.layer, Input))
    images = torch.rand(rows, *(graph.shapes[source] or ()), generator=seeded(2))
    out = model({source: images})["out"]
    total = (out * torch.rand(out.shape, generator=seeded(3))).sum()
    return list(torch.autograd.grad(total, model.parameters("weights")))


@pytest.mark.skipif(loops(3) is None, reason="no loops were built for this processor")
@pytest.mark.parametrize(
    ("name", "choices", "rows"), [("lenet", {}, 64), ("tinyyolov2", {"size": 128}, 16)]
)
def test_gradients_with_fewer_products_are_those_of_the_architecture(
    name: str, choices: dict[str, object], rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for a few pixels, where rounding puts a value on the other side of an edge."""
    graph = ZOO[name].build(**choices)
    used = Mock(wraps=convolve)
    monkeypatch.setattr(convolution, "convolve", used)

    plain = gradients(graph, rows, lambda _: None)
    assert not used.called
    found = gradients(graph, rows, train_by_loops)

    assert used.called
    for mine, theirs in zip(found, plain, strict=True):
        assert float((mine - theirs).norm() / theirs.norm()) < 1e-3


def test_the_text_network_runs_on_vectors_and_on_ids() -> None:
    choices = {"words": 9, "features": 5, "regions": (2, 3), "filters": 4}

    by_vectors, by_ids = (
        ZOO["textcnn"].build(**choices),
        ZOO["textcnn"].build(**choices, vocabulary=30),
    )

    assert ran(by_vectors).shape == ran(by_ids).shape == (2, 2)
    # 30 vectors of 5 values more
    assert sum(each.weights or 0 for each in account(by_ids)) == 150 + sum(
        each.weights or 0 for each in account(by_vectors)
    )


def test_a_map_of_lenet5_sees_the_maps_of_its_column_in_table_1() -> None:
    # LeCun et al., 1998, table I, row by row: the maps of C3 that map 0, 1, ... of S2 reaches
    rows = [
        (0, 4, 5, 6, 9, 10, 11, 12, 14, 15),
        (0, 1, 5, 6, 7, 10, 11, 12, 13, 15),
        (0, 1, 2, 6, 7, 8, 11, 13, 14, 15),
        (1, 2, 3, 6, 7, 8, 9, 12, 14, 15),
        (2, 3, 4, 7, 8, 9, 10, 12, 13, 15),
        (3, 4, 5, 8, 9, 10, 11, 13, 14, 15),
    ]

    for source in range(FIRST_MAPS):
        assert tuple(at for at, seen in enumerate(CONNECTIONS) if source in seen) == rows[source]


def test_the_finer_view_of_yolo_becomes_pixels_of_four_times_the_maps() -> None:
    draft = Draft("fine")
    draft.add("data", Input(n_channels=64, width=6, height=6))
    _gathered(draft, 3)
    graph = draft.classes(2)
    bound = bind(graph, {}, {"out": Target("nominal", 2)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1), outputs=["fine_squares"])
    images = torch.rand(2, 64, 6, 6, generator=seeded(3))

    found = model({"data": images})["fine_squares"]

    # every square of 2 x 2 of the image stands at one place; torch lays map, row, column out,
    # the network row, column, map
    squares = functional.pixel_unshuffle(images, 2).reshape(2, 64, 2, 2, 3, 3)
    expected = squares.permute(0, 2, 3, 1, 4, 5).reshape(2, 256, 3, 3)
    torch.testing.assert_close(found, expected)


def test_shortcuts_of_the_small_residual_network_take_every_other_pixel_and_add_zeros() -> None:
    graph = ZOO["resnet20"].build()
    bound = bind(graph, {}, {"out": Target("nominal", 10)})
    wanted = ["res1_3", "res2_1_short"]
    model = compile_graph(bound, BuildOptions(), generator=seeded(1), outputs=wanted)
    model.eval()

    made = model({"data": torch.rand(1, 3, 32, 32, generator=seeded(2)) * 255})

    half = made["res1_3"][:, :, ::2, ::2]
    expected = torch.cat([half, torch.zeros_like(half)], 1)
    torch.testing.assert_close(made["res2_1_short"], expected)


def test_a_choice_that_has_no_table_is_refused() -> None:
    with pytest.raises(
        GraphError,
        match=r"^choice 'groups' of the architecture got 5, expected one of 1, 2, 3, 4, 8$",
    ):
        ZOO["shufflenet"].build(groups=5)


def test_an_image_that_is_no_whole_number_of_cells_is_refused() -> None:
    with pytest.raises(
        GraphError,
        match=r"^choice 'size' of the architecture got 400, expected a multiple of 32: the pixels "
        r"of a cell$",
    ):
        ZOO["yolov2"].build(size=400)


def test_images_too_small_for_an_architecture_are_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"^layer 'conv1' \(convo\) got a window of 11 on 8 pixels"
    ):
        ZOO["alexnet"].build(size=8)


def test_a_name_is_taken_once() -> None:
    known = ZOO["lenet"]

    with pytest.raises(ValueError, match=r"^architecture 'lenet' is registered twice$"):
        register("lenet", known.title, known.build, known.source)


def test_what_is_bound_is_no_choice() -> None:
    assert dict(ZOO["vgg16"].choices) == {"classes": 1000, "size": 224, "channels": 3}
