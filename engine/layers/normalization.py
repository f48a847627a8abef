"""Batch normalisation."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from engine.layers.activations import (
    ACTIVATION_SYNONYMS,
    ActivationName,
    activation,
    refuse_user_function,
)
from engine.layers.base import BuildOptions, Layer, TensorSpec, layer_type
from engine.modules.normalization import BatchNorm
from engine.shapes import Shape, one


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
    epsilon: float = Field(default=1e-5, ge=0.0)
    """Added to the variance."""

    @model_validator(mode="after")
    def _refuse_user_function(self) -> Self:
        refuse_user_function(self.act, self.fcmp_act)
        return self

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        return one(sources)

    def tensors(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[TensorSpec, ...]:
        del options
        pairs = (one(sources)[0], 2)
        return TensorSpec("biases", "affine", pairs), TensorSpec("statistics", "statistics", pairs)

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del options
        return BatchNorm(one(sources)[0], self.epsilon, activation(self.act, "IDENTITY"))

    def initialize(
        self, module: nn.Module, sources: Sequence[Shape], generator: torch.Generator
    ) -> None:
        del sources, generator
        with torch.no_grad():
            module.get_parameter("affine").copy_(torch.tensor([1.0, 0.0]))
