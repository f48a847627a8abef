"""Slow and plain references for what finds objects, in Python alone."""

from collections.abc import Sequence

Box = Sequence[float]


def brute_overlap(a: Box, b: Box) -> float:
    """Return intersection over union of boxes of centre, width and height."""
    sides = []
    for axis in (0, 1):
        low = max(a[axis] - a[axis + 2] / 2, b[axis] - b[axis + 2] / 2)
        high = min(a[axis] + a[axis + 2] / 2, b[axis] + b[axis + 2] / 2)
        sides.append(max(0.0, high - low))
    shared = sides[0] * sides[1]
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union else 0.0


def brute_suppress(
    boxes: Sequence[Box], scores: Sequence[float], groups: Sequence[int], most: float
) -> list[int]:
    """Return the places of boxes kept, best score first."""
    kept: list[int] = []
    for place in sorted(range(len(boxes)), key=lambda each: -scores[each]):
        rivals = [other for other in kept if groups[other] == groups[place]]
        if all(brute_overlap(boxes[place], boxes[other]) <= most for other in rivals):
            kept.append(place)
    return kept
