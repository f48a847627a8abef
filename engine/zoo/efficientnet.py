"""EfficientNet-B0: inverted bottlenecks whose maps are weighed by what the whole image shows."""

from engine.graph.spec import Graph
from engine.layers.dense import FullyConnected
from engine.layers.merge import Residual, Scale
from engine.zoo.draft import IDENTITY, SWISH, Draft, convo, dense, whole
from engine.zoo.registry import register

SOURCE = "Tan and Le, EfficientNet: rethinking model scaling, 2019"
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Expansion, filter size, first step, maps and blocks of each stage. Source: Tan and Le,
table 1."""
SQUEEZE = 4
"""Maps that enter a block, by neurons that see the whole image."""


def efficientnet_b0(*, classes: int = 1000, size: int = 224, channels: int = 3) -> Graph:
    """Return EfficientNet-B0; that blocks are left out at random in training is not done."""
    draft = Draft("efficientnetb0")
    draft.image(channels, size)
    maps = 32
    draft.normed("conv1", convo(maps, 3, 2), **SWISH)
    for stage, (expansion, kernel, first, made, repeats) in enumerate(STAGES, 2):
        for position in range(repeats):
            name, stride = f"block{stage}_{position + 1}", 1 if position else first
            _block(draft, name, (maps, expansion, made), kernel, stride)
            maps = made
    draft.normed("conv9", convo(1280, 1), **SWISH)
    draft.add("pool", whole(0.2))
    return draft.classes(classes)


def _block(draft: Draft, name: str, maps: tuple[int, int, int], kernel: int, stride: int) -> None:
    source = draft.last
    before, expansion, after = maps
    inner = before * expansion
    if expansion > 1:
        draft.normed(f"{name}_widen", convo(inner, 1), **SWISH)
    found = draft.normed(f"{name}_filter", convo(inner, kernel, stride, groups=inner), **SWISH)
    draft.add(f"{name}_squeeze", whole())
    draft.add(f"{name}_see", dense(max(1, before // SQUEEZE), **SWISH))
    factors = draft.add(f"{name}_excite", FullyConnected(n=inner, act="LOGISTIC"))
    draft.add(f"{name}_weighed", Scale(), found, factors)
    made = draft.normed(f"{name}_narrow", convo(after, 1), **IDENTITY)
    if stride == 1 and before == after:
        draft.add(name, Residual(), source, made)


register("efficientnetb0", "EfficientNet-B0", efficientnet_b0, SOURCE)
