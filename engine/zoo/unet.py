"""U-Net: down to see the whole, up again to say what every pixel is."""

from engine.graph.spec import Graph
from engine.layers.merge import Concatenation
from engine.layers.segmentation import Segmentation
from engine.layers.transposed import TransposedConvolution
from engine.zoo.draft import IDENTITY, Draft, best, convo
from engine.zoo.registry import register

SOURCE = "Ronneberger, Fischer and Brox, U-Net: networks for biomedical segmentation, 2015"


def unet(
    *, classes: int = 2, size: int = 256, channels: int = 1, filters: int = 64, depth: int = 4
) -> Graph:
    """Return U-Net of a depth, whose first convolutions have ``filters`` maps.

    Convolutions pad, so that the answer has the size of the image; those of the paper do not, and
    cut the maps they are joined with. ``size`` is a multiple of 2 to the power of ``depth``.
    """
    draft = Draft("unet")
    draft.image(channels, size)
    kept = []
    for level in range(depth):
        kept.append(_twice(draft, f"down{level + 1}", filters << level))
        draft.add(f"pool{level + 1}", best(2, 2))
    _twice(draft, "bottom", filters << depth)
    for level in reversed(range(depth)):
        up = TransposedConvolution(n_filters=filters << level, width=2, stride=2, act="IDENTITY")
        draft.add(f"up{level + 1}", up)
        draft.add(f"join{level + 1}", Concatenation(), kept[level], draft.last)
        _twice(draft, f"mend{level + 1}", filters << level)
    draft.add("scores", convo(classes, 1, **IDENTITY))
    draft.add("out", Segmentation())
    return draft.graph


def _twice(draft: Draft, name: str, maps: int) -> str:
    for position in (1, 2):
        draft.add(f"{name}_{position}", convo(maps))
    return draft.last


register("unet", "U-Net", unet, SOURCE)
