"""Graphs kept in memory, so that a model of hundreds of layers is not read again for every call."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from engine.graph.spec import Graph

MOST_GRAPHS = 64
"""Graphs that are kept; a large one takes about a megabyte."""

Key = tuple[str, int]
"""Id of a model's content and the version of its table, which every change raises."""


@dataclass(frozen=True)
class Kept:
    """A graph, and the rows of its model table."""

    graph: Graph
    rows: int


class GraphCache:
    """The graphs used last, by content and version; safe to share between threads.

    Contents never change under one version, so what is found here is what the database holds.
    """

    def __init__(self, most: int = MOST_GRAPHS) -> None:
        self._most = most
        self._graphs: OrderedDict[Key, Kept] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Key) -> Kept | None:
        """Return a graph if it is kept."""
        with self._lock:
            if key in self._graphs:
                self._graphs.move_to_end(key)
            return self._graphs.get(key)

    def put(self, key: Key, kept: Kept) -> None:
        """Keep a graph; the one unused for longest goes when there are too many."""
        with self._lock:
            self._graphs[key] = kept
            self._graphs.move_to_end(key)
            while len(self._graphs) > self._most:
                self._graphs.popitem(last=False)
