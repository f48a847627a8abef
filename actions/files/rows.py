"""What every reader of a file gives: columns that are known, and batches that are not yet read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from actions.arrow_functions import pc
from actions.errors import InvalidFile
from actions.params import NAME_LENGTH

BATCH_ROWS = 8192
"""Most rows in a batch."""
MOST_COLUMNS = 50_000
"""Most columns of a table; every one costs a little in every chunk of rows."""


@dataclass(frozen=True)
class Rows:
    """The rows of a file."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


def check_names(names: Sequence[str]) -> None:
    """Refuse columns that could not be told apart or shown.

    Raises:
        InvalidFile: there are none or too many, or a name is blank, too long, not printable, or
            there twice but for case.
    """
    if not names:
        raise InvalidFile("the file has no columns, expected at least one")
    check_count(len(names))
    seen: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if not name.strip() or len(name) > NAME_LENGTH or not name.isprintable():
            raise InvalidFile(
                f"column {place} of the file is named {name[:NAME_LENGTH]!r}, expected 1 to "
                f"{NAME_LENGTH} printable characters",
                column=place,
            )
        first = seen.setdefault(name.casefold(), place)
        if first != place:
            raise InvalidFile(
                f"columns {first} and {place} of the file are both named {name!r}, expected "
                "different names",
                column=name,
            )


def check_count(columns: int) -> None:
    """Refuse more columns than a table may have.

    Raises:
        InvalidFile: there are more than ``MOST_COLUMNS``.
    """
    if columns > MOST_COLUMNS:
        raise InvalidFile(
            f"the file has {columns} columns, expected at most {MOST_COLUMNS}",
            columns=columns,
            limit=MOST_COLUMNS,
        )


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Return the columns as they are stored: simple types only.

    Raises:
        InvalidFile: a column has a type a table cannot hold.
    """
    check_names(schema.names)
    fields = [pa.field(field.name, _plain(field.name, field.type)) for field in schema]
    return pa.schema(fields)


def _plain(name: str, kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.DictionaryType):
        return _plain(name, kind.value_type)
    for test, plain in _REPLACED:
        if test(kind):
            return plain
    if not any(test(kind) for test in _KEPT):
        raise InvalidFile(
            f"column {name!r} of the file has type {kind}, expected numbers, text, booleans, "
            "dates, times or bytes",
            column=name,
            type=str(kind),
        )
    return kind


_REPLACED = (
    (pa.types.is_large_string, pa.string()),
    (pa.types.is_string_view, pa.string()),
    (pa.types.is_large_binary, pa.binary()),
    (pa.types.is_binary_view, pa.binary()),
    (pa.types.is_fixed_size_binary, pa.binary()),
    (pa.types.is_decimal, pa.float64()),
    (pa.types.is_float16, pa.float32()),
    (pa.types.is_null, pa.float64()),
)

_KEPT = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_boolean,
    pa.types.is_string,
    pa.types.is_binary,
    pa.types.is_date,
    pa.types.is_time,
    pa.types.is_timestamp,
)


def plain(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield batches with the columns of :func:`plain_schema`."""
    for batch in batches:
        columns = [
            column if column.type == field.type else pc.cast(column, field.type)
            for column, field in zip(batch.columns, schema, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
