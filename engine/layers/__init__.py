"""All layer types; importing this package fills the registry."""

from engine.layers import (
    attention,
    channels,
    clustering,
    convolution,
    dense,
    detection,
    embedding,
    input,  # noqa: A004 - the layer type's name
    keypoints,
    local_convolution,
    merge,
    normalization,
    output,
    pooling,
    recurrent,
    regions,
    reshape,
    segmentation,
    survival,
    transposed,
)
from engine.layers.base import LAYERS

__all__ = [
    "LAYERS",
    "attention",
    "channels",
    "clustering",
    "convolution",
    "dense",
    "detection",
    "embedding",
    "input",
    "keypoints",
    "local_convolution",
    "merge",
    "normalization",
    "output",
    "pooling",
    "recurrent",
    "regions",
    "reshape",
    "segmentation",
    "survival",
    "transposed",
]
