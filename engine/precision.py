"""The width of the numbers that a network computes with.

FP16 is bfloat16 where products are formed, in convolutions and matrices, and float32 everywhere
else: weights, the solver's state, statistics of batch normalisation, losses and the raw outputs.
bfloat16 has the eight bits of float32 for the exponent, so gradients do not vanish where those of
IEEE half precision (five bits) do, and losses need no scaling.

Source: PyTorch, "Automatic Mixed Precision", torch.autocast and its lists of operations; Kalamkar
et al., "A Study of BFLOAT16 for Deep Learning Training", 2019, section 3: no loss scaling.
"""

from contextlib import AbstractContextManager
from typing import Literal

import torch
from torch import Tensor

Precision = Literal["FP32", "FP16"]

HALF = torch.bfloat16


def in_halves(device: torch.device) -> AbstractContextManager[object]:
    """Return a block in which products are formed of bfloat16."""
    return torch.autocast(device.type, HALF)


def widened(value: Tensor) -> Tensor:
    """Return a result in float32, where it is narrower."""
    return value.float() if value.dtype == HALF else value


def multiplies_halves() -> bool:
    """Return whether this processor has instructions for products of bfloat16."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
