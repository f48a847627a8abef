"""Tables that are links to Parquet files or delimited text, read again with every scan."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from actions.errors import CaslibNotFound, Conflict, FileNotFound, InvalidFile, InvalidParameters
from actions.file_link import FileLink
from actions.files.columnar import count_parquet, scan_parquet
from actions.files.csv_text import scan_csv
from actions.files.detect import ImportOptions, csv_options, open_rows, settle
from actions.paths import existing, inside
from actions.ports import Caslib, Output, TableInfo
from actions.query import sliced

EXPECTED = "expected a Parquet file or delimited text; load it without link"


@dataclass(frozen=True)
class LinkedFile:
    """A file that was looked through: what a table that is a link to it has to know."""

    link: FileLink
    schema: pa.Schema
    rows: int


def link_file(caslib: Caslib, path: str, options: ImportOptions) -> LinkedFile:
    """Look a file through: its columns, the number of its rows, its size and age.

    Delimited text is read whole, so that its types hold for every row; of a Parquet file, only what
    it says of itself is read.

    Raises:
        PathForbidden: the path leads out of the caslib.
        FileNotFound: there is no such file.
        InvalidParameters: it is a folder, or a file of another kind.
        InvalidFile: it is not what it claims to be.
    """
    place = existing(caslib, path)
    if place.is_dir():
        raise InvalidParameters(
            f"parameter 'link' got the folder {path!r}, {EXPECTED}", parameter="link", path=path
        )
    settled = settle(place, options)
    if settled.file_type not in ("PARQUET", "CSV"):
        raise InvalidParameters(
            f"parameter 'link' got {path!r}, a file of type {settled.file_type}, {EXPECTED}",
            parameter="link",
            path=path,
        )
    facts = place.stat()  # before it is read: a change from now on is one the readers find
    rows = open_rows(place, settled)
    if settled.file_type == "PARQUET":
        count = count_parquet(place)
    else:
        count = sum(batch.num_rows for batch in rows.batches)
    link = FileLink(caslib.name, path, *_mark(facts), settled.model_dump(exclude_defaults=True))
    return LinkedFile(link, rows.schema, count)


@dataclass(frozen=True)
class Link:
    """A table that is a link, ready to be read.

    Attributes:
        caslib: the caslib its file lies in, None if it was dropped.
    """

    table: TableInfo
    file: FileLink
    schema: pa.Schema
    caslib: Caslib | None

    def scan(
        self, columns: Sequence[str] | None, first: int, last: int
    ) -> Iterator[pa.RecordBatch]:
        """Read some columns and rows of the file, which must be as it was when it was linked.

        Args:
            columns: their names, which exist; None reads all.
            first: row to begin with, counted from 0.
            last: row to stop before.

        Raises:
            CaslibNotFound: the caslib was dropped.
            PathForbidden: the path leads out of the caslib by now.
            FileNotFound: the file was moved or removed.
            Conflict: the file was changed.
            InvalidFile: the file is damaged.
        """
        names = self.schema.names if columns is None else list(columns)
        return self._watched(self._place(), names, first, last)

    def _watched(
        self, place: Path, names: list[str], first: int, last: int
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows, each batch only when the file was still the same after it was read."""
        try:
            for batch in self._read(place, names or self.schema.names[:1], first, last):
                self._place()
                yield batch.select(names)
        except (InvalidFile, OSError):
            self._place()
            raise

    def _read(
        self, place: Path, names: list[str], first: int, last: int
    ) -> Iterator[pa.RecordBatch]:
        options = ImportOptions.model_validate(self.file.reading)
        distinct = list(dict.fromkeys(names))
        if options.file_type == "PARQUET":
            fields = pa.schema([self.schema.field(name) for name in distinct])
            return scan_parquet(place, fields, first, last)
        batches = scan_csv(place, csv_options(options), self.schema, distinct)
        return sliced(batches, first, last - first)

    def _place(self) -> Path:
        """Return where the file lies, if it is the one that was linked."""
        what = f"the table {self.table.name!r} is a link to {self.file.path!r}"
        details = {
            "table": self.table.name,
            "caslib": self.file.caslib,
            "path": self.file.path,
        }
        if self.caslib is None:
            raise CaslibNotFound(
                f"{what} in caslib {self.file.caslib!r}, which was dropped, expected the caslib to "
                "be there; add it and load the file again",
                **details,
            )
        place = inside(self.caslib, self.file.path)
        expected = _told(self.file.size_bytes, self.file.modified_ns)
        try:
            found = place.stat()
        except OSError:
            raise FileNotFound(
                f"{what} and got no such file in caslib {self.file.caslib!r}, expected one of "
                f"{expected}; put it back or load it again",
                **details,
            ) from None
        if _mark(found) != (self.file.size_bytes, self.file.modified_ns):
            raise Conflict(
                f"{what} and got a file of {_told(*_mark(found))} in caslib "
                f"{self.file.caslib!r}, expected one of {expected}; load it again",
                **details,
            )
        return place


def hidden_file(output: Output, caslib: str) -> InvalidParameters:
    """Return the error of a link that sessions would see which do not see its file."""
    return InvalidParameters(
        f"the table {output.name.name!r} cannot be global: it is a link to a file of caslib "
        f"{caslib!r}, which not everybody sees; copy it with table.partition",
        table=output.name.name,
        caslib=caslib,
    )


def _mark(facts: os.stat_result) -> tuple[int, int]:
    """Return what tells one state of a file from another: its size and when it was changed."""
    return facts.st_size, facts.st_mtime_ns


def _told(size_bytes: int, modified_ns: int) -> str:
    moment = datetime.fromtimestamp(modified_ns / 1e9, UTC)
    return f"{size_bytes} bytes changed last on {moment.isoformat(timespec='microseconds')}"
