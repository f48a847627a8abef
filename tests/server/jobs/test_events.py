import asyncio
from threading import Thread

from server.jobs.events import JobSignals

PATIENCE_S = 30.0


def test_a_follower_wakes_when_another_thread_tells_of_its_job() -> None:
    signals = JobSignals()

    async def follow() -> bool:
        with signals.follow("a", every_event=False) as follower:
            Thread(target=signals.notify, args=("a",), kwargs={"state": True}).start()
            await asyncio.wait_for(follower.wait(PATIENCE_S), PATIENCE_S / 2)
            return follower.changed.is_set()

    assert asyncio.run(follow()) is False


def test_a_follower_of_the_state_sleeps_through_events_and_other_jobs() -> None:
    signals = JobSignals()

    async def follow() -> tuple[bool, bool]:
        with (
            signals.follow("a", every_event=False) as state,
            signals.follow("a", every_event=True) as events,
        ):
            signals.notify("b", state=True)
            signals.notify("a", state=False)
            await asyncio.sleep(0)
            return state.changed.is_set(), events.changed.is_set()

    assert asyncio.run(follow()) == (False, True)


def test_what_happens_before_waiting_is_not_missed() -> None:
    signals = JobSignals()

    async def follow() -> None:
        with signals.follow("a", every_event=False) as follower:
            signals.notify("a", state=True)
            await asyncio.sleep(0)
            await asyncio.wait_for(follower.wait(PATIENCE_S), PATIENCE_S / 2)

    asyncio.run(follow())


def test_waiting_ends_with_its_time() -> None:
    signals = JobSignals()

    async def follow() -> None:
        with signals.follow("a", every_event=False) as follower:
            await follower.wait(0.001)

    asyncio.run(follow())


def test_stopping_wakes_everybody() -> None:
    signals = JobSignals()

    async def follow() -> None:
        with signals.follow("a", every_event=False) as follower:
            Thread(target=signals.stop).start()
            await asyncio.wait_for(follower.wait(PATIENCE_S), PATIENCE_S / 2)

    asyncio.run(follow())

    assert signals.stopped


def test_followers_are_forgotten_after_their_block() -> None:
    signals = JobSignals()

    async def follow() -> int:
        with signals.follow("a", every_event=True), signals.follow("a", every_event=False):
            return signals.followers

    assert asyncio.run(follow()) == 2
    assert signals.followers == 0
    signals.notify("a", state=True)


def test_a_follower_whose_loop_has_ended_is_left_alone() -> None:
    signals = JobSignals()

    async def enter() -> object:
        following = signals.follow("a", every_event=True)
        following.__enter__()
        return following

    following = asyncio.run(enter())

    signals.notify("a", state=True)
    assert following is not None
    assert signals.followers == 1
