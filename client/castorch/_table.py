"""A data table on the server: look at it, fetch it, keep it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from castorch._errors import InvalidInput, TableNotFound
from castorch._extras import need
from castorch._request import Request
from castorch._results import ResultTable, read_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from castorch._session import Session

BUFFER_BYTES = 1 << 20
ARROW = "application/vnd.apache.arrow.stream"
FORMATS = {
    ".csv": "text/csv",
    ".arrow": ARROW,
    ".arrows": ARROW,
    ".parquet": ARROW,
    ".safetensors": "application/octet-stream",
}


class Table:
    """A handle on a table; it holds the name, never the rows.

    Attributes:
        name: of the table, matched without regard to case.
        caslib: where it lives; None is the session's active one.
        where: a condition that goes with the handle wherever it is used; made by :meth:`only`.
    """

    def __init__(
        self, session: Session, name: str, caslib: str | None = None, *, where: str | None = None
    ) -> None:
        self._session = session
        self.name = name
        self.caslib = caslib
        self.where = where

    def __repr__(self) -> str:
        rest = "".join(
            f", {key}={value!r}"
            for key, value in (("caslib", self.caslib), ("where", self.where))
            if value is not None
        )
        return f"Table({self.name!r}{rest})"

    def to_wire(self) -> dict[str, str]:
        """Return the table as a parameter of an action."""
        return self._address() | ({} if self.where is None else {"where": self.where})

    def only(self, where: str) -> Table:
        """Return a handle on the rows that meet a condition, such as ``"age > 30"``."""
        both = where if self.where is None else f"({self.where}) and ({where})"
        return Table(self._session, self.name, self.caslib, where=both)

    @property
    def info(self) -> dict[str, Any]:
        """What the catalogue says about the table: name, rows, columns, ...

        Raises:
            TableNotFound: the session sees no such table.
        """
        return self._session.run("table.tableInfo", **self._address())["TableInfo"].records()[0]

    @property
    def rows(self) -> int:
        """Number of rows (that meet the handle's condition)."""
        counted = self._session.run("table.recordCount", table=self)
        return int(counted["RecordCount"].column("N")[0])

    @property
    def columns(self) -> list[str]:
        """Names of the columns, in order."""
        return [str(name) for name in self.column_info().column("Column")]

    def column_info(self) -> ResultTable:
        """Return name, type and further facts of each column."""
        return self._session.run("table.columnInfo", table=self._address())["ColumnInfo"]

    def exists(self) -> bool:
        """Return whether the session sees the table."""
        try:
            self.info  # noqa: B018 - asking is the point
        except TableNotFound:
            return False
        return True

    def fetch(
        self,
        columns: Sequence[str] = (),
        *,
        where: str | None = None,
        order_by: Sequence[str] = (),
        offset: int = 0,
        limit: int = 100,
    ) -> ResultTable:
        """Return a page of rows.

        Args:
            columns: names in the order wanted; none means all.
            where: a condition, such as ``"x > 1 and label = 'cat'"``.
            order_by: columns to sort by, each with `` desc`` behind it to turn it round.
            offset: rows to pass over.
            limit: rows to return at most; the server has a limit of its own.
        """
        query = self._query(columns, where, order_by) | {"from": offset, "to": offset + limit}
        body = self._session.send(Request("GET", self._path("/rows"), query=query)).json()
        return read_table(body, self.name)

    def to_arrow(
        self,
        columns: Sequence[str] = (),
        *,
        where: str | None = None,
        order_by: Sequence[str] = (),
    ) -> pa.Table:
        """Return all rows as an Arrow table.

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        need("pyarrow", "a table as Arrow", extra="arrow")
        with (
            self._pieces(ARROW, self._query(columns, where, order_by)) as pieces,
            _arrow_reader(pieces) as reader,
        ):
            table: pa.Table = reader.read_all()
        return table

    def to_pandas(
        self,
        columns: Sequence[str] = (),
        *,
        where: str | None = None,
        order_by: Sequence[str] = (),
    ) -> pd.DataFrame:
        """Return all rows as a data frame.

        Raises:
            MissingExtra: pandas or pyarrow is not installed.
        """
        need("pandas", "a table as a data frame", extra="pandas")
        return self.to_arrow(columns, where=where, order_by=order_by).to_pandas()

    def to_numpy(
        self, columns: Sequence[str] = (), *, where: str | None = None
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Return all rows as one NumPy array per column.

        Raises:
            MissingExtra: numpy or pyarrow is not installed.
        """
        need("numpy", "a table as arrays", extra="numpy")
        table = self.to_arrow(columns, where=where)
        return {
            name: table.column(name).to_numpy(zero_copy_only=False) for name in table.column_names
        }

    def save(self, path: str | Path, *, where: str | None = None) -> Path:
        """Write all rows to a local file, and return its path; nothing is left when it fails.

        Args:
            path: ends in ``.csv``, ``.arrow`` (a stream) or ``.parquet``; a store of
                dlExportModel becomes a model file in ``.safetensors``.
            where: a condition rows must meet.

        Raises:
            InvalidInput: the path has another ending.
            MissingExtra: pyarrow is not installed, and the ending asks for it.
        """
        target = Path(path)
        accept = FORMATS.get(target.suffix.lower())
        if accept is None:
            raise InvalidInput(
                f"the file {target.name!r} got the ending {target.suffix!r}, "
                f"expected one of {', '.join(FORMATS)}",
                path=str(target),
                endings=list(FORMATS),
            )
        partial = target.with_name(target.name + ".part")
        try:
            with self._pieces(accept, self._query((), where, ())) as pieces:
                write = _write_parquet if target.suffix.lower() == ".parquet" else _write
                write(pieces, partial)
            return partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def promote(self) -> Table:
        """Make the table visible to all sessions, and return it."""
        self._session.run("table.promote", **self._address())
        return self

    def drop(self) -> None:
        """Remove the table and its content.

        Raises:
            TableNotFound: the session sees no such table.
        """
        self._session.run("table.dropTable", **self._address())

    def _address(self) -> dict[str, str]:
        caslib = {} if self.caslib is None else {"caslib": self.caslib}
        return {"name": self.name} | caslib

    def _path(self, rest: str) -> str:
        return f"/v1/tables/{quote(self.name, safe='')}{rest}"

    def _query(
        self, columns: Sequence[str], where: str | None, order_by: Sequence[str]
    ) -> dict[str, str | int | bool | None]:
        filtered = self if where is None else self.only(where)
        return {
            "caslib": self.caslib,
            "columns": ",".join(columns) or None,
            "where": filtered.where,
            "orderBy": ",".join(order_by) or None,
        }

    @contextmanager
    def _pieces(
        self, accept: str, query: Mapping[str, str | int | bool | None]
    ) -> Iterator[Iterator[bytes]]:
        request = Request("GET", self._path("/rows"), query=query, headers={"Accept": accept})
        with self._session.download(request) as pieces:
            yield pieces


class Inbox(RawIOBase):
    """Pieces of bytes as a file to be read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = piece
        taken = self._left[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        return len(taken)


@contextmanager
def _arrow_reader(pieces: Iterator[bytes]) -> Iterator[Any]:
    """Give the batches of an Arrow stream while the block lasts."""
    ipc = need("pyarrow.ipc", "a table as Arrow", extra="arrow")
    file = BufferedReader(Inbox(pieces), BUFFER_BYTES)
    with file, ipc.open_stream(file) as reader:
        yield reader


def _write(pieces: Iterator[bytes], path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(pieces)


def _write_parquet(pieces: Iterator[bytes], path: Path) -> None:
    parquet = need("pyarrow.parquet", "saving as Parquet", extra="arrow")
    with (
        _arrow_reader(pieces) as reader,
        parquet.ParquetWriter(str(path), reader.schema) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)
