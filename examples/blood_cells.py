"""Find blood cells in microscope pictures with a small network of the type YOLO 2.

    castorch serve                                   # in another window
    python examples/blood_cells.py --data FOLDER --out cells

FOLDER is laid out like Pascal VOC, for example the BCCD data set (364 pictures of 640 x 480 pixels;
red and white cells and platelets): ``JPEGImages/NAME.jpg``, ``Annotations/NAME.xml``, and lists of
names in ``ImageSets/Main/train.txt`` and ``test.txt``. The pictures are made square and small here,
on the client; boxes are fractions of a picture, so that they stay as they are. Training takes some
fifteen minutes on two cores.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from PIL import Image

import castorch
from castorch import Model, Session, layers

SIDE = 160  # pixels of the pictures the network sees
CELLS = 10  # on a side of the grid: the maps are halved four times
ANCHORS = 5
MAPS = (16, 32, 48, 96)
EPOCHS = 20
MOST_OBJECTS = 40
RIGHT_OVERLAP = 0.5
RECALLS = np.linspace(0, 1, 11)  # of the eleven-point average precision
MIRRORS = (False, True)
OPTIMIZER = {
    "algorithm": {
        "method": "ADAM",
        "learning_rate": 0.001,
        "learning_rate_policy": "MULTISTEP",
        "steps": [14, 18],
        "gamma": 0.3,
    },
    "mini_batch_size": 8,
    "max_epochs": EPOCHS,
    "log_level": 2,
}

Boxes = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Picture:
    """A picture of SIDE x SIDE pixels with what is in it.

    Attributes:
        pixels: (SIDE, SIDE, 3) uint8.
        labels: the class of every object.
        boxes: (objects, 4), centre, width and height as fractions of the picture.
    """

    pixels: npt.NDArray[np.uint8]
    labels: tuple[str, ...]
    boxes: Boxes

    def mirrored(self, *, across: bool, down: bool) -> "Picture":
        """Return the picture left to right, upside down, or both."""
        pixels = self.pixels[:: -1 if down else 1, :: -1 if across else 1]
        boxes = self.boxes.copy()
        for axis, is_turned in enumerate((across, down)):
            if is_turned:
                boxes[:, axis] = 1 - boxes[:, axis]
        return Picture(np.ascontiguousarray(pixels), self.labels, boxes)


def read_pictures(folder: Path, part: str) -> list[Picture]:
    """Read the pictures of a part (``train``, ``test``) of a folder laid out like Pascal VOC."""
    names = (folder / "ImageSets" / "Main" / f"{part}.txt").read_text().split()
    return [read_picture(folder, name) for name in names]


def read_picture(folder: Path, name: str) -> Picture:
    root = Xml.parse(folder / "Annotations" / f"{name}.xml").getroot()  # noqa: S314 - own files
    with Image.open(folder / "JPEGImages" / f"{name}.jpg") as image:
        size = np.array([image.width, image.height, image.width, image.height])
        pixels = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    labels, boxes = [], []
    for each in root.iter("object"):
        left, top, right, bottom = (
            float(each.findtext(f"bndbox/{edge}", "0")) for edge in ("xmin", "ymin", "xmax", "ymax")
        )
        if right > left and bottom > top:
            labels.append(each.findtext("name", ""))
            boxes.append([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
    return Picture(pixels, tuple(labels), np.array(boxes).reshape(-1, 4) / size)


def table(pictures: Sequence[Picture]) -> dict[str, Any]:
    """Return a table of pictures with a class and four coordinates per object."""
    columns: dict[str, Any] = {
        "_image_": np.stack([each.pixels for each in pictures]),
        "_nObjects_": [len(each.labels) for each in pictures],
    }
    for place in range(MOST_OBJECTS):
        here = [place < len(each.labels) for each in pictures]
        columns[f"_Object{place}_"] = [
            each.labels[place] if is_here else None
            for each, is_here in zip(pictures, here, strict=True)
        ]
        for axis, name in enumerate(("x", "y", "width", "height")):
            columns[f"_Object{place}_{name}"] = [
                float(each.boxes[place, axis]) if is_here else None
                for each, is_here in zip(pictures, here, strict=True)
            ]
    return columns


def find_anchors(pictures: Sequence[Picture]) -> list[float]:
    """Return widths and heights, in cells, around which those of the boxes gather (k-means)."""
    sizes = CELLS * np.concatenate([each.boxes[:, 2:] for each in pictures])
    order = np.argsort(sizes.prod(axis=1))
    centres = sizes[order[np.linspace(0, len(sizes) - 1, ANCHORS).astype(int)]]
    for _ in range(50):
        shared = np.minimum(sizes[:, None], centres).prod(axis=2)
        union = sizes.prod(axis=1)[:, None] + centres.prod(axis=1) - shared
        nearest = (shared / union).argmax(axis=1)
        centres = np.stack(
            [
                sizes[nearest == place].mean(axis=0) if (nearest == place).any() else centre
                for place, centre in enumerate(centres)
            ]
        )
    return [round(float(value), 2) for value in centres.ravel()]


def declare(session: Session, anchors: Sequence[float], classes: int) -> Model:
    """Declare the network: four halvings, two more convolutions, and one value per map."""
    model = session.model("blood_cells", replace=True)
    source = "data"
    model.add("data", layers.Input(n_channels=3, width=SIDE, height=SIDE, scale=1 / 255))

    def convolve(name: str, maps: int, source: str) -> str:
        bare = layers.Convo(n_filters=maps, width=3, act="IDENTITY", include_bias=False)
        model.add(f"conv{name}", bare, source)
        model.add(f"bn{name}", layers.BatchNorm(act="LEAKY"), f"conv{name}")
        return f"bn{name}"

    for number, maps in enumerate(MAPS, start=1):
        source = convolve(str(number), maps, source)
        model.add(f"pool{number}", layers.Pool(width=2, height=2, stride=2), source)
        source = f"pool{number}"
    for number in (5, 6):
        source = convolve(str(number), 128, source)
    values = layers.Convo(n_filters=ANCHORS * (5 + classes), width=1, act="IDENTITY")
    model.add("values", values, source)
    detection = layers.Detection(
        class_number=classes,
        grid_number=CELLS,
        predictions_per_grid=ANCHORS,
        anchors=list(anchors),
        coord_type="YOLO",
        coord_scale=5,
        object_scale=5,
        class_scale=2,
        detection_threshold=0.02,
        iou_threshold=0.4,
        max_boxes=MOST_OBJECTS,
        max_label_per_image=MOST_OBJECTS,
    )
    model.add("cells", detection, "values")
    return model


@dataclass(frozen=True)
class Found:
    """An object that was found: in which picture, what, how surely, and where."""

    picture: int
    label: str
    confidence: float
    box: Boxes


def read_found(rows: Sequence[dict[str, Any]]) -> Iterator[Found]:
    """Yield the objects of a scored table."""
    for picture, row in enumerate(rows):
        for place in range(int(row["_nObjects_"])):
            box = [row[f"_Object{place}_{name}"] for name in ("x", "y", "width", "height")]
            label, confidence = row[f"_Object{place}_"], row[f"_P_Object{place}_"]
            yield Found(picture, label, confidence, np.array(box))


def overlap(box: Boxes, others: Boxes) -> Boxes:
    """Return intersection over union of a box with others."""
    low = np.maximum(box[:2] - box[2:] / 2, others[:, :2] - others[:, 2:] / 2)
    high = np.minimum(box[:2] + box[2:] / 2, others[:, :2] + others[:, 2:] / 2)
    shared = np.clip(high - low, 0, None).prod(axis=1)
    overlaps: Boxes = shared / (box[2:].prod() + others[:, 2:].prod(axis=1) - shared)
    return overlaps


def average_precision(found: Sequence[Found], pictures: Sequence[Picture], label: str) -> float:
    """Return the eleven-point average precision of a class: Everingham et al. (2010)."""
    truth = [
        each.boxes[[name == label for name in each.labels]].reshape(-1, 4) for each in pictures
    ]
    free = [np.ones(len(boxes), dtype=bool) for boxes in truth]
    ranked = sorted((e for e in found if e.label == label), key=lambda e: -e.confidence)
    hits = np.zeros(len(ranked))
    for rank, each in enumerate(ranked):
        overlaps = overlap(each.box, truth[each.picture])
        best = int(overlaps.argmax()) if len(overlaps) else 0
        if len(overlaps) and overlaps[best] >= RIGHT_OVERLAP and free[each.picture][best]:
            free[each.picture][best] = False
            hits[rank] = 1
    recall = hits.cumsum() / sum(len(boxes) for boxes in truth)
    precision = hits.cumsum() / np.arange(1, len(ranked) + 1)
    return float(np.mean([precision[recall >= level].max(initial=0) for level in RECALLS]))


def draw(pictures: Sequence[Picture], found: Sequence[Found], path: Path) -> None:
    """Draw four pictures with their true boxes (white) and those found (in a colour by class)."""
    mpl.use("Agg")
    labels = sorted({each.label for each in found})
    colours = dict(zip(labels, ("tab:red", "tab:blue", "tab:green", "tab:orange"), strict=False))
    figure, axes = plt.subplots(2, 2, figsize=(10, 10), layout="constrained")
    for place, axis in enumerate(axes.ravel()):
        axis.imshow(pictures[place].pixels)
        axis.axis("off")
        for box in pictures[place].boxes:
            axis.add_patch(rectangle(box, color="white", linewidth=1))
        for each in (e for e in found if e.picture == place and e.confidence >= 0.3):
            colour = colours.get(each.label, "tab:purple")
            axis.add_patch(rectangle(each.box, color=colour, linewidth=1.5))
            left, top = SIDE * (each.box[:2] - each.box[2:] / 2)
            axis.text(left, top - 1, f"{each.label} {each.confidence:.2f}", color=colour, size=7)
    figure.suptitle("white: true, coloured: found")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def rectangle(box: Boxes, **style: Any) -> Rectangle:
    left, top = SIDE * (box[:2] - box[2:] / 2)
    return Rectangle((left, top), *(SIDE * box[2:]), fill=False, **style)


def parse_arguments() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="the server (CASTORCH_URL, else http://127.0.0.1:8080)")
    parser.add_argument("--data", type=Path, required=True, help="folder laid out like Pascal VOC")
    parser.add_argument("--out", type=Path, default=Path("cells"), help="folder for cells.png")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="passes over the pictures")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    train, test = (read_pictures(args.data, part) for part in ("train", "test"))
    classes = sorted({label for each in train for label in each.labels})
    turned = [
        each.mirrored(across=across, down=down)
        for each in train
        for across in MIRRORS
        for down in MIRRORS
    ]
    anchors = find_anchors(train)
    print(f"{len(train)} pictures to train on, {len(test)} to test; classes {', '.join(classes)}")
    print(f"anchors in cells: {anchors}")
    with castorch.connect(args.url) as client:
        session = client.session()
        session.upload("cells_train", table(turned), replace=True)
        session.upload("cells_test", table(test), replace=True)
        model = declare(session, anchors, len(classes))
        print(f"\n{model.summary()}\n")
        optimizer = OPTIMIZER | {"max_epochs": args.epochs}
        history = model.train("cells_train", optimizer=optimizer, seed=1, record_seed=1)
        print(f"\n{history}\n")
        scored = model.score("cells_test", out="cells_found")
        print(f"{scored}\n")
        found = list(read_found(session.table("cells_found").to_arrow().to_pylist()))
    precisions = {label: average_precision(found, test, label) for label in classes}
    for label, precision in precisions.items():
        print(f"average precision at IOU {RIGHT_OVERLAP} of {label}: {precision:.3f}")
    picture = args.out / "cells.png"
    draw(test, found, picture)
    mean = float(np.mean(list(precisions.values())))
    print(f"mean average precision at IOU {RIGHT_OVERLAP}: {mean:.3f}   boxes: {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
