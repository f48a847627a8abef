"""Names of columns: as a table spells them, and as identifiers of SQL."""

from collections.abc import Sequence
from difflib import get_close_matches

from actions.errors import ColumnNotFound


def quoted(name: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def resolve(name: str, columns: Sequence[str], table: str = "the table") -> str:
    """Return a column's name as the table spells it.

    Raises:
        ColumnNotFound: the table has none of that name; the message names the nearest.
    """
    if name in columns:
        return name
    by_fold = {each.casefold(): each for each in columns}
    if name.casefold() in by_fold:
        return by_fold[name.casefold()]
    near = [by_fold[each] for each in get_close_matches(name.casefold(), by_fold, n=3)]
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ColumnNotFound(f"{table} has no column {name!r}{hint}", column=name, nearest=near)
