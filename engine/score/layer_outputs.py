"""What a layer gives for a row, as columns: a number each, or an image per map.

Source: the deepLearn reference, layer-output table of dlScore (1.6).
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from engine.score.outputs import OutputColumn, Values, layer_columns
from engine.shapes import IMAGE_AXES, Shape

ImageType = Literal["WIDE", "JPG", "PNG"]
Float64 = npt.NDArray[np.float64]

CODECS = {"JPG": "JPEG", "PNG": "PNG"}
JPEG_QUALITY = 95
"""Of 1 to 95; the highest that JPEG's own scale has use for."""
BRIGHTEST = 255


class LayerOutput:
    """The columns of one layer.

    JPG and PNG give an image per map, ``_LayerAct_<layer>_IMG_<map>_``: grey, the smallest value of
    the row's map black and the largest white; a map of one value, or with one that is no number,
    is black. What is no image, and everything with WIDE, has a column per number.
    """

    def __init__(self, layer_id: int, shape: Shape, image_type: ImageType) -> None:
        self.image_type = image_type
        self.has_images = image_type != "WIDE" and len(shape) == IMAGE_AXES
        self.columns: Sequence[OutputColumn] = layer_columns(layer_id, shape)
        if self.has_images:
            self.columns = tuple(
                OutputColumn(f"_LayerAct_{layer_id}_IMG_{place}_", "binary")
                for place in range(shape[0])
            )

    def write(self, found: Tensor) -> Values:
        """Return the columns of some rows, from values (N, ...)."""
        names = [column.name for column in self.columns]
        values = found.double().cpu().numpy()
        if not self.has_images:
            return dict(zip(names, values.reshape(len(values), -1).T, strict=True))
        return {name: self._images(values[:, place]) for place, name in enumerate(names)}

    def _images(self, maps: Float64) -> npt.NDArray[Any]:
        """Return maps (N, H, W) as image files."""
        files = np.empty(len(maps), dtype=object)
        for row, shades in enumerate(_shades(maps)):
            file = BytesIO()
            Image.fromarray(shades).save(file, CODECS[self.image_type], quality=JPEG_QUALITY)
            files[row] = file.getvalue()
        return files


def _shades(maps: Float64) -> npt.NDArray[np.uint8]:
    """Return maps (N, H, W) as shades of grey, each over its own range."""
    least = maps.min(axis=(1, 2), keepdims=True)
    span = maps.max(axis=(1, 2), keepdims=True) - least
    is_flat = ~((span > 0) & np.isfinite(span))
    scaled = (maps - least) / np.where(is_flat, 1.0, span) * BRIGHTEST
    return np.where(is_flat, 0.0, scaled).round().astype(np.uint8)
