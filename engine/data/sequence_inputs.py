"""Rows of a table as padded sequences with their true lengths.

Shape letters: N rows, T steps, D values a step.
"""

import numpy as np
import numpy.typing as npt

from engine.data.columns import Columns, Float64, Mask, numbers, pick, row_count
from engine.data.input_roles import present_cells, text_cell
from engine.data.lengths import Lengths, true_lengths
from engine.data.text import Embeddings, tokens
from engine.data.variables import Interval, SequenceInput, TextInput
from engine.errors import DataError

Float32 = npt.NDArray[np.float32]
Padded = tuple[Float32, Lengths]


def read_sequences(source: SequenceInput, columns: Columns, first_row: int, used: Mask) -> Padded:
    """Return the scaled values of all steps (N, T, D), zero where padded, and true lengths (N,).

    Raises:
        DataError: a cell is no number that float32 can hold, or a length is none.
    """
    lengths = true_lengths(columns, source.length, source.steps, first_row)
    encoded = np.zeros((len(used), *source.shape), dtype=np.float32)
    for place, name in enumerate(source.columns):
        step, value = divmod(place, len(source.values))
        true = lengths > step
        found = numbers(pick(columns, name), name, first_row)
        encoded[:, step, value] = _encoded(found, source.values[value], true, used)
    if np.isinf(encoded).any():
        row, step, value = (int(place[0]) for place in np.nonzero(np.isinf(encoded)))
        name = source.columns[step * len(source.values) + value]
        raise DataError(
            f"column {name!r}, row {first_row + row} got "
            f"{float(pick(columns, name)[row])!r}, expected a number that float32 can hold",
            column=name,
            row=first_row + row,
        )
    return encoded, lengths


def _encoded(found: Float64, value: Interval, true: Mask, used: Mask) -> Float32:
    """Return scaled values, zero where padded; a missing one is replaced, or drops its row."""
    absent = np.isnan(found) & true
    if value.missing is None:
        used &= ~absent
    filled = np.where(
        np.isnan(found), value.center if value.missing is None else value.missing, found
    )
    with np.errstate(over="ignore"):
        scaled = ((filled - value.center) / value.scale).astype(np.float32)
    return np.where(true, scaled, np.float32(0.0))


def read_texts(
    source: TextInput,
    embeddings: Embeddings,
    columns: Columns,
    first_row: int,
    used: Mask,
) -> Padded:
    """Return the vectors of all tokens (N, T, D), zero where padded, and true lengths (N,).

    A text is cut after T tokens; a token without a vector is zero; a row whose text is missing or
    blank is not used.

    Raises:
        DataError: a cell is no text.
    """
    used &= present_cells(columns, source.column)
    column = pick(columns, source.column)
    unknown = len(embeddings.terms)
    rows = np.full((row_count(columns), source.steps), unknown, dtype=np.int64)
    lengths = np.ones(len(rows), dtype=np.int64)
    for row in np.flatnonzero(used):
        words = tokens(text_cell(column[row], source.column, first_row + int(row)))
        found = embeddings.rows(words[: source.steps])
        rows[row, : len(found)] = found
        lengths[row] = max(1, len(found))
    return embeddings.matrix[rows], lengths


def usable(source: TextInput, given: Embeddings | None) -> Embeddings:
    """Return the embeddings of a text: those given, or those kept with the weights.

    Raises:
        DataError: none were given or kept, or those given are of another size.
    """
    embeddings = given or source.embeddings
    if not embeddings.terms:
        raise DataError(
            f"text {source.column!r} needs the embeddings {source.embeddings.table!r}, which are "
            "too large to be kept with the weights; expected textParms with initInputEmbeddings",
            column=source.column,
            table=source.embeddings.table,
        )
    if embeddings.size != source.embeddings.size:
        raise DataError(
            f"embeddings {embeddings.table!r} got vectors of {embeddings.size} values, expected "
            f"{source.embeddings.size}, as in training",
            got=embeddings.size,
            expected=source.embeddings.size,
        )
    return embeddings
