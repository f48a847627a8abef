"""Work that goes on in another thread while this one computes, in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

DEPTH = 2
"""Items that may wait between two threads."""

WAITING = 2
"""Items that are under way for each lane, so that none of them waits for the next."""

LOOK_S = 0.1
"""Time between two looks whether the other thread has given up, in seconds."""


@dataclass(frozen=True)
class _End:
    """What comes after the last item: why there is no other."""

    error: BaseException | None = None


class _Line(Generic[T]):
    """Items on their way from one thread to another."""

    def __init__(self, depth: int) -> None:
        self.items: Queue[T | _End] = Queue(depth)
        self.is_left = Event()

    def put(self, item: T | _End) -> bool:
        """Wait for room; return whether anybody is still there to take the item."""
        while not self.is_left.is_set():
            try:
                self.items.put(item, timeout=LOOK_S)
            except Full:
                continue
            return True
        return False

    def leave(self) -> None:
        """Take no further item."""
        self.is_left.set()


def ahead(items: Iterable[T], depth: int = DEPTH) -> Iterator[T]:
    """Yield items that another thread takes from their source, up to ``depth`` of them ahead.

    What the source raises is raised here, after the items before it. When this iterator is closed
    early the source is closed too, in its thread.
    """
    line: _Line[T] = _Line(depth)
    thread = _started(lambda: _feed(items, line))
    try:
        while True:
            item = line.items.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        line.leave()
        thread.join()


@contextmanager
def behind(work: Callable[[T], None], depth: int = DEPTH) -> Iterator[Callable[[T], None]]:
    """Give a function that leaves items to another thread, which works on them in their order.

    It waits while ``depth`` items wait. At the block's end all items are done; what the work raises
    is raised here, by the next call or at the end, and the items behind it are left undone. Where
    the block fails, the items that wait are left undone too.
    """
    line: _Line[T] = _Line(depth)
    failed: list[BaseException] = []
    thread = _started(lambda: _work_off(line, work, failed))

    def leave(item: T) -> None:
        if not line.put(item):
            raise failed[0]

    try:
        yield leave
    except BaseException:
        line.leave()
        thread.join()
        raise
    line.put(_End())
    thread.join()
    if failed:
        raise failed[0]


def side_by_side(
    work: Callable[[T], R],
    items: Iterable[T],
    lanes: int,
    *,
    prepare: Callable[[], None] = lambda: None,
) -> Iterator[R]:
    """Yield what the work makes of items, in their order, from several threads at once.

    An item is taken from its source, here, when a lane will have room for it soon. What the work
    raises is raised here, in the place of its result; the items behind it are left undone.

    Args:
        work: called in a thread of its own for each lane; it sees this thread's context variables.
        items: what is worked on.
        lanes: how many threads.
        prepare: called once in every thread.
    """
    pending: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(lanes, "castorch-lane", initializer=prepare)
    try:
        for item in items:
            pending.append(pool.submit(copy_context().run, work, item))
            if len(pending) > WAITING * lanes:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _feed(items: Iterable[T], line: _Line[T]) -> None:
    end = _End()
    source = iter(items)
    try:
        for item in source:
            if not line.put(item):
                return
    except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
        end = _End(error)
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()
        line.put(end)


def _work_off(line: _Line[T], work: Callable[[T], None], failed: list[BaseException]) -> None:
    while not line.is_left.is_set():
        try:
            item = line.items.get(timeout=LOOK_S)
        except Empty:
            continue
        if isinstance(item, _End):
            return
        try:
            work(item)
        except BaseException as error:  # noqa: BLE001 - it is raised where the items come from
            failed.append(error)
            line.leave()


def _started(work: Callable[[], None]) -> Thread:
    """Start a thread that sees the context variables of this one."""
    context = copy_context()
    thread = Thread(target=lambda: context.run(work), name="castorch-overlap", daemon=True)
    thread.start()
    return thread
