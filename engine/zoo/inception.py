"""GoogLeNet: modules that look at a picture through filters of several sizes at once."""

from engine.graph.spec import Graph
from engine.layers.merge import Concatenation
from engine.zoo.draft import Draft, best, convo, whole
from engine.zoo.registry import register

SOURCE = "Szegedy et al., Going deeper with convolutions, 2015"

Widths = tuple[int, int, int, int, int, int]
"""Maps of the 1x1 branch, of the 3x3 branch before and after, of the 5x5 branch before and after,
and of the pooled branch."""

MODULES: dict[str, Widths] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Source: Szegedy et al., 2015, table 1."""
POOLED_AFTER = ("3b", "4e")


def inception(draft: Draft, name: str, widths: Widths) -> str:
    """Add a module: four branches side by side, each with its own view of the same maps."""
    source = draft.last
    one, three_before, three, five_before, five, pooled = widths
    branches = [draft.add(f"{name}_1x1", convo(one, 1), source)]
    for size, before, after in ((3, three_before, three), (5, five_before, five)):
        draft.add(f"{name}_{size}x{size}_reduce", convo(before, 1), source)
        branches.append(draft.add(f"{name}_{size}x{size}", convo(after, size)))
    draft.add(f"{name}_pool", best(3, 1, 1), source)
    branches.append(draft.add(f"{name}_pool_proj", convo(pooled, 1)))
    return draft.add(name, Concatenation(), *branches)


def googlenet(*, classes: int = 1000, size: int = 224, channels: int = 3) -> Graph:
    """Return GoogLeNet (Inception v1).

    The two classifiers on the way, which only help training, and local response normalisation,
    which has no weights, are left out.
    """
    draft = Draft("googlenet")
    draft.image(channels, size)
    draft.add("conv1", convo(64, 7, 2))
    draft.add("pool1", best(3, 2, None))
    draft.add("conv2_reduce", convo(64, 1))
    draft.add("conv2", convo(192))
    draft.add("pool2", best(3, 2, None))
    for name, widths in MODULES.items():
        inception(draft, f"inception{name}", widths)
        if name in POOLED_AFTER:
            draft.add(f"pool{name[0]}", best(3, 2, None))
    draft.add("pool5", whole(0.4))
    return draft.classes(classes)


register("googlenet", "GoogLeNet (Inception v1)", googlenet, SOURCE)
