"""Layers that deal out or mix the maps of their source."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

from pydantic import PositiveInt, model_validator
from torch import nn

from engine.errors import NotSupportedError, ShapeError
from engine.layers.base import BuildOptions, Layer, layer_type
from engine.modules.channels import Shuffle
from engine.shapes import SEQUENCE_AXES, Shape, image, one


@layer_type
class Split(Layer):
    """Deal the maps, or the values of a vector, out to the layers that follow.

    Each of the ``nDestinationLayers`` layers that follow takes a run of equal length: the first
    that was added the first, and so on. A layer that names the split layer twice takes two.

    Shapes: (C, H, W) → the same; each destination sees (C / nDestinationLayers, H, W). Vectors
    likewise.

    Source: the deepLearn reference, layer type split.
    """

    code: ClassVar[int] = 33
    prefix: ClassVar[str] = "splitopts"
    title: ClassVar[str] = "Split"

    type: Literal["split"] = "split"
    n_destination_layers: PositiveInt
    """Number of layers that follow; divides the maps of the source."""

    @property
    def destinations(self) -> int | None:
        return self.n_destination_layers

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        shape = one(sources)
        if len(shape) == SEQUENCE_AXES or shape[0] % self.n_destination_layers:
            raise ShapeError(
                f"got {shape}, expected maps, or a vector, of a number that "
                f"{self.n_destination_layers} destinations can share equally",
                source=list(shape),
                destinations=self.n_destination_layers,
            )
        return shape

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources, options
        return nn.Identity()


@layer_type
class ChannelShuffle(Layer):
    """Take a map from every group in turn.

    The maps are cut into G groups of equal length; map j G + g of the output is map g (C / G) + j
    of the source.

    Shapes: (C, H, W) → the same.

    Source: Zhang et al., "ShuffleNet: an extremely efficient convolutional neural network for
    mobile devices", 2018; the deepLearn reference, layer type channelshuffle.
    """

    code: ClassVar[int] = 18
    prefix: ClassVar[str] = "shuffleopts"
    title: ClassVar[str] = "Channel Shuffle"

    partly: ClassVar[Mapping[str, str]] = {"scale": "other than 1: the number of maps stays"}

    type: Literal["channelshuffle"] = "channelshuffle"
    n_groups: PositiveInt = 1
    """Number of groups; divides the maps of the source."""
    scale: float = 1.0
    """Factor on the number of maps; only 1 is built."""

    @model_validator(mode="after")
    def _refuse_other_depths(self) -> Self:
        if self.scale != 1.0:
            raise NotSupportedError(
                f"option 'scale' with {self.scale} is not supported yet; expected 1",
                option="scale",
                got=self.scale,
            )
        return self

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        shape = image(sources)
        if shape[0] % self.n_groups:
            raise ShapeError(
                f"got {shape[0]} maps, expected a number that {self.n_groups} groups can share "
                "equally",
                got=shape[0],
                groups=self.n_groups,
            )
        return shape

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources, options
        return Shuffle(self.n_groups)
