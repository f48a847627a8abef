"""Batch normalisation and layer normalisation."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import nn

from engine.errors import ShapeError
from engine.layers.activated import Activated
from engine.layers.activations import (
    ACTIVATION_SYNONYMS,
    ActivationName,
    activation,
    check_user_function,
)
from engine.layers.base import BuildOptions, Layer, TensorSpec, layer_type
from engine.modules.dropout import dropout
from engine.modules.normalization import BatchNorm, LayerNorm
from engine.shapes import Shape, one, sequence


@layer_type
class BatchNormalization(Layer):
    """Normalise each map, or each neuron of a vector: act(gamma (x - mean) / √(std² + ε) + beta).

    Training takes mean and standard deviation of the mini-batch, scoring those of the last epoch.
    gamma and beta lie in the biases part, so regularisation leaves them alone.

    Shapes: any → the same; biases (C, 2) gamma and beta, statistics (C, 2) mean and standard
    deviation.

    Source: the deepLearn reference, rules B1 to B16.
    """

    code: ClassVar[int] = 8
    prefix: ClassVar[str] = "bnopts"
    title: ClassVar[str] = "Batch Normalization"

    type: Literal["batchnorm"] = "batchnorm"
    act: Annotated[ActivationName, ACTIVATION_SYNONYMS] = "AUTO"
    """Activation; AUTO is IDENTITY."""
    fcmp_act: str | None = None
    """With ``act`` FCMP: the text of the function of x."""
    epsilon: float = Field(default=1e-5, ge=0.0)
    """Added to the variance."""

    @model_validator(mode="after")
    def _check_user_function(self) -> Self:
        check_user_function(self.act, self.fcmp_act)
        return self

    @property
    def keeps_steps(self) -> bool:
        return True

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        return one(sources)

    def tensors(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[TensorSpec, ...]:
        del options
        pairs = (one(sources)[0], 2)
        return TensorSpec("biases", "affine", pairs), TensorSpec("statistics", "statistics", pairs)

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del options
        return BatchNorm(
            one(sources)[0], self.epsilon, activation(self.act, "IDENTITY", self.fcmp_act)
        )

    def initialize(
        self, module: nn.Module, sources: Sequence[Shape], generator: torch.Generator
    ) -> None:
        del sources, generator
        with torch.no_grad():
            module.get_parameter("affine").copy_(torch.tensor([1.0, 0.0]))


@layer_type
class LayerNormalization(Activated):
    """Normalise every step by itself: act(gamma (x - mean) / √(variance + ε) + beta).

    Mean and population variance are those of the values of a step; a vector is one step, or as many
    as ``tokenSize`` says. Training and scoring are the same. gamma lies in the weights part, so
    that regularisation reaches it, other than in a batchnorm layer. AUTO of ``act`` is IDENTITY.

    Shapes: (D,), (T, D), or one map (1, T, D), → the same; weights (D,) gamma, biases (D,) beta.

    Source: Ba, Kiros and Hinton, "Layer normalization", 2016; the deepLearn reference, layer type
    layernorm and decision D14.
    """

    code: ClassVar[int] = 28
    prefix: ClassVar[str] = "dllayernormopts"
    title: ClassVar[str] = "layer normalization"

    type: Literal["layernorm"] = "layernorm"
    epsilon: float = Field(default=1e-12, ge=0.0)
    """Added to the variance."""
    token_size: PositiveInt | None = None
    """Values of a step; None takes the last axis of the source."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rate of dropped outputs."""

    @property
    def keeps_steps(self) -> bool:
        return True

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        self._values(sources)
        return one(sources)

    def tensors(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[TensorSpec, ...]:
        del options
        step = (self._values(sources),)
        return TensorSpec("weights", "weight", step), TensorSpec("biases", "bias", step)

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        drop = dropout(self.dropout, options.dropout_type)
        act = activation(self.act, "IDENTITY", self.fcmp_act)
        return LayerNorm(self._values(sources), self.epsilon, act, drop)

    def initialize(
        self, module: nn.Module, sources: Sequence[Shape], generator: torch.Generator
    ) -> None:
        del sources, generator
        nn.init.ones_(module.get_parameter("weight"))
        nn.init.zeros_(module.get_parameter("bias"))

    def _values(self, sources: Sequence[Shape]) -> int:
        shape = one(sources)
        is_vector = len(shape) == 1
        values = shape[0] if is_vector else sequence(sources)[1]
        size = values if self.token_size is None else self.token_size
        if values % size or (values != size and not is_vector):
            raise ShapeError(
                f"got {shape}, expected steps of {size} values: the option 'tokenSize'",
                source=list(shape),
                expected=size,
            )
        return size
