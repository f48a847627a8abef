"""Convolution over images."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator
from torch import nn

from engine.layers.activations import (
    ACTIVATION_SYNONYMS,
    ActivationName,
    activation,
    refuse_user_function,
)
from engine.layers.base import BuildOptions, layer_type
from engine.layers.weighted import Weighted
from engine.layers.windows import Padded
from engine.modules.convolution import Convolution2d
from engine.modules.dropout import dropout
from engine.padding import Axis, plan_convolution
from engine.shapes import Shape, image

DEFAULT_KERNEL = 3


@layer_type
class Convolution(Padded, Weighted):
    """Slide filters over an image and activate; lengths are in pixels.

    Output, per axis: ceil(input / stride) with automatic padding, else
    floor((input - filter + 2 padding) / stride) + 1. The filter is not flipped.

    Shapes: (C, H, W) → (nFilters, H', W'); weights (nFilters, C, height, width), biases (nFilters).

    Source: the deepLearn reference, layer type convo and rules P1 to P9 and P14.
    """

    code: ClassVar[int] = 2
    prefix: ClassVar[str] = "convopts"
    title: ClassVar[str] = "Convolutional"
    aliases: ClassVar[tuple[str, ...]] = ("convolution",)

    type: Literal["convo"] = "convo"
    n_filters: PositiveInt
    """Number of output maps."""
    width: PositiveInt | None = None
    """Width of the filter; that of the height when only it is given, else 3."""
    height: PositiveInt | None = None
    """Height of the filter; that of the width when only it is given, else 3."""
    stride: PositiveInt = 1
    """Step between windows on both axes."""
    stride_horizontal: PositiveInt | None = None
    """Step along the width; None takes ``stride``."""
    stride_vertical: PositiveInt | None = None
    """Step along the height; None takes ``stride``."""
    act: Annotated[ActivationName, ACTIVATION_SYNONYMS] = "AUTO"
    """Activation; AUTO is RECTIFIER."""
    fcmp_act: str | None = None
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rate of dropped outputs."""

    @model_validator(mode="after")
    def _refuse_user_function(self) -> Self:
        refuse_user_function(self.act, self.fcmp_act)
        return self

    def axes(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[Axis, Axis]:
        """Return the cuts along height and width.

        Raises:
            ShapeError: the source is no image, or no window fits it.
        """
        _, rows, columns = image(sources)
        kernel_height, kernel_width = self._kernel()
        above, beside = self.paddings()
        equal = options.force_equal_padding
        down, across = self.stride_vertical or self.stride, self.stride_horizontal or self.stride
        return (
            plan_convolution(rows, kernel_height, down, above, equal=equal),
            plan_convolution(columns, kernel_width, across, beside, equal=equal),
        )

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        height, width = self.axes(sources, options)
        return self.n_filters, height.out, width.out

    def weight_shape(self, sources: Sequence[Shape]) -> Shape | None:
        return self.n_filters, image(sources)[0], *self._kernel()

    def fans(self, weight: Shape) -> tuple[int, int]:
        return prod(weight[1:]), weight[0] * prod(weight[2:])

    def bias_size(self, weight: Shape) -> int:
        return weight[0]

    def multiply_adds(self, sources: Sequence[Shape], options: BuildOptions) -> int:
        height, width = self.axes(sources, options)
        return height.out * width.out * prod(self.weight_shape(sources) or ())

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        return Convolution2d(
            (self.n_filters, image(sources)[0], *self._kernel()),
            self.axes(sources, options),
            activation(self.act, "RECTIFIER"),
            dropout(self.dropout, options.dropout_type),
            bias=self.include_bias,
        )

    def _kernel(self) -> tuple[int, int]:
        height = self.height or self.width or DEFAULT_KERNEL
        return height, self.width or height
