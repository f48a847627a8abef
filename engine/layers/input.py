"""Where data enters a network."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator
from torch import nn

from engine.errors import GraphError, LayerError
from engine.layers.base import Aliases, Arity, BuildOptions, Layer, layer_type
from engine.modules.augment import Augment, Augmentation, CropKind, FlipKind, MutationKind
from engine.modules.dropout import dropout
from engine.modules.scaling import Scale, Scaling
from engine.shapes import SEQUENCE_AXES, Shape

CROPPED: dict[CropKind, str] = {
    "NONE": "",
    "UNIQUE": " or larger",
    "RANDOMRESIZED": " or another size",
    "RESIZETHENCROP": " or another size",
}
"""Which sizes of images a layer takes besides its own, for messages."""


@layer_type
class Input(Layer):
    """Images, or rows of numbers, scaled: (scale * x - offset) / normStd.

    With ``nChannels``, ``width`` and ``height`` the layer takes images in pixels; without them it
    takes rows of encoded numeric columns, or sequences of such rows.

    Images are changed at random in training, each by draws of its own, before they are scaled. Cut
    images may have another size than the layer, all images of a table the same: UNIQUE cuts a
    window out of larger ones; RANDOMRESIZED takes a part of 8 % to 100 % of the area with sides of
    at most 4 to 3 and resizes it; RESIZETHENCROP resizes to 8/7 of the layer's size and cuts a
    window out of that. Scoring cuts in the middle, and resizes the whole image for RANDOMRESIZED.

    Shapes: uint8 or float32 (N, C, H, W), (N, T, D) or (N, D) → float32, the same.

    Source: the deepLearn reference, layer type input.
    """

    code: ClassVar[int] = 1
    prefix: ClassVar[str] = "inputopts"
    title: ClassVar[str] = "Input"
    arity: ClassVar[Arity] = Arity(0, 0)

    type: Literal["input"] = "input"
    n_channels: PositiveInt | None = None
    """Channels of an image; None with width and height for rows of numbers."""
    width: PositiveInt | None = None
    """Width in pixels; as wide as high when only the height is given."""
    height: PositiveInt | None = None
    """Height in pixels; as high as wide when only the width is given."""
    features: PositiveInt | None = None
    """Number of encoded numeric columns, in a sequence those of a step; None until data is seen."""
    steps: PositiveInt | None = None
    """Steps of a sequence; None for single rows, or until data is seen."""
    scale: float = 1.0
    """Factor on values, applied first."""
    offsets: tuple[float, ...] = ()
    """Subtracted after scaling; one for all channels or one per channel."""
    norm_stds: Annotated[tuple[Annotated[float, Field(gt=0.0)], ...], Aliases("offsetStd")] = ()
    """Divides after offsets; one for all channels or one per channel."""
    std: Literal["NONE", "STD", "MIDRANGE"] = "NONE"
    """Standardise interval columns: STD to (x - mean) / std, MIDRANGE to [-1, 1]."""
    nominals: tuple[str, ...] = ()
    """Columns of this layer that are taken as categories."""
    dropout: float | None = Field(default=None, ge=0.0, lt=1.0)
    """Rate of dropped inputs; None takes the rate of the training run."""
    channel_order: Literal["BGR", "RGB"] = "BGR"
    """Order in which the channels of a colour image are laid out."""
    random_flip: FlipKind = "NONE"
    """Flip half of the images in training: H left to right, V upside down, HV each by itself.
    The true boxes of detection and the label images of segmentation turn with them."""
    random_crop: CropKind = "NONE"
    """Cut images down to the layer's size in training, at random; see above."""
    random_mutation: MutationKind = "NONE"
    """RANDOM: change saturation, contrast and brightness in training, by a fifth at most."""

    @model_validator(mode="before")
    @classmethod
    def _no_image_of_no_size(cls, given: Any) -> Any:
        """Read sizes of 0 as none, as model tables of CAS have them for rows of numbers."""
        if not isinstance(given, dict) or given.get("width") != 0 or given.get("height") != 0:
            return given
        sizes = ("n_channels", "width", "height")
        return {name: value for name, value in given.items() if name not in sizes}

    @model_validator(mode="after")
    def _images_are_changed(self) -> Self:
        for name, got in (
            ("randomFlip", self.random_flip),
            ("randomCrop", self.random_crop),
            ("randomMutation", self.random_mutation),
        ):
            if got != "NONE" and self.n_channels is None:
                raise LayerError(
                    f"option {name!r} got {got!r}, expected 'NONE' for rows of numbers; "
                    "declare nChannels, width and height for images",
                    option=name,
                    got=got,
                )
        return self

    @model_validator(mode="after")
    def _image_or_row(self) -> Self:
        sizes = (self.n_channels, self.width, self.height)
        if self.features is not None and any(sizes):
            raise LayerError(
                "option 'features' got a value together with 'nChannels', 'width' or 'height', "
                "expected rows of numbers or images, not both",
                option="features",
            )
        if self.steps is not None and self.features is None:
            raise LayerError(
                f"options 'steps' and 'features' got {self.steps} and None, expected the number of "
                "values of a step too",
                options=["steps", "features"],
            )
        if any(sizes) and (self.n_channels is None or not (self.width or self.height)):
            raise LayerError(
                f"options 'nChannels', 'width' and 'height' got {sizes}, "
                "expected nChannels and at least one of width and height",
                options=["nChannels", "width", "height"],
            )
        channels = self.n_channels or self.features
        for name, values in (("offsets", self.offsets), ("normStds", self.norm_stds)):
            if channels is not None and len(values) not in (0, 1, channels):
                raise LayerError(
                    f"option {name!r} got {len(values)} values, expected 1 or {channels}",
                    option=name,
                    got=len(values),
                    expected=channels,
                )
        return self

    @property
    def shape(self) -> Shape | None:
        """The shape of one row; None until data is seen."""
        width, height = self.width or self.height, self.height or self.width
        if self.n_channels is not None and width is not None and height is not None:
            return self.n_channels, height, width
        if self.features is None or self.steps is None:
            return None if self.features is None else (self.features,)
        return self.steps, self.features

    def bind_shape(self, shape: Shape) -> Self:
        """Return the layer for rows of a shape; an image layer also takes its values in one row.

        Raises:
            GraphError: the layer declares another shape.
        """
        declared = self.shape
        if declared is None:
            if len(shape) not in (1, SEQUENCE_AXES):
                raise GraphError(
                    f"got rows of shape {shape}, expected one axis, or two for sequences; "
                    "declare nChannels, width and height for images",
                    got=list(shape),
                )
            steps = shape[0] if len(shape) == SEQUENCE_AXES else None
            return self.model_validate({**self.model_dump(), "features": shape[-1], "steps": steps})
        if shape != (prod(declared),) and not self._takes(shape, declared):
            raise GraphError(
                f"got rows of shape {shape}, expected {declared}{CROPPED[self.random_crop]}",
                got=list(shape),
                expected=list(declared),
            )
        return self

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del sources, options
        return self.shape

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources
        if self.shape is None:
            raise GraphError("got no data yet, expected the number of columns", option="features")
        rate = options.dropout_input if self.dropout is None else self.dropout
        scale = Scale(self.scale, self.offsets, self.norm_stds)
        drop = dropout(rate, options.dropout_type)
        augmentation = Augmentation(self.random_flip, self.random_crop, self.random_mutation)
        if not augmentation.is_any:
            return Scaling(self.shape, scale, drop)
        _, height, width = self.shape
        return Scaling(self.shape, scale, drop, Augment((height, width), augmentation))

    def _takes(self, shape: Shape, declared: Shape) -> bool:
        """Return whether images of a shape become those that are declared."""
        if shape == declared or self.random_crop == "NONE":
            return shape == declared
        if len(shape) != len(declared) or shape[0] != declared[0]:
            return False
        fits = all(have >= side for have, side in zip(shape, declared, strict=True))
        return fits or self.random_crop != "UNIQUE"
