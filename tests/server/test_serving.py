"""The end of a server that has a request still computing."""

from threading import Event

from server.serving import watch_end

PATIENCE_S = 30.0


def test_a_process_that_does_not_end_by_itself_is_ended() -> None:
    left, steps = Event(), list[object]()

    def leave(code: int) -> None:
        steps.append(code)
        left.set()

    watch_end(0.001, lambda: steps.append("closed"), leave)

    assert left.wait(PATIENCE_S)
    assert steps == ["closed", 0]


def test_a_process_that_ends_by_itself_is_left_alone() -> None:
    steps = list[object]()

    timer = watch_end(PATIENCE_S, lambda: steps.append("closed"), steps.append)
    timer.cancel()
    timer.join()

    assert steps == []
