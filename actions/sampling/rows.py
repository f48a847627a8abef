"""Choosing rows at random: the parameters and the work that both samplings share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from actions.answers import output_tables, result_table
from actions.context import Context
from actions.errors import InvalidParameters
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.reading import OpenTable, open_table
from actions.results import ActionResult
from actions.writing import store_rows

Percent = Annotated[float, Field(gt=0, le=100)]

REST, FIRST, SECOND = 0, 1, 2
"""Values of the partition column: not sampled, the first sample, the second."""


class SampleOutput(ActionParams):
    """What a sampling writes."""

    later: ClassVar[Mapping[str, str]] = {
        "freqName": "a row is in a sample once",
        "partIndName2": "one column tells both samples apart",
    }

    cas_out: OutTable
    """The table to write."""
    copy_vars: tuple[Variable, ...] | Literal["ALL", "ALL_NUMERIC", "ALL_NOMINAL"] = "ALL"
    """Columns to copy."""
    part_ind_name: str = "_PartInd_"
    """Name of the column that tells samples apart."""


class SampleParams(ActionParams):
    """Parameters of a sampling."""

    later: ClassVar[Mapping[str, str]] = {
        "fixedObs": "samples are said in percent",
        "sampPctName": "percentages hold for all strata",
    }

    table: TableRef
    """The table, and the ``where`` that chooses rows."""
    output: SampleOutput
    """What is written."""
    samp_pct: Percent | None = None
    """Percent of the rows in the first sample."""
    samp_pct2: Annotated[float, Field(ge=0, lt=100)] = 0.0
    """Percent of the rows in the second sample; needs ``partInd``."""
    part_ind: bool = False
    """Write all rows, with a column that is 1 in the first sample, 2 in the second, else 0; without
    it only the rows of the sample are written."""
    seed: int = 0
    """Seed of the choice; with 0, or below, every call chooses anew."""


@dataclass(frozen=True)
class Shares:
    """How many rows of a group are in either sample."""

    first: int
    second: int


def shares(params: SampleParams, rows: int) -> Shares:
    """Return how many of some rows the samples take, rounded to the nearest."""
    assert params.samp_pct is not None  # noqa: S101 - checked before
    first = min(rows, int(rows * params.samp_pct / 100 + 0.5))
    second = min(rows - first, int(rows * params.samp_pct2 / 100 + 0.5))
    return Shares(first, second)


def check(params: SampleParams) -> None:
    """Check what the fields cannot.

    Raises:
        InvalidParameters: there is no percentage, both exceed all, or a second has no column.
    """
    if params.samp_pct is None:
        raise InvalidParameters("parameter 'sampPct' is required", parameter="sampPct")
    if params.samp_pct + params.samp_pct2 > 100:
        raise InvalidParameters(
            f"parameters 'sampPct' and 'sampPct2' got {params.samp_pct:g} and "
            f"{params.samp_pct2:g}, expected at most 100 together",
            parameter="sampPct2",
        )
    if params.samp_pct2 and not params.part_ind:
        raise InvalidParameters(
            "parameter 'sampPct2' got a value without 'partInd', expected partInd to be true",
            parameter="sampPct2",
        )


def generator(seed: int) -> np.random.Generator:
    """Return random numbers that a positive seed repeats."""
    return np.random.default_rng(seed if seed > 0 else None)


def chosen(
    rows: int, taken: Shares, random: np.random.Generator
) -> "np.ndarray[tuple[int], np.dtype[np.int8]]":
    """Return the sample of each of some rows, without replacement."""
    parts = np.full(rows, REST, np.int8)
    places = random.permutation(rows)
    parts[places[: taken.first]] = FIRST
    parts[places[taken.first : taken.first + taken.second]] = SECOND
    return parts


def copied(params: SampleParams, schema: pa.Schema) -> tuple[str, ...]:
    """Return the columns to copy; empty for all."""
    wanted = params.output.copy_vars
    if isinstance(wanted, tuple):
        return tuple(each.name for each in wanted)
    if wanted == "ALL":
        return ()
    is_text = wanted == "ALL_NOMINAL"
    return tuple(each.name for each in schema if pa.types.is_string(each.type) == is_text)


def source(ctx: Context, params: SampleParams) -> OpenTable:
    """Return the table with the columns to copy."""
    ref = params.table.model_copy(update={"group_by": ()})
    return open_table(ctx, ref, columns=copied(params, open_table(ctx, ref).schema))


def write(
    ctx: Context,
    params: SampleParams,
    parts: "np.ndarray[tuple[int], np.dtype[np.int8]]",
    counts: Sequence[tuple[str | float | None, int, int, int]],
) -> ActionResult:
    """Write the rows with their samples, and tell how many there are.

    Raises:
        InvalidParameters: the table has a column of the name of the partition column.
        TableExists: the name is taken and ``replace`` is false.
    """
    table = source(ctx, params)
    name = params.output.part_ind_name
    schema = table.schema
    if params.part_ind:
        if name.casefold() in map(str.casefold, schema.names):
            raise InvalidParameters(
                f"parameter 'output.partIndName' got {name!r}, which is a column of "
                f"{table.label}, expected another name",
                parameter="output.partIndName",
            )
        schema = schema.append(pa.field(name, pa.float64()))
    info = store_rows(ctx, schema, _rows(table, parts, schema), params.output.cas_out.output)
    names = ("Group", "NObs", "NSamp", "NSamp2")
    rows = [(str(group or ""), every, first, second) for group, every, first, second in counts]
    frequencies = result_table(
        tuple((each, "string" if each == "Group" else "int64") for each in names), rows, "Samples"
    )
    return ActionResult(tables={"SRSFreq": frequencies, "OutputCasTables": output_tables(info)})


def _rows(
    table: OpenTable, parts: "np.ndarray[tuple[int], np.dtype[np.int8]]", schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    at = 0
    has_column = len(schema) > len(table.schema)
    for batch in table.batches():
        own = parts[at : at + batch.num_rows]
        at += batch.num_rows
        if has_column:
            column = pa.array(own.astype(np.float64))
            yield pa.RecordBatch.from_arrays([*batch.columns, column], schema=schema)
        else:
            yield batch.filter(pa.array(own == FIRST))
