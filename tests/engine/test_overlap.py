from collections.abc import Iterator
from contextvars import ContextVar
from threading import Event, current_thread

import pytest

from engine.overlap import ahead, behind, side_by_side

WHO = ContextVar("WHO", default="nobody")


def test_items_come_in_order_from_another_thread_that_sees_the_context() -> None:
    WHO.set("a job")
    seen = []

    def source() -> Iterator[int]:
        for item in range(20):
            seen.append((current_thread() is here, WHO.get()))
            yield item

    here = current_thread()
    assert list(ahead(source())) == list(range(20))
    assert set(seen) == {(False, "a job")}


def test_no_more_items_are_taken_ahead_than_may_wait() -> None:
    taken = []

    def source() -> Iterator[int]:
        for item in range(10):
            taken.append(item)
            yield item

    items = ahead(source(), depth=2)
    next(items)
    assert len(taken) <= 4  # one given, two that wait, one in hand
    assert [*items] == list(range(1, 10))


def test_what_a_source_raises_comes_behind_its_items() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    items = ahead(source())
    assert next(items) == 1
    with pytest.raises(LookupError, match=r"^no more$"):
        next(items)


def test_a_source_is_closed_when_nobody_takes_its_items() -> None:
    closed = Event()

    def source() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    items = ahead(source())
    next(items)
    items.close()  # type: ignore[attr-defined]  # a generator
    assert closed.is_set()


def test_work_is_done_behind_in_order() -> None:
    done: list[tuple[int, bool]] = []
    here = current_thread()

    def work(item: int) -> None:
        done.append((item, current_thread() is here))

    with behind(work) as leave:
        for item in range(10):
            leave(item)
    assert done == [(item, False) for item in range(10)]


def test_what_work_raises_reaches_who_leaves_it() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 2:
            raise LookupError("two")
        done.append(item)

    def leave_all() -> None:
        with behind(work) as leave:
            for item in range(100):
                leave(item)

    with pytest.raises(LookupError, match=r"^two$"):
        leave_all()
    assert done == [0, 1]


def test_what_the_last_work_raises_is_not_lost() -> None:
    def work(item: int) -> None:
        raise LookupError(f"item {item}")

    with pytest.raises(LookupError, match=r"^item 7$"), behind(work) as leave:
        leave(7)


def test_work_is_left_undone_where_the_block_fails() -> None:
    done: list[int] = []
    with pytest.raises(ZeroDivisionError), behind(done.append) as leave:
        leave(1 // 0)
    assert done == []


def test_lanes_give_results_in_the_order_of_items() -> None:
    first_may_end = Event()

    def work(item: int) -> int:
        if item == 0:
            first_may_end.wait(10)
        elif item == 1:
            first_may_end.set()
        return item * item

    assert list(side_by_side(work, range(20), 2)) == [item * item for item in range(20)]


def test_what_a_lane_raises_comes_in_the_place_of_its_result() -> None:
    def work(item: int) -> int:
        if item == 3:
            raise LookupError("three")
        return item

    results = side_by_side(work, range(10), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LookupError, match=r"^three$"):
        next(results)


def test_every_lane_is_prepared_and_sees_the_context() -> None:
    WHO.set("a caller")
    prepared = []
    found = list(side_by_side(lambda _: WHO.get(), range(8), 2, prepare=lambda: prepared.append(1)))
    assert set(found) == {"a caller"}
    assert 1 <= len(prepared) <= 2
