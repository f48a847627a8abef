"""Transposed convolution over images."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import nn

from engine.errors import LayerError
from engine.layers.activated import Activated
from engine.layers.activations import activation
from engine.layers.base import Aliases, BuildOptions, layer_type
from engine.layers.filters import DEFAULT_KERNEL
from engine.layers.weighted import Shaped
from engine.layers.windows import Padded
from engine.modules.convolution import ConvolutionTransposed2d, Spread
from engine.modules.dropout import dropout
from engine.padding import plan_spread
from engine.shapes import Shape, image


@layer_type
class TransposedConvolution(Activated, Padded, Shaped):
    """Lay a filter, times its value, around every pixel, add up, and activate.

    The step backwards through a convolution of the same options, which enlarges an image. Output,
    per axis: (input - 1) stride - 2 padding + filter + outputPadding. Padding that is not given is
    0. AUTO of ``act`` is RECTIFIER.

    Shapes: (C, H, W) → (nFilters, H', W'); weights (C, nFilters, height, width), biases (nFilters).

    Source: the deepLearn reference, layer type transconvo.
    """

    code: ClassVar[int] = 16
    prefix: ClassVar[str] = "transposeconvopts"
    title: ClassVar[str] = "Transpose Convolution"

    type: Literal["transconvo"] = "transconvo"
    n_filters: PositiveInt
    """Number of output maps."""
    width: PositiveInt | None = None
    """Width of the filter; that of the height when only it is given, else 3."""
    height: PositiveInt | None = None
    """Height of the filter; that of the width when only it is given, else 3."""
    stride: PositiveInt = 1
    """Distance at which pixels are laid out, on both axes."""
    stride_horizontal: PositiveInt | None = None
    """Distance along the width; None takes ``stride``."""
    stride_vertical: PositiveInt | None = None
    """Distance along the height; None takes ``stride``."""
    output_padding: Annotated[NonNegativeInt, Aliases("outputPad")] = 0
    """Pixels more at the right and the bottom; less than the stride."""
    output_padding_width: Annotated[NonNegativeInt | None, Aliases("outputPadWidth")] = None
    """Pixels more at the right; None takes ``outputPadding``."""
    output_padding_height: Annotated[NonNegativeInt | None, Aliases("outputPadHeight")] = None
    """Pixels more at the bottom; None takes ``outputPadding``."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rate of dropped outputs."""

    @model_validator(mode="after")
    def _extra_is_less_than_a_step(self) -> Self:
        for axis, stride, extra in zip(
            ("Height", "Width"), self._strides(), self.extras(), strict=True
        ):
            if extra >= stride:
                raise LayerError(
                    f"option 'outputPadding{axis}' got {extra}, expected less than the stride "
                    f"{stride}: no pixel reaches further",
                    option=f"outputPadding{axis}",
                    got=extra,
                )
        return self

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        _, rows, columns = image(sources)
        (height, width), (down, across) = self.kernel(), self._strides()
        (above, beside), (below, behind) = self._crops(), self.extras()
        return (
            self.n_filters,
            plan_spread(rows, height, down, above, below),
            plan_spread(columns, width, across, beside, behind),
        )

    def weight_shape(self, sources: Sequence[Shape]) -> Shape | None:
        return image(sources)[0], self.n_filters, *self.kernel()

    def fans(self, weight: Shape) -> tuple[int, int]:
        return weight[0] * prod(weight[2:]), prod(weight[1:])

    def bias_shape(self, weight: Shape) -> Shape:
        return (weight[1],)

    def multiply_adds(self, sources: Sequence[Shape], options: BuildOptions) -> int:
        del options
        return prod(image(sources)[1:]) * prod(self.weight_shape(sources) or ())

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        return ConvolutionTransposed2d(
            (image(sources)[0], self.n_filters, *self.kernel()),
            Spread(self._strides(), self._crops(), self.extras()),
            activation(self.act, "RECTIFIER", self.fcmp_act),
            dropout(self.dropout, options.dropout_type),
            bias=self.include_bias,
        )

    def kernel(self) -> tuple[int, int]:
        """Return height and width of the filter."""
        height = self.height or self.width or DEFAULT_KERNEL
        return height, self.width or height

    def _strides(self) -> tuple[int, int]:
        return self.stride_vertical or self.stride, self.stride_horizontal or self.stride

    def _crops(self) -> tuple[int, int]:
        above, beside = self.paddings()
        return above or 0, beside or 0

    def extras(self) -> tuple[int, int]:
        """Return the pixels more at the bottom and at the right."""
        below, behind = self.output_padding_height, self.output_padding_width
        return (
            self.output_padding if below is None else below,
            self.output_padding if behind is None else behind,
        )
