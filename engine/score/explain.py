"""What a network sees in an image: the maps of a layer, its filters, and where a level comes from.

Shape letters: N rows, C channels, H W height and width, K levels.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.compile.lower import CompiledModel
from engine.errors import LayerError
from engine.graph.infer import infer_shapes
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions
from engine.layers.input import Input
from engine.shapes import IMAGE_AXES

FILTER_AXES = 4


@dataclass(frozen=True)
class Heat:
    """Where in the images of a batch a level comes from.

    Attributes:
        maps: (N, H, W) of the layer, none negative; a larger value speaks more for the level.
        levels: (N,), places of the levels.
        probabilities: (N,), of those levels.
    """

    maps: Tensor
    levels: Tensor
    probabilities: Tensor


def layer_maps(model: CompiledModel, inputs: Mapping[str, Tensor], layer: str) -> Tensor:
    """Return what a layer gives for some images, (N, C, H, W).

    Args:
        model: compiled for the output of the layer, in evaluation mode.
        inputs: as the model takes them.
        layer: its name, spelled as declared.
    """
    with torch.inference_mode():
        return model(inputs)[layer]


def heat_maps(
    model: CompiledModel, inputs: Mapping[str, Tensor], layer: str, task: str, level: int | None
) -> Heat:
    """Return for some images how much each place of a layer's maps speaks for a level.

    The maps A of the layer are added, each weighted by the mean over its places of the derivative
    of the level's score (before the softmax), and what is negative is cut off:
    relu(Σ_c mean_hw(dy/dA_c) A_c).

    Args:
        model: compiled for the output of the layer, in evaluation mode.
        inputs: as the model takes them.
        layer: its name, spelled as declared.
        task: name of the output layer.
        level: place of the level; None: the likeliest of each image.

    Raises:
        LayerError: the output layer does not depend on the layer.

    Source: Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based
    localization", 2017, equations 1 and 2.
    """
    with torch.enable_grad():
        outputs = model(inputs)
        scores_NK, maps_NCHW = outputs[task], outputs[layer]
        levels = scores_NK.argmax(1) if level is None else scores_NK.new_full((), level).long()
        levels = levels.expand(len(scores_NK))
        chosen = scores_NK.gather(1, levels[:, None]).sum()
        try:
            (slope_NCHW,) = torch.autograd.grad(chosen, maps_NCHW)
        except RuntimeError as error:
            raise LayerError(
                f"layer {task!r} does not depend on the maps of layer {layer!r}, expected a layer "
                "with weights before it or of its own, on the way to the output",
                layer=layer,
            ) from error
    weights_NC11 = slope_NCHW.mean((2, 3), keepdim=True)
    maps = (weights_NC11 * maps_NCHW).sum(1).relu().detach()
    probabilities = model.tasks[task].predict(scores_NK.detach()).gather(1, levels[:, None])[:, 0]
    return Heat(maps, levels, probabilities)


def layer_filters(model: CompiledModel, layer: str) -> Tensor:
    """Return the filters of a convolution, (filters, channels, height, width).

    Raises:
        LayerError: the layer is no convolution.
    """
    node = model.graph.node(layer)
    specs = [s for s in model.specs if s.layer_id == node.id and s.part == "weights"]
    found = [model.tensor(spec).detach() for spec in specs]
    filters = [tensor for tensor in found if tensor.dim() == FILTER_AXES]
    if not filters:
        raise LayerError(
            f"layer {node.name!r} of type {node.layer.type} has no filters, expected a convolution",
            layer=node.name,
        )
    return filters[0]


def image_layers(graph: Graph, options: BuildOptions) -> tuple[str, ...]:
    """Return the names of the layers whose outputs are maps of more than one place, in order.

    Input and task layers are not among them.
    """
    shapes = infer_shapes(graph, options)
    found: list[str] = []
    for node in graph.nodes:
        shape = shapes[node.name]
        is_plain = not isinstance(node.layer, Input) and not node.layer.is_task
        if is_plain and shape is not None and len(shape) == IMAGE_AXES and shape[1] * shape[2] > 1:
            found.append(node.name)
    return tuple(found)
