import pytest
import torch
from torch import Tensor

from engine.compile.lower import CompiledModel, compile_graph
from engine.data.batches import Batch
from engine.devices import seeded
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.detection import Detection
from engine.layers.input import Input
from engine.layers.segmentation import Segmentation
from engine.modules.augment import HEIGHT, WIDTH
from engine.train.step import train_step

BOXES = torch.tensor([[[1, 0.2, 0.3, 0.1, 0.4], [-1, 0, 0, 0, 0]]]).repeat(2, 1, 1)
LABELS = torch.tensor([[[0, 1, 1], [1, 0, 0]]]).repeat(2, 1, 1)
SECOND = torch.tensor([False, True]).view(2, 1, 1, 1)


def compiled(task: Detection | Segmentation, target: Target, image: Input) -> CompiledModel:
    graph = Graph("net").add("image", image).add("out", task, ["image"])
    return compile_graph(bind(graph, {}, {"out": target}), BuildOptions(), generator=seeded(1))


def found() -> CompiledModel:
    task = Detection(anchors=(1.0, 1.0), grid_number=2, class_number=2)
    image = Input.model_validate({"n_channels": 7, "width": 2, "height": 2, "random_flip": "HV"})
    return compiled(task, Target("objects", 2, image=(2, 2)), image)


def masks(flip: str, channels: int = 2, **options: object) -> CompiledModel:
    image = Input.model_validate(
        {"n_channels": channels, "width": 3, "height": 2, "random_flip": flip}
    )
    task = Segmentation.model_validate(options)
    return compiled(task, Target("pixels", 2) if channels == 2 else Target("interval", 6), image)


def turned(model: CompiledModel, axes: list[int], target: Tensor) -> Tensor:
    model.turns.places["out"][1].turned = dict.fromkeys(axes, SECOND)
    return model.turns.turned({"out": target})["out"]


@pytest.mark.parametrize(
    ("axes", "x", "y"),
    [([WIDTH], 0.8, 0.3), ([HEIGHT], 0.2, 0.7), ([WIDTH, HEIGHT], 0.8, 0.7), ([], 0.2, 0.3)],
)
def test_boxes_are_mirrored_with_their_image(axes: list[int], x: float, y: float) -> None:
    result = turned(found(), axes, BOXES)

    assert torch.equal(result[0], BOXES[0])
    assert result[1, 0].tolist() == pytest.approx([1, x, y, 0.1, 0.4])
    assert result[1, 1].tolist() == [-1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ([WIDTH], [[1, 1, 0], [0, 0, 1]]),
        ([HEIGHT], [[1, 0, 0], [0, 1, 1]]),
        ([WIDTH, HEIGHT], [[0, 0, 1], [1, 1, 0]]),
    ],
)
def test_label_images_are_flipped_with_their_image(
    axes: list[int], expected: list[list[int]]
) -> None:
    result = turned(masks("HV"), axes, LABELS)

    assert torch.equal(result[0], LABELS[0])
    assert result[1].tolist() == expected


@pytest.mark.parametrize("flip", ["H", "V", "HV"])
def test_an_image_that_is_its_own_target_stays_so(flip: str) -> None:
    model = masks(flip, 1, act="IDENTITY")
    model.set_generator(seeded(3))
    images = torch.arange(240, dtype=torch.float32).view(40, 1, 2, 3)
    result = model({"image": images})["out"]

    assert not torch.equal(result, images)
    assert torch.equal(model.turns.turned({"out": images})["out"], result)


def test_scoring_turns_nothing() -> None:
    model = masks("HV")
    model({"image": torch.zeros(2, 2, 2, 3)})
    model.eval()
    model({"image": torch.zeros(2, 2, 2, 3)})

    assert torch.equal(model.turns.turned({"out": LABELS})["out"], LABELS)


def test_without_flips_no_target_turns() -> None:
    assert masks("NONE").turns.places == {}


class Still:
    """A solver of a network without weights."""

    parameters = ()

    def __call__(self, rate: float, rows: int) -> None:
        del rate, rows


def test_training_compares_a_flipped_image_with_its_flipped_target() -> None:
    # the output is the image itself: without turning the target the loss would not be zero
    model = masks("HV", 1, act="IDENTITY")
    model.set_generator(seeded(3))
    images = torch.arange(240, dtype=torch.float32).view(40, 1, 2, 3).requires_grad_()
    batch = Batch({"image": images}, {"out": images.detach()}, 40)

    loss, error = train_step(model, Still(), batch, 0.1)  # type: ignore[arg-type]

    assert (loss.item(), error.item()) == (0.0, 0.0)
