"""Columns of answers that hold values of numbers and of text side by side."""

from collections.abc import Sequence

from actions.analysis import Input, Value
from actions.answers import Declared
from actions.results import Cell


def level_columns(inputs: Sequence[Input]) -> Declared:
    """Return ``CharVar`` where there is text, and ``NumVar`` where there are numbers."""
    found: list[tuple[str, str]] = []
    if any(not each.is_number for each in inputs):
        found.append(("CharVar", "string"))
    if any(each.is_number for each in inputs):
        found.append(("NumVar", "double"))
    return found  # type: ignore[return-value]


def stored_level_columns(inputs: Sequence[Input]) -> dict[str, str]:
    """Return the names of these columns in a stored table."""
    return {name: f"_{name.capitalize()}_" for name, _ in level_columns(inputs)}


def level_values(inputs: Sequence[Input], column: Input, value: Value) -> list[Cell]:
    """Return the cells of these columns for a value of a column."""
    found: list[Cell] = []
    for name, _ in level_columns(inputs):
        if (name == "NumVar") == column.is_number:
            found.append("" if value is None and name == "CharVar" else value)
        else:
            found.append("" if name == "CharVar" else None)
    return found
