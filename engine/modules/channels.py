"""How maps lie, and modules that deal out or mix them."""

import torch
from torch import Tensor, nn


def channels_last(x: Tensor) -> Tensor:
    """Return maps (N, C, H, W) that lie side by side in every pixel; themselves if they do."""
    return x.contiguous(memory_format=torch.channels_last)


def part_of(x: Tensor, place: int, parts: int) -> Tensor:
    """Return one of several equal runs of the maps, or features, of a batch.

    Shapes: (N, C, ...) → (N, C / parts, ...).
    """
    size = x.shape[1] // parts
    return x.narrow(1, place * size, size)


class Shuffle(nn.Module):
    """Take a map from every group in turn.

    Shapes: (N, C, H, W) → the same.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        groups = x.reshape(x.shape[0], self.groups, -1, *x.shape[2:])
        return groups.transpose(1, 2).flatten(1, 2)
