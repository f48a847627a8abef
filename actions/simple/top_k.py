from collections.abc import Iterator, Mapping
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
        for column in found.inputs:
            for number, levels in found.by_group(_sql(p, column)).items():
                rows[number] += _ranked(p, found, column, levels)
                misc[number].append(_rest(p, column, levels))
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


def _sql(p: TopKParams, column: Input) -> str:
    """Return the query of the values that may be told.

    A row is the group, the value, how often it occurs, its places from the top and the bottom, how
    many values the group has and in how many rows, and how many values are as frequent as the last
    one of the top.
    """
    c = column.sql
    key = "n" if p.order == "FREQ" else c
    top = f"{key} DESC NULLS LAST" + (f", {c} NULLS FIRST" if p.order == "FREQ" else "")
    bottom = f"{key} NULLS FIRST" + (f", {c} NULLS FIRST" if p.order == "FREQ" else "")
    where = "" if p.include_missing else f"WHERE {c} IS NOT NULL"
    ties = p.max_tie if p.order == "FREQ" and p.top_k else 0
    return (
        f"WITH level AS (SELECT g, {c}, count(*) AS n FROM rows {where} GROUP BY g, {c}), "  # noqa: S608 - our names
        "ranked AS (SELECT *, "
        f"row_number() OVER (PARTITION BY g ORDER BY {top}) AS t, "
        f"row_number() OVER (PARTITION BY g ORDER BY {bottom}) AS b, "
        "count(*) OVER (PARTITION BY g) AS levels, sum(n) OVER (PARTITION BY g) AS total "
        "FROM level), "
        f"last AS (SELECT g, n AS tied FROM ranked WHERE t = {max(p.top_k, 1)}) "
        f"SELECT g, {c}, n, t, b, levels, total FROM ranked LEFT JOIN last USING (g) "
        f"WHERE t <= {p.top_k} OR b <= {p.bottom_k} "
        f"OR (n = tied AND t <= {p.top_k + ties}) ORDER BY g, t"
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
