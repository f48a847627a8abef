from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from actions.analysis import Input, Study, study
from actions.answers import made
from actions.context import Context
from actions.errors import InvalidParameters, TooLarge
from actions.language.intervals import Interval
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.ports import TableInfo
from actions.registry import action
from actions.results import ActionResult
from actions.values import arrow_value
from actions.writing import store_rows

Accumulation = Literal[
    "TOTAL",
    "SUM",
    "AVERAGE",
    "AVG",
    "MINIMUM",
    "MIN",
    "MEDIAN",
    "MED",
    "MAXIMUM",
    "MAX",
    "N",
    "NMISS",
    "NOBS",
    "FIRST",
    "LAST",
    "STDDEV",
    "STD",
    "CSS",
    "USS",
]

SQL: dict[Accumulation, str] = {
    "TOTAL": "fsum({c})",
    "AVERAGE": "favg({c})",
    "MINIMUM": "min({c})",
    "MEDIAN": "median({c})",
    "MAXIMUM": "max({c})",
    "N": "count({c})::DOUBLE",
    "NMISS": "(count(*) - count({c}))::DOUBLE",
    "NOBS": "count(*)::DOUBLE",
    "FIRST": "arg_min({c}, (t, r))",
    "LAST": "arg_max({c}, (t, r))",
    "STDDEV": "stddev_samp({c})",
    "CSS": "CASE WHEN count({c}) > 0 THEN var_pop({c}) * count({c}) END",
    "USS": "fsum({c} * {c})",
}
"""What becomes of the values of an interval. FIRST and LAST go by time, then by row."""

SHORT: dict[Accumulation, Accumulation] = {
    "SUM": "TOTAL",
    "AVG": "AVERAGE",
    "MIN": "MINIMUM",
    "MED": "MEDIAN",
    "MAX": "MAXIMUM",
    "STD": "STDDEV",
}

MOST_ROWS = 50_000_000
"""Rows of a table of series: so many intervals of all groups together."""

_BATCH_ROWS = 8192


class SeriesSpec(ActionParams):
    """A column whose values are accumulated."""

    shorthand = "name"
    later: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("setMissing", "zeroMiss"), "a step without values is missing"
    )

    name: str
    """The column, of numbers."""
    acc: Accumulation = "TOTAL"
    """What becomes of the values of an interval."""


class TimeSeriesParams(ActionParams):
    """Parameters of timeData.timeSeries."""

    later: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("align", "boundaryAlign"), "a step is told by its beginning"),
        **dict.fromkeys(("tStart", "tEnd"), "series begin and end with their rows"),
        "setMissing": "a step without values is missing",
        "seasonality": "no season is fitted",
        "corrOut": "no correlations are computed",
    }

    table: TableRef
    """The table; each group of its ``groupBy`` is a series of its own."""
    time_id: Variable
    """The column of dates, moments or numbers."""
    series: tuple[SeriesSpec, ...] = Field(min_length=1)
    """The columns whose values are accumulated, and how."""
    interval: str
    """The step of the series: ``day``, ``week``, ``month``, ``qtr``, ``semiyear`` or ``year`` of
    dates; the same after ``dt``, or ``second``, ``minute`` or ``hour``, of moments; a number behind
    it makes it longer (``day7``)."""
    trim_id: Literal["BOTH", "LEFT", "RIGHT", "NONE"] = "BOTH"
    """Where a series ends with its own values, not with those of the longest group."""
    cas_out: OutTable
    """The table of series: the columns of groupBy, the beginning of the interval, the values."""
    sum_out: OutTable | None = None
    """A table with a row a group and series: counts, least, greatest, mean, deviation and sum."""


@dataclass(frozen=True)
class Accumulated:
    """The values of a group by the number of their interval, and the intervals it covers."""

    values: tuple[object, ...]
    cells: Mapping[int, tuple[float | None, ...]]
    first: int
    last: int

    @property
    def rows(self) -> int:
        return self.last - self.first + 1

    def row(self, number: int, series: int) -> tuple[float | None, ...]:
        """Return the values of an interval, missing where it has no row."""
        return self.cells.get(number, (None,) * series)


@action("timeData.timeSeries")
def time_series(ctx: Context, p: TimeSeriesParams) -> ActionResult:
    """Accumulate rows into series with a row for every interval of time, without gaps.

    Intervals without rows have missing values. Rows without a time are left out.

    Source: ACCUMULATE= and INTERVAL= of SAS time series procedures.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column holds no numbers or times, or the interval does not suit.
        InvalidExpression: ``where`` cannot be read.
        TooLarge: there would be more rows than a table of series may have.
        TableExists: the name is taken and ``replace`` is false.
    """
    interval = _interval(p.interval)
    names = tuple(Variable(name=each.name) for each in p.series)
    with study(ctx, p.table, (p.time_id, *names), wanted="numbers") as found:
        _check(interval, p.interval, found.inputs[0])
        groups = _covered(p, _accumulated(p, found, interval))
        made_rows = sum(each.rows for each in groups)
        if made_rows > MOST_ROWS:
            raise TooLarge(
                f"parameter 'interval' got {p.interval!r}, which makes {made_rows} rows, "
                f"expected at most {MOST_ROWS}",
                limit=MOST_ROWS,
            )
        schema = _schema(found)
        batches = _batches(found, groups, interval, schema)
        tables = [store_rows(ctx, schema, batches, p.cas_out.output)]
        if p.sum_out is not None:
            tables.append(_summary(ctx, p, p.sum_out, found, groups))
    return made(*tables)


def _interval(text: str) -> Interval:
    try:
        return Interval.read(text)
    except ValueError:
        raise InvalidParameters(
            f"parameter 'interval' got {text!r}, expected second, minute, hour, day, week, month, "
            "qtr, semiyear or year, of moments after dt, with a number behind it or without",
            parameter="interval",
            got=text,
        ) from None


def _check(interval: Interval, text: str, times: Input) -> None:
    """Refuse intervals of moments for dates, and of dates for moments."""
    is_wrong = (pa.types.is_date(times.type) and interval.is_of_seconds) or (
        pa.types.is_timestamp(times.type) and not interval.is_of_seconds
    )
    if is_wrong:
        held, wanted = (
            ("dates", "day, week, month, qtr, semiyear or year")
            if interval.is_of_seconds
            else ("moments", f"dt{interval.base}, or second, minute or hour")
        )
        raise InvalidParameters(
            f"parameter 'interval' got {text!r} for {times.name!r}, which holds {held}, "
            f"expected {wanted}",
            parameter="interval",
            got=text,
        )


def _accumulated(p: TimeSeriesParams, found: Study, interval: Interval) -> list[Accumulated]:
    """Return the groups that have times."""
    times = found.inputs[0].sql
    asked_times = f"SELECT DISTINCT {times} FROM rows WHERE {times} IS NOT NULL"  # noqa: S608 - ours
    known = [moment for (moment,) in found.ask(asked_times)]
    numbers = [interval.number(moment) for moment in known]
    table = pa.table({"t": pa.array(known, pa.float64()), "i": pa.array(numbers, pa.int64())})
    found.duck.register("numbers", table)
    asked = ", ".join(
        SQL[SHORT.get(each.acc, each.acc)].format(c=column.sql)
        for each, column in zip(p.series, found.inputs[1:], strict=True)
    )
    rows = found.by_group(
        f"SELECT g, i, {asked} FROM rows JOIN numbers ON rows.{times} = numbers.t GROUP BY g, i"  # noqa: S608 - our names
    )
    covered = []
    for group in found.groups:
        cells = {number: tuple(values) for number, *values in rows[group.number]}
        if cells:
            covered.append(Accumulated(group.values, cells, min(cells), max(cells)))
    if not covered:
        raise InvalidParameters(
            f"parameter 'timeId' got the column {found.inputs[0].name!r}, which has no value, "
            "expected one at least",
            parameter="timeId",
            got=found.inputs[0].name,
        )
    return covered


def _covered(p: TimeSeriesParams, groups: list[Accumulated]) -> list[Accumulated]:
    """Let groups begin and end together where they are not trimmed."""
    first, last = min(each.first for each in groups), max(each.last for each in groups)
    own_first, own_last = p.trim_id in ("BOTH", "LEFT"), p.trim_id in ("BOTH", "RIGHT")
    return [
        Accumulated(
            each.values,
            each.cells,
            each.first if own_first else first,
            each.last if own_last else last,
        )
        for each in groups
    ]


def _schema(found: Study) -> pa.Schema:
    fields = [pa.field(each.name, each.type) for each in (*found.by, found.inputs[0])]
    return pa.schema([*fields, *(pa.field(each.name, pa.float64()) for each in found.inputs[1:])])


def _keys(found: Study, group: Accumulated) -> list[object]:
    return [
        arrow_value(value, column.type) if isinstance(value, float) else value
        for column, value in zip(found.by, group.values, strict=True)
    ]


def _batches(
    found: Study, groups: list[Accumulated], interval: Interval, schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    series = len(found.inputs) - 1
    kind = found.inputs[0].type
    held: list[list[object]] = []
    for group in groups:
        keys = _keys(found, group)
        for number in range(group.first, group.last + 1):
            moment = arrow_value(interval.begin(number), kind)
            held.append([*keys, moment, *group.row(number, series)])
            if len(held) == _BATCH_ROWS:
                yield _batch(held, schema)
                held = []
    yield _batch(held, schema)


def _batch(rows: list[list[object]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array([row[at] for row in rows], each.type) for at, each in enumerate(schema)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _summary(
    ctx: Context, p: TimeSeriesParams, out: OutTable, found: Study, groups: list[Accumulated]
) -> TableInfo:
    """Store what the accumulated values of every series are like."""
    schema = pa.schema(
        [
            *(pa.field(each.name, each.type) for each in found.by),
            pa.field("_NAME_", pa.string()),
            *(pa.field(name, pa.int64()) for name in ("NOBS", "N", "NMISS")),
            *(pa.field(name, pa.float64()) for name in ("MIN", "MAX", "MEAN", "STDDEV", "SUM")),
        ]
    )
    rows = []
    for group in groups:
        for at, spec in enumerate(p.series):
            cells = (cells[at] for cells in group.cells.values())
            values = np.array([cell for cell in cells if cell is not None])
            counts = (group.rows, values.size, group.rows - values.size)
            rows.append([*_keys(found, group), spec.name, *counts, *_moments(values)])
    return store_rows(ctx, schema, [_batch(rows, schema)], out.output)


def _moments(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> tuple[float | None, ...]:
    """Return the least and greatest value, mean, deviation and sum."""
    if values.size == 0:
        return (None,) * 5
    deviation = float(values.std(ddof=1)) if values.size > 1 else None
    ends = float(values.min()), float(values.max())
    return (*ends, float(values.mean()), deviation, float(values.sum()))
