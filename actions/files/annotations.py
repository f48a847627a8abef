"""Boxes around objects in images, as annotation programs write them.

Source: the development kit of Pascal VOC 2007, section 6 (XML); "Data format" of cocodataset.org
(JSON); the text files of Darknet (class, centre, width and height as fractions of the image).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree as Xml

from actions.errors import InvalidFile

MOST_BYTES = 1 << 30
"""Largest file of annotations."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Annotated:
    """An image and the objects in it.

    Attributes:
        name: name of its file, without folders.
        labels: the class of every object.
        boxes: centre x and y, width and height of every object, as fractions of the image.
    """

    name: str
    labels: tuple[str, ...]
    boxes: tuple[Box, ...]


def read_voc(folder: Path) -> Iterator[Annotated]:
    """Yield what the XML files of a folder say, in the order of their names.

    Raises:
        InvalidFile: there is none, or one is no annotation; the message names it.
    """
    for path in _files(folder, ".xml"):
        text = _text(path)
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise InvalidFile(f"annotation {path.name!r} declares entities, expected none")
        try:
            root = Xml.fromstring(text)  # noqa: S314 - entities are refused above
            yield _voc(root, path)
        except (Xml.ParseError, ValueError, ZeroDivisionError) as error:
            raise InvalidFile(
                f"annotation {path.name!r} is no Pascal VOC: {error}", member=path.name
            ) from None


def _voc(root: Xml.Element, path: Path) -> Annotated:
    width, height = (_number(root, f"size/{side}") for side in ("width", "height"))
    labels, boxes = [], []
    for each in root.iter("object"):
        corners = [_number(each, f"bndbox/{edge}") for edge in ("xmin", "ymin", "xmax", "ymax")]
        labels.append((each.findtext("name") or "").strip())
        boxes.append(_fractions(corners, width, height))
    name = (root.findtext("filename") or "").strip() or f"{path.stem}.jpg"
    return Annotated(PurePosixPath(name).name, tuple(labels), tuple(boxes))


def _number(element: Xml.Element, path: str) -> float:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"<{path}> is missing")
    return float(text)


def _fractions(corners: list[float], width: float, height: float) -> Box:
    left, top, right, bottom = corners
    across, down = (left + right) / 2 / width, (top + bottom) / 2 / height
    return across, down, (right - left) / width, (bottom - top) / height


def read_coco(path: Path) -> Iterator[Annotated]:
    """Yield what a JSON file says, in the order of its images; crowds are left out.

    Raises:
        InvalidFile: it is no annotation.
    """
    try:
        whole = json.loads(_text(path))
        classes = {each["id"]: str(each["name"]) for each in whole["categories"]}
        objects: dict[Any, list[Mapping[str, Any]]] = {}
        for each in whole["annotations"]:
            if not each.get("iscrowd"):
                objects.setdefault(each["image_id"], []).append(each)
        for image in whole["images"]:
            found = objects.get(image["id"], [])
            width, height = float(image["width"]), float(image["height"])
            boxes = [_corners(each["bbox"], width, height) for each in found]
            labels = tuple(classes[each["category_id"]] for each in found)
            yield Annotated(PurePosixPath(image["file_name"]).name, labels, tuple(boxes))
    except (ValueError, TypeError, AttributeError, ZeroDivisionError) as error:
        raise InvalidFile(f"the file {path.name!r} is no COCO annotation: {error}") from None
    except KeyError as error:
        raise InvalidFile(
            f"the file {path.name!r} is no COCO annotation: {error} is missing"
        ) from None


def _corners(box: list[float], width: float, height: float) -> Box:
    left, top, across, down = map(float, box)
    return _fractions([left, top, left + across, top + down], width, height)


def read_yolo(folder: Path, classes: tuple[str, ...], ending: str) -> Iterator[Annotated]:
    """Yield what the text files of a folder say, in the order of their names.

    Args:
        folder: where they lie; ``classes.txt`` in it is left out.
        classes: names of the classes; empty: they are called after their numbers.
        ending: of the files of the images.

    Raises:
        InvalidFile: there is none, or a line is no object; the message names it.
    """
    for path in _files(folder, ".txt"):
        labels, boxes = [], []
        for number, line in enumerate(_text(path).splitlines(), start=1):
            if not line.strip():
                continue
            try:
                place, *box = line.split()
                across, down, width, height = map(float, box)
                labels.append(classes[_place(place)] if classes else str(int(place)))
            except (ValueError, IndexError):
                raise InvalidFile(
                    f"line {number} of annotation {path.name!r} got {line[:40]!r}, expected a "
                    f"class{f' from 0 to {len(classes) - 1}' if classes else ''} and four numbers",
                    member=path.name,
                    line=number,
                ) from None
            boxes.append((across, down, width, height))
        yield Annotated(f"{path.stem}{ending}", tuple(labels), tuple(boxes))


def _place(text: str) -> int:
    place = int(text)
    if place < 0:
        raise ValueError(text)
    return place


def _files(folder: Path, ending: str) -> list[Path]:
    found = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() == ending
        and path.name.lower() != "classes.txt"
        and not path.name.startswith(".")
        and path.is_file()
        and not path.is_symlink()
    )
    if not found:
        raise InvalidFile(f"there is no file that ends in {ending}, expected at least one")
    return found


def _text(path: Path) -> str:
    if path.stat().st_size > MOST_BYTES:
        raise InvalidFile(f"annotation {path.name!r} is larger than {MOST_BYTES} bytes")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidFile(f"annotation {path.name!r} is no UTF-8 text", member=path.name) from None
