"""What modules that draw random numbers have in common."""

import torch
from torch import nn


class Chance(nn.Module):
    """A module that draws when it trains, from a generator that is handed in.

    Attributes:
        generator: on the device of the tensors; None is torch's own.
    """

    def __init__(self) -> None:
        super().__init__()
        self.generator: torch.Generator | None = None
