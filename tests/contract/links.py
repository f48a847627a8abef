"""What tests of linked tables share: stores of a kind, files, and links to them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from actions.context import Context
from actions.files.detect import ImportOptions
from actions.files.links import link_file
from actions.ports import Caslib, Name, Output, TableInfo
from server.store import SessionStores

NUMBERED = pa.schema([("n", pa.int64())]).append(pa.field("a.b", pa.string()))
LONG_AGO_NS = 1_500_000_000_123_456_000
"""2017-07-14 02:40:00.123456 UTC."""
CSV = "n,word,share\n1,one,0.5\n2,two,\n3,,1.5\n"

View = Context | SessionStores


@dataclass
class World:
    """A kind of store: sessions over it, and where the files lie."""

    open: Callable[[str], View]
    root: Path

    def caslib(self, view: View, name: str, *, in_session: bool = True) -> Path:
        """Add a caslib and return its folder."""
        folder = self.root / name
        folder.mkdir()
        view.caslibs.add(Caslib(name, folder, "session" if in_session else "global"))
        return folder


def link(
    mine: View, path: str, name: str = "t", caslib: str | None = None, **out: Any
) -> TableInfo:
    found = link_file(mine.caslibs.find(caslib), path, ImportOptions())
    return mine.tables.link(Output(Name(name), **out), found.schema, found.rows, found.link)


def read(mine: View, table: TableInfo, **cut: Any) -> list[dict[str, Any]]:
    batches = mine.tables.scan(table, **cut)
    return [row for batch in batches for row in batch.to_pylist()]


def write(path: Path, text: str = CSV) -> None:
    path.write_text(text)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))


def numbered(path: Path, groups: Sequence[int]) -> None:
    """Write a Parquet file of the numbers from 0 on, in groups of rows of given sizes."""
    with parquet.ParquetWriter(path, NUMBERED) as out:
        first = 0
        for size in groups:
            numbers = list(range(first, first + size))
            out.write_table(pa.table({"n": numbers, "a.b": [f"w{n}" for n in numbers]}))
            first += size
