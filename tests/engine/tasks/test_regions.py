from math import log

import pytest
import torch
from torch import Tensor

from engine.compile.lower import CompiledModel, compile_graph
from engine.devices import seeded
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.regions import FastRCNN, RegionProposal, ROIPooling
from engine.modules.boxes import centred
from engine.modules.regions import (
    Proposals,
    RegionPooling,
    anchor_boxes,
    moved,
    shifts_to,
)
from engine.tasks.regions import Proposing, Recognising
from tests.engine.found import brute_overlap

TARGET = Target("objects", 2, image=(16, 16))
SIDES = ((8.0, 8.0),)
NOTHING = [-1.0, 0.0, 0.0, 0.0, 0.0]


def proposing(samples: int = 4) -> Proposing:
    return Proposing(TARGET, SIDES, samples)


def values(**changes: list[float]) -> Tensor:
    """Return maps of 2 x 2 in which every anchor is even, but for some, by number."""
    maps = torch.zeros(1, 6, 2, 2)
    for name, each in changes.items():
        place = int(name[1:])
        maps[0, :, place // 2, place % 2] = torch.tensor(each)
    return maps


def test_anchors_lie_in_the_middle_of_cells() -> None:
    found = anchor_boxes(((4.0, 2.0), (8.0, 8.0)), (1, 2), (10, 20))
    assert found.tolist() == [[5, 5, 4, 2], [5, 5, 8, 8], [15, 5, 4, 2], [15, 5, 8, 8]]


def test_shifts_undo_each_other() -> None:
    boxes = torch.tensor([[4.0, 4.0, 8.0, 2.0]])
    wanted = torch.tensor([[6.0, 3.0, 4.0, 4.0]])

    shifts = shifts_to(boxes, wanted)

    assert shifts.tolist()[0] == pytest.approx([0.25, -0.5, -log(2), log(2)])
    torch.testing.assert_close(moved(boxes, shifts), wanted)


def test_proposals_are_the_best_regions_cut_off_at_the_edges() -> None:
    anchors = anchor_boxes(SIDES, (2, 2), (16, 16))
    module = Proposals(anchors, (16, 16), (4, 2), 3)
    raw = values(p0=[0, 3, 0, 0, 0, 0], p3=[0, 5, 0.5, 0, 0, 0], p1=[0, 1, -1.0, 0, 0, 0])

    regions, same = module(raw)

    # the second anchor moves onto the first and is suppressed; the last is cut off at 16
    assert same is raw
    assert regions[0, 0, 1:].tolist() == [12.0, 8.0, 16.0, 16.0]
    assert regions[0, 1, 1:].tolist() == [0.0, 0.0, 8.0, 8.0]
    assert regions[0, :, 0].tolist() == pytest.approx(
        [torch.tensor(5.0).sigmoid().item(), torch.tensor(3.0).sigmoid().item(), 0.5]
    )
    module.eval()
    assert module(raw)[0][0, 2].tolist() == [0.0] * 5


def test_pooling_takes_the_largest_value_of_every_part() -> None:
    maps = torch.arange(16.0).reshape(1, 1, 4, 4)
    regions = torch.tensor([[[1.0, 0.0, 0.0, 4.0, 4.0], [1.0, 2.0, 2.0, 8.0, 4.0], [0.0] * 5]])

    pooled = RegionPooling(2, 2, 0.5)(maps, regions)

    # two cells by two; the second region is columns 1 to 4 and row 1; none takes one cell
    assert pooled.tolist() == [[[0.0, 1.0, 4.0, 5.0], [6.0, 7.0, 6.0, 7.0], [0.0] * 4]]


def test_the_loss_of_proposals_is_worked_by_hand() -> None:
    # the object is the first anchor, moved by 1 of 8 pixels: an overlap of 7 / 9
    target = torch.tensor([[[0.0, 5 / 16, 4 / 16, 0.5, 0.5]]])
    assert brute_overlap((4, 4, 8, 8), (5, 4, 8, 8)) == pytest.approx(7 / 9)
    shift = 0.5 * 0.125**2

    loss = proposing().loss(values(), target)

    # four even anchors: one object, three background
    assert loss.item() == pytest.approx((4 * log(2) + shift) / 4)
    assert proposing().scored_loss(values(), target).item() == pytest.approx(loss.item())


def test_half_of_the_samples_at_most_are_objects() -> None:
    everywhere = [[0.0, x, y, 0.5, 0.5] for x in (0.25, 0.75) for y in (0.25, 0.75)]
    task = proposing(samples=4)

    # two of four objects are drawn, and there is no background
    assert task.loss(values(), torch.tensor([everywhere])).item() == pytest.approx(log(2))


def test_the_fit_error_of_proposals_is_what_the_best_lacks() -> None:
    target = torch.tensor([[[0.0, 5 / 16, 4 / 16, 0.5, 0.5]], [NOTHING]])
    raw = values().expand(2, -1, -1, -1)

    assert proposing().fit_error(raw, target).tolist() == pytest.approx([2 / 9, 0.0])
    assert proposing().known(target).has_error.tolist() == [True, False]
    predicted = proposing().predict(raw)[0, 0].tolist()
    assert predicted == pytest.approx([0.25, 0.25, 0.5, 0.5, 0.5, 1.0])


def recognised(scores: list[list[float]], regions: list[list[float]]) -> Tensor:
    shifts = torch.zeros(len(scores), 12)
    return torch.cat([torch.tensor(scores), shifts, torch.tensor(regions)], dim=1)[None]


REGIONS = [[0.9, 0.0, 0.0, 8.0, 8.0], [0.8, 8.0, 8.0, 16.0, 16.0], [0.0] * 5]
EVEN = [[0.0, 0.0, 0.0]] * 3


def test_the_loss_of_regions_is_worked_by_hand() -> None:
    target = torch.tensor([[[1.0, 5 / 16, 4 / 16, 0.5, 0.5]]])
    raw = recognised([[0.0, 0.0, 1.0], [2.0, 0.0, 0.0], [9.0, 0.0, 0.0]], REGIONS)
    first = log(2 + torch.e) - 1  # class 1 is neuron 2
    second = log(torch.e**2 + 2) - 2  # background
    shift = 0.5 * 0.125**2

    loss = Recognising(TARGET, 2).loss(raw, target)

    # the third region has no area and does not count
    assert loss.item() == pytest.approx((first + second + shift) / 2, rel=1e-5)


def test_regions_are_told_with_the_box_of_their_likeliest_class() -> None:
    raw = recognised([[0.0, 1.0, 0.0], *EVEN[:2]], REGIONS)
    raw[0, 0, 3 + 4 : 3 + 8] = torch.tensor([0.5, 0.0, 0.0, 0.0])  # class 0 moves by four pixels
    found = Recognising(TARGET, 2).predict(raw)[0]

    assert found[0, :5].tolist() == pytest.approx([0.5, 0.25, 0.5, 0.5, 1.0])
    assert found[0, 5:].tolist() == pytest.approx([torch.e / (2 + torch.e), 1 / (2 + torch.e)])
    assert found[2, 4].item() == 0.0
    error = Recognising(TARGET, 2).fit_error(raw, torch.tensor([[[0.0, 0.5, 0.25, 0.5, 0.5]]]))
    assert error.item() == pytest.approx(0.0, abs=1e-6)


def faster() -> CompiledModel:
    """Return a small Faster R-CNN for images of 16 x 16 with squares of 8 x 8."""
    graph = Graph("net").add("data", Input(n_channels=1, width=16, height=16))
    graph = graph.add("maps", Convolution(n_filters=8, width=5, stride=4, act="TANH"), ["data"])
    values_ = Convolution(n_filters=6, width=3, act="IDENTITY")
    graph = graph.add("values", values_, ["maps"])
    proposal = RegionProposal(
        anchor_ratio=(1.0,), anchor_scale=(1.0,), base_anchor_size=8, roi_train_sample_num=8
    )
    graph = graph.add("regions", proposal, ["values"])
    pooling = ROIPooling(output_height=2, output_width=2, spatial_scale=0.25)
    graph = graph.add("parts", pooling, ["maps", "regions"])
    for name, size in (("scores", 3), ("shifts", 12)):
        layer = FullyConnected(n=size, act="IDENTITY", per_step=True)
        graph = graph.add(name, layer, ["parts"])
    graph = graph.add("found", FastRCNN(class_number=2), ["scores", "shifts", "regions"])
    bound = bind(graph, {}, {"regions": TARGET, "found": TARGET})
    return compile_graph(bound, BuildOptions(), generator=seeded(1))


def test_both_steps_learn_together() -> None:
    model = faster()
    corners = [(x, y) for x in (0, 4, 8) for y in (0, 4, 8)]
    images = torch.zeros(len(corners), 1, 16, 16)
    boxes = []
    for row, (x, y) in enumerate(corners):
        images[row, 0, y : y + 8, x : x + 8] = 1.0 if row % 2 else -1.0
        box = centred(torch.tensor([x, y, x + 8.0, y + 8.0])) / 16
        boxes.append([[float(row % 2), *box.tolist()]])
    target = torch.tensor(boxes)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(120):
        raw = model({"data": images})
        each = [model.tasks[name].loss(raw[name], target).mean() for name in ("regions", "found")]
        optimizer.zero_grad()
        torch.autograd.backward(each[0] + each[1])
        optimizer.step()
        losses.append([loss.item() for loss in each])

    model.eval()
    with torch.inference_mode():
        raw = model({"data": images})
        errors = {name: task.fit_error(raw[name], target) for name, task in model.tasks.items()}
        found = model.tasks["found"].predict(raw["found"])

    assert losses[-1][0] < losses[0][0] / 2
    assert losses[-1][1] < losses[0][1] / 2
    assert errors["regions"].mean().item() < 0.2
    assert errors["found"].mean().item() < 0.2
    sure = (found[..., 4:5] * found[..., 5:]).amax(dim=1)
    assert sure.argmax(dim=1).tolist() == [row % 2 for row in range(len(corners))]
