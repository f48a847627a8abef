"""Pooling over images."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import nn

from engine.errors import LayerError
from engine.layers.base import BuildOptions, Synonyms, layer_type
from engine.layers.windows import Padded
from engine.modules.dropout import dropout
from engine.modules.pooling import Pooling2d, PoolKind
from engine.padding import Axis, plan_pooling, plan_whole
from engine.shapes import Shape, image

DEFAULT_WINDOW = 2


@layer_type
class Pooling(Padded):
    """Reduce each window of each map to one number; lengths are in pixels.

    Output, per axis: ceil(input / stride) with automatic padding, the last windows shrink; else
    floor((input - window + 2 padding) / stride) + 1. Cells outside the image never count. A window
    of 0 by 0 covers the whole map.

    MAX, MIN and MEAN are those of the live cells, MEDIAN of an even count is the mean of the middle
    two, L2NORM the root of the sum of squares, FIXED the first live cell, row by row. RANDOM takes
    in training any live cell, drawn anew for every window of every map of every row, and when
    scoring what that is on average, the mean.

    Shapes: (C, H, W) → (C, H', W').

    Source: the deepLearn reference, layer type pool and rules P10 to P13, reading A6.
    """

    code: ClassVar[int] = 3
    prefix: ClassVar[str] = "poolingopts"
    title: ClassVar[str] = "Pooling"
    aliases: ClassVar[tuple[str, ...]] = ("pooling",)

    type: Literal["pool"] = "pool"
    width: NonNegativeInt | None = None
    """Width of the window; that of the height when only it is given, else 2; 0: the whole map."""
    height: NonNegativeInt | None = None
    """Height of the window; that of the width when only it is given, else 2; 0: the whole map."""
    stride: PositiveInt | None = None
    """Step between windows on both axes; None takes the size of the window."""
    stride_horizontal: PositiveInt | None = None
    """Step along the width; None takes ``stride``."""
    stride_vertical: PositiveInt | None = None
    """Step along the height; None takes ``stride``."""
    pool: Annotated[PoolKind, Synonyms({"AVERAGE": "MEAN", "L2": "L2NORM"})] = "MAX"
    """What a window becomes; L2NORM is an extension."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rate of dropped outputs."""

    @model_validator(mode="after")
    def _whole_or_windows(self) -> Self:
        window = self.window()
        if (window[0] == 0) != (window[1] == 0):
            raise LayerError(
                f"options 'width' and 'height' got {window[1]} and {window[0]}, "
                "expected both 0 for the whole map, or neither",
                options=["width", "height"],
            )
        if window == (0, 0) and any(self.paddings()):
            raise LayerError(
                f"option 'padding' got {max(each or 0 for each in self.paddings())}, "
                "expected none with a window of the whole map",
                option="padding",
            )
        return self

    def axes(self, sources: Sequence[Shape]) -> tuple[Axis, Axis]:
        """Return the cuts along height and width.

        Raises:
            ShapeError: the source is no image, or no window fits it.
        """
        _, rows, columns = image(sources)
        height, width = self.window()
        if (height, width) == (0, 0):
            return plan_whole(rows), plan_whole(columns)
        above, beside = self.paddings()
        down = self.stride_vertical or self.stride or height
        across = self.stride_horizontal or self.stride or width
        return (
            plan_pooling(rows, height, down, above),
            plan_pooling(columns, width, across, beside),
        )

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        height, width = self.axes(sources)
        return image(sources)[0], height.out, width.out

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        drop = dropout(self.dropout, options.dropout_type)
        return Pooling2d(self.pool, self.axes(sources), drop)

    def window(self) -> tuple[int, int]:
        """Return height and width of the window, both 0 for the whole map."""
        if self.height is None and self.width is None:
            return DEFAULT_WINDOW, DEFAULT_WINDOW
        height = self.width if self.height is None else self.height
        width = self.height if self.width is None else self.width
        return height or 0, width or 0
