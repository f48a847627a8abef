"""Parts of an image that may hold objects: proposed, and cut out of maps.

A region is (objectness, left, top, right, bottom), in pixels of the image; one without area is
none. Shape letters: N rows, R regions, A anchors of a place, B = H * W * A.
"""

import torch
from torch import Tensor, nn

from engine.modules.boxes import centred, corners, suppress

PROPOSAL_OVERLAP = 0.7
"""Most overlap of two proposals: Ren et al. (2015)."""
MOST_EXPONENT = 4.0
"""Largest logarithm by which a side grows."""
VALUES = 6
"""Of an anchor: background, object, and how to move and stretch it."""


def anchor_boxes(
    sides: tuple[tuple[float, float], ...], maps: tuple[int, int], image: tuple[int, int]
) -> Tensor:
    """Return anchors (B, 4), centre and size in pixels, cells row by row.

    Args:
        sides: width and height of every anchor, in pixels.
        maps: height and width of the maps.
        image: height and width of the image.
    """
    rows = (torch.arange(maps[0]) + 0.5) * (image[0] / maps[0])
    columns = (torch.arange(maps[1]) + 0.5) * (image[1] / maps[1])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    centres = torch.stack([x, y], dim=-1).reshape(-1, 1, 2).expand(-1, len(sides), -1)
    sizes = torch.tensor(sides).expand(len(centres), -1, -1)
    return torch.cat([centres, sizes], dim=-1).reshape(-1, 4)


def moved(boxes: Tensor, shifts: Tensor) -> Tensor:
    """Return boxes (..., 4) moved by shares of their size and stretched by exponentials."""
    centre = boxes[..., :2] + shifts[..., :2] * boxes[..., 2:]
    return torch.cat([centre, boxes[..., 2:] * shifts[..., 2:].clamp(max=MOST_EXPONENT).exp()], -1)


def shifts_to(boxes: Tensor, wanted: Tensor) -> Tensor:
    """Return the shifts (..., 4) that make boxes of others: the inverse of ``moved``."""
    sides = boxes[..., 2:].clamp(min=1e-6)
    centre = (wanted[..., :2] - boxes[..., :2]) / sides
    return torch.cat([centre, (wanted[..., 2:].clamp(min=1e-6) / sides).log()], -1)


def by_anchor(raw: Tensor) -> Tensor:
    """Return maps (N, A * 6, H, W) as values of anchors, (N, B, 6)."""
    return raw.permute(0, 2, 3, 1).reshape(len(raw), -1, VALUES)


class Proposals(nn.Module):
    """The best regions that anchors propose, and the values they were proposed from.

    Shapes: (N, A * 6, H, W) → (N, R, 5), and the source. No gradient goes through the regions.
    """

    anchors: Tensor

    def __init__(
        self, anchors: Tensor, image: tuple[int, int], candidates: tuple[int, int], regions: int
    ) -> None:
        super().__init__()
        self.register_buffer("anchors", anchors, persistent=False)
        self.image = image
        self.candidates = candidates
        self.regions = regions

    def forward(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        values = by_anchor(raw.detach())
        scores = values[..., :2].softmax(-1)[..., 1]
        boxes = moved(self.anchors.to(raw.device), values[..., 2:])
        found = [self._best(b, s) for b, s in zip(boxes, scores, strict=True)]
        return torch.stack(found), raw

    def _best(self, boxes: Tensor, scores: Tensor) -> Tensor:
        most = self.candidates[0] if self.training else self.candidates[1]
        top = scores.argsort(descending=True, stable=True)[:most]
        edges = clipped(corners(boxes[top]), self.image)
        kept = suppress(centred(edges), scores[top], torch.zeros_like(top), PROPOSAL_OVERLAP)
        kept = kept[: self.regions]
        regions = scores.new_zeros(self.regions, 5)
        regions[: len(kept), 0] = scores[top][kept]
        regions[: len(kept), 1:] = edges[kept]
        return regions


def clipped(edges: Tensor, image: tuple[int, int]) -> Tensor:
    """Return left, top, right and bottom (..., 4) within an image of a height and a width."""
    height, width = image
    most = edges.new_tensor([width, height, width, height])
    return torch.minimum(edges.clamp(min=0), most)


class RegionPooling(nn.Module):
    """The largest value of every part of every region, cut into a grid of equal size.

    A region's edges are rounded to whole cells of the maps, so that it has at least one; its parts
    are as even as they can be and may share cells.

    Shapes: (N, C, H, W) and (N, R, 5) → (N, R, C * height * width).

    Source: Girshick (2015) "Fast R-CNN".
    """

    def __init__(self, height: int, width: int, scale: float) -> None:
        super().__init__()
        self.size = (height, width)
        self.scale = scale

    def forward(self, maps: Tensor, regions: Tensor) -> Tensor:
        limit = maps.new_tensor([maps.shape[3], maps.shape[2]])
        first = (regions[..., 1:3].detach() * self.scale).round()
        last = (regions[..., 3:5].detach() * self.scale).round()
        first = torch.minimum(first.clamp(min=0), limit - 1).long()
        last = torch.maximum(torch.minimum(last, limit).long(), first + 1)
        edges = torch.cat([first, last], dim=-1).tolist()
        rows = [
            torch.stack([self._pooled(maps[row], region) for region in places])
            for row, places in enumerate(edges)
        ]
        return torch.stack(rows).flatten(2)

    def _pooled(self, maps: Tensor, region: list[int]) -> Tensor:
        left, top, right, bottom = region
        part = maps[:, top:bottom, left:right]
        return nn.functional.adaptive_max_pool2d(part, self.size)


class SideBySide(nn.Module):
    """What is said of every region, one after the other.

    Shapes: any number of (N, R, D) → (N, R, sum of D).
    """

    def forward(self, *sources: Tensor) -> Tensor:
        return torch.cat(sources, dim=2)
