"""Convolution over images."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import PositiveInt, model_validator

from engine.errors import LayerError, ShapeError
from engine.layers.base import BuildOptions, layer_type
from engine.layers.filters import SharedFilters
from engine.padding import Axis
from engine.shapes import Shape, image


@layer_type
class Convolution(SharedFilters):
    """Slide filters over an image and activate; lengths are in pixels.

    Output, per axis: ceil(input / stride) with automatic padding, else
    floor((input - filter + 2 padding) / stride) + 1. The filter is not flipped. AUTO of ``act`` is
    RECTIFIER.

    A filter of k cells with dilation d counts as (k - 1) d + 1 pixels long. Dilation and padding
    that differs from side to side are extensions.

    Shapes: (C, H, W) → (nFilters, H', W'); weights (nFilters, C, height, width), biases (nFilters).

    Source: the deepLearn reference, layer type convo and rules P1 to P9 and P14.
    """

    code: ClassVar[int] = 2
    prefix: ClassVar[str] = "convopts"
    title: ClassVar[str] = "Convolutional"
    aliases: ClassVar[tuple[str, ...]] = ("convolution",)

    type: Literal["convo"] = "convo"


@layer_type
class GroupConvolution(SharedFilters):
    """Slide filters over groups of maps, which do not see one another, and activate.

    Maps and filters are cut into ``nGroups`` runs of equal length; the filters of a run see the
    maps of the same run. With as many groups as maps this is a depthwise convolution. All else is
    as in a convo layer; AUTO of ``act`` is RECTIFIER.

    Shapes: (C, H, W) → (nFilters, H', W'); weights (nFilters, C / nGroups, height, width), biases
    (nFilters).

    Source: the deepLearn reference, layer type groupconvo.
    """

    code: ClassVar[int] = 17
    prefix: ClassVar[str] = "groupconvopts"
    title: ClassVar[str] = "Group Convolutional"

    type: Literal["groupconvo"] = "groupconvo"
    n_groups: PositiveInt = 1
    """Number of groups; divides the maps of the source and ``nFilters``."""

    @model_validator(mode="after")
    def _groups_share_the_filters(self) -> Self:
        if self.n_filters % self.n_groups:
            raise LayerError(
                f"options 'nFilters' and 'nGroups' got {self.n_filters} and {self.n_groups}, "
                "expected a number of filters that the groups can share equally",
                options=["nFilters", "nGroups"],
            )
        return self

    @property
    def groups(self) -> int:
        return self.n_groups

    def axes(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[Axis, Axis]:
        maps = image(sources)[0]
        if maps % self.n_groups:
            raise ShapeError(
                f"got {maps} maps, expected a number that {self.n_groups} groups can share equally",
                got=maps,
                groups=self.n_groups,
            )
        return super().axes(sources, options)
