"""Residual networks for large images, of version 1 and 2."""

from functools import partial

from engine.graph.spec import Graph
from engine.layers.merge import Residual
from engine.layers.normalization import BatchNormalization
from engine.zoo.draft import IDENTITY, Draft, best, convo, whole
from engine.zoo.registry import register

FIRST = "He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2015"
SECOND = "He, Zhang, Ren and Sun, Identity mappings in deep residual networks, 2016"
REPEATS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}
"""Blocks of each stage by the number of layers with weights."""
NARROW = 64
"""Maps of the first stage, twice as many in every further one."""
SHALLOW = 34
"""Most layers of a network whose blocks are two 3x3 convolutions; deeper ones have bottlenecks."""
GROWTH = 4
"""Maps that leave a bottleneck, by maps inside it."""


def resnet(depth: int, /, *, classes: int = 1000, size: int = 224, channels: int = 3) -> Graph:
    """Return ResNet: a block adds what two or three convolutions find to what it was given.

    Of a bottleneck with a step, the 3x3 convolution takes it, as in the published models.
    """
    draft = Draft(f"resnet{depth}")
    draft.image(channels, size)
    draft.normed("conv1", convo(NARROW, 7, 2))
    draft.add("pool1", best(3, 2, 1))
    for stage, repeats in enumerate(REPEATS[depth]):
        for position in range(repeats):
            stride = 2 if stage and not position else 1
            name = f"res{stage + 2}_{position + 1}"
            _block(draft, name, _branch(depth, NARROW << stage), stride)
    draft.add("pool5", whole())
    return draft.classes(classes)


def resnet_v2(depth: int, /, *, classes: int = 1000, size: int = 224, channels: int = 3) -> Graph:
    """Return ResNet with normalisation and rectifier before every convolution of a block.

    What a block was given reaches its sum untouched; a shortcut that changes the size starts from
    the rectified values.
    """
    draft = Draft(f"resnet{depth}v2")
    draft.image(channels, size)
    draft.add("conv1", convo(NARROW, 7, 2, **IDENTITY).model_copy(update={"include_bias": False}))
    draft.add("pool1", best(3, 2, 1))
    for stage, repeats in enumerate(REPEATS[depth]):
        for position in range(repeats):
            stride = 2 if stage and not position else 1
            name = f"res{stage + 2}_{position + 1}"
            block_v2(draft, name, _branch(depth, NARROW << stage), stride)
    draft.add("post_bn", BatchNormalization(act="RECTIFIER"))
    draft.add("pool5", whole())
    return draft.classes(classes)


Branch = tuple[tuple[int, int], ...]
"""Maps and filter size of the convolutions of a block."""


def _branch(depth: int, maps: int) -> Branch:
    if depth <= SHALLOW:
        return (maps, 3), (maps, 3)
    return bottleneck(maps)


def bottleneck(maps: int) -> Branch:
    """Return the convolutions of a bottleneck."""
    return (maps, 1), (maps, 3), (GROWTH * maps, 1)


def _step(branch: Branch) -> int:
    """Return the convolution that takes the step: the first of 3x3."""
    return next(at for at, (_, size) in enumerate(branch) if size > 1)


def _changes(draft: Draft, source: str, branch: Branch, stride: int) -> bool:
    """Return whether a block gives another shape than it takes."""
    shape = draft.graph.shapes[source]
    return stride > 1 or shape is None or shape[0] != branch[-1][0]


def _block(draft: Draft, name: str, branch: Branch, stride: int) -> None:
    source = shortcut = draft.last
    changes, step = _changes(draft, source, branch, stride), _step(branch)
    for at, (maps, size) in enumerate(branch):
        layer = convo(maps, size, stride if at == step else 1)
        form = IDENTITY if at == len(branch) - 1 else {}
        draft.normed(f"{name}_conv{at + 1}", layer, source, **form)
        source = draft.last
    if changes:
        shortcut = draft.normed(
            f"{name}_short", convo(branch[-1][0], 1, stride), shortcut, **IDENTITY
        )
    draft.add(name, Residual(act="RECTIFIER"), source, shortcut)


def block_v2(draft: Draft, name: str, branch: Branch, stride: int) -> None:
    """Add a block of version 2."""
    source = shortcut = draft.last
    changes, step = _changes(draft, source, branch, stride), _step(branch)
    for at, (maps, size) in enumerate(branch):
        layer = convo(maps, size, stride if at == step else 1)
        source = draft.activated(f"{name}_conv{at + 1}", layer, source)
    if changes:
        layer = convo(branch[-1][0], 1, stride, **IDENTITY)
        layer = layer.model_copy(update={"include_bias": False})
        shortcut = draft.add(f"{name}_short", layer, f"{name}_conv1_bn")
    draft.add(name, Residual(), source, shortcut)


for _depth in REPEATS:
    register(f"resnet{_depth}", f"ResNet-{_depth}", partial(resnet, _depth), FIRST)
for _depth in REPEATS:
    register(f"resnet{_depth}v2", f"ResNet-{_depth} v2", partial(resnet_v2, _depth), SECOND)
