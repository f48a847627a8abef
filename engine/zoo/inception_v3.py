"""Inception v3: large filters are chains of small and of one-sided ones."""

from collections.abc import Sequence

from engine.graph.spec import Graph
from engine.layers.merge import Concatenation
from engine.zoo.draft import Draft, Sizes, best, convo, mean, whole
from engine.zoo.registry import register

SOURCE = "Szegedy et al., Rethinking the inception architecture for computer vision, 2016"

Chain = Sequence[tuple[int, Sizes]]
"""Maps and filter size of convolutions one after another."""
POOLED_35 = (32, 64, 64)
INNER_17 = (128, 160, 160, 192)


def inception_v3(*, classes: int = 1000, size: int = 299, channels: int = 3) -> Graph:
    """Return Inception v3, without the classifier on the way, which only helps training."""
    draft = Draft("inceptionv3")
    draft.image(channels, size)
    draft.normed("conv1", convo(32, 3, 2, padding=0))
    draft.normed("conv2", convo(32, 3, padding=0))
    draft.normed("conv3", convo(64))
    draft.add("pool3", best(3, 2))
    draft.normed("conv4", convo(80, 1))
    draft.normed("conv5", convo(192, 3, padding=0))
    draft.add("pool5", best(3, 2))
    for at, pooled in enumerate(POOLED_35):
        _wide(draft, f"mixed35_{at + 1}", pooled)
    _halve(draft, "mixed17_0", [[(384, 3)], [(64, 1), (96, 3), (96, 3)]])
    for at, inner in enumerate(INNER_17):
        _crossed(draft, f"mixed17_{at + 1}", inner)
    _halve(
        draft,
        "mixed8_0",
        [[(192, 1), (320, 3)], [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3)]],
    )
    for at in range(2):
        _split(draft, f"mixed8_{at + 1}")
    draft.add("pool8", whole(0.5))
    return draft.classes(classes)


def _chain(draft: Draft, name: str, links: Chain, source: str) -> str:
    for at, (maps, size) in enumerate(links, 1):
        source = draft.normed(f"{name}{at}", convo(maps, size), source)
    return source


def _pooled(draft: Draft, name: str, maps: int, source: str) -> str:
    draft.add(f"{name}_pool", mean(3, 1, 1), source)
    return draft.normed(f"{name}_proj", convo(maps, 1))


def _wide(draft: Draft, name: str, pooled: int) -> None:
    """Add a module of 1x1, 5x5 and doubled 3x3 filters."""
    source = draft.last
    branches = [
        _chain(draft, f"{name}_a", [(64, 1)], source),
        _chain(draft, f"{name}_b", [(48, 1), (64, 5)], source),
        _chain(draft, f"{name}_c", [(64, 1), (96, 3), (96, 3)], source),
        _pooled(draft, name, pooled, source),
    ]
    draft.add(name, Concatenation(), *branches)


def _halve(draft: Draft, name: str, chains: Sequence[Chain]) -> None:
    """Add a module whose chains end in a filter with step 2, beside pooling with step 2."""
    source = draft.last
    branches = []
    for letter, links in zip("ab", chains, strict=True):
        end = _chain(draft, f"{name}_{letter}", links[:-1], source)
        maps, size = links[-1]
        branches.append(
            draft.normed(f"{name}_{letter}{len(links)}", convo(maps, size, 2, padding=0), end)
        )
    branches.append(draft.add(f"{name}_pool", best(3, 2), source))
    draft.add(name, Concatenation(), *branches)


def _crossed(draft: Draft, name: str, inner: int) -> None:
    """Add a module of filters of 1x7 and 7x1."""
    source, flat, tall = draft.last, (1, 7), (7, 1)
    once: Chain = [(inner, 1), (inner, flat), (192, tall)]
    twice: Chain = [(inner, 1), (inner, tall), (inner, flat), (inner, tall), (192, flat)]
    branches = [
        _chain(draft, f"{name}_a", [(192, 1)], source),
        _chain(draft, f"{name}_b", once, source),
        _chain(draft, f"{name}_c", twice, source),
        _pooled(draft, name, 192, source),
    ]
    draft.add(name, Concatenation(), *branches)


def _split(draft: Draft, name: str) -> None:
    """Add a module whose branches end side by side in filters of 1x3 and 3x1."""
    source = draft.last
    branches = [_chain(draft, f"{name}_a", [(320, 1)], source)]
    for letter, links in (("b", [(384, 1)]), ("c", [(448, 1), (384, 3)])):
        end = _chain(draft, f"{name}_{letter}", links, source)
        branches += [
            draft.normed(f"{name}_{letter}_flat", convo(384, (1, 3)), end),
            draft.normed(f"{name}_{letter}_tall", convo(384, (3, 1)), end),
        ]
    branches.append(_pooled(draft, name, 192, source))
    draft.add(name, Concatenation(), *branches)


register("inceptionv3", "Inception v3", inception_v3, SOURCE)
