"""Finding objects in two steps: regions first, then what is in them.

Shape letters: N rows, B anchors, R regions, K classes, M objects of a row.
"""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from engine.losses import Known, Report, Rows, Target
from engine.modules.boxes import centred, corners, overlap
from engine.modules.regions import anchor_boxes, by_anchor, clipped, moved, shifts_to
from engine.tasks.found import Limits

OBJECT_OVERLAP = 0.7
BACKGROUND_OVERLAP = 0.3
CLASS_OVERLAP = 0.5


@dataclass
class Draws:
    """How often samples were drawn in this run."""

    count: int = 0


@dataclass(frozen=True)
class Located(Rows):
    """What both steps share: true boxes in pixels, rows without objects have no fit error."""

    target: Target

    @property
    def image(self) -> tuple[int, int]:
        """Height and width in pixels."""
        assert self.target.image is not None  # noqa: S101 - objects lie in an image
        return self.target.image

    def known(self, target: Tensor) -> Known:
        every = torch.ones(len(target), dtype=torch.bool, device=target.device)
        return Known(target, every, (target[..., 0] >= 0).any(dim=1))

    def truth(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return which objects there are (N, M), and their boxes in pixels (N, M, 4)."""
        height, width = self.image
        scale = target.new_tensor([width, height, width, height])
        return target[..., 0] >= 0, target[..., 1:] * scale

    def overlaps(self, boxes: Tensor, target: Tensor) -> Tensor:
        """Return the overlap of boxes (N or 1, B, 4) with objects, (N, B, M)."""
        has, true = self.truth(target)
        return overlap(boxes.unsqueeze(2), true.unsqueeze(1)) * has.unsqueeze(1)

    def missed(self, boxes: Tensor, target: Tensor) -> Tensor:
        """Return one less the mean over objects of their best overlap with a box, (N,)."""
        best = self.overlaps(boxes, target).amax(dim=1)
        count = (target[..., 0] >= 0).sum(dim=1)
        return torch.where(count > 0, 1 - best.sum(dim=1) / count.clamp(min=1), 0.0)


@dataclass(frozen=True)
class Proposing(Located):
    """The loss of a region proposal network.

    An anchor is an object if it overlaps one by 0.7 or more than any other anchor does, and
    background if it overlaps none by 0.3. ``samples`` anchors of an image, at most half of them
    objects, are drawn; the loss is the mean of their cross-entropies, and of the smooth absolute
    error of the shifts of those that are objects. The fit error is one less the mean over objects
    of their overlap with the best of the ``limits.boxes`` likeliest regions.

    ``raw`` is (N, A * 6, H, W).

    Source: Ren et al. (2015) "Faster R-CNN", equation 1, both terms divided by the samples.
    """

    report: ClassVar[Report] = "proposals"

    sides: tuple[tuple[float, float], ...] = ()
    samples: int = 256
    limits: Limits = field(default_factory=lambda: Limits(0.5, 0.7, 300))
    draws: Draws = field(default_factory=Draws, compare=False)

    def anchors(self, raw: Tensor) -> Tensor:
        """Return the anchors of maps, (B, 4) in pixels."""
        maps = (raw.shape[2], raw.shape[3])
        return anchor_boxes(self.sides, maps, self.image).to(raw.device)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        self.draws.count += 1
        return self._loss(raw, target, self.draws.count)

    def scored_loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return self._loss(raw, target, 0)

    def _loss(self, raw: Tensor, target: Tensor, seed: int) -> Tensor:
        values, anchors = by_anchor(raw), self.anchors(raw)
        overlaps = self.overlaps(anchors.unsqueeze(0), target)
        best, places = overlaps.max(dim=2)
        champion = (overlaps == overlaps.amax(dim=1, keepdim=True)) & (overlaps > 0)
        positive = (best >= OBJECT_OVERLAP) | champion.any(dim=2)
        negative = (best < BACKGROUND_OVERLAP) & ~positive
        key = torch.rand(best.shape[1], generator=torch.Generator().manual_seed(seed))
        positive = _drawn(positive, key.to(raw.device), self.samples // 2)
        rest = self.samples - positive.sum(dim=1, keepdim=True)
        negative = _drawn(negative, key.to(raw.device), rest)
        chosen = positive | negative
        entropy = functional.cross_entropy(
            values[..., :2].transpose(1, 2), positive.long(), reduction="none"
        )
        _, true = self.truth(target)
        wanted = shifts_to(anchors, true.gather(1, places.unsqueeze(-1).expand(-1, -1, 4)))
        shift = functional.smooth_l1_loss(values[..., 2:], wanted, reduction="none").sum(dim=2)
        total = (entropy * chosen + shift * positive).sum(dim=1)
        return total / chosen.sum(dim=1).clamp(min=1)

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        values = by_anchor(raw)
        boxes = moved(self.anchors(raw), values[..., 2:])
        likely = (values[..., 1] - values[..., 0]).topk(min(self.limits.boxes, boxes.shape[1]), 1)
        told = boxes.gather(1, likely.indices.unsqueeze(-1).expand(-1, -1, 4))
        return self.missed(told, target)

    def predict(self, raw: Tensor) -> Tensor:
        """Return (N, B, 6): box in fractions of the image, objectness, and 1, of one class."""
        values = by_anchor(raw)
        boxes = moved(self.anchors(raw), values[..., 2:])
        likely = values[..., :2].softmax(-1)[..., 1:]
        return _fractions(boxes, torch.cat([likely, torch.ones_like(likely)], -1), self.image)


@dataclass(frozen=True)
class Recognising(Located):
    """The loss of classes and boxes of regions.

    ``raw`` (N, R, 5 (K + 1) + 5) is of every region the scores of background and classes, their
    shifts, and the region itself. A region that overlaps an object by 0.5 is of its class, any
    other one background; those without area do not count. The loss is the mean of the regions'
    cross-entropies and of the smooth absolute error of the shifts of those with a class.

    Source: Girshick (2015) "Fast R-CNN", equation 1.
    """

    report: ClassVar[Report] = "detection"

    classes: int = 1
    limits: Limits = field(default_factory=lambda: Limits(0.5, 0.3, 50))

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        scores, shifts, regions, has = self._parts(raw)
        best, places = self.overlaps(regions, target).max(dim=2)
        labels = target[..., 0].long().gather(1, places) + 1
        labels = torch.where(best >= CLASS_OVERLAP, labels, 0)
        entropy = functional.cross_entropy(scores.transpose(1, 2), labels, reduction="none")
        _, true = self.truth(target)
        wanted = shifts_to(regions, true.gather(1, places.unsqueeze(-1).expand(-1, -1, 4)))
        own = _of_class(shifts, labels)
        shift = functional.smooth_l1_loss(own, wanted, reduction="none").sum(dim=2)
        total = ((entropy + shift * (labels > 0)) * has).sum(dim=1)
        return total / has.sum(dim=1).clamp(min=1)

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        return self.missed(self._boxes(raw), target)

    def predict(self, raw: Tensor) -> Tensor:
        """Return (N, R, 5 + K): box of the likeliest class, 1 or 0 without area, probabilities."""
        scores, _, _, has = self._parts(raw)
        known = torch.cat([has.unsqueeze(-1).to(raw.dtype), scores.softmax(-1)[..., 1:]], -1)
        return _fractions(self._boxes(raw), known, self.image)

    def _boxes(self, raw: Tensor) -> Tensor:
        scores, shifts, regions, _ = self._parts(raw)
        return moved(regions, _of_class(shifts, scores[..., 1:].argmax(-1) + 1))

    def _parts(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        kinds = self.classes + 1
        scores, shifts, regions = torch.split(raw, [kinds, 4 * kinds, 5], dim=2)
        boxes = centred(regions[..., 1:]).detach()
        return scores, shifts, boxes, (boxes[..., 2:] > 0).all(dim=-1)


def _drawn(mask: Tensor, key: Tensor, most: int | Tensor) -> Tensor:
    """Return a mask (N, B) with at most so many of its places left, those of the least keys."""
    ranks = key.expand_as(mask).masked_fill(~mask, 2.0).argsort(dim=1).argsort(dim=1)
    return mask & (ranks < most)


def _of_class(shifts: Tensor, labels: Tensor) -> Tensor:
    """Return the shifts (N, R, 4) of a class each, of those of all."""
    each = shifts.reshape(*labels.shape, -1, 4)
    return each.gather(2, labels[..., None, None].expand(-1, -1, 1, 4)).squeeze(2)


def _fractions(boxes: Tensor, values: Tensor, image: tuple[int, int]) -> Tensor:
    """Return boxes cut off at the image's edges, in fractions of it, with values beside them."""
    height, width = image
    inside = centred(clipped(corners(boxes), image))
    return torch.cat([inside / inside.new_tensor([width, height, width, height]), values], -1)
