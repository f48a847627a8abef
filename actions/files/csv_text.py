"""Delimited text, in two passes: the first finds the types over the whole file.

A column is int64 if all its values are whole numbers, else double if all are numbers, else text; so
one that begins with numbers and ends with words is text from its first row on. Empty fields are
missing, a column of nothing else is double.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
from pyarrow import csv

from actions.arrow_functions import pc
from actions.errors import InvalidFile
from actions.files.declared import ImportVars, converted, declared_types
from actions.files.rows import BATCH_ROWS, Rows, check_count, check_names
from actions.params import ActionParams

BLOCK_BYTES = 4 << 20
"""Text read at a time; no row is longer."""

Types = Mapping[str, pa.DataType]

LADDER: tuple[pa.DataType, ...] = (pa.int64(), pa.float64(), pa.string())
"""The types of a column, from the strictest on."""


class CsvOptions(ActionParams):
    """How delimited text is written, and what its columns are declared to be."""

    delimiter: str
    encoding: str
    get_names: bool
    vars: ImportVars = ()


def read_csv(path: Path, options: CsvOptions) -> Rows:
    """Open delimited text.

    Raises:
        InvalidFile: it is empty, is not text of that encoding, a row has more or fewer fields than
            the first (the message names the row), or a value is not of the type that is declared.
        ColumnNotFound: a column is declared that there is not.
    """
    names = _names(path, options)
    check_names(names)
    declared = declared_types(options.vars, names)
    rungs = {name: 0 for name in names if name not in declared}
    seen = dict.fromkeys(rungs, False)
    for batch in _blocks(path, options, dict.fromkeys(names, pa.string())):
        for name in rungs:
            column = pc.drop_null(batch.column(name))
            seen[name] = seen[name] or len(column) > 0
            rungs[name] = _climb(column, rungs[name])
    found: Types = {n: LADDER[rungs[n]] if seen[n] else pa.float64() for n in rungs}
    types: Types = {name: found.get(name, pa.string()) for name in names}
    schema = pa.schema([pa.field(name, declared.get(name, types[name])) for name in names])
    return Rows(schema, converted(_blocks(path, options, types), schema))


def scan_csv(
    path: Path, options: CsvOptions, schema: pa.Schema, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Read some columns again.

    Args:
        path: where the file lies.
        options: how it is written.
        schema: all its columns, as :func:`read_csv` found them.
        columns: the columns to read, at least one.

    Raises:
        InvalidFile: the file does not fit them any more.
    """
    return _blocks(path, options, {field.name: field.type for field in schema}, columns)


def _climb(column: "pa.Array[Any]", rung: int) -> int:
    """Return the first type from a rung on that holds a block's values."""
    for place in range(rung, len(LADDER) - 1):
        try:
            pc.cast(pc.utf8_trim_whitespace(cast("pa.StringArray", column)), LADDER[place])
        except pa.ArrowInvalid:
            continue
        return place
    return len(LADDER) - 1


def _names(path: Path, options: CsvOptions) -> list[str]:
    """Return the names in the first row, ``Var1`` and so on where there are none."""
    with _explained(path, options):
        found = _open(path, options, None).schema.names
    check_count(len(found))
    if not options.get_names:
        return [f"Var{place}" for place in range(1, len(found) + 1)]
    with _explained(path, options):
        first = _open(path, options, dict.fromkeys(found, pa.string())).read_next_batch()
    header = [column[0].as_py() for column in first.columns]
    return [(name or "").strip() or f"Var{at}" for at, name in enumerate(header, start=1)]


def _blocks(
    path: Path, options: CsvOptions, types: Types, columns: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    schema = pa.schema([pa.field(name, types[name]) for name in columns or types])
    with _explained(path, options):
        for batch in _open(path, options, types, int(options.get_names), columns):
            for first in range(0, batch.num_rows, BATCH_ROWS):
                part = batch.slice(first, BATCH_ROWS)
                yield pa.RecordBatch.from_arrays(part.columns, schema=schema)


def _open(
    path: Path,
    options: CsvOptions,
    types: Types | None,
    skip: int = 0,
    columns: Sequence[str] = (),
) -> csv.CSVStreamingReader:
    """Open the file, its columns called ``f0`` and so on unless types name them.

    Args:
        path: where it lies.
        options: how it is written.
        types: its columns.
        skip: rows to leave out at its beginning.
        columns: the columns to give; empty gives all.
    """
    read = csv.ReadOptions(
        block_size=BLOCK_BYTES,
        encoding=options.encoding,
        column_names=list(types) if types else None,
        autogenerate_column_names=not types,
        skip_rows_after_names=skip,
        use_threads=False,
    )
    parse = csv.ParseOptions(delimiter=options.delimiter, newlines_in_values=True)
    convert = csv.ConvertOptions(
        column_types=dict(types or {}),
        include_columns=list(columns),
        null_values=[""],
        strings_can_be_null=True,
    )
    return csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert)


@contextmanager
def _explained(path: Path, options: CsvOptions) -> Iterator[None]:
    try:
        yield
    except pa.ArrowInvalid as error:
        if path.stat().st_size == 0 or "Empty CSV" in str(error):
            raise InvalidFile("the file is empty, expected delimited text") from None
        reason = str(error).partition("\n")[0]
        if "straddling" in reason:
            reason = f"a row is longer than {BLOCK_BYTES} bytes, or a quote is never closed"
        raise InvalidFile(
            f"the file cannot be read as {options.encoding} text delimited by "
            f"{options.delimiter!r}: {reason}",
            encoding=options.encoding,
            delimiter=options.delimiter,
        ) from None
    except UnicodeDecodeError as error:
        raise InvalidFile(
            f"the file is not {options.encoding} text: byte {error.start} cannot be read",
            encoding=options.encoding,
        ) from None
