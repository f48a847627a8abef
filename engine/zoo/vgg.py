"""VGG: blocks of 3x3 filters, each block at half the size and twice the maps."""

from functools import partial

from engine.graph.spec import Graph
from engine.layers.normalization import BatchNormalization
from engine.zoo.draft import Draft, best, convo, dense
from engine.zoo.registry import register

SOURCE = "Simonyan and Zisserman, Very deep convolutional networks, 2015"
MAPS = (64, 128, 256, 512, 512)
REPEATS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions of each block by the number of layers with weights."""
HIDDEN = 4096


def vgg(
    depth: int, /, *, normed: bool, classes: int = 1000, size: int = 224, channels: int = 3
) -> Graph:
    """Return VGG of a depth, with batch normalisation or without.

    With batch normalisation the filters keep their biases, as in the models that are published.
    """
    draft = Draft(f"vgg{depth}")
    draft.image(channels, size)
    for block, (maps, repeats) in enumerate(zip(MAPS, REPEATS[depth], strict=True), 1):
        for position in range(1, repeats + 1):
            _convolve(draft, f"conv{block}_{position}", maps, normed=normed)
        draft.add(f"pool{block}", best(2, 2))
    for position in (6, 7):
        draft.add(f"fc{position}", dense(HIDDEN, 0.5))
    return draft.classes(classes)


def _convolve(draft: Draft, name: str, maps: int, *, normed: bool) -> None:
    if not normed:
        draft.add(name, convo(maps))
        return
    draft.add(name, convo(maps, act="IDENTITY"))
    draft.add(f"{name}_bn", BatchNormalization(act="RECTIFIER"))


for _depth in REPEATS:
    for _normed, _name, _title in ((False, "", ""), (True, "bn", " with batch normalisation")):
        _build = partial(vgg, _depth, normed=_normed)
        register(f"vgg{_depth}{_name}", f"VGG-{_depth}{_title}", _build, SOURCE)
