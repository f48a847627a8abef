"""Convolution without shared weights."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar, Literal

import torch
from torch import nn

from engine.layers.activations import activation
from engine.layers.base import BuildOptions, TensorSpec, layer_type
from engine.layers.filters import Filters
from engine.modules.convolution import LocalConvolution2d, Windows
from engine.modules.dropout import dropout
from engine.shapes import Shape, image


@layer_type
class LocalConvolution(Filters):
    """Slide filters over an image, with weights and a bias of their own at every place.

    A convo layer whose places share nothing; an extension of the dialect. All else is as in a convo
    layer; AUTO of ``act`` is RECTIFIER.

    Shapes: (C, H, W) → (nFilters, H', W'); weights (nFilters, H', W', C, height, width), biases
    (nFilters, H', W').

    Source: the locally connected layer of the deepLearn reference, facts F15 to F17.
    """

    code: ClassVar[int] = 101
    prefix: ClassVar[str] = "localconvopts"
    title: ClassVar[str] = "Locally Connected"

    type: Literal["localconvo"] = "localconvo"

    def tensors(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[TensorSpec, ...]:
        return self.specs(self._weight(sources, options))

    def multiply_adds(self, sources: Sequence[Shape], options: BuildOptions) -> int:
        return prod(self._weight(sources, options))

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        return LocalConvolution2d(
            self._weight(sources, options),
            Windows(*self.axes(sources, options), self.dilations()),
            activation(self.act, "RECTIFIER", self.fcmp_act),
            dropout(self.dropout, options.dropout_type),
            bias=self.include_bias,
        )

    def initialize(
        self, module: nn.Module, sources: Sequence[Shape], generator: torch.Generator
    ) -> None:
        del sources
        self.fill(module, tuple(module.get_parameter("weight").shape), generator)

    def fans(self, weight: Shape) -> tuple[int, int]:
        return prod(weight[3:]), weight[0] * prod(weight[4:])

    def bias_shape(self, weight: Shape) -> Shape:
        return weight[:3]

    def _weight(self, sources: Sequence[Shape], options: BuildOptions) -> Shape:
        height, width = self.axes(sources, options)
        return self.n_filters, height.out, width.out, image(sources)[0], *self.kernel()
