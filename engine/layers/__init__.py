"""All layer types; importing this package fills the registry."""

from engine.layers import (
    convolution,
    dense,
    input,  # noqa: A004 - the layer type's name
    merge,
    normalization,
    output,
    pooling,
)
from engine.layers.base import LAYERS

__all__ = [
    "LAYERS",
    "convolution",
    "dense",
    "input",
    "merge",
    "normalization",
    "output",
    "pooling",
]
