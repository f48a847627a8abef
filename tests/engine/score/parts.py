"""A table of images that is scored part by part."""

from copy import deepcopy

import torch
from torch import Tensor

from engine.compile.lower import CompiledModel
from engine.score.forms import Forward
from engine.score.frozen_form import Shop

IMAGES = torch.rand(100, 2, 6, 6, generator=torch.Generator().manual_seed(2))
ROWS = 4
"""Rows of a part; the images are 25 of them."""

Part = slice
PARTS = [slice(first, first + ROWS) for first in range(0, len(IMAGES), ROWS)]


def encode(part: Part) -> dict[str, Tensor]:
    return {"data": IMAGES[part]}


def forward(model: CompiledModel, shop: Shop) -> Forward[Part]:
    return Forward(model, shop, ROWS, encode)


def computed(forward: Forward[Part], lanes: int = 2) -> Tensor:
    """Return the raw outputs of all rows, and hold the parts to their order."""
    found = list(forward.stream(PARTS, lanes=lanes))
    assert [part for part, _ in found] == PARTS
    return torch.cat([outputs["out"] for _, outputs in found])


def spoilt(model: CompiledModel, **ways: bool) -> CompiledModel:
    """Return another model, as a fold that goes wrong would."""
    del ways
    other = deepcopy(model)
    for name, parameter in other.module.named_parameters():
        parameter.data.add_(1.0 if name.endswith("bias") else 0.0)
    return other
