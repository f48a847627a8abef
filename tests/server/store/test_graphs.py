"""The graphs kept in memory."""

from engine.graph.spec import Graph
from server.store.graphs import GraphCache, Kept


def test_the_graph_unused_for_longest_goes_first() -> None:
    cache = GraphCache(most=2)
    a, b, c = (Kept(Graph(name), 1) for name in "abc")
    cache.put(("a", 0), a)
    cache.put(("b", 0), b)
    cache.get(("a", 0))

    cache.put(("c", 0), c)

    assert cache.get(("a", 0)) is a
    assert cache.get(("b", 0)) is None
    assert cache.get(("c", 0)) is c


def test_another_version_of_a_model_is_another_graph() -> None:
    cache = GraphCache()
    cache.put(("a", 0), Kept(Graph("a"), 1))

    assert cache.get(("a", 1)) is None
