"""Small image files."""

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image


def picture(width: int, height: int, shade: int = 0) -> bytes:
    """Return a grey image file of one shade."""
    return png(np.full((height, width), shade, dtype=np.uint8))


def png(pixels: npt.NDArray[Any], *, palette: bool = False) -> bytes:
    """Return pixels (H, W) or (H, W, 3) as an image file; with a palette of reddish colours."""
    image = Image.fromarray(np.asarray(pixels, dtype=np.uint8))
    if palette:
        image = Image.frombytes("P", image.size, image.tobytes())
        image.putpalette([each for place in range(256) for each in (255 - place, place, 0)])
    file = BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()
