import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

import pyarrow as pa
from pydantic import Field

from actions.answers import made
from actions.context import Context
from actions.errors import InvalidParameters
from actions.params import ActionParams, OutTable
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows

COLUMNS = pa.schema([(name, pa.string()) for name in ("Package", "Name", "Text")])
"""Columns of a table of functions."""

FUNCTION = re.compile(r"\bfunction\s+([a-z_]\w*)\s*\(.*?\bendsub\s*;", re.IGNORECASE | re.DOTALL)


class AddRoutinesParams(ActionParams):
    """Parameters of fcmpact.addRoutines."""

    later: ClassVar[Mapping[str, str]] = {
        "appendTable": "a table of functions is written as a whole",
        "saveTable": "write the table to a file with table.save",
    }

    routine_code: Annotated[tuple[str, ...], Field(min_length=1)]
    """Functions, each from ``function name(...);`` to ``endsub;``."""
    package: str = ""
    """A name for all of them, kept with them."""
    func_table: OutTable
    """Table of the functions, a row each: Package, Name, Text."""


@action("fcmpact.addRoutines")
def add_routines(ctx: Context, p: AddRoutinesParams) -> ActionResult:
    """Store functions in a table, to be called by their names.

    ``fcmpLearningRate`` of dlTrain and dlTune finds a function in a table of its own name, or in
    those of the session option ``cmplib``. What a function says is looked at where it is called.

    Raises:
        InvalidParameters: there is no function, or two of one name.
        TableExists: the name is taken and ``replace`` is false.
    """
    texts = [found for code in p.routine_code for found in FUNCTION.finditer(code)]
    names = [found[1].lower() for found in texts]
    if not names:
        raise InvalidParameters(
            "parameter 'routineCode' got no function, expected function name(...); ... endsub;",
            parameter="routineCode",
        )
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InvalidParameters(
            f"parameter 'routineCode' got the function {twice!r} twice, expected it once",
            parameter="routineCode",
        )
    columns = [[p.package] * len(names), names, [found[0] for found in texts]]
    arrays = [pa.array(column, pa.string()) for column in columns]
    batch = pa.RecordBatch.from_arrays(arrays, schema=COLUMNS)
    return made(store_rows(ctx, COLUMNS, [batch], p.func_table.output))
