"""DenseNet: every layer of a block sees the maps of all layers before it."""

from functools import partial

from engine.graph.spec import Graph
from engine.layers.merge import Concatenation
from engine.layers.normalization import BatchNormalization
from engine.zoo.draft import Draft, best, convo, mean, whole
from engine.zoo.registry import register

SOURCE = "Huang, Liu, van der Maaten and Weinberger, Densely connected networks, 2017"
REPEATS = {
    121: (6, 12, 24, 16),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    161: (6, 12, 36, 24),
}
"""Layers of each block by the number of layers with weights."""
GROWTH = {121: 32, 169: 32, 201: 32, 161: 48}
"""Maps that each layer adds."""
INNER = 4
"""Maps of the 1x1 convolution of a layer, by maps it adds."""


def densenet(depth: int, /, *, classes: int = 1000, size: int = 224, channels: int = 3) -> Graph:
    """Return DenseNet with bottlenecks, whose transitions halve the maps."""
    growth = GROWTH[depth]
    maps = 2 * growth
    draft = Draft(f"densenet{depth}")
    draft.image(channels, size)
    draft.normed("conv1", convo(maps, 7, 2))
    draft.add("pool1", best(3, 2, 1))
    for block, repeats in enumerate(REPEATS[depth], 2):
        for position in range(1, repeats + 1):
            _layer(draft, f"dense{block}_{position}", growth)
        maps += repeats * growth
        if block <= len(REPEATS[depth]):
            maps //= 2
            draft.activated(f"transition{block}", convo(maps, 1), draft.last)
            draft.add(f"pool{block}", mean(2, 2))
    draft.add("post_bn", BatchNormalization(act="RECTIFIER"))
    draft.add("pool", whole())
    return draft.classes(classes)


def _layer(draft: Draft, name: str, growth: int) -> None:
    source = draft.last
    inner = draft.activated(f"{name}_conv1", convo(INNER * growth, 1), source)
    made = draft.activated(f"{name}_conv2", convo(growth), inner)
    draft.add(name, Concatenation(), source, made)


for _depth in REPEATS:
    register(f"densenet{_depth}", f"DenseNet-{_depth}", partial(densenet, _depth), SOURCE)
