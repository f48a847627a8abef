from castorch._clock import Clock


def test_a_pause_takes_at_least_its_time() -> None:
    clock = Clock()
    before = clock.now()

    clock.pause(0.01)

    assert clock.now() - before >= 0.01
