import threading
from collections.abc import Callable

import pytest
import torch

from engine.data.feed import DEPTH, Feed
from engine.transfer import Sent, Values
from tests.engine.data.test_batches import resident, streaming, values


class Near:
    """A link to where the data is already, that counts what is under way."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.sent = self.received = self.most = 0

    def send(self, given: Values) -> Sent:
        self.threads.add(threading.get_ident())
        self.sent += 1
        return Sent(given)

    def receive(self, sent: Sent) -> Values:
        self.most = max(self.most, self.sent - self.received)
        self.received += 1
        return sent.values

    def fetch(self, given: Values) -> Callable[[], Values]:
        return lambda: given


@pytest.mark.parametrize("seed", [None, 5])
def test_a_feed_gives_the_mini_batches_of_its_source_in_their_order(seed: int | None) -> None:
    for source in (resident(), streaming(3, 7)):
        feed = Feed(source, Near())

        assert feed.rows == source.rows
        assert values(feed, 4, seed) == values(source, 4, seed)


def test_all_orders_of_an_epoch_are_drawn_when_it_has_ended() -> None:
    here, there = (torch.Generator().manual_seed(5) for _ in range(2))

    list(Feed(resident(), Near()).epoch(4, there))
    list(resident().epoch(4, here))

    assert torch.equal(here.get_state(), there.get_state())


def test_another_thread_sends_and_is_not_far_ahead() -> None:
    link = Near()

    list(Feed(resident(), link).epoch(1))

    assert threading.get_ident() not in link.threads
    # inputs and targets of what is received, of those that wait, and of one more that was sent
    assert link.most <= 2 * (DEPTH + 2)
    assert (link.sent, link.received) == (20, 20)
