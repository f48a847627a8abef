"""The ways to be fast that can be left out one by one, to find out which of them is to blame."""

from typing import Literal

FastPath = Literal[
    "channels-last",
    "cuda-graphs",
    "folding",
    "freezing",
    "fused-updates",
    "kept-memory",
    "loops",
    "overlap",
    "tf32",
]
"""channels-last: images and filters lie map by map in every pixel. cuda-graphs: a training step is
recorded and replayed on a graphics processor. folding: batch normalisations in the weights before
them, and layers in forms that cannot be trained, for scoring. freezing: networks compiled into
machine code, for scoring. fused-updates: the update of all weights in one call. kept-memory: a
worker does not give freed memory back while it works. loops: convolutions on a processor by loops
in C, with fewer multiplications or with the maximum that follows. overlap: parts of a table are
encoded and scored side by side, and read and written beside that. tf32: products of float32 with
ten bits of the mantissa on a graphics processor."""

FastPaths = frozenset[FastPath]
NONE: FastPaths = frozenset()
