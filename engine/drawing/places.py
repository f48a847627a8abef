"""Where boxes stand in their rows: near what they are joined to, and apart from one another."""

from collections.abc import Sequence
from itertools import pairwise

from engine.drawing.rows import Rows, Spot

ROUNDS = 24
LINE_WEIGHT = 1e-3
"""How much it counts where a line goes round, beside a box: boxes stay, lines give way."""


def place(rows: Rows, box: float, gap: float) -> float:
    """Give every spot its x, the leftmost edge at 0, and return the width.

    Args:
        rows: what to place.
        box: width of a box, in pixels.
        gap: least distance of two neighbours, in pixels.
    """
    for row in rows.rows:
        _settle(row, [at * (box + gap) for at in range(len(row))], box, gap)
    for turn in range(ROUNDS):
        down = turn % 2 == 0
        for row in rows.rows if down else reversed(rows.rows):
            _settle(row, [_wanted(spot, down=down) for spot in row], box, gap)
    spots = [spot for row in rows.rows for spot in row]
    left = min((spot.x - _width(spot, box) / 2 for spot in spots), default=0.0)
    for spot in spots:
        spot.x -= left
    return max((spot.x + _width(spot, box) / 2 for spot in spots), default=0.0)


def _width(spot: Spot, box: float) -> float:
    return 0.0 if spot.goes_round else box


def _wanted(spot: Spot, *, down: bool) -> float:
    """Return the mean of what a spot is joined to on one side.

    Lines that go round count only where there is nothing else, so that a column of boxes stays
    straight beside them.
    """
    joined = spot.above if down else spot.below
    near = [each for each in joined if not each.goes_round] or joined
    return sum(each.x for each in near) / len(near) if near else spot.x


def _settle(row: Sequence[Spot], wanted: Sequence[float], box: float, gap: float) -> None:
    """Place a row as near as can be to where its spots want to be, in order and apart.

    Weighted least squares under order constraints: neighbours that want to change places share
    the mean (pool adjacent violators).
    """
    offsets = [0.0]
    for left, right in pairwise(row):
        offsets.append(offsets[-1] + (_width(left, box) + _width(right, box)) / 2 + gap)
    blocks: list[tuple[float, float, int]] = []
    for spot, want, offset in zip(row, wanted, offsets, strict=True):
        weight = LINE_WEIGHT if spot.goes_round else 1.0
        total, count = (want - offset) * weight, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / weight:
            more, heavier, others = blocks.pop()
            total, weight, count = total + more, weight + heavier, count + others
        blocks.append((total, weight, count))
    places = [total / weight for total, weight, count in blocks for _ in range(count)]
    for spot, x, offset in zip(row, places, offsets, strict=True):
        spot.x = x + offset
