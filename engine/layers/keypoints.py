"""The layer that predicts the places of points."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import NonNegativeInt, PrivateAttr, model_validator
from torch import nn

from engine.errors import GraphError
from engine.layers.activations import (
    ACTIVATION_SYNONYMS,
    ActivationName,
    check_user_function,
    pure_activation,
)
from engine.layers.base import BuildOptions, Target, Task, TaskLayer, layer_type
from engine.layers.weighted import Shaped
from engine.losses import Normal
from engine.modules.dense import Dense
from engine.shapes import Shape, flat_size


@layer_type
class Keypoints(Shaped, TaskLayer):
    """Predict the coordinates of points: a fully connected layer with the squared error.

    Shapes: any → (n,), before the activation; weights (inputs, n), biases (n).

    Source: the deepLearn reference, layer type keypoints.
    """

    code: ClassVar[int] = 13
    prefix: ClassVar[str] = "keypointsopts"
    title: ClassVar[str] = "Keypoints"

    type: Literal["keypoints"] = "keypoints"
    n: NonNegativeInt = 0
    """Number of coordinates; 0 takes the number of target variables."""
    act: Annotated[ActivationName, ACTIVATION_SYNONYMS] = "AUTO"
    """Activation; AUTO is IDENTITY."""
    fcmp_act: str | None = None
    """With ``act`` FCMP: the text of the function of x."""
    error: Literal["AUTO", "NORMAL"] = "AUTO"
    """Loss; AUTO is NORMAL, half the squared error."""
    target_std: Literal["NONE", "STD", "MIDRANGE"] = "NONE"
    """Standardise targets: STD to (y - mean) / std, MIDRANGE to [-1, 1]."""

    _target: Target | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _refuse_unbuilt(self) -> Self:
        check_user_function(self.act, self.fcmp_act)
        return self

    def bind(self, target: Target) -> Self:
        if target.kind != "interval":
            raise GraphError(
                f"got a target that is {target.kind}, expected interval variables: coordinates are "
                "numbers",
                got=target.kind,
            )
        if self.n not in (0, target.size):
            raise GraphError(
                f"option 'n' got {self.n}, expected {target.size}: the number of target variables",
                option="n",
                got=self.n,
                expected=target.size,
            )
        bound = self.model_copy(update={"n": target.size})
        bound._target = target
        return bound

    def task(self) -> Task:
        if self._target is None:
            raise GraphError("got no target yet, expected a bound keypoints layer")
        act = "IDENTITY" if self.act == "AUTO" else self.act
        return Normal(self._target, pure_activation(act, self.fcmp_act))

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del sources, options
        return self.infer_open()

    def infer_open(self) -> Shape | None:
        return (self.n,) if self.n else None

    def weight_shape(self, sources: Sequence[Shape]) -> Shape | None:
        return (flat_size(sources), self.n) if self.n else None

    def fans(self, weight: Shape) -> tuple[int, int]:
        return weight[0], weight[1]

    def bias_shape(self, weight: Shape) -> Shape:
        return (weight[1],)

    def multiply_adds(self, sources: Sequence[Shape], options: BuildOptions) -> int:
        del options
        return prod(self.weight_shape(sources) or (0,))

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del options
        return Dense(flat_size(sources), self.n, None, None, bias=self.include_bias)
