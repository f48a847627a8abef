"""Which row a box stands in, and its turn inside the row.

Source: Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system
structures", 1981: longest paths, stand-ins on long lines, barycentres.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SWEEPS = 8


@dataclass
class Spot:
    """A box, or a place where a long line passes a row.

    Attributes:
        name: of the box; None where a line passes.
        row: from 0 at the top.
        goes_round: whether a line passes from a box that feeds others too.
        above: what it is joined to in the row above; ``below`` likewise.
        x: middle, in pixels.
    """

    name: str | None
    row: int
    goes_round: bool = False
    above: list["Spot"] = field(default_factory=list)
    below: list["Spot"] = field(default_factory=list)
    x: float = 0.0


@dataclass(frozen=True)
class Rows:
    """Boxes in rows.

    Attributes:
        rows: from the top, each from left to right.
        lines: from source to target, through the rows between.
    """

    rows: list[list[Spot]]
    lines: list[list[Spot]]


def in_rows(boxes: Sequence[tuple[str, Sequence[str]]]) -> Rows:
    """Return boxes in rows, each below all its sources, with few crossings.

    Args:
        boxes: name and sources, every box after its sources.
    """
    users = Counter(source for _, sources in boxes for source in dict.fromkeys(sources))
    spots: dict[str, Spot] = {}
    rows: list[list[Spot]] = []
    lines: list[list[Spot]] = []
    for name, sources in boxes:
        row = 1 + max((spots[source].row for source in sources), default=-1)
        spots[name] = _put(rows, Spot(name, row))
        # a source that is named twice is one line
        for source in dict.fromkeys(sources):
            goes_round = users[source] > 1
            lines.append(_line(rows, spots[source], spots[name], goes_round=goes_round))
    for sweep in range(SWEEPS):
        _sort(rows, down=sweep % 2 == 0)
    return Rows(rows, lines)


def _put(rows: list[list[Spot]], spot: Spot) -> Spot:
    while len(rows) <= spot.row:
        rows.append([])
    rows[spot.row].append(spot)
    return spot


def _line(rows: list[list[Spot]], start: Spot, end: Spot, *, goes_round: bool) -> list[Spot]:
    passed = [_put(rows, Spot(None, row, goes_round)) for row in range(start.row + 1, end.row)]
    line = [start, *passed, end]
    for upper, lower in pairwise(line):
        upper.below.append(lower)
        lower.above.append(upper)
    return line


def _sort(rows: Sequence[list[Spot]], *, down: bool) -> None:
    """Order every row by the mean place of what it is joined to in the row before."""
    ordered = rows if down else list(reversed(rows))
    turns: dict[int, int] = {}
    for row in ordered:
        before = {id(spot): at for at, spot in enumerate(row)}
        places = {
            id(spot): _mean(turns, spot.above if down else spot.below, before[id(spot)])
            for spot in row
        }
        row[:] = [spot for _, _, spot in sorted((places[id(s)], before[id(s)], s) for s in row)]
        turns = _turns(row)


def _turns(row: Iterable[Spot]) -> dict[int, int]:
    return {id(spot): at for at, spot in enumerate(row)}


def _mean(turns: Mapping[int, int], joined: Sequence[Spot], otherwise: float) -> float:
    if not joined:
        return otherwise
    return sum(turns[id(spot)] for spot in joined) / len(joined)
