"""Boxes in images: how much they overlap, and which of many to keep.

A box is (centre x, centre y, width, height), in any unit, on the last axis.
"""

import torch
from torch import Tensor

TINY = 1e-9
"""Least union of two boxes, so that boxes without area overlap by nothing."""


def corners(boxes: Tensor) -> Tensor:
    """Return boxes (..., 4) as left, top, right and bottom."""
    centre, sides = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centre - sides / 2, centre + sides / 2], dim=-1)


def centred(boxes: Tensor) -> Tensor:
    """Return boxes (..., 4) of left, top, right and bottom as centre, width and height."""
    first, second = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(first + second) / 2, second - first], dim=-1)


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Return intersection over union of boxes, (...,), of two arrays that broadcast."""
    first, second = corners(a), corners(b)
    low = torch.maximum(first[..., :2], second[..., :2])
    high = torch.minimum(first[..., 2:], second[..., 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1)
    union = a[..., 2:].prod(dim=-1) + b[..., 2:].prod(dim=-1) - shared
    return shared / union.clamp(min=TINY)


def shape_overlap(a: Tensor, b: Tensor) -> Tensor:
    """Return intersection over union of widths and heights (..., 2), as if centres were one."""
    shared = torch.minimum(a, b).prod(dim=-1)
    union = a.prod(dim=-1) + b.prod(dim=-1) - shared
    return shared / union.clamp(min=TINY)


def suppress(boxes: Tensor, scores: Tensor, groups: Tensor, most_overlap: float) -> Tensor:
    """Return the places of boxes to keep, best score first: greedy non-maximum suppression.

    A box goes if one of its group that is kept has a higher score and overlaps it by more than
    ``most_overlap``. Of equal scores the first wins.

    Args:
        boxes: (B, 4).
        scores: (B,).
        groups: (B,), such as classes.
        most_overlap: intersection over union.

    Source: Girshick et al. (2014), greedy suppression per class.
    """
    order = scores.argsort(descending=True, stable=True)
    ranked, kinds = boxes[order], groups[order]
    rivals = overlap(ranked[:, None], ranked[None]) > most_overlap
    rivals &= kinds[:, None] == kinds[None]
    beats = rivals.triu(1).cpu()
    kept = torch.ones(len(order), dtype=torch.bool)
    for place in range(len(order)):
        if kept[place]:
            kept &= ~beats[place]
    return order[kept.to(order.device)]
