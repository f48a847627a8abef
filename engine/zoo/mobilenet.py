"""MobileNet: a filter for each map by itself, then 1x1 filters across the maps."""

from engine.graph.spec import Graph
from engine.layers.merge import Residual
from engine.zoo.draft import IDENTITY, RELU6, Draft, convo, whole
from engine.zoo.registry import register

FIRST = "Howard et al., MobileNets: efficient convolutional networks for mobile vision, 2017"
SECOND = "Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, 2018"

STEPS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *(((512, 1),) * 5),
    (1024, 2),
    (1024, 1),
)
"""Maps and step of each pair of convolutions of version 1. Source: Howard et al., table 1."""
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, maps, blocks and first step of each stage of version 2. Source: Sandler et al.,
table 2."""
WIDEST = 1280
DIVISOR = 8
LEAST_KEPT = 0.9


def mobilenet(
    *, classes: int = 1000, size: int = 224, channels: int = 3, width: float = 1.0
) -> Graph:
    """Return MobileNet of version 1; ``width`` multiplies the maps of every layer."""
    draft = Draft("mobilenet")
    draft.image(channels, size)
    maps = max(1, int(32 * width))
    draft.normed("conv1", convo(maps, 3, 2))
    for at, (full, stride) in enumerate(STEPS, 2):
        draft.normed(f"conv{at}_dw", convo(maps, 3, stride, groups=maps))
        maps = max(1, int(full * width))
        draft.normed(f"conv{at}_pw", convo(maps, 1))
    draft.add("pool", whole())
    return draft.classes(classes)


def mobilenet_v2(
    *, classes: int = 1000, size: int = 224, channels: int = 3, width: float = 1.0
) -> Graph:
    """Return MobileNet of version 2: blocks widen, filter map by map, and narrow again.

    ``width`` multiplies the maps of every layer, rounded to a multiple of 8.
    """
    draft = Draft("mobilenetv2")
    draft.image(channels, size)
    maps = rounded(32 * width)
    draft.normed("conv1", convo(maps, 3, 2), **RELU6)
    for stage, (expansion, full, repeats, first) in enumerate(STAGES, 2):
        for position in range(repeats):
            made = rounded(full * width)
            name, stride = f"block{stage}_{position + 1}", 1 if position else first
            _block(draft, name, (maps, expansion, made), stride)
            maps = made
    draft.normed("conv9", convo(rounded(WIDEST * max(1.0, width)), 1), **RELU6)
    draft.add("pool", whole(0.2))
    return draft.classes(classes)


def _block(draft: Draft, name: str, maps: tuple[int, int, int], stride: int) -> None:
    source = draft.last
    before, expansion, after = maps
    inner = before * expansion
    if expansion > 1:
        draft.normed(f"{name}_widen", convo(inner, 1), **RELU6)
    draft.normed(f"{name}_filter", convo(inner, 3, stride, groups=inner), **RELU6)
    made = draft.normed(f"{name}_narrow", convo(after, 1), **IDENTITY)
    if stride == 1 and before == after:
        draft.add(name, Residual(), source, made)


def rounded(maps: float) -> int:
    """Return the nearest multiple of 8 that is not below nine tenths.

    Source: the reference implementation of Sandler et al., 2018.
    """
    nearest = max(DIVISOR, int(maps + DIVISOR / 2) // DIVISOR * DIVISOR)
    return nearest + DIVISOR if nearest < LEAST_KEPT * maps else nearest


register("mobilenet", "MobileNet", mobilenet, FIRST)
register("mobilenetv2", "MobileNet v2", mobilenet_v2, SECOND)
