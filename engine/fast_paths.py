"""The ways to be fast that can be left out one by one, to find out which of them is to blame."""

from typing import Literal

FastPath = Literal[
    "channels-last",
    "cuda-graphs",
    "folding",
    "freezing",
    "fused-updates",
    "kept-memory",
    "overlap",
    "tf32",
    "winograd",
]
"""channels-last: images and filters lie map by map in every pixel. cuda-graphs: a training step is
recorded and replayed on a graphics processor. folding: batch normalisations in the weights before
them, and layers in forms that cannot be trained, for scoring. freezing: networks compiled into
machine code, for scoring. fused-updates: the update of all weights in one call. kept-memory: a
worker does not give freed memory back while it works. overlap: parts of a table are encoded and
scored side by side, and read and written beside that. tf32: products of float32 with ten bits of
the mantissa on a graphics processor. winograd: convolutions on a processor with fewer
multiplications, by loops in C."""

FastPaths = frozenset[FastPath]
NONE: FastPaths = frozenset()
