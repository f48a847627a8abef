from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from actions.analysis import Input, Study, study
from actions.context import Context
from actions.grouped import Part, answer_or_store
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult, Cell
from actions.simple.levels import level_columns, level_values, stored_level_columns


class TopKParams(ActionParams):
    """Parameters of simple.topK."""

    later: ClassVar[Mapping[str, str]] = {
        "weight": "every row counts as one",
        "agg": "'order' says what ranks values",
        "repeated": "a column is described once, by itself",
        "resultOptions": "answers have one form",
    }

    table: TableRef
    """The table, its ``where``, and the ``groupBy`` that divides its rows."""
    inputs: tuple[Variable, ...] = ()
    """Columns of numbers or text; left out: all there are."""
    top_k: Annotated[int, Field(ge=0)] = 5
    """How many of the first values to give."""
    bottom_k: Annotated[int, Field(ge=0)] = 5
    """How many of the last values to give, the very last one first."""
    order: Literal["FREQ", "VALUE"] = "VALUE"
    """What ranks values: how often they occur, or how great they are."""
    max_tie: Annotated[int, Field(ge=0)] = 0
    """How many values that occur as often as the last one given are given beyond ``topK``."""
    include_missing: bool = True
    """Rank missing as a value of its own, below all others."""
    raw: bool = False
    """Accepted; values are told as they are, and as text in ``FmtVar``."""
    cas_out: OutTable | None = None
    """A table for the values, which are then not part of the answer."""


COLUMNS_AT_ONCE = 256
"""Columns in one query."""


@action("simple.topK")
def top_k(ctx: Context, p: TopKParams) -> ActionResult:
    """Return the first and the last values of columns, by size or by how often they occur.

    ``Score`` is how often a value occurs; ``TopkMisc`` tells how many values there are, and how
    many rows have none of those that are told.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column holds bytes.
        InvalidExpression: ``where`` cannot be read.
    """
    with study(ctx, p.table, p.inputs) as found:
        rows: dict[int, list[list[Cell]]] = {group.number: [] for group in found.groups}
        misc: dict[int, list[list[Cell]]] = {group.number: [] for group in found.groups}
        told = _levels(p, found)
        for column in found.inputs:
            for group in found.groups:
                levels = told.get((group.number, column.sql), [])
                rows[group.number] += _ranked(p, found, column, levels)
                misc[group.number].append(_rest(p, column, levels))
        columns = (
            ("Column", "string"),
            *level_columns(found.inputs),
            ("FmtVar", "string"),
            ("Rank", "int64"),
            ("Score", "double"),
        )
        stored = {
            "Column": "_Column_",
            **stored_level_columns(found.inputs),
            "FmtVar": "_Fmtvar_",
            "Rank": "_Rank_",
            "Score": "_Score_",
        }
        title = found.table.info.name.upper()
        return answer_or_store(
            ctx,
            found,
            p.cas_out,
            Part("Topk", columns, rows, f"Top Values for {title}", stored=stored),
            Part(
                "TopkMisc",
                (
                    ("Column", "string"),
                    ("N", "double"),
                    ("TruncatedTop", "double"),
                    ("TruncatedBottom", "double"),
                    ("ScoreOther", "double"),
                ),
                misc,
                f"Top Values for {title}, the Rest",
            ),
        )


def _levels(p: TopKParams, found: Study) -> dict[tuple[int, str], list[tuple[Any, ...]]]:
    """Return the values that may be told, by the group and the column.

    Many columns are asked for at once, as a query costs more than the values of a small table.
    """
    levels: dict[tuple[int, str], list[tuple[Any, ...]]] = {}
    for is_number in (True, False):
        columns = [each.sql for each in found.inputs if each.is_number == is_number]
        for first in range(0, len(columns), COLUMNS_AT_ONCE):
            for group, column, *level in found.ask(
                _sql(p, columns[first : first + COLUMNS_AT_ONCE])
            ):
                levels.setdefault((group, column), []).append(tuple(level))
    return levels


def _sql(p: TopKParams, columns: Sequence[str]) -> str:
    """Return the query of the values that may be told, of columns that hold the same kind.

    A row is the group, the column, the value, how often it occurs, its places from the top and the
    bottom, how many values the group has and in how many rows, and how many values are as frequent
    as the last one of the top.
    """
    key = "n" if p.order == "FREQ" else "v"
    top = f"{key} DESC NULLS LAST" + (", v NULLS FIRST" if p.order == "FREQ" else "")
    bottom = f"{key} NULLS FIRST" + (", v NULLS FIRST" if p.order == "FREQ" else "")
    where = "" if p.include_missing else "WHERE v IS NOT NULL"
    ties = p.max_tie if p.order == "FREQ" and p.top_k else 0
    names = ", ".join(columns)
    return (
        f"WITH cells AS (SELECT g, k, v FROM (SELECT g, {names} FROM rows) "  # noqa: S608 - our names
        f"UNPIVOT INCLUDE NULLS (v FOR k IN ({names}))), "
        f"level AS (SELECT g, k, v, count(*) AS n FROM cells {where} GROUP BY g, k, v), "
        "ranked AS (SELECT *, "
        f"row_number() OVER (PARTITION BY g, k ORDER BY {top}) AS t, "
        f"row_number() OVER (PARTITION BY g, k ORDER BY {bottom}) AS b, "
        "count(*) OVER (PARTITION BY g, k) AS levels, sum(n) OVER (PARTITION BY g, k) AS total "
        "FROM level), "
        f"last AS (SELECT g, k, n AS tied FROM ranked WHERE t = {max(p.top_k, 1)}) "
        "SELECT g, k, v, n, t, b, levels, total FROM ranked LEFT JOIN last USING (g, k) "
        f"WHERE t <= {p.top_k} OR b <= {p.bottom_k} "
        f"OR (n = tied AND t <= {p.top_k + ties}) ORDER BY g, k, t"
    )


def _ranked(
    p: TopKParams, found: Study, column: Input, levels: list[tuple[Any, ...]]
) -> Iterator[list[Cell]]:
    ties = p.max_tie if p.order == "FREQ" and p.top_k else 0
    last = levels[p.top_k - 1][1] if 0 < p.top_k <= len(levels) else None
    top = [
        each
        for each in levels
        if each[2] <= p.top_k or (each[2] <= p.top_k + ties and each[1] == last)
    ]
    bottom = sorted((each for each in levels if each[3] <= p.bottom_k), key=lambda each: each[3])
    for part in (top, bottom):
        for rank, (value, count, *_) in enumerate(part, start=1):
            values = level_values(found.inputs, column, value)
            yield [column.name, *values, column.shown(value), rank, float(count)]


def _rest(p: TopKParams, column: Input, levels: list[tuple[Any, ...]]) -> list[Cell]:
    if not levels:
        return [column.name, 0.0, 0.0, 0.0, 0.0]
    every, total = levels[0][4], levels[0][5]
    told = sum(each[1] for each in levels)
    return [
        column.name,
        float(every),
        float(every > p.top_k),
        float(every > p.bottom_k),
        float(total - told),
    ]
