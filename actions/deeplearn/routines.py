"""Functions of learning rates that are called by their names.

Source: CAS REST dialect, optimizer pieces (12.3).
"""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from actions.context import Context
from actions.errors import InvalidParameters, TableNotFound
from actions.params import TableRef
from actions.reading import open_table
from engine.functions.function import LEARNING_RATE, is_name

PLATEAU = "reduce_lr_on_plateau"
COOL_DOWN = re.compile(r"\bcool_down_counter\s*=\s*(\d+)\s*;", re.IGNORECASE)
PATIENCE = re.compile(r"\bbad_epoch\s*>\s*(\d+)\s*then", re.IGNORECASE)


def with_routine(ctx: Context, optimizer: Any) -> Any:
    """Return an optimizer with the text of its learning-rate function in the place of its name.

    The function ``reduce_lr_on_plateau`` of the dialect's Python client becomes the policy of that
    name, with the constants its text holds: it reads a loss before there is one.

    Raises:
        InvalidParameters: there is no function of that name.
    """
    algorithm: BaseModel = optimizer.algorithm
    name = getattr(algorithm, "fcmp_learning_rate", None)
    if name is None or not is_name(name, LEARNING_RATE):
        return optimizer
    text = _text(ctx, name.strip().lower())
    cool_down, patience = COOL_DOWN.search(text), PATIENCE.search(text)
    if name.strip().lower() == PLATEAU and cool_down and patience:
        facts: dict[str, object] = {
            "learning_rate_policy": "REDUCELRONPLATEAU",
            "fcmp_learning_rate": None,
            "cool_down": int(cool_down[1]),
            "patience": int(patience[1]),
        }
    else:
        facts = {"learning_rate_policy": "FCMP", "fcmp_learning_rate": text}
    given = {each: getattr(algorithm, each) for each in algorithm.model_fields_set}
    try:
        found = type(algorithm).model_validate({**given, **facts})
    except ValueError as error:
        raise InvalidParameters(
            f"parameter 'optimizer.algorithm.fcmpLearningRate' got the name {name!r}: "
            f"{_reason(error)}",
            parameter="optimizer.algorithm.fcmpLearningRate",
        ) from None
    return optimizer.model_copy(update={"algorithm": found})


def _text(ctx: Context, name: str) -> str:
    for ref in _tables(ctx, name):
        try:
            table = open_table(ctx, ref, columns=("Name", "Text"))
        except TableNotFound:
            continue
        for batch in table.batches():
            for own, text in zip(*(each.to_pylist() for each in batch.columns), strict=True):
                if own == name:
                    return str(text)
    raise InvalidParameters(
        f"parameter 'optimizer.algorithm.fcmpLearningRate' got the name {name!r}, expected the "
        "text of a function, or the name of one that fcmpact.addRoutines stored in a table of its "
        "name or in one of the session option 'cmplib'",
        parameter="optimizer.algorithm.fcmpLearningRate",
        got=name,
    )


def _tables(ctx: Context, name: str) -> Iterator[TableRef]:
    libraries = ctx.session.options.get("cmplib")
    for each in libraries if isinstance(libraries, list) else [libraries or ""]:
        caslib, _, table = str(each).rpartition(".")
        if table:
            yield TableRef(name=table, caslib=caslib or None)
    yield TableRef(name=name)


def _reason(error: ValueError) -> str:
    errors = getattr(error, "errors", None)
    text = str(error) if errors is None else str(errors()[0]["msg"])
    return text.removeprefix("Value error, ")
