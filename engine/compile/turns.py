"""Targets that are places in an image turn with it when training flips it.

Shape letters: N rows, M objects, C channels, H W height and width.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from engine.graph.spec import Graph
from engine.layers.base import Task
from engine.modules.augment import HEIGHT, WIDTH, Augment

CENTRE = {WIDTH: 1, HEIGHT: 2}
"""Where objects have the centre that an axis of the image turns."""
FROM_END = {WIDTH: -1, HEIGHT: -2}


class Turns:
    """Flips boxes and label images as the image they belong to was flipped last.

    The image is that of the only input layer with random flips that leads to the task layer.

    Attributes:
        places: by task layer whose target is turned, its task and the flips of its image.
    """

    def __init__(self, graph: Graph, images: Mapping[str, nn.Module], tasks: Mapping[str, Task]):
        flips = {
            name: module
            for layer, found in images.items()
            for name, module in [(layer, _flip_of(found))]
            if module is not None
        }
        self.places: dict[str, tuple[Task, Augment]] = {}
        for name, task in tasks.items():
            leading = [flips[source] for source in _before(graph, name) if source in flips]
            if len(leading) == 1 and _is_placed(task):
                self.places[name] = task, leading[0]

    def turned(self, targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the targets of a mini-batch, right after the model has seen its images."""
        found = dict(targets)
        for name, (task, image) in self.places.items():
            for axis, rows in image.turned.items():
                turn = _turned_boxes if task.target.kind == "objects" else _turned_pixels
                found[name] = turn(found[name], axis, rows)
        return found


def _flip_of(module: nn.Module) -> Augment | None:
    for each in module.modules():
        if isinstance(each, Augment) and each.augmentation.flip != "NONE":
            return each
    return None


def _is_placed(task: Task) -> bool:
    return task.target.kind == "objects" or task.report in ("segmentation", "pixel regression")


def _before(graph: Graph, name: str) -> set[str]:
    """Return the names of all layers that lead to one."""
    found: set[str] = set()
    open_ = [name]
    while open_:
        for source in graph.node(open_.pop()).sources:
            node = graph.node(source).name
            if node not in found:
                found.add(node)
                open_.append(node)
    return found


def _turned_boxes(target: Tensor, axis: int, rows: Tensor) -> Tensor:
    """Mirror the centres of objects (N, M, 5); sizes stay."""
    place = CENTRE[axis]
    is_turned = rows.view(-1, 1) & (target[..., 0] >= 0)
    turned = target.clone()
    turned[..., place] = torch.where(is_turned, 1 - target[..., place], target[..., place])
    return turned


def _turned_pixels(target: Tensor, axis: int, rows: Tensor) -> Tensor:
    """Flip label images (N, H, W), or images (N, C, H, W)."""
    rows = rows.view(-1, *[1] * (target.dim() - 1))
    return torch.where(rows, target.flip(FROM_END[axis]), target)
