"""The layer that predicts every pixel."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, model_validator
from torch import nn

from engine.errors import GraphError, LayerError, ShapeError
from engine.layers.activations import (
    ACTIVATION_SYNONYMS,
    OutputActivationName,
    check_user_function,
    pure_activation,
)
from engine.layers.base import BuildOptions, Target, TargetForm, Task, TaskLayer, layer_type
from engine.shapes import IMAGE_AXES, Shape, image
from engine.tasks.segmentation import ImageType, PixelEntropy, PixelValues


@layer_type
class Segmentation(TaskLayer):
    """Predict the class of every pixel from one map per class, or its values from maps of them.

    A loss alone, without weights. With ``act`` SOFTMAX (or AUTO) the target is a column of label
    images, whose values are the classes, or one variable per pixel; with any other activation
    pixels are numbers and the target is an image of as many channels as the source has maps.

    Shapes: (K, H, W), before the activation → the same.

    Source: the deepLearn reference, layer type segmentation.
    """

    code: ClassVar[int] = 19
    prefix: ClassVar[str] = "segmentationopts"
    title: ClassVar[str] = "Segmentation"

    type: Literal["segmentation"] = "segmentation"
    act: Annotated[OutputActivationName, ACTIVATION_SYNONYMS] = "AUTO"
    """Activation; AUTO is SOFTMAX, and IDENTITY with ``error`` NORMAL."""
    fcmp_act: str | None = None
    """With ``act`` FCMP: the text of the function of x."""
    error: Literal["AUTO", "ENTROPY", "NORMAL"] = "AUTO"
    """Loss of a pixel; AUTO is ENTROPY with SOFTMAX, else NORMAL, half the squared error."""
    target_scale: float = Field(default=1.0, gt=0.0)
    """Factor on target pixels that are numbers, for example 1/255."""
    output_image_type: ImageType = "WIDE"
    """In scored tables WIDE gives a column per pixel, PNG a label image, BASE64 its text."""
    output_image_prob: bool = False
    """Also give the probability of every pixel's class, a column per pixel, beside a label image
    too."""

    _target: Target | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_user_function(self.act, self.fcmp_act)
        if (self.resolved_error == "ENTROPY") != (self.resolved_act == "SOFTMAX"):
            raise LayerError(
                f"options 'act' and 'error' got {self.act!r} and {self.error!r}, expected SOFTMAX "
                "with ENTROPY, or another activation with NORMAL",
                options=["act", "error"],
            )
        return self

    @property
    def resolved_act(self) -> str:
        """The activation AUTO stands for."""
        if self.act != "AUTO":
            return self.act
        return "IDENTITY" if self.error == "NORMAL" else "SOFTMAX"

    @property
    def resolved_error(self) -> str:
        """The loss AUTO stands for."""
        if self.error != "AUTO":
            return self.error
        return "ENTROPY" if self.act in ("AUTO", "SOFTMAX") else "NORMAL"

    def target_form(self, sources: Sequence[Shape | None]) -> TargetForm:
        shape = sources[0]
        if shape is None or len(shape) != IMAGE_AXES:
            raise GraphError(
                f"layer of type 'segmentation' got a source of shape {shape}, expected maps of a "
                "known size",
                source=shape,
            )
        maps, height, width = shape
        is_nominal = self.resolved_error == "ENTROPY"
        return TargetForm(
            "pixels",
            shape=(1 if is_nominal else maps, height, width),
            is_nominal=is_nominal,
            scale=self.target_scale,
        )

    def bind(self, target: Target) -> Self:
        expected = "pixels" if self.resolved_error == "ENTROPY" else "interval"
        if target.kind != expected:
            raise GraphError(
                f"got a target that is {target.kind}, expected "
                + ("the classes of pixels" if expected == "pixels" else "the values of pixels"),
                got=target.kind,
            )
        bound = self.model_copy()
        bound._target = target
        return bound

    def task(self) -> Task:
        if self._target is None:
            raise GraphError("got no target yet, expected a bound segmentation layer")
        if self.resolved_error == "ENTROPY":
            return PixelEntropy(self._target, self.output_image_type, self.output_image_prob)
        return PixelValues(
            self._target, pure_activation(self.resolved_act, self.fcmp_act), self.output_image_type
        )

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        shape = image(sources)
        target = self._target
        if target is not None and target.kind == "pixels" and shape[0] < target.size:
            raise ShapeError(
                f"got {shape[0]} maps, expected at least {target.size}: one per class of the "
                "target's pixels",
                got=shape[0],
                expected=target.size,
            )
        return shape

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources, options
        return nn.Identity()
