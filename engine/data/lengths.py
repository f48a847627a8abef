"""How many steps of a row are true."""

import numpy as np
import numpy.typing as npt

from engine.data.columns import Columns, numbers, pick, row_count
from engine.errors import DataError

Lengths = npt.NDArray[np.int64]


def true_lengths(columns: Columns, name: str | None, steps: int, first_row: int) -> Lengths:
    """Return the number of true steps of every row.

    Args:
        columns: a batch.
        name: the variable that says it; None means that all steps are true.
        steps: the most there can be.
        first_row: 0-based row of the table where the batch begins, for messages.

    Raises:
        DataError: a length is missing, no whole number, zero or less, or more than there are steps.
    """
    if name is None:
        return np.full(row_count(columns), steps, dtype=np.int64)
    values = numbers(pick(columns, name), name, first_row)
    wrong = ~((values >= 1) & (values <= steps) & (values == np.floor(values)))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        got = "a missing value" if np.isnan(values[row]) else f"{values[row]:g}"
        raise DataError(
            f"column {name!r}, row {first_row + row} got {got}, expected the number of true steps, "
            f"1 to {steps}",
            column=name,
            row=first_row + row,
        )
    return values.astype(np.int64)
