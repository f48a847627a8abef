"""Keeping SQLite's write-ahead log short, beside the writers.

What is committed is in the log first. A *checkpoint* makes the log durable and copies it into the
database file, after which the log can begin anew. SQLite has a commit do that, and all writers wait
for it; after much was written a thread of its own does it here, while they go on. A checkpoint that
is cut short loses nothing: what is not in the file yet is still in the log.

Source: SQLite documentation, "PRAGMA wal_checkpoint" and "Write-Ahead Logging".
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event, Lock, Thread

from actions.errors import StoreUnavailable

LOG = logging.getLogger(__name__)

SHORT_BYTES = 48 << 20
"""A commit that leaves a log of so many bytes does a checkpoint itself, while the log is not long.

So small transactions write over the same log again and again, which is faster than a longer one.
"""
LONG_BYTES = 64 << 20
"""A log of so many bytes is checkpointed and cut to nothing; at rest it is shorter."""
LIMIT_BYTES = 1 << 30
"""A commit that leaves a log of so many bytes does a checkpoint as well: the thread falls behind.

A log may become longer than that by what is written during a checkpoint of the thread, and while
somebody reads in one transaction.
"""
PAUSE_S = 0.05
"""Between two checkpoints of a log that stays long, since it is read or written."""
RETRY_S = 5.0
"""Between two checkpoints that fail."""


class LogKeeper:
    """Checkpoints the log of one file whenever a commit leaves it long; at rest there is no thread.

    Every process that has the file open may have one. No two checkpoints run at once: SQLite lets
    the second one do nothing.
    """

    def __init__(self, file: Path, check: Callable[[], None], *, retry_s: float = RETRY_S) -> None:
        """Do nothing yet.

        Args:
            file: of the database.
            check: raises StoreUnavailable when that is another file than it was, or none.
            retry_s: between two checkpoints that fail.
        """
        self._file = file.absolute()
        self._log = self._file.with_name(f"{file.name}-wal")
        self._check = check
        self._retry_s = retry_s
        self._lock = Lock()
        self._thread: Thread | None = None
        self._closed = Event()

    def bound(self, *, relaxed: bool) -> int:
        """Return the bytes of the log from which on the commit of a transaction checkpoints it.

        Args:
            relaxed: the transaction is, and so one of many that write much.
        """
        return LIMIT_BYTES if relaxed or self._is_long() else SHORT_BYTES

    def committed(self) -> None:
        """Note that a transaction has been committed."""
        if not self._is_long():
            return
        with self._lock:
            if self._thread is None and not self._closed.is_set():
                self._thread = Thread(target=self._keep, name="castorch-log", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop, after the checkpoint that is running; doing it again changes nothing."""
        with self._lock:
            self._closed.set()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _is_long(self) -> bool:
        try:
            return self._log.stat().st_size >= LONG_BYTES
        except OSError:
            return False  # there is no log

    def _keep(self) -> None:
        pause_s = 0.0
        while not self._is_done(pause_s):
            try:
                self._checkpoint()
                pause_s = PAUSE_S
            except (sqlite3.Error, StoreUnavailable) as error:
                LOG.warning("no checkpoint of the database: %s", error)
                pause_s = self._retry_s

    def _is_done(self, pause_s: float) -> bool:
        """Wait while the log is long; otherwise leave, so that the next commit finds no thread."""
        self._closed.wait(pause_s)
        with self._lock:
            if self._is_long() and not self._closed.is_set():
                return False
            self._thread = None
            return True

    def _checkpoint(self) -> None:
        """Copy the log beside readers and writers; cut it to nothing if none is in the way."""
        self._check()
        address = f"{self._file.as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)) as opened:
            for kind in ("PASSIVE", "TRUNCATE"):
                opened.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()
