"""Tensors on their way between the host and a device, while both go on working.

Source: PyTorch, "CUDA semantics", sections "Use pinned memory buffers" and "CUDA streams".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

Values = Mapping[str, Tensor]


@dataclass(frozen=True)
class Sent:
    """Tensors under way.

    Attributes:
        values: on the device; not to be touched before they are received.
        arrival: an event of the device; None where they have arrived.
    """

    values: Values
    arrival: Any = None


class Link(Protocol):
    """The way to a device and back."""

    def send(self, values: Values) -> Sent:
        """Start to copy tensors of the host to the device; from any thread."""

    def receive(self, sent: Sent) -> Values:
        """Return tensors for work of this thread, which the device does once they are there."""

    def fetch(self, values: Values) -> Callable[[], Values]:
        """Start to copy results to the host; return what waits for them."""


class CudaLink:
    """The way to a graphics processor: from pinned memory, in a stream of its own."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def send(self, values: Values) -> Sent:
        with torch.cuda.stream(self.stream):
            moved = {
                name: each.pin_memory().to(self.device, non_blocking=True)
                for name, each in values.items()
            }
            return Sent(moved, self.stream.record_event())

    def receive(self, sent: Sent) -> Values:
        here = torch.cuda.current_stream(self.device)
        here.wait_event(sent.arrival)
        for each in sent.values.values():
            each.record_stream(here)
        return sent.values

    def fetch(self, values: Values) -> Callable[[], Values]:
        fetched = {
            name: torch.empty_like(each, device="cpu", pin_memory=True).copy_(
                each, non_blocking=True
            )
            for name, each in values.items()
        }
        end = torch.cuda.current_stream(self.device).record_event()

        def wait() -> Values:
            end.synchronize()
            return fetched

        return wait
