"""The rows that SET and MERGE read: one behind another, or matched by keys.

Source: the SAS statements SET, MERGE and BY. Tables are ordered by the keys first, as CAS does.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from typing import Any

import pyarrow as pa

from actions.language.frame import Frame, Variable
from actions.language.rows import Code, Row
from actions.language.transfer import values_of

_LOWEST = float("-inf")

Key = tuple[Any, ...]


class _Descending:
    """A value that is compared the other way round."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: "_Descending") -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)


@dataclass
class Reader:
    """One table of a SET or MERGE.

    Attributes:
        columns: its columns with the variables they go to.
        batches: reads its rows, in the order of the keys.
        keys: the variables of BY, each with whether it descends.
        conditions: what a row has to meet.
        flag: the variable of ``in=``.
    """

    columns: Sequence[tuple[str, Variable]]
    batches: Callable[[], Iterator[pa.RecordBatch]]
    keys: Sequence[tuple[Variable, bool]] = ()
    conditions: list[Code] = field(default_factory=list)
    flag: Variable | None = None

    def rows(self, frame: Frame) -> Iterator[tuple[Key, list[Any]]]:
        """Yield the key and the values of every row that meets the conditions."""
        slots = [variable.slot for _, variable in self.columns]
        places = [slots.index(variable.slot) for variable, _ in self.keys]
        test = frame.new_row()
        for batch in self.batches():
            read = [values_of(batch.column(name), variable) for name, variable in self.columns]
            cut = [
                _cut(values, variable)
                for values, (_, variable) in zip(read, self.columns, strict=True)
            ]
            for values in zip(*cut, strict=True):
                if self.conditions:
                    for slot, value in zip(slots, values, strict=True):
                        test[slot] = value
                    if not all(condition(test) for condition in self.conditions):
                        continue
                yield self._key(values, places), list(values)

    def _key(self, values: Sequence[Any], places: Sequence[int]) -> Key:
        found = []
        for place, (variable, descends) in zip(places, self.keys, strict=True):
            value = values[place]
            value = value.rstrip(" ") if variable.kind == "text" else _number(value)
            found.append(_Descending(value) if descends else value)
        return tuple(found)


def _number(value: Any) -> Any:
    return _LOWEST if value is None else value


def _cut(values: list[Any], variable: Variable) -> list[Any]:
    if variable.kind != "text" or variable.length is None:
        return values
    return [value[: variable.length] for value in values]


@dataclass
class Event:
    """What one reading brings.

    Attributes:
        loads: readers by their places, with the values of a row.
        cleared: places of the readers whose variables become missing first.
        present: places of the readers that contribute.
    """

    key: Key
    loads: list[tuple[int, list[Any]]]
    cleared: Sequence[int]
    present: frozenset[int]


def concatenated(frame: Frame, readers: Sequence[Reader]) -> Iterator[Event]:
    """Yield the rows of tables one behind another, or interleaved by their keys."""
    streams = [_placed(reader.rows(frame), at) for at, reader in enumerate(readers)]
    has_keys = bool(readers[0].keys)
    rows = merge(*streams, key=lambda each: each[:2]) if has_keys else _chained(streams)
    everything, last = range(len(readers)), -1
    for key, at, values in rows:
        yield Event(key, [(at, values)], everything if at != last else (), frozenset((at,)))
        last = at


def _placed(rows: Iterator[tuple[Key, list[Any]]], at: int) -> Iterator[tuple[Key, int, list[Any]]]:
    for key, values in rows:
        yield key, at, values


def _chained(streams: Sequence[Iterator[tuple[Key, int, list[Any]]]]) -> Iterator[Any]:
    for stream in streams:
        yield from stream


def matched(frame: Frame, readers: Sequence[Reader]) -> Iterator[Event]:
    """Yield the rows of tables side by side: row by row, or within each value of the keys."""
    streams = [reader.rows(frame) for reader in readers]
    heads = [next(stream, None) for stream in streams]
    if not readers[0].keys:
        yield from _side_by_side(streams, heads)
        return
    everything = range(len(readers))
    while any(head is not None for head in heads):
        key = min(head[0] for head in heads if head is not None)
        begun = True
        present = frozenset(
            at for at, head in enumerate(heads) if head is not None and head[0] == key
        )
        while True:
            loads = []
            for at, head in enumerate(heads):
                if head is not None and head[0] == key:
                    loads.append((at, head[1]))
                    heads[at] = next(streams[at], None)
            if not loads:
                break
            yield Event(key, loads, everything if begun else (), present)
            begun = False


def _side_by_side(
    streams: Sequence[Iterator[tuple[Key, list[Any]]]],
    heads: list[tuple[Key, list[Any]] | None],
) -> Iterator[Event]:
    while any(head is not None for head in heads):
        loads = [(at, head[1]) for at, head in enumerate(heads) if head is not None]
        yield Event((), loads, range(len(heads)), frozenset(at for at, _ in loads))
        heads[:] = [
            None if head is None else next(stream, None)
            for head, stream in zip(heads, streams, strict=True)
        ]


class Reading:
    """A SET or MERGE while a step runs: brings the next row into the variables.

    Args:
        frame: the variables.
        readers: its tables.
        is_merge: whether rows are put side by side.
        end: the variable that is 1 at the last row.
        marks: the variables ``first.`` and ``last.`` of every key.
    """

    def __init__(
        self,
        frame: Frame,
        readers: Sequence[Reader],
        *,
        is_merge: bool,
        end: Variable | None,
        marks: Sequence[tuple[Variable, Variable]],
    ) -> None:
        self.frame = frame
        self.readers = readers
        self.end = end
        self.marks = marks
        self.is_merge = is_merge
        self.events: Iterator[Event] | None = None
        self.next: Event | None = None
        self.before: Key | None = None
        self.count = 0

    def read(self, row: Row) -> str | None:
        """Bring the next row; ``stop`` where there is none."""
        if self.events is None:
            self.events = (matched if self.is_merge else concatenated)(self.frame, self.readers)
            self.next = next(self.events, None)
        event = self.next
        if event is None:
            return "stop"
        self.next = next(self.events, None)
        self.count += 1
        self._load(row, event)
        self._mark(row, event)
        if self.end is not None:
            row[self.end.slot] = 1.0 if self.next is None else 0.0
        self.before = event.key
        return None

    def _load(self, row: Row, event: Event) -> None:
        for at in event.cleared:
            for _, variable in self.readers[at].columns:
                row[variable.slot] = variable.missing
        for at, values in event.loads:
            for (_, variable), value in zip(self.readers[at].columns, values, strict=True):
                row[variable.slot] = value
        for at, reader in enumerate(self.readers):
            if reader.flag is not None:
                row[reader.flag.slot] = 1.0 if at in event.present else 0.0

    def _mark(self, row: Row, event: Event) -> None:
        after = None if self.next is None else self.next.key
        for at, (first, last) in enumerate(self.marks, start=1):
            own = event.key[:at]
            row[first.slot] = float(self.before is None or self.before[:at] != own)
            row[last.slot] = float(after is None or after[:at] != own)
