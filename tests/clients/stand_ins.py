"""Made-up pictures in place of the folders that only the repository of sas-dlpy has.

Names and numbers of files and boxes are those its tests count; what is to be seen is noise. So they
show that calls work, and no more.
"""

from pathlib import Path
from typing import Callable, Dict, Iterator, List, Tuple

import numpy as np
from PIL import Image

BREEDS = ("beagle", "boxer", "collie", "pug")
PIECES = ["Black King"] * 10 + ["White King"] * 9 + ["White Rook"] * 10 + ["White Kinghuh"]
LARGE = (3, 3, 3, 3, 2, 1, 1, 1, 1, 1)
"""Boxes of each picture that are wider and higher than 6 % of it; all have three boxes."""
BOARD = 400

Box = Tuple[str, int, int, int, int]


def make(data: Path) -> None:
    """Make the folders that are missing in a folder of data."""
    wanted: Dict[str, Callable[[Path], None]] = {
        "giraffe_dolphin_small": lambda at: labelled(at, ("Dolphin", "Giraffe"), 30, 300),
        "imageCaptioning_images": lambda at: labelled(at, ("scene",), 6, 224),
        "DogBreed_small": lambda at: labelled(at, BREEDS, 6, 80),
        "segmentation_data": segmented,
        "dlpy_obj_det_test": detected,
        "vgg": lambda at: labelled(at, ("cat",), 1, 224),
    }
    for name, write in wanted.items():
        if not (data / name).exists():
            write(data / name)


def noise(seed: int, side: int) -> Image.Image:
    """Return a square picture in colours."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3))
    return Image.fromarray(pixels.astype(np.uint8))


def labelled(at: Path, labels: Tuple[str, ...], count: int, side: int) -> None:
    """Write so many pictures of each label."""
    for label in labels:
        (at / label).mkdir(parents=True)
        for number in range(count):
            noise(number, side).save(at / label / "{}_{}.jpg".format(label.lower(), number))


def segmented(at: Path) -> None:
    """Write pictures, and pictures of the classes of their pixels."""
    for name in ("raw", "mask"):
        (at / name).mkdir(parents=True)
    for number in range(4):
        classes = np.random.default_rng(number).integers(0, 2, (64, 64)).astype(np.uint8)
        noise(number, 64).save(at / "raw" / "{}.png".format(number))
        Image.fromarray(classes).save(at / "mask" / "{}.png".format(number))


def detected(at: Path) -> None:
    """Write pictures with boxes, as files of PASCAL VOC."""
    at.mkdir(parents=True)
    for number, boxes in enumerate(all_boxes()):
        name = "board_{}.jpg".format(number)
        noise(number, BOARD).save(at / name)
        objects = "".join(
            "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>"
            "<ymax>{}</ymax></bndbox></object>".format(*box)
            for box in boxes
        )
        size = "<size><width>{0}</width><height>{0}</height><depth>3</depth></size>".format(BOARD)
        text = "<annotation><filename>{}</filename>{}{}</annotation>".format(name, size, objects)
        (at / name).with_suffix(".xml").write_text(text)


def all_boxes() -> Iterator[List[Box]]:
    """Yield the boxes of each picture."""
    for number, large in enumerate(LARGE):
        found = []
        for at in range(3):
            left, side = 20 + 120 * at, 100 if at < large else 12
            found.append((PIECES[3 * number + at], left, 50, left + side, 50 + side))
        yield found
