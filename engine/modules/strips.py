"""Images cut into strips.

A strip is some neighbouring columns of a convolution's output over its whole height, and the
columns of the input they look at.

Shape letters: N rows, C maps, H height, T strips across an image, R columns that a strip looks at,
Q columns that it gives, K filters, S columns of a filter.
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from engine.modules.tiling import Margins
from engine.modules.transforms import POINTS


@dataclass(frozen=True)
class Strips:
    """How images are cut.

    Attributes:
        margins: zeros around an image.
        side: S.
        columns: width of the output.
        gives: Q.
    """

    margins: Margins
    side: int
    columns: int
    gives: int

    @property
    def looks_at(self) -> int:
        """R."""
        return self.gives + self.side - 1

    @property
    def across(self) -> int:
        """T."""
        return -(-self.columns // self.gives)

    @property
    def beyond(self) -> int:
        """Columns that the last strip gives beyond the output."""
        return self.across * self.gives - self.columns

    def seen(self, x: Tensor) -> Tensor:
        """Return images (N, C, H, W) as strips see them, (H, N, T, R, C).

        A last strip that reaches over the edge sees zeros there.
        """
        left, right, top, bottom = self.margins
        around = [left, right + self.beyond, top, bottom]
        if any(around):
            x = functional.pad(x, around)
        return x.unfold(3, self.looks_at, self.gives).permute(2, 0, 3, 4, 1)

    def image(self, y_HNTQK: Tensor) -> Tensor:
        """Return what strips give as images (N, K, H, W)."""
        return y_HNTQK.flatten(2, 3)[:, :, : self.columns].permute(1, 3, 0, 2)


def strip_width(side: int, columns: int) -> int:
    """Return how many columns a strip gives so that a row has the fewest products; few if equal."""
    choices = [products - side + 1 for products in POINTS if products > side]
    return min(choices, key=lambda gives: -(-columns // gives) * (gives + side - 1))
