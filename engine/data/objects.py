"""Objects with boxes, read from five columns each: their class and four coordinates.

Source: the deepLearn reference, ground-truth tables of detection and coordinate types (2.7).
"""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engine.data.columns import (
    Columns,
    Float64,
    Mask,
    find_name,
    level_codes,
    no_such_column,
    numbers,
    row_count,
    text_of,
)
from engine.data.profile import LevelProfile
from engine.data.targets import Reading, TargetRequest, refuse_none
from engine.data.variables import ObjectColumns, ObjectsTarget
from engine.errors import DataError
from engine.losses import UNSEEN, Coordinates

Array = npt.NDArray[np.float32]

COUNT = "_nObjects_"
"""The column with the number of objects."""

SUFFIXES: dict[Coordinates, tuple[str, str, str, str]] = {
    "YOLO": ("x", "y", "width", "height"),
    "RECT": ("x", "y", "width", "height"),
    "COCO": ("xmin", "ymin", "xmax", "ymax"),
}
"""How the columns of a box end."""

NO_OBJECT = "noobject"
"""Classes that begin like this, in any case, are no objects."""

BOX_VALUES = 5
"""Of an encoded object: class, centre, width and height as fractions of the image."""

_LABEL = re.compile(r"_object(\d+)_", re.IGNORECASE)
_BOX = re.compile(r"_object(\d+)_(x|y|width|height|xmin|ymin|xmax|ymax)", re.IGNORECASE)


def object_columns(names: Sequence[str], coordinates: Coordinates) -> tuple[ObjectColumns, ...]:
    """Return the columns of each object among names, in the order of their numbers.

    Raises:
        DataError: there is no object, or one lacks a coordinate.
    """
    found = {int(match[1]): name for name in names if (match := _LABEL.fullmatch(name))}
    if not found:
        raise DataError(
            f"got the targets {list(names)}, expected '_Object0_', '_Object0_x' and so on: a class "
            "and four coordinates per object",
            target=list(names),
        )
    return tuple(
        ObjectColumns(label=found[number], box=_box(names, number, coordinates))
        for number in sorted(found)
    )


def _box(names: Sequence[str], number: int, coordinates: Coordinates) -> tuple[str, str, str, str]:
    wanted = [f"_Object{number}_{suffix}" for suffix in SUFFIXES[coordinates]]
    left, top, right, bottom = (find_name(names, each) or _missing(each) for each in wanted)
    return left, top, right, bottom


def _missing(name: str) -> str:
    raise DataError(
        f"the targets lack {name!r}, expected a class and four coordinates per object", column=name
    )


def is_object_name(name: str) -> bool:
    """Return whether a column is one of those that describe objects."""
    is_count = name.casefold() == COUNT.casefold()
    return is_count or bool(_LABEL.fullmatch(name) or _BOX.fullmatch(name))


class ObjectsLearner:
    """Learns the classes of objects."""

    def __init__(self, request: TargetRequest, columns: Columns) -> None:
        del columns
        refuse_none(request)
        if request.image is None:
            raise DataError(
                f"layer {request.layer!r} got no image, expected an "
                "input layer with nChannels, width and height: boxes are parts of an image",
                layer=request.layer,
            )
        self.request = request
        self.image = request.image
        self.names = request.names
        self.count = find_name(request.names, COUNT)
        self.objects = object_columns(request.names, request.form.coordinates)[: request.form.most]
        self.labels = LevelProfile("_Object<i>_")

    def used(self, columns: Columns, first_row: int) -> Mask:
        del first_row
        return np.ones(row_count(columns), dtype=bool)

    def add(self, columns: Columns, used: Mask, first_row: int) -> None:
        counts = _counts(columns, self.count, len(self.objects), first_row)
        for place, each in enumerate(self.objects):
            self.labels.add(columns[each.label], used & (counts > place))

    @property
    def present(self) -> dict[str, int]:
        return {"_Object<i>_": len(_classes(self.labels, "ASCENDING"))}

    def spec(self) -> ObjectsTarget:
        _, height, width = self.image
        return ObjectsTarget(
            layer=self.request.layer,
            count=self.count,
            objects=self.objects,
            levels=_classes(self.labels, self.request.order),
            coordinates=self.request.form.coordinates,
            height=height,
            width=width,
        )


def _classes(labels: LevelProfile, order: str) -> tuple[str, ...]:
    return tuple(name for name in labels.ordered(order) if not _is_none(name))


def _is_none(name: str | None) -> bool:
    return name is None or name.casefold().startswith(NO_OBJECT)


def _counts(
    columns: Columns, count: str | None, most: int, first_row: int
) -> npt.NDArray[np.int64]:
    """Return how many objects each row says it has; a missing number is none."""
    found = None if count is None else find_name(list(columns), count)
    if found is None:
        return np.full(row_count(columns), most, dtype=np.int64)
    return np.nan_to_num(numbers(columns[found], found, first_row)).astype(np.int64)


def read_objects(target: ObjectsTarget, reading: Reading) -> Array:
    """Return objects (N, M, 5): class, centre, width, height; class -1 where there is none.

    A box without area is no object, nor is a class that training did not see, which is counted.
    A table to be validated or scored may have columns for fewer objects than training had.

    Raises:
        DataError: the box of an object is missing.
    """
    rows = row_count(reading.columns)
    encoded = np.zeros((rows, len(target.objects), BOX_VALUES), dtype=np.float32)
    encoded[:, :, 0] = UNSEEN
    counts = _counts(reading.columns, target.count, len(target.objects), reading.first_row)
    for place, each in enumerate(target.objects):
        label = _label(each, reading)
        if label is None:
            continue
        codes = _codes(target, label, reading)
        here = (codes != UNSEEN) & (counts > place)
        boxes = _boxes(target, each, reading, here)
        here &= (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
        encoded[here, place, 0] = codes[here]
        encoded[here, place, 1:] = boxes[here]
    return encoded


def _label(each: ObjectColumns, reading: Reading) -> npt.NDArray[np.object_] | None:
    names = list(reading.columns)
    found = find_name(names, each.label)
    if found is None:
        return no_such_column(names, each.label) if reading.purpose == "train" else None
    return reading.columns[found]


def _codes(
    target: ObjectsTarget, label: npt.NDArray[np.object_], reading: Reading
) -> npt.NDArray[np.int64]:
    places = {level: code for code, level in enumerate(target.levels)}
    codes = level_codes(label, places, UNSEEN, UNSEEN)
    unknown = [cell for cell in label[codes == UNSEEN] if not _is_none(text_of(cell))]
    reading.unseen.add("_Object<i>_", len(unknown))
    return codes


def _boxes(target: ObjectsTarget, each: ObjectColumns, reading: Reading, here: Mask) -> Float64:
    """Return boxes (N, 4), centre, width and height as fractions of the image."""
    names = list(reading.columns)
    cells = []
    for name in each.box:
        found = find_name(names, name) or no_such_column(names, name)
        values = numbers(reading.columns[found], found, reading.first_row)
        absent = here & np.isnan(values)
        if absent.any():
            row = reading.first_row + int(np.flatnonzero(absent)[0])
            raise DataError(
                f"column {found!r}, row {row} got no value, expected a number: "
                f"{each.label!r} has a class there",
                column=found,
                row=row,
            )
        cells.append(np.nan_to_num(values))
    size = (target.width, target.height)
    return centred(np.stack(cells, axis=1), target.coordinates, size)


def centred(boxes: Float64, coordinates: Coordinates, size: tuple[int, int]) -> Float64:
    """Return boxes (N, 4) as centre, width and height, in fractions of an image.

    Args:
        boxes: in the units of their coordinates.
        coordinates: what the four numbers mean.
        size: width and height of the image in pixels.
    """
    if coordinates == "YOLO":
        return boxes
    first, second = boxes[:, :2], boxes[:, 2:]
    sides = second if coordinates == "RECT" else second - first
    scale = np.array(size, dtype=np.float64)
    return np.concatenate([(first + sides / 2) / scale, sides / scale], axis=1)


def written(boxes: Float64, coordinates: Coordinates, size: tuple[int, int]) -> Float64:
    """Return boxes (N, 4) as a scored table has them: as they are, or corners in pixels.

    Args:
        boxes: centre, width and height as fractions of the image.
        coordinates: YOLO leaves them, the others make left, top, right and bottom.
        size: width and height of the image in pixels.
    """
    if coordinates == "YOLO":
        return boxes
    centre, sides = boxes[:, :2], boxes[:, 2:]
    scale = np.array(size, dtype=np.float64)
    return np.concatenate([(centre - sides / 2) * scale, (centre + sides / 2) * scale], axis=1)
