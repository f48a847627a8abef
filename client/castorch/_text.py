"""Tables as plain text for people: aligned columns, numbers to the right."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

WIDEST = 100  # characters of one cell; longer text is cut


def format_cell(value: Any) -> str:
    """Return a value as it is shown: thousands marked, six digits of a fraction, moments in UTC."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    text = " ".join(str(value).split())
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."


def format_table(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    title: str = "",
    footer: Sequence[Any] | None = None,
) -> str:
    """Return a table as text, without trailing blanks.

    A column of numbers only is aligned to the right, any other to the left.

    Args:
        names: headings.
        rows: values.
        title: a line above the table.
        footer: values of a last row, under a rule.
    """
    cells = [[format_cell(value) for value in row] for row in rows]
    last = [] if footer is None else [[format_cell(value) for value in footer]]
    widths = [
        max([len(name), *(len(row[i]) for row in (*cells, *last))]) for i, name in enumerate(names)
    ]
    numeric = [_is_numeric([row[i] for row in rows]) for i in range(len(names))]
    rule = "  ".join("-" * width for width in widths)
    lines = [_line(names, widths, numeric), rule, *(_line(row, widths, numeric) for row in cells)]
    for row in last:
        lines += [rule, _line(row, widths, numeric)]
    return "\n".join([title, *lines] if title else lines)


def _is_numeric(values: Sequence[Any]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in present
    )


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    )
    return "  ".join(padded).rstrip()
