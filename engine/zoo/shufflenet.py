"""ShuffleNet: 1x1 filters over groups of maps, and shuffles so that the groups meet."""

from engine.graph.spec import Graph
from engine.layers.channels import ChannelShuffle, Split
from engine.layers.merge import Concatenation, Residual
from engine.zoo.draft import IDENTITY, Draft, best, convo, mean, whole
from engine.zoo.registry import one_of, register

FIRST = "Zhang, Zhou, Lin and Sun, ShuffleNet: an efficient network for mobile devices, 2018"
SECOND = "Ma, Zhang, Zheng and Sun, ShuffleNet V2: practical guidelines, 2018"
REPEATS = (4, 8, 4)
STEM = 24
MAPS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
"""Maps of the first stage by the number of groups; each further one has twice as many. Source:
Zhang et al., 2018, table 1."""
INNER = 4
"""Maps that leave a unit, by maps inside it."""
MAPS_V2 = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
"""Maps of the three stages and of the last convolution by width. Source: Ma et al., 2018,
table 5."""


def shufflenet(
    *, classes: int = 1000, size: int = 224, channels: int = 3, groups: int = 3
) -> Graph:
    """Return ShuffleNet of version 1; ``groups`` is 1, 2, 3, 4 or 8."""
    first = one_of(MAPS, groups, "groups")
    draft = Draft("shufflenet")
    draft.image(channels, size)
    draft.normed("conv1", convo(STEM, 3, 2))
    draft.add("pool1", best(3, 2, 1))
    before = STEM
    for stage, repeats in enumerate(REPEATS):
        maps = first << stage
        for position in range(repeats):
            name = f"unit{stage + 2}_{position + 1}"
            _unit(draft, name, (before, maps), 1 if before == STEM else groups, groups)
            before = maps
    draft.add("pool5", whole())
    return draft.classes(classes)


def _unit(draft: Draft, name: str, maps: tuple[int, int], entry: int, groups: int) -> None:
    """Add a unit; one that changes the maps lays its own beside the means of what it was given.

    Args:
        draft: the network.
        name: of the unit.
        maps: before and after.
        entry: groups of the first convolution.
        groups: groups of the last convolution and of the shuffle.
    """
    source = draft.last
    before, after = maps
    widens = before != after
    inner, made = after // INNER, after - before if widens else after
    draft.normed(f"{name}_in", convo(inner, 1, groups=entry))
    if entry > 1:
        draft.add(f"{name}_shuffle", ChannelShuffle(n_groups=groups))
    draft.normed(f"{name}_filter", convo(inner, 3, 2 if widens else 1, groups=inner), **IDENTITY)
    end = draft.normed(f"{name}_out", convo(made, 1, groups=groups), **IDENTITY)
    if widens:
        means = draft.add(f"{name}_means", mean(3, 2, 1), source)
        draft.add(name, Concatenation(act="RECTIFIER"), means, end)
    else:
        draft.add(name, Residual(act="RECTIFIER"), source, end)


def shufflenet_v2(
    *, classes: int = 1000, size: int = 224, channels: int = 3, width: float = 1.0
) -> Graph:
    """Return ShuffleNet of version 2: half of the maps go round each unit.

    ``width`` is 0.5, 1, 1.5 or 2. The half that goes round comes first in the next unit.
    """
    *stages, last = one_of(MAPS_V2, width, "width")
    draft = Draft("shufflenetv2")
    draft.image(channels, size)
    draft.normed("conv1", convo(STEM, 3, 2))
    draft.add("pool1", best(3, 2, 1))
    for stage, (maps, repeats) in enumerate(zip(stages, REPEATS, strict=True), 2):
        for position in range(repeats):
            _unit_v2(draft, f"unit{stage}_{position + 1}", maps // 2, is_first=not position)
    draft.normed("conv5", convo(last, 1))
    draft.add("pool5", whole())
    return draft.classes(classes)


def _unit_v2(draft: Draft, name: str, half: int, *, is_first: bool) -> None:
    source, around = draft.last, ""
    if is_first:
        shape = draft.graph.shapes[source] or (0,)
        draft.normed(f"{name}_around", convo(shape[0], 3, 2, groups=shape[0]), **IDENTITY)
        around = draft.normed(f"{name}_across", convo(half, 1))
    else:
        source = around = draft.add(f"{name}_split", Split(n_destination_layers=2))
    draft.normed(f"{name}_in", convo(half, 1), source)
    stride = 2 if is_first else 1
    draft.normed(f"{name}_filter", convo(half, 3, stride, groups=half), **IDENTITY)
    end = draft.normed(f"{name}_out", convo(half, 1))
    draft.add(f"{name}_both", Concatenation(), around, end)
    draft.add(name, ChannelShuffle(n_groups=2))


register("shufflenet", "ShuffleNet", shufflenet, FIRST)
register("shufflenetv2", "ShuffleNet v2", shufflenet_v2, SECOND)
