from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import pyarrow as pa
from pydantic import PositiveInt

from actions.answers import made
from actions.context import Context
from actions.errors import InvalidFile, InvalidParameters
from actions.files import annotations
from actions.files.annotations import Box, read_coco, read_voc, read_yolo
from actions.files.rows import check_count
from actions.image.rows import BATCH_BYTES
from actions.params import ActionParams, OutTable
from actions.paths import existing
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows
from engine.data.objects import COUNT, SUFFIXES
from engine.layers.base import Synonyms

NAME = "_filename_0"
OBJECT_COLUMNS = 5


class LoadAnnotationsParams(ActionParams):
    """Parameters of castorch.loadAnnotations."""

    path: str
    """Inside the caslib: a folder of XML (VOC) or text files (YOLO), or a JSON file (COCO)."""
    format: Annotated[
        Literal["VOC", "COCO", "YOLO"], Synonyms({"PASCAL": "VOC", "DARKNET": "YOLO"})
    ]
    """How the files are written."""
    caslib: str | None = None
    """Caslib of the files; left out: the session's active one."""
    cas_out: OutTable
    """The table to make."""
    coord_type: Literal["YOLO", "COCO", "RECT"] = "YOLO"
    """How boxes are told: as the option ``coordType`` of detection layers."""
    width: PositiveInt | None = None
    """Pixels across of the images a network sees; COCO and RECT need it."""
    height: PositiveInt | None = None
    """Pixels down, likewise."""
    classes: tuple[str, ...] = ()
    """With the format YOLO, names of the classes in their order; left out: they are called after
    their numbers. With the others, the classes that count; left out: all."""
    names: str | None = None
    """A text file of the caslib with a name of an image per line, with or without its ending, such
    as ``ImageSets/Main/train.txt``: only these images count."""
    image_ending: str = ".jpg"
    """With the format YOLO, how files of images end."""
    max_objects: PositiveInt | None = None
    """Most objects of an image, the first ones; left out: as many as any has."""


@action("castorch.loadAnnotations")
def load_annotations(ctx: Context, p: LoadAnnotationsParams) -> ActionResult:
    """Make a table of boxes around objects, as a detection layer takes it for its target.

    One row an image: ``_filename_0``, by which ``deepLearn.dlJoin`` joins it with the images,
    ``_nObjects_``, and five columns for every object. Boxes without area are left out, with a
    warning. An image without objects has a row too.

    Raises:
        PathForbidden: a path leads out of the caslib.
        FileNotFound: there is no such file or folder.
        InvalidFile: a file is no annotation; the message names it.
        InvalidParameters: the size that a type of coordinates needs is missing.
        TableExists: the name is taken and ``replace`` is false.
    """
    if p.coord_type != "YOLO" and (p.width is None or p.height is None):
        raise InvalidParameters(
            f"parameter 'coordType' got {p.coord_type}, which counts pixels; expected 'width' and "
            "'height' of the images a network sees",
            parameter="coordType",
        )
    found = list(_chosen(ctx, p))
    if not found:
        raise InvalidFile("there is no annotation of an image that counts, expected at least one")
    most = max(len(each.labels) for each in found)
    count = min(most, p.max_objects or most)
    if count < most:
        ctx.warn(f"Images have up to {most} objects; the first {count} of each are kept.")
    check_count(2 + OBJECT_COLUMNS * count)
    schema = _schema(p, count)
    rows = (_row(each, p, count) for each in found)
    return made(store_rows(ctx, schema, _batches(rows, schema), p.cas_out.output))


def _chosen(ctx: Context, p: LoadAnnotationsParams) -> Iterator[annotations.Annotated]:
    """Yield the images that count, with the objects that do."""
    names = _names(ctx, p)
    flat = 0
    for each in _read(ctx, p):
        if names is not None and not names & {each.name, PurePosixPath(each.name).stem}:
            continue
        kept: list[tuple[str, Box]] = []
        for label, box in zip(each.labels, each.boxes, strict=True):
            if p.classes and label not in p.classes:
                continue
            if min(box[2:]) > 0:
                kept.append((label, box))
            else:
                flat += 1
        labels, boxes = tuple(label for label, _ in kept), tuple(box for _, box in kept)
        yield annotations.Annotated(each.name, labels, boxes)
    if flat:
        ctx.warn(f"{flat} boxes without area were left out.")


def _read(ctx: Context, p: LoadAnnotationsParams) -> Iterator[annotations.Annotated]:
    path = existing(ctx.caslibs.find(p.caslib), p.path)
    if path.is_dir() == (p.format == "COCO"):
        raise InvalidFile(
            f"the path {p.path!r} is {'a folder' if path.is_dir() else 'a file'}, expected "
            f"{'a JSON file' if p.format == 'COCO' else 'a folder'} with the format {p.format}",
            path=p.path,
        )
    match p.format:
        case "VOC":
            return read_voc(path)
        case "COCO":
            return read_coco(path)
        case "YOLO":
            return read_yolo(path, p.classes, p.image_ending)


def _names(ctx: Context, p: LoadAnnotationsParams) -> set[str] | None:
    if p.names is None:
        return None
    path: Path = existing(ctx.caslibs.find(p.caslib), p.names)
    try:
        return set(path.read_text(encoding="utf-8-sig").split())
    except (UnicodeDecodeError, IsADirectoryError):
        raise InvalidFile(f"the list {p.names!r} is no text of names", path=p.names) from None


def _schema(p: LoadAnnotationsParams, count: int) -> pa.Schema:
    fields: list[pa.Field[Any]] = [pa.field(NAME, pa.string()), pa.field(COUNT, pa.int64())]
    for place in range(count):
        fields.append(pa.field(f"_Object{place}_", pa.string()))
        fields += [
            pa.field(f"_Object{place}_{suffix}", pa.float64()) for suffix in SUFFIXES[p.coord_type]
        ]
    return pa.schema(fields)


def _row(each: annotations.Annotated, p: LoadAnnotationsParams, count: int) -> dict[str, Any]:
    row: dict[str, Any] = {NAME: each.name, COUNT: min(count, len(each.labels))}
    for place, (label, box) in enumerate(zip(each.labels[:count], each.boxes, strict=False)):
        row[f"_Object{place}_"] = label
        told = _told(box, p)
        for suffix, value in zip(SUFFIXES[p.coord_type], told, strict=True):
            row[f"_Object{place}_{suffix}"] = value
    return row


def _told(box: Box, p: LoadAnnotationsParams) -> Box:
    """Return a box in the coordinates that are asked for."""
    x, y, width, height = box
    across, down = float(p.width or 1), float(p.height or 1)
    left, top = (x - width / 2) * across, (y - height / 2) * down
    match p.coord_type:
        case "YOLO":
            return box
        case "RECT":
            return left, top, width * across, height * down
        case "COCO":
            return left, top, left + width * across, top + height * down


def _batches(rows: Iterator[dict[str, Any]], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield rows in batches of a few MB."""
    most = max(1, BATCH_BYTES // (8 * len(schema)))
    held: list[dict[str, Any]] = []
    for row in rows:
        held.append(row)
        if len(held) == most:
            yield pa.RecordBatch.from_pylist(held, schema=schema)
            held = []
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=schema)
