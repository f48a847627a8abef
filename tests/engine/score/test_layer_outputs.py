from io import BytesIO
from typing import Any

import numpy as np
import torch
from PIL import Image

from engine.score.layer_outputs import ImageType, LayerOutput


def images(values: Any, image_type: ImageType = "PNG") -> list[list[Any]]:
    """Return the pixels of the images of maps (N, C, H, W), row by row."""
    maps = torch.from_numpy(np.array(values, np.float32))
    output = LayerOutput(7, tuple(maps.shape[1:]), image_type)
    found = output.write(maps)
    return [
        [np.asarray(Image.open(BytesIO(found[c.name][row]))).tolist() for c in output.columns]
        for row in range(len(maps))
    ]


def test_columns_of_images_are_named_by_layer_and_map() -> None:
    output = LayerOutput(7, (3, 4, 5), "JPG")

    names = [column.name for column in output.columns]
    assert names == ["_LayerAct_7_IMG_0_", "_LayerAct_7_IMG_1_", "_LayerAct_7_IMG_2_"]
    assert {column.type for column in output.columns} == {"binary"}


def test_every_map_of_a_row_has_its_own_range() -> None:
    # -1 is black, 3 is white; 0 lies a quarter of the way: 63.75
    first = [[[-1.0, 0.0], [1.0, 3.0]], [[0.0, 1.0], [1.0, 0.0]]]
    second = [[[10.0, 30.0], [20.0, 10.0]], [[0.0, 0.0], [0.0, 4.0]]]

    assert images([first, second]) == [
        [[[0, 64], [128, 255]], [[0, 255], [255, 0]]],
        [[[0, 255], [128, 0]], [[0, 0], [0, 255]]],
    ]


def test_a_map_of_one_value_or_without_a_range_is_black() -> None:
    maps = [[[5.0, 5.0]]], [[[float("nan"), 1.0]]], [[[float("inf"), 1.0]]]

    assert images(maps) == [[[[0, 0]]]] * 3


def test_jpeg_keeps_shades_nearly() -> None:
    ramp = np.tile(np.arange(16.0), (16, 1))

    found = np.array(images(ramp[None, None], "JPG")[0][0])

    assert found.shape == (16, 16)
    assert np.abs(found - ramp * 17).max() <= 6


def test_what_is_no_image_has_a_column_per_number() -> None:
    output = LayerOutput(7, (2,), "JPG")

    found = output.write(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))

    assert {name: values.tolist() for name, values in found.items()} == {
        "_LayerAct_7_0_0_0_": [1.0, 3.0],
        "_LayerAct_7_0_0_1_": [2.0, 4.0],
    }
