"""Functions from one picture to another.

A picture is Pillow's, of mode ``L`` or ``RGB``, 8 bits; values are rounded and held in 0 to 255.
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageFilter, ImageOps
from torch.nn import functional

from engine.errors import DataError
from engine.modules.augment import Augment, Augmentation

FixedMutation = Literal[
    "darken",
    "horizontalFlip",
    "invertPixels",
    "lighten",
    "pyramidDown",
    "pyramidUp",
    "rotateLeft",
    "rotateRight",
    "sharpen",
    "verticalFlip",
]
Mutation = Literal["colorJittering", "colorShifting"] | FixedMutation
MUTATIONS: tuple[Mutation, ...] = (
    "colorJittering",
    "colorShifting",
    *get_args(FixedMutation),
)
Floats = npt.NDArray[np.float64]

BRIGHTEST = 255
FADE = 0.7
"""``darken`` leaves this share of what a value is above 0, ``lighten`` of what it is below 255."""
MOST_SHIFT = 32
"""``colorShifting`` adds at most this much to a channel, or takes it away."""
BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)
"""Smoothing of image pyramids, along each axis; Burt and Adelson, "The Laplacian pyramid as a
compact image code", 1983, with a = 3/8."""
SHARPENING = (0, -1, 0, -1, 5, -1, 0, -1, 0)
LONGEST_SIDE = 20_000
"""Pixels of the longest side a picture can be given."""


def resize(image: Image.Image, width: int, height: int) -> Image.Image:
    """Return a picture of another size; bilinear, smoothed where it shrinks."""
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.BILINEAR)


def crop(image: Image.Image, box: tuple[int, int, int, int], place: str) -> Image.Image:
    """Return a window of a picture.

    Args:
        image: the picture.
        box: left, top, width and height in pixels.
        place: where the picture stands, for messages.

    Raises:
        DataError: the window does not lie in the picture.
    """
    left, top, width, height = box
    if left + width > image.width or top + height > image.height:
        raise DataError(
            f"{place} got a window of {width} x {height} pixels at ({left}, {top}), expected one "
            f"inside its {image.width} x {image.height} pixels",
            window=list(box),
            size=list(image.size),
        )
    return image.crop((left, top, left + width, top + height))


def rescale(image: Image.Image, alpha: float, beta: float) -> Image.Image:
    """Return a picture with alpha · value + beta for every value."""
    return _picture(alpha * _values(image) + beta)


def normalize(image: Image.Image, low: float, high: float) -> Image.Image:
    """Return a picture whose values, all channels together, range from ``low`` to ``high``.

    A picture of one value has ``low`` everywhere.
    """
    values = _values(image)
    spread = values.max() - values.min()
    return _picture(low + (values - values.min()) * ((high - low) / spread if spread else 0.0))


def equalize(image: Image.Image) -> Image.Image:
    """Return a picture with its histogram made even, channel by channel, as Pillow does it."""
    return ImageOps.equalize(image)


def threshold(image: Image.Image, limit: float, top: float, *, inverted: bool) -> Image.Image:
    """Return a picture with ``top`` where values exceed a limit and 0 elsewhere, or inverted."""
    above = _values(image) > limit
    return _picture(np.where(above != inverted, top, 0.0))


def mutate(image: Image.Image, mutation: FixedMutation) -> Image.Image:
    """Return a picture changed in one way that leaves nothing to chance.

    ``pyramidDown`` halves and ``pyramidUp`` doubles the size, rotation exchanges the sides.
    """
    return _FIXED[mutation](image)


class Dice:
    """Draws which pictures are kept and how colours change; the same seed draws the same again."""

    def __init__(self, seed: int | None) -> None:
        self.generator = torch.Generator()
        if seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(seed)

    def keeps(self, share: float) -> bool:
        """Return true with a probability of ``share``."""
        return bool(torch.rand((), generator=self.generator) < share)

    def mutate(self, image: Image.Image, mutation: Mutation) -> Image.Image:
        """Return a picture changed in one way."""
        if mutation == "colorJittering":
            return _jittered(image, self.generator)
        if mutation == "colorShifting":
            return _shifted(image, self.generator)
        return mutate(image, mutation)


def _shifted(image: Image.Image, generator: torch.Generator) -> Image.Image:
    channels = len(image.getbands())
    drawn = torch.randint(-MOST_SHIFT, MOST_SHIFT + 1, (channels,), generator=generator)
    return _picture(_values(image) + drawn.numpy())


def _jittered(image: Image.Image, generator: torch.Generator) -> Image.Image:
    """Change saturation, contrast and brightness as the option ``randomMutation`` does."""
    pixels = torch.from_numpy(_values(image).astype(np.uint8)).permute(2, 0, 1)[None]
    change = Augment((image.height, image.width), Augmentation(mutation="RANDOM"))
    change.generator = generator
    return _picture(change(pixels)[0].permute(1, 2, 0).numpy())


def _turned(how: Image.Transpose) -> Callable[[Image.Image], Image.Image]:
    return lambda image: image.transpose(how)


def _halved(image: Image.Image) -> Image.Image:
    """Smooth, then keep every other row and column, the first of them."""
    return _picture(_smoothed(_values(image))[::2, ::2])


def _doubled(image: Image.Image) -> Image.Image:
    """Put a row and a column of zeros behind every one, then smooth to four times the sum."""
    values = _values(image)
    spread = np.zeros((2 * image.height, 2 * image.width, values.shape[2]))
    spread[::2, ::2] = 4.0 * values
    return _picture(_smoothed(spread))


def _smoothed(values: Floats) -> Floats:
    """Smooth an array (H, W, C) by the binomial of five, mirrored at its edges."""
    kernel = torch.tensor(BINOMIAL, dtype=torch.float64) / sum(BINOMIAL)
    x = torch.from_numpy(values).permute(2, 0, 1)[:, None]
    for axis, window in ((2, kernel[:, None]), (3, kernel[None, :])):
        edges = (0, 0, 2, 2) if axis == 2 else (2, 2, 0, 0)
        # too small to be mirrored twice: the edge itself is repeated
        mode = "reflect" if x.shape[axis] > 2 else "replicate"
        x = functional.conv2d(functional.pad(x, edges, mode=mode), window[None, None])
    smoothed: Floats = x[:, 0].permute(1, 2, 0).numpy()
    return smoothed


def _values(image: Image.Image) -> Floats:
    """Return values (H, W, C)."""
    return np.atleast_3d(np.asarray(image, dtype=np.float64))


def _picture(values: npt.NDArray[Any]) -> Image.Image:
    pixels = np.clip(np.rint(values), 0, BRIGHTEST).astype(np.uint8)
    return Image.fromarray(
        np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    )


_FIXED: dict[FixedMutation, Callable[[Image.Image], Image.Image]] = {
    "darken": lambda image: rescale(image, FADE, 0.0),
    "lighten": lambda image: rescale(image, FADE, (1.0 - FADE) * BRIGHTEST),
    "horizontalFlip": _turned(Image.Transpose.FLIP_LEFT_RIGHT),
    "verticalFlip": _turned(Image.Transpose.FLIP_TOP_BOTTOM),
    "rotateLeft": _turned(Image.Transpose.ROTATE_90),
    "rotateRight": _turned(Image.Transpose.ROTATE_270),
    "invertPixels": ImageOps.invert,
    "sharpen": lambda image: image.filter(ImageFilter.Kernel((3, 3), SHARPENING, 1)),
    "pyramidDown": _halved,
    "pyramidUp": _doubled,
}
