"""Random changes of images in training: crops, flips, colours.

Shape letters: N rows, C channels, H W height and width in, P Q height and width out.
"""

from dataclasses import dataclass
from math import ceil, log
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from engine.modules.chance import Chance

FlipKind = Literal["NONE", "H", "V", "HV"]
CropKind = Literal["NONE", "UNIQUE", "RANDOMRESIZED", "RESIZETHENCROP"]
MutationKind = Literal["NONE", "RANDOM"]

HEIGHT, WIDTH = 2, 3
"""Axes of a batch."""
LEAST_AREA = 0.08
"""Smallest share of an image a RANDOMRESIZED crop takes."""
WIDEST = 4 / 3
"""Largest ratio of the sides of a RANDOMRESIZED crop, either way."""
ENLARGED = 8 / 7
"""RESIZETHENCROP resizes to this many times the output: 256 pixels for 224."""
STRENGTH = 0.2
"""Photometric factors lie within this of 1."""
BRIGHTEST = 255.0


@dataclass(frozen=True)
class Augmentation:
    """What is changed; see the options of the input layer."""

    flip: FlipKind = "NONE"
    crop: CropKind = "NONE"
    mutation: MutationKind = "NONE"

    @property
    def is_any(self) -> bool:
        return (self.flip, self.crop, self.mutation) != ("NONE", "NONE", "NONE")


class Augment(Chance):
    """Crop, flip and recolour images when training; when scoring crop in the middle, or resize.

    Every image of a batch has draws of its own.

    Attributes:
        turned: by axis, which images of the last batch were flipped, bool (N, 1, 1, 1).

    Shapes: raw values (N, C, H, W) → (N, C, P, Q).

    Source: the deepLearn reference, layer type input; RANDOMRESIZED as in Szegedy et al., "Going
    deeper with convolutions", 2015, RESIZETHENCROP with the sizes of Krizhevsky, Sutskever and
    Hinton, "ImageNet classification with deep convolutional neural networks", 2012. The strength of
    photometric changes is ours.
    """

    def __init__(self, size: tuple[int, int], augmentation: Augmentation) -> None:
        super().__init__()
        self.size = size
        self.augmentation = augmentation
        self.turned: dict[int, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        x = self._crop(x)
        self.turned = {}
        if not self.training:
            return x
        for letter, axis in (("H", WIDTH), ("V", HEIGHT)):
            if letter in self.augmentation.flip.replace("NONE", ""):
                turned = self._drawn(x) < 0.5
                x = torch.where(turned, x.flip(axis), x)
                self.turned[axis] = turned
        return x if self.augmentation.mutation == "NONE" else self._recolour(x)

    def _crop(self, x: Tensor) -> Tensor:
        match self.augmentation.crop:
            case "NONE":
                return x
            case "UNIQUE":
                return self._cut(x)
            case "RANDOMRESIZED":
                return self._zoom(x) if self.training else _resized(x, self.size)
            case "RESIZETHENCROP":
                return self._cut(_resized(x, self._enlarged(x)))

    def _enlarged(self, x: Tensor) -> tuple[int, int]:
        """Return a size of the same proportions that is large enough on both axes."""
        wanted = [side * ENLARGED for side in self.size]
        factor = max(side / have for side, have in zip(wanted, x.shape[2:], strict=True))
        height, width = (ceil(round(have * factor, 6)) for have in x.shape[2:])
        return height, width

    def _cut(self, x: Tensor) -> Tensor:
        """Return a window of the output's size: anywhere when training, else in the middle."""
        spare = [have - side for have, side in zip(x.shape[2:], self.size, strict=True)]
        if not self.training:
            for axis, (free, side) in enumerate(zip(spare, self.size, strict=True), HEIGHT):
                x = x.narrow(axis, free // 2, side)
            return x
        rows, columns = (
            (self._drawn(x)[:, 0, 0] * (free + 1)).long().clamp_max(free)
            + torch.arange(side, device=x.device)
            for free, side in zip(spare, self.size, strict=True)
        )
        images = torch.arange(len(x), device=x.device)[:, None, None]
        pixels_NPQC = x[images, :, rows[:, :, None], columns[:, None, :]]
        return pixels_NPQC.permute(0, 3, 1, 2)

    def _zoom(self, x: Tensor) -> Tensor:
        """Return a random part of every image, resized to the output without smoothing."""
        area = LEAST_AREA + (1.0 - LEAST_AREA) * self._drawn(x).flatten()
        ratio = (log(WIDEST) * (2.0 * self._drawn(x).flatten() - 1.0)).exp()
        proportion = x.shape[WIDTH] / x.shape[HEIGHT]
        width = (area * ratio / proportion).sqrt().clamp_max(1.0)  # shares of the image's sides
        height = (area / ratio * proportion).sqrt().clamp_max(1.0)
        across = (1.0 - width) * (2.0 * self._drawn(x).flatten() - 1.0)  # its middle, in [-1, 1]
        down = (1.0 - height) * (2.0 * self._drawn(x).flatten() - 1.0)
        none = torch.zeros_like(width)
        rows = [torch.stack([width, none, across], 1), torch.stack([none, height, down], 1)]
        places = functional.affine_grid(
            torch.stack(rows, 1), [len(x), x.shape[1], *self.size], align_corners=False
        )
        return functional.grid_sample(
            x.to(torch.float32), places, padding_mode="border", align_corners=False
        )

    def _recolour(self, x: Tensor) -> Tensor:
        """Change saturation, contrast and brightness, each by a factor of its own."""
        saturation, contrast, brightness = (
            1.0 + STRENGTH * (2.0 * self._drawn(x) - 1.0) for _ in range(3)
        )
        grey = x.mean(1, keepdim=True, dtype=torch.float32)
        y = torch.lerp(grey, x.to(torch.float32), saturation)
        y = torch.lerp(y.mean((1, 2, 3), keepdim=True), y, contrast) * brightness
        return y.clamp_(0.0, BRIGHTEST) if x.dtype == torch.uint8 else y

    def _drawn(self, x: Tensor) -> Tensor:
        """Return a number from [0, 1) for every image, (N, 1, 1, 1)."""
        return torch.rand(len(x), 1, 1, 1, generator=self.generator, device=x.device)


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(x.shape[2:]) == size:
        return x
    return functional.interpolate(x.to(torch.float32), size, mode="bilinear", antialias=True)
