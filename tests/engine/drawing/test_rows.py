"""Rows of boxes: below their sources, in an order with few crossings."""

from itertools import pairwise

from engine.drawing.places import place
from engine.drawing.rows import Rows, in_rows


def names(rows: Rows) -> list[list[str | None]]:
    return [[spot.name for spot in row] for row in rows.rows]


def test_a_box_stands_below_all_its_sources() -> None:
    rows = in_rows([("a", []), ("b", ["a"]), ("c", ["b", "a"])])

    # the line from a to c passes the row of b
    assert [len(row) for row in rows.rows] == [1, 2, 1]
    assert sorted(str(name) for name in names(rows)[1]) == ["None", "b"]


def test_a_source_named_twice_is_one_line() -> None:
    rows = in_rows([("a", []), ("b", ["a", "a"])])

    assert len(rows.lines) == 1


def test_columns_are_sorted_so_that_their_lines_do_not_cross() -> None:
    boxes = [("a", []), ("b", []), ("c", ["b"]), ("d", ["a"])]

    assert names(in_rows(boxes)) in ([["a", "b"], ["d", "c"]], [["b", "a"], ["c", "d"]])


def test_a_chain_stands_straight_beside_the_line_that_goes_round() -> None:
    rows = in_rows([("a", []), ("b", ["a"]), ("c", ["b"]), ("d", ["c", "a"])])

    place(rows, 100.0, 10.0)

    column = [spot.x for row in rows.rows for spot in row if spot.name]
    assert max(column) - min(column) < 1.0


def test_neighbours_do_not_touch_and_nothing_is_left_of_the_edge() -> None:
    boxes = [
        ("a", []),
        *((f"b{at}", ["a"]) for at in range(5)),
        ("c", [f"b{at}" for at in range(5)]),
    ]
    rows = in_rows(boxes)

    width = place(rows, 100.0, 10.0)

    # five boxes of 100 and four gaps of 10
    assert abs(width - 540.0) < 0.01
    for row in rows.rows:
        assert all(right.x - left.x >= 109.99 for left, right in pairwise(row))
        assert all(spot.x >= 49.99 for spot in row)
    # their common source and their common end stand in the middle
    assert abs(rows.rows[0][0].x - 270.0) < 0.5
    assert abs(rows.rows[2][0].x - 270.0) < 0.5
