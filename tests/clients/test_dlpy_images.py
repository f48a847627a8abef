"""Tables of images, as sas-dlpy loads, changes and augments them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dlpy.images import ImageTable
from dlpy.splitting import three_way_split, two_way_split
from PIL import Image

SHADES = np.random.default_rng(8).integers(0, 256, (4, 12, 16, 3), np.uint8)


@pytest.fixture
def images(cas: Any, tmp_path: Path) -> Any:
    """Four images of 16 x 12 pixels, two of each label."""
    for place, pixels in enumerate(SHADES):
        folder = tmp_path / "shots" / ("cat", "dog")[place % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{place}.png")
    return ImageTable.load_files(cas, str(tmp_path / "shots"), casout={"name": "shots"})


def test_images_are_loaded_with_labels_and_names(images: Any) -> None:
    frame = images.uid
    assert sorted(zip(frame["_label_"], frame["_filename_0"], strict=True)) == [
        ("cat", "0.png"),
        ("cat", "2.png"),
        ("dog", "1.png"),
        ("dog", "3.png"),
    ]
    assert list(images.label_freq["Frequency"]) == [2, 2]


def test_the_summary_has_the_means_of_channels(images: Any) -> None:
    summary = images.image_summary
    assert (summary["png"], summary["minWidth"], summary["maxHeight"]) == (4, 16, 12)
    assert images.channel_means == pytest.approx(SHADES.mean(axis=(0, 1, 2))[::-1], rel=1e-9)


def test_images_are_resized_and_cropped(images: Any) -> None:
    small = images.resize(width=8, height=6, inplace=False)
    assert (small.image_summary["meanWidth"], small.image_summary["meanHeight"]) == (8, 6)
    images.crop(x=2, y=1, width=5, height=4)
    summary = images.image_summary
    assert (summary["minWidth"], summary["maxHeight"], len(images)) == (5, 4, 4)
    assert "_label_" in images.columns


def test_patches_and_mutations_are_made(images: Any) -> None:
    images.as_patches(width=8, height=6, step_size=4)
    # across 0, 4, 8, down 0, 4: six of each image
    assert len(images) == 24
    assert images.uid["_filename_1"].str.match(r"[0-3]_[048]_[04]\.png").all()
    images.random_mutations(random_ratio=1.0)
    # itself, jittered, shifted, mirrored both ways
    assert len(images) == 24 * 5


def test_images_are_split_and_put_together_again(images: Any, cas: Any) -> None:
    images.as_patches(width=8, height=6, step_size=4)

    train, test = two_way_split(images, test_rate=25, seed=3, columns=["_filename_1"])
    parts = three_way_split(images, valid_rate=25, test_rate=25, seed=3)

    assert isinstance(train, ImageTable)
    assert (len(train), len(test)) == (18, 6)
    assert sorted(len(each) for each in parts) == [6, 6, 12]
    assert list(train.label_freq["Frequency"]) == [9, 9]  # both labels in the same share
    fetched = [cas.fetch(part.name, to=24, fetchvars="_filename_1") for part in (train, test)]
    names = [name for each in fetched for name in each["Fetch"]["_filename_1"]]
    assert len(set(names)) == len(names) == 24
