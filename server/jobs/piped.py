"""The worker's ends of the two pipes to the server that started it."""

import os
import sys
from contextlib import suppress
from threading import Lock, Thread

from server.jobs.worker import Bell

READ_BYTES = 4096


def listen() -> Bell:
    """Return a bell that the server rings through standard input, and closes by its end.

    Standard output becomes the way back; whatever else writes to it goes to standard error.
    """
    outgoing = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lock = Lock()

    def tell(line: str) -> None:
        # The server may be gone; its worker finishes the job and nobody listens.
        with lock, suppress(BrokenPipeError):
            os.write(outgoing, f"{line}\n".encode())

    bell = Bell(tell=tell)
    Thread(target=_hear, args=(bell,), name="castorch-bell", daemon=True).start()
    return bell


def _hear(bell: Bell) -> None:
    while os.read(sys.stdin.fileno(), READ_BYTES):
        bell.ring()
    bell.close()
