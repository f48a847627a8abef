"""Server-sent events, read line by line.

Source: WHATWG HTML Living Standard, section 9.2.6, "Interpreting an event stream".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ServerEvent:
    """One event: its id (empty when none was sent yet), its name, its data as text."""

    id: str
    name: str
    data: str


def read_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """Yield the events of a stream; an event that the stream's end cuts off is dropped.

    Comments (lines that begin with a colon, sent to keep the connection open) and fields this
    reader has no use for are passed over.
    """
    last_id, name, data = "", "", list[str]()
    for line in lines:
        if line == "":
            if data:
                yield ServerEvent(last_id, name or "message", "\n".join(data))
            name, data = "", []
            continue
        label, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if label == "data":
            data.append(value)
        elif label == "event":
            name = value
        elif label == "id" and "\0" not in value:
            last_id = value
