"""Options and geometry shared by layers that slide filters over an image."""

from collections.abc import Sequence
from math import prod

from pydantic import Field, PositiveInt
from torch import nn

from engine.layers.activated import Activated
from engine.layers.activations import activation
from engine.layers.base import BuildOptions
from engine.layers.weighted import Biased, Shaped
from engine.layers.windows import Sided
from engine.modules.convolution import Convolution2d, Windows
from engine.modules.dropout import dropout
from engine.padding import Axis, plan_convolution
from engine.shapes import Shape, image

DEFAULT_KERNEL = 3


class Filters(Activated, Sided, Biased):
    """A layer of filters; lengths are in pixels.

    AUTO of ``act`` is RECTIFIER. A filter of k cells with dilation d reaches over (k - 1) d + 1.
    """

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
    dilation: PositiveInt = 1
    """Step between the cells of the filter on both axes, 1 for neighbours; an extension."""
    dilation_horizontal: PositiveInt | None = None
    """Step between cells along the width; None takes ``dilation``; an extension."""
    dilation_vertical: PositiveInt | None = None
    """Step between cells along the height; None takes ``dilation``; an extension."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rate of dropped outputs."""

    def axes(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[Axis, Axis]:
        """Return the cuts along height and width.

        Raises:
            ShapeError: the source is no image, or no window fits it.
        """
        _, rows, columns = image(sources)
        (height, width), (lower, further) = self.kernel(), self.dilations()
        above, beside = self.sides()
        equal = options.force_equal_padding
        down, across = self.stride_vertical or self.stride, self.stride_horizontal or self.stride
        return (
            plan_convolution(rows, (height - 1) * lower + 1, down, above, equal=equal),
            plan_convolution(columns, (width - 1) * further + 1, across, beside, equal=equal),
        )

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        height, width = self.axes(sources, options)
        return self.n_filters, height.out, width.out

    def kernel(self) -> tuple[int, int]:
        """Return height and width of the filter."""
        height = self.height or self.width or DEFAULT_KERNEL
        return height, self.width or height

    def dilations(self) -> tuple[int, int]:
        """Return the steps between the cells of the filter along height and width."""
        return (
            self.dilation_vertical or self.dilation,
            self.dilation_horizontal or self.dilation,
        )


class SharedFilters(Filters, Shaped):
    """A layer of filters with the same weights at every place."""

    @property
    def groups(self) -> int:
        """Groups of maps which do not see one another."""
        return 1

    def weight_shape(self, sources: Sequence[Shape]) -> Shape | None:
        return self.n_filters, image(sources)[0] // self.groups, *self.kernel()

    def fans(self, weight: Shape) -> tuple[int, int]:
        return prod(weight[1:]), weight[0] // self.groups * prod(weight[2:])

    def bias_shape(self, weight: Shape) -> Shape:
        return (weight[0],)

    def multiply_adds(self, sources: Sequence[Shape], options: BuildOptions) -> int:
        height, width = self.axes(sources, options)
        return height.out * width.out * prod(self.weight_shape(sources) or ())

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        return Convolution2d(
            (self.n_filters, image(sources)[0] // self.groups, *self.kernel()),
            Windows(*self.axes(sources, options), self.dilations(), self.groups),
            activation(self.act, "RECTIFIER", self.fcmp_act),
            dropout(self.dropout, options.dropout_type),
            bias=self.include_bias,
        )
