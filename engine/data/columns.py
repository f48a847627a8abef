"""Columns of a table as numpy arrays, and what their cells mean.

A table arrives in batches; a batch maps column names to arrays of equal length. Numeric columns
are float64 with NaN for missing, int64 or bool; character and binary columns are object arrays of
str or bytes with None for missing. A blank string is missing too, as in SAS.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from engine.errors import DataError

Column = npt.NDArray[Any]
Columns = Mapping[str, Column]
Mask = npt.NDArray[np.bool_]
Float64 = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

WHOLE_LIMIT = 1e15
"""Floats below this that are whole are written as integers; all of them are exact."""


def row_count(columns: Columns) -> int:
    """Return the number of rows of a batch.

    Raises:
        DataError: the columns differ in length.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"columns got lengths {lengths}, expected equal ones", lengths=lengths)
    return next(iter(lengths.values()), 0)


def find_name(names: Sequence[str], name: str) -> str | None:
    """Return the spelling of a column's name in a table; case does not matter unless it must."""
    if name in names:
        return name
    folded = name.casefold()
    return next((known for known in names if known.casefold() == folded), None)


def pick(columns: Columns, name: str) -> Column:
    """Return a column by its name, in any case.

    Raises:
        DataError: there is none; the message names the nearest.
    """
    found = find_name(list(columns), name)
    if found is None:
        no_such_column(list(columns), name)
    return columns[found]


def no_such_column(names: Sequence[str], name: str) -> NoReturn:
    """Raise the error for a column a table does not have.

    Raises:
        DataError: always.
    """
    folded = {known.casefold(): known for known in names}
    near = [folded[match] for match in get_close_matches(name.casefold(), folded, n=3)]
    hint = f"; did you mean {' or '.join(repr(match) for match in near)}?" if near else ""
    raise DataError(f"the table has no column {name!r}{hint}", column=name, nearest=near)


def is_character(column: Column) -> bool:
    """Return whether a column holds text (or bytes) and not numbers."""
    if column.dtype.kind != "O":
        return column.dtype.kind in "US"
    return any(isinstance(value, (str, bytes)) for value in column) or all(
        value is None for value in column
    )


def numbers(column: Column, name: str, first_row: int = 0) -> Float64:
    """Return a column as float64, NaN where missing.

    Args:
        column: the cells.
        name: the column's name, for messages.
        first_row: 0-based row of the table where the batch begins, for messages.

    Raises:
        DataError: a cell holds text, or is infinite.
    """
    if column.dtype.kind in "OUS":
        values = np.array(
            [_number(cell, name, first_row + row) for row, cell in enumerate(column)],
            dtype=np.float64,
        )
    elif column.dtype.kind in "biuf":
        values = column.astype(np.float64)
    else:
        raise DataError(
            f"column {name!r} got values of type {column.dtype}, expected numbers", column=name
        )
    if np.isinf(values).any():
        row = first_row + int(np.flatnonzero(np.isinf(values))[0])
        raise DataError(
            f"column {name!r}, row {row} got an infinite value, expected a finite number",
            column=name,
            row=row,
        )
    return values


def _number(cell: object, name: str, row: int) -> float:
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return float("nan")
    if isinstance(cell, (bool, int, float, np.number, np.bool_)):
        return float(cell)
    got = f"{len(cell)} bytes" if isinstance(cell, bytes) else shown(cell)
    raise DataError(
        f"column {name!r}, row {row} got {got}, expected a number", column=name, row=row
    )


def shown(cell: object) -> str:
    """Return a cell as a message shows it: a number of an array as a plain one."""
    return repr(cell.item() if isinstance(cell, np.generic) else cell)


def text_of(value: object) -> str | None:
    """Return a value's name as a level: what a reader of the table would call it.

    Whole numbers are written without a fraction (3, not 3.0), booleans as true and false; missing
    values and blank strings have no name.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return _float_text(float(value))
    return str(value)


def _float_text(value: float) -> str | None:
    if np.isnan(value):
        return None
    whole = value.is_integer() and abs(value) < WHOLE_LIMIT
    return str(int(value)) if whole else repr(value)


def level_codes(column: Column, codes: Mapping[str, int], unknown: int, missing: int) -> Codes:
    """Return each cell's code by the name of its level.

    Args:
        column: the cells.
        codes: code by name of level.
        unknown: code of a level that is not in ``codes``.
        missing: code of a missing cell.
    """
    values, positions = distinct(column)
    names = [text_of(value) for value in values]
    table = [missing if name is None else codes.get(name, unknown) for name in names]
    return np.array(table, dtype=np.int64)[positions]


def distinct(column: Column) -> tuple[list[object], Codes]:
    """Return the distinct values of a column in the order met, and each row's position in them."""
    if column.dtype.kind == "O":
        places: dict[object, int] = {}
        found = [places.setdefault(value, len(places)) for value in column]
        return list(places), np.array(found, dtype=np.int64)
    values, first, inverse = np.unique(column, return_index=True, return_inverse=True)
    by_first = np.argsort(first)
    rank = np.empty_like(by_first)
    rank[by_first] = np.arange(len(by_first))
    return list(values[by_first]), rank[inverse.reshape(-1)]
