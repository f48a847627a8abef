"""Scoring on a graphics processor: rows are encoded, sent, computed and fetched side by side."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from engine.compile.lower import CompiledModel
from engine.devices import products
from engine.overlap import side_by_side
from engine.score.agreement import Outputs, Values, rows_of
from engine.score.forms import Forward
from engine.score.frozen_form import Shop
from engine.transfer import Link, Sent

T = TypeVar("T")

BEHIND = 2
"""Parts whose results are under way while the next ones are launched."""


class StreamedForward(Forward[T]):
    """Computes the raw outputs of a network on a graphics processor; they come back to the host.

    Lanes encode parts and send them. This thread launches what computes them, one part after the
    other, and takes the results of a part when those of the next two are launched: the device never
    waits for the host as long as the lanes keep up.
    """

    def __init__(
        self,
        model: CompiledModel,
        shop: Shop,
        batch_rows: int,
        encode: Callable[[T], Values],
        link: Link,
    ) -> None:
        super().__init__(model, shop, batch_rows, encode)
        self.link = link
        self.is_formed = False

    def stream(self, parts: Iterable[T], *, lanes: int) -> Iterator[tuple[T, Outputs]]:
        under_way: deque[tuple[T, Callable[[], Outputs]]] = deque()
        for part, sent in (
            side_by_side(self._send, parts, lanes) if lanes else map(self._send, parts)
        ):
            under_way.append((part, self._launch(self.link.receive(sent))))
            if len(under_way) > BEHIND:
                first, wait = under_way.popleft()
                yield first, wait()
        for first, wait in under_way:
            yield first, wait()

    def _send(self, part: T) -> tuple[T, Sent]:
        return part, self.link.send(self.encode(part))

    def _launch(self, values: Values) -> Callable[[], Outputs]:
        if rows_of(values) and not self.is_formed:
            self.is_formed = True
            with products(self.plain.device, tf32=False):  # forms are compared in float32
                return self.link.fetch(self._first_outputs(values))
        return self.link.fetch(self._outputs(values))
