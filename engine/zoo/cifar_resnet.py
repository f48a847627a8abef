"""Residual networks for images of 32x32 pixels, of version 1 and 2."""

from functools import partial

from engine.graph.spec import Graph
from engine.layers.merge import Concatenation, Residual
from engine.layers.normalization import BatchNormalization
from engine.layers.pooling import Pooling
from engine.zoo.draft import IDENTITY, Draft, convo, whole
from engine.zoo.registry import register
from engine.zoo.resnet import FIRST, SECOND, Branch, block_v2, bottleneck

DEPTHS = (20, 32, 44, 56, 110)
DEPTHS_V2 = (110, 164)
MAPS = (16, 32, 64)
BOTTLENECKED = 164
"""Layers from which on the blocks of version 2 are bottlenecks."""


def cifar_resnet(depth: int, /, *, classes: int = 10, size: int = 32, channels: int = 3) -> Graph:
    """Return the ResNet of the paper for CIFAR-10, of 6 n + 2 layers.

    Shortcuts have no weights: where the size changes they take every other pixel and add maps of
    zeros (option A of the paper).
    """
    draft = Draft(f"resnet{depth}")
    draft.image(channels, size)
    draft.normed("conv1", convo(MAPS[0]))
    for stage, maps in enumerate(MAPS):
        for position in range((depth - 2) // 6):
            name = f"res{stage + 1}_{position + 1}"
            _block(draft, name, maps, 2 if stage and not position else 1)
    draft.add("pool", whole())
    return draft.classes(classes)


def cifar_resnet_v2(
    depth: int, /, *, classes: int = 10, size: int = 32, channels: int = 3
) -> Graph:
    """Return the ResNet v2 of the paper for CIFAR-10.

    Up to 110 layers blocks are two 3x3 convolutions, from 164 layers on bottlenecks. Shortcuts
    that change the size are 1x1 convolutions.
    """
    draft = Draft(f"resnet{depth}v2")
    draft.image(channels, size)
    draft.add("conv1", convo(MAPS[0], **IDENTITY).model_copy(update={"include_bias": False}))
    is_deep = depth >= BOTTLENECKED
    for stage, maps in enumerate(MAPS):
        branch: Branch = bottleneck(maps) if is_deep else ((maps, 3), (maps, 3))
        for position in range((depth - 2) // (9 if is_deep else 6)):
            name = f"res{stage + 1}_{position + 1}"
            block_v2(draft, name, branch, 2 if stage and not position else 1)
    draft.add("post_bn", BatchNormalization(act="RECTIFIER"))
    draft.add("pool", whole())
    return draft.classes(classes)


def _block(draft: Draft, name: str, maps: int, stride: int) -> None:
    shortcut = draft.last
    draft.normed(f"{name}_conv1", convo(maps, 3, stride))
    branch = draft.normed(f"{name}_conv2", convo(maps), **IDENTITY)
    if stride > 1:
        every_other = Pooling(width=1, height=1, stride=stride, padding=0)
        half = draft.add(f"{name}_every_other", every_other, shortcut)
        zeros = draft.add(f"{name}_zeros", Residual(act="FCMP", fcmp_act="0 * x"), half)
        shortcut = draft.add(f"{name}_short", Concatenation(), half, zeros)
    draft.add(name, Residual(act="RECTIFIER"), branch, shortcut)


for _depth in DEPTHS:
    register(f"resnet{_depth}", f"ResNet-{_depth} (CIFAR)", partial(cifar_resnet, _depth), FIRST)
for _depth in DEPTHS_V2:
    register(
        f"resnet{_depth}v2",
        f"ResNet-{_depth} v2 (CIFAR)",
        partial(cifar_resnet_v2, _depth),
        SECOND,
    )
