"""SQLite's write-ahead log, copied into the database file by a thread of its own.

SQLite by itself makes the commit that finds the log long copy it, which stops a request, or a
table in the middle of its writing, for as long as that takes. Here commits only append; the thread
copies once the log is long and writing pauses, or once it is very long. A commit is as durable as
before, for the log is what is flushed for it.

Source: SQLite documentation, "Write-Ahead Logging" (checkpointing);
"PRAGMA wal_checkpoint".
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from threading import Event, Lock, Thread

from actions.errors import ActionError

KEPT_BYTES = 64 << 20
"""A log of more than this is copied, and its file cut back to this size when it is used anew."""
MOST_BYTES = 1 << 30
"""A log of more than this is copied even while it grows."""
PAUSE_S = 0.25
"""Writing that adds less than ``PAUSE_BYTES`` to the log in so long has paused."""
PAUSE_BYTES = 8 << 20
CLOSE_S = 30.0
"""How long closing waits for a copy that has begun."""

Connect = Callable[[], AbstractContextManager[sqlite3.Connection]]


class WriteAheadLog:
    """Watches the length of the log and copies it.

    Args:
        database: the database file.
        connect: gives a connection for one copy.
        writer: held by whoever writes in this process.
    """

    def __init__(self, database: Path, connect: Connect, writer: Lock) -> None:
        self._file = database.with_name(f"{database.name}-wal")
        self._connect = connect
        self._writer = writer
        self._long = Event()
        self._closed = Event()
        self._starting = Lock()
        self._thread: Thread | None = None

    def size(self) -> int:
        """Return the length of the log's file, 0 when there is none."""
        try:
            return self._file.stat().st_size
        except OSError:
            return 0

    def committed(self) -> None:
        """Tell of a commit; wakes the thread when the log has become long."""
        if self._long.is_set() or self.size() <= KEPT_BYTES:
            return
        with self._starting:
            if self._closed.is_set():
                return
            if self._thread is None:
                self._thread = Thread(target=self._run, name="write-ahead log", daemon=True)
                self._thread.start()
        self._long.set()

    def close(self) -> None:
        """End the thread; doing it again changes nothing."""
        with self._starting:
            self._closed.set()
        self._long.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _run(self) -> None:
        while self._long.wait():
            self._long.clear()  # before all else, so that what is told from here on is heard
            if not self._wait_for_pause():
                return
            with suppress(ActionError, sqlite3.Error):  # the next commit asks again
                self._copy()

    def _wait_for_pause(self) -> bool:
        """Return True once writing pauses or the log is very long, False at the end of all."""
        before = self.size()
        while not self._closed.wait(PAUSE_S):
            now = self.size()
            if now - before < PAUSE_BYTES or now > MOST_BYTES:
                return True
            before = now
        return False

    def _copy(self) -> None:
        """Copy the log while others read and write; of a very long one, also the rest.

        Who never pauses to write leaves a rest each time, and the log would not begin anew.
        """
        with self._connect() as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if self.size() > MOST_BYTES:
                with self._writer:
                    connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
