"""Rows as JSON objects: one array of them, or one after another (newline-delimited).

Read in two passes, the first finds the columns and their types over the whole file: boolean, int64,
double, or text where values differ in kind. A key that is missing in a row, null, and NaN are
missing values.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from actions.errors import InvalidFile
from actions.files.rows import BATCH_ROWS, Rows, check_names

PIECE = 1 << 16
"""Characters read at a time."""
LONGEST_ROW = 16 << 20
"""Characters of one object."""

INT64 = range(-(2**63), 2**63)
LONGEST_INT64 = 20
"""Characters of the longest whole number in the range of int64; longer ones are read as double."""

Object = Mapping[str, object]

_SPACE = " \t\r\n"


def read_json(path: Path) -> Rows:
    """Open JSON rows.

    Raises:
        InvalidFile: it is no JSON of that form, or a value is an array or an object; the message
            names the row.
    """
    types: dict[str, pa.DataType] = {}
    for row, record in enumerate(_objects(path), start=1):
        for name, value in record.items():
            found = _type(value, name, row)
            types[name] = _common(types.get(name), found) if found else types.get(name, pa.null())
    check_names(list(types))
    fields = [(n, pa.float64() if pa.types.is_null(t) else t) for n, t in types.items()]
    schema = pa.schema([pa.field(name, kind) for name, kind in fields])
    return Rows(schema, _batches(path, schema))


def _batches(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    records = _objects(path)
    while rows := list(islice(records, BATCH_ROWS)):
        columns = [_column(rows, field) for field in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(rows: Sequence[Object], field: "pa.Field[Any]") -> "pa.Array[Any]":
    cells = [_cell(row.get(field.name), field.type) for row in rows]
    try:
        found: pa.Array[Any] = pa.array(cells, field.type)
    except UnicodeEncodeError:
        raise InvalidFile(
            f"the file has text in {field.name!r} that is not Unicode: half of a surrogate pair "
            "alone",
            column=field.name,
        ) from None
    return found


def _type(value: object, name: str, row: int) -> pa.DataType | None:
    match value:
        case None:
            return None
        case bool():
            return pa.bool_()
        case int():
            return pa.int64() if value in INT64 else pa.float64()
        case float():
            return pa.float64()
        case str():
            return pa.string()
    raise InvalidFile(
        f"row {row} of the file has {'an array' if isinstance(value, list) else 'an object'} in "
        f"{name!r}, expected text, a number, true, false or null",
        row=row,
        column=name,
    )


def _common(known: pa.DataType | None, found: pa.DataType) -> pa.DataType:
    if known is None or pa.types.is_null(known) or known == found:
        return found
    if {known, found} == {pa.int64(), pa.float64()}:
        return pa.float64()
    return pa.string()


def _cell(value: object, kind: pa.DataType) -> object:
    if value is None or isinstance(value, str):
        return value
    if pa.types.is_string(kind):
        return json.dumps(value)
    return float(value) if pa.types.is_floating(kind) and isinstance(value, int) else value


def _objects(path: Path) -> Iterator[Object]:
    with path.open(encoding="utf-8-sig") as file:
        try:
            yield from _parsed(file)
        except UnicodeDecodeError:
            raise InvalidFile("the file is not UTF-8 text, expected JSON rows") from None


def _parsed(file: TextIO) -> Iterator[Object]:
    """Yield the objects of an array or of lines, reading only as far as the next one's end."""
    decoder = json.JSONDecoder(parse_constant=_constant, parse_int=_whole)
    text, row = _unread(file, file.read(PIECE)), 0
    in_array = text.startswith("[")
    if in_array:
        text = _unread(file, text[1:])
    while text and not (in_array and text.startswith("]")):
        row += 1
        record, place, text = _next(decoder, file, text, row)
        yield record
        text = _unread(file, text[place:])
        if in_array and not text.startswith("]"):
            text = _after_comma(file, text, row)
    if in_array and not text:
        raise InvalidFile("the file ends inside an array, expected ']'")
    if _unread(file, text[1:]):
        raise InvalidFile("the file goes on behind the end of its array, expected nothing there")


def _after_comma(file: TextIO, text: str, row: int) -> str:
    """Return what follows the comma behind a row."""
    if not text:
        return text
    rest = _unread(file, text[1:])
    if not text.startswith(",") or rest.startswith("]"):
        got = "']'" if text.startswith(",") else repr(text[0])
        expected = "a row" if text.startswith(",") else "',' or ']'"
        raise InvalidFile(
            f"the file has {got} behind row {row} of its array, expected {expected}", row=row
        )
    return rest


def _next(decoder: json.JSONDecoder, file: TextIO, text: str, row: int) -> tuple[Object, int, str]:
    """Return the object a text begins with, where it ends, and the text read for it."""
    wanted = PIECE
    while True:
        try:
            record, place = decoder.raw_decode(text)
            break
        except (json.JSONDecodeError, RecursionError) as error:
            more = file.read(wanted)
            if not more or len(text) > LONGEST_ROW:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else "too deep"
                raise InvalidFile(
                    f"row {row} of the file is no JSON object: {reason}", row=row
                ) from None
            text, wanted = text + more, 2 * wanted
    if not isinstance(record, dict):
        raise InvalidFile(
            f"row {row} of the file is {type(record).__name__}, expected an object", row=row
        )
    return record, place, text


def _constant(name: str) -> None:
    if name != "NaN":
        raise InvalidFile(f"the file holds {name}, expected finite numbers")


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INT64 else float(digits)


def _unread(file: TextIO, text: str) -> str:
    """Return the text from its first character on that is no space, reading on for one."""
    while not (text := text.lstrip(_SPACE)) and (more := file.read(PIECE)):
        text = more
    return text
