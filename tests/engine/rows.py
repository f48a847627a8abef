"""Short ways to run one layer on numbers written by hand."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from engine.layers.base import BuildOptions, Layer
from engine.layers.convolution import Convolution
from engine.shapes import Shape

DEFAULTS = BuildOptions()
EQUAL = BuildOptions(force_equal_padding=True)


def image_row(values: Sequence[float]) -> Tensor:
    """Return one row of pixels as a batch (1, 1, 1, W)."""
    return torch.tensor([[[list(values)]]])


def built(
    layer: Layer, *sources: Shape, options: BuildOptions = DEFAULTS, seed: int = 1
) -> nn.Module:
    """Return a layer's module with its starting values."""
    module = layer.build(sources, options)
    layer.initialize(module, sources, torch.Generator().manual_seed(seed))
    return module


def convolve(
    pixels: Tensor, filter_: Tensor, *, options: BuildOptions = DEFAULTS, **given: int
) -> Tensor:
    """Return what a convolution layer makes of one image (H, W) with one filter and no bias."""
    height, width = filter_.shape
    layer = Convolution(
        n_filters=1, width=width, height=height, act="IDENTITY", include_bias=False, **given
    )
    module = layer.build([(1, *pixels.shape)], options)
    nn.init.zeros_(module.get_parameter("weight")).detach().copy_(filter_)
    result = module(pixels[None, None])
    assert isinstance(result, Tensor)
    return result.detach()[0, 0]


def line(pixels: Sequence[float], filter_: Sequence[float], **given: object) -> list[float]:
    """Return ``convolve`` of one row."""
    options = given.pop("options", DEFAULTS)
    assert isinstance(options, BuildOptions)
    numbers = {name: value for name, value in given.items() if isinstance(value, int)}
    result = convolve(torch.tensor([pixels]), torch.tensor([filter_]), options=options, **numbers)
    assert result.shape[0] == 1
    return [float(value) for value in result[0]]
