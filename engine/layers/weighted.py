"""Options and rules shared by layers that own a weight tensor and a bias."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from engine.layers.base import UNSET_BY_ZERO, BuildOptions, Layer, Negated, TensorSpec
from engine.layers.initializers import InitializerName, Start, initialize
from engine.shapes import Shape


class Weighted(Layer):
    """A layer with weights, their starting values, and perhaps a bias.

    Source: the deepLearn reference, options shared by weight layers.
    """

    init: InitializerName = "XAVIER"
    """Distribution the weights start from."""
    std: float | None = Field(default=None, ge=0.0)
    """Standard deviation of ``init`` NORMAL; 1 unless said."""
    mean: float | None = None
    """Mean of ``init`` NORMAL; 0 unless said."""
    truncation_factor: Annotated[Annotated[float, Field(gt=0.0)] | None, UNSET_BY_ZERO] = None
    """``init`` NORMAL is drawn again beyond this many standard deviations; None or 0: never."""
    init_bias: float = 0.0
    """Value every bias starts from."""
    include_bias: Annotated[bool, Negated("noBias")] = True
    """Whether a bias is added."""

    @abstractmethod
    def fans(self, weight: Shape) -> tuple[int, int]:
        """Return fan-in and fan-out of the weight tensor."""

    def start(self, weight: Shape) -> Start:
        """Return where weights of a shape start from."""
        fan_in, fan_out = self.fans(weight)
        std = 1.0 if self.std is None else self.std
        return Start(self.init, fan_in, fan_out, self.mean or 0.0, std, self.truncation_factor)


class Biased(Weighted):
    """A layer with one weight tensor, and perhaps a bias whose shape follows from it."""

    @abstractmethod
    def bias_shape(self, weight: Shape) -> Shape:
        """Return the shape of the bias tensor of a layer with such weights."""

    def specs(self, weight: Shape) -> tuple[TensorSpec, ...]:
        """Return the tensors of a layer whose weights have such a shape."""
        specs = (TensorSpec("weights", "weight", weight),)
        if not self.include_bias:
            return specs
        return *specs, TensorSpec("biases", "bias", self.bias_shape(weight))

    def fill(self, module: nn.Module, weight: Shape, generator: torch.Generator) -> None:
        """Fill a module's weights, of a known shape, and its biases."""
        initialize(module.get_parameter("weight"), self.start(weight), generator)
        if self.include_bias:
            nn.init.constant_(module.get_parameter("bias"), self.init_bias)


class Shaped(Biased):
    """A layer with one weight tensor whose shape follows from the sources."""

    @abstractmethod
    def weight_shape(self, sources: Sequence[Shape]) -> Shape | None:
        """Return the shape of the weight tensor; None when the layer owns none."""

    def tensors(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[TensorSpec, ...]:
        del options
        weight = self.weight_shape(sources)
        return () if weight is None else self.specs(weight)

    def initialize(
        self, module: nn.Module, sources: Sequence[Shape], generator: torch.Generator
    ) -> None:
        weight = self.weight_shape(sources)
        if weight is not None:
            self.fill(module, weight, generator)
