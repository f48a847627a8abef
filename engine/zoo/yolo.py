"""YOLO: one look at the image, a box and a class from every cell of a grid."""

from collections.abc import Sequence

from engine.errors import GraphError
from engine.graph.spec import Graph
from engine.layers.detection import Detection
from engine.layers.merge import Concatenation
from engine.layers.reshape import Reshape
from engine.zoo.draft import IDENTITY, Draft, best, convo, dense
from engine.zoo.registry import register

FIRST = "Redmon, Divvala, Girshick and Farhadi, You only look once, 2016"
SECOND = "Redmon and Farhadi, YOLO9000: better, faster, stronger, 2017"

Anchors = Sequence[float]
"""Width and height of one box after the other, in cells."""
ANCHORS: Anchors = (
    1.3221, 1.73145, 3.19275, 4.00944, 5.05587, 8.09892, 9.47112, 4.84053, 11.2364, 10.0071,
)  # fmt: skip
"""Source: Darknet, yolo-voc.cfg."""
TINY_ANCHORS: Anchors = (1.08, 1.19, 3.42, 4.41, 6.63, 11.38, 9.42, 5.11, 16.62, 10.52)
"""Source: Darknet, tiny-yolo-voc.cfg."""
STRIDE = 32
"""Pixels on the side of a cell."""
BOX = 5
"""Values of a prediction besides its classes."""
TINY = (16, 32, 64, 128, 256, 512)
PLAIN_CELLS, PLAIN_BOXES = 7, 2
FINE = 256
"""Maps that the finer view becomes when a square of four pixels becomes one."""


def tiny_yolo_v1(*, classes: int = 20, size: int = 448, channels: int = 3) -> Graph:
    """Return Tiny-YOLO of version 1: nine layers, a grid of 7 x 7 cells with two boxes each."""
    draft = Draft("tinyyolov1")
    draft.image(channels, size)
    for at, maps in enumerate(TINY, 1):
        _leaky(draft, f"conv{at}", maps)
        draft.add(f"pool{at}", best(2, 2))
    _leaky(draft, "conv7", 1024)
    _leaky(draft, "conv8", 256)
    values = PLAIN_CELLS**2 * (PLAIN_BOXES * BOX + classes)
    draft.add("boxes", dense(values, **IDENTITY))
    layer = Detection(
        detection_model_type="YOLOV1",
        class_number=classes,
        grid_number=PLAIN_CELLS,
        predictions_per_grid=PLAIN_BOXES,
    )
    draft.add("out", layer)
    return draft.graph


def tiny_yolo_v2(
    *, classes: int = 20, size: int = 416, channels: int = 3, anchors: Anchors = TINY_ANCHORS
) -> Graph:
    """Return Tiny-YOLO of version 2: nine convolutions; a cell is 32 pixels wide."""
    cells = _cells(size)
    draft = Draft("tinyyolov2")
    draft.image(channels, size)
    for at, maps in enumerate(TINY, 1):
        _leaky(draft, f"conv{at}", maps)
        draft.add(f"pool{at}", best(2, 1, None) if maps == TINY[-1] else best(2, 2))
    _leaky(draft, "conv7", 1024)
    _leaky(draft, "conv8", 1024)
    return _end(draft, classes, cells, anchors)


def yolo_v2(
    *, classes: int = 20, size: int = 416, channels: int = 3, anchors: Anchors = ANCHORS
) -> Graph:
    """Return YOLO of version 2: Darknet-19, and a finer view of the image that joins at its end.

    Of the finer view every square of four pixels becomes one pixel with four times the maps.
    """
    cells = _cells(size)
    draft = Draft("yolov2")
    draft.image(channels, size)
    for at, widths in enumerate(
        ((32,), (64,), (128, 64, 128), (256, 128, 256), (512, 256, 512, 256, 512)), 1
    ):
        for position, maps in enumerate(widths, 1):
            _leaky(draft, f"conv{at}_{position}", maps, 1 if position % 2 == 0 else 3)
        fine = draft.last
        draft.add(f"pool{at}", best(2, 2))
    for position, maps in enumerate((1024, 512, 1024, 512, 1024, 1024, 1024), 1):
        _leaky(draft, f"conv6_{position}", maps, 1 if position in (2, 4) else 3)
    coarse = draft.last
    _leaky(draft, "fine", FINE // 4, 1, fine)
    draft.add("joined", Concatenation(), _gathered(draft, cells), coarse)
    _leaky(draft, "conv7", 1024)
    return _end(draft, classes, cells, anchors)


def _cells(size: int) -> int:
    """Return the cells on a side of an image.

    Raises:
        GraphError: the last ones do not fit.
    """
    if size % STRIDE:
        raise GraphError(
            f"choice 'size' of the architecture got {size}, expected a multiple of {STRIDE}: the "
            "pixels of a cell",
            choice="size",
            got=size,
        )
    return size // STRIDE


def _leaky(draft: Draft, name: str, maps: int, kernel: int = 3, *sources: str) -> None:
    draft.normed(name, convo(maps, kernel), *sources, act="LEAKY")


def _gathered(draft: Draft, cells: int) -> str:
    """Add layers that lay the four pixels of every square behind one another.

    The first lays neighbours in a row behind one another, the second neighbours in a column.
    """
    rows = Reshape(depth=FINE // 2, height=2 * cells, width=cells, order="DWH")
    draft.add("fine_rows", rows)
    return draft.add("fine_squares", Reshape(depth=FINE, height=cells, width=cells, order="WDH"))


def _end(draft: Draft, classes: int, cells: int, anchors: Anchors) -> Graph:
    boxes = len(anchors) // 2
    draft.add("boxes", convo(boxes * (BOX + classes), 1, **IDENTITY))
    layer = Detection(class_number=classes, grid_number=cells, anchors=tuple(anchors))
    draft.add("out", layer)
    return draft.graph


register("tinyyolov1", "Tiny-YOLO v1", tiny_yolo_v1, FIRST)
register("tinyyolov2", "Tiny-YOLO v2", tiny_yolo_v2, SECOND)
register("yolov2", "YOLO v2", yolo_v2, SECOND)
