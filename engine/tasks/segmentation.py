"""A class, or numbers, for every pixel."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional

from engine.losses import ABSENT, Activation, Known, Report, Rows, Target

ImageType = Literal["WIDE", "PNG", "BASE64"]


@dataclass(frozen=True)
class PixelEntropy(Rows):
    """Cross-entropy of every pixel, summed over the pixels of a row: -ln p of the true class.

    ``raw`` is (N, K, H, W), the target (N, H, W) codes. Pixels whose class is missing or was not
    seen in training have no loss; the latter count as wrong. The fit error of a row is the share of
    its pixels that are wrong: one less the pixel accuracy.

    Source: the deepLearn reference, training metrics (1.5, D16): the loss is a sum over pixels.
    """

    report: ClassVar[Report] = "segmentation"

    target: Target
    image_type: ImageType = "WIDE"
    tells_probability: bool = False

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        codes = target.long()
        losses = functional.cross_entropy(raw, codes.clamp(min=0), reduction="none")
        return (losses * (codes >= 0)).sum(dim=(1, 2))

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        here = target != ABSENT
        wrong = (raw.argmax(1) != target) & here
        return wrong.sum(dim=(1, 2)) / here.sum(dim=(1, 2)).clamp(min=1)

    def known(self, target: Tensor) -> Known:
        pixels = target.flatten(1)
        here = (pixels != ABSENT).any(dim=1)
        return Known(target, here, here)

    def predict(self, raw: Tensor) -> Tensor:
        """Return probabilities (N, K, H, W)."""
        return raw.softmax(1)


@dataclass(frozen=True)
class PixelValues(Rows):
    """Half the squared error of every pixel, summed over the pixels of a row.

    The fit error is the squared error, averaged over the pixels.

    Source: the deepLearn reference, segmentation as pixel-wise regression; D16.
    """

    report: ClassVar[Report] = "pixel regression"

    target: Target
    activation: Activation
    image_type: ImageType = "WIDE"

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return (self.predict(raw) - target).square().flatten(1).sum(1) / 2

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        return (self.predict(raw) - target).square().flatten(1).mean(1)

    def known(self, target: Tensor) -> Known:
        here = ~target.isnan().flatten(1).any(dim=1)
        return Known(target.nan_to_num(), here, here)

    def predict(self, raw: Tensor) -> Tensor:
        """Return values (N, C, H, W)."""
        return self.activation(raw)
