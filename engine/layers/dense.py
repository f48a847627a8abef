"""Fully connected layers."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator
from torch import nn

from engine.layers.activations import (
    ACTIVATION_SYNONYMS,
    ActivationName,
    activation,
    check_user_function,
)
from engine.layers.base import Arity, BuildOptions, layer_type
from engine.layers.weighted import Shaped
from engine.modules.dense import Dense, StepDense
from engine.modules.dropout import dropout
from engine.shapes import Shape, flat_size, side_by_side


@layer_type
class FullyConnected(Shaped):
    """Multiply all values of the sources by a matrix and activate.

    Maps are laid out channel, row, column; several sources lie side by side in their order. With
    ``perStep`` every step of a sequence is multiplied by the same matrix.

    Shapes: any → (n,), or (T, D) → (T, n) per step; weights (inputs, n), biases (n).

    Source: the deepLearn reference, layer type fc.
    """

    code: ClassVar[int] = 4
    prefix: ClassVar[str] = "fcopts"
    title: ClassVar[str] = "Fully Connected"
    aliases: ClassVar[tuple[str, ...]] = ("fullconnect",)
    arity: ClassVar[Arity] = Arity(1, None)

    type: Literal["fc"] = "fc"
    n: PositiveInt
    """Number of neurons."""
    act: Annotated[ActivationName, ACTIVATION_SYNONYMS] = "AUTO"
    """Activation; AUTO is TANH."""
    fcmp_act: str | None = None
    """With ``act`` FCMP: the text of the function of x."""
    dropout: float | None = Field(default=None, ge=0.0, lt=1.0)
    """Rate of dropped outputs; None takes the rate of the training run."""

    per_step: bool = False
    """Whether the steps of a sequence are multiplied one by one, and kept; an extension. Left out:
    regions are, behind a ``roipooling`` layer."""

    @model_validator(mode="after")
    def _check_user_function(self) -> Self:
        check_user_function(self.act, self.fcmp_act)
        return self

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        return (side_by_side(sources)[0], self.n) if self.per_step else (self.n,)

    def infer_open(self) -> Shape | None:
        return None if self.per_step else (self.n,)

    @property
    def keeps_steps(self) -> bool:
        return self.per_step

    def weight_shape(self, sources: Sequence[Shape]) -> Shape | None:
        return side_by_side(sources)[1] if self.per_step else flat_size(sources), self.n

    def fans(self, weight: Shape) -> tuple[int, int]:
        return weight[0], weight[1]

    def bias_shape(self, weight: Shape) -> Shape:
        return (weight[1],)

    def multiply_adds(self, sources: Sequence[Shape], options: BuildOptions) -> int:
        del options
        steps = side_by_side(sources)[0] if self.per_step else 1
        return steps * prod(self.weight_shape(sources) or ())

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        rate = options.dropout if self.dropout is None else self.dropout
        inputs = side_by_side(sources)[1] if self.per_step else flat_size(sources)
        return (StepDense if self.per_step else Dense)(
            inputs,
            self.n,
            activation(self.act, "TANH", self.fcmp_act),
            dropout(rate, options.dropout_type),
            bias=self.include_bias,
        )
