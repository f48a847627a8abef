"""Models, on every database."""

import re
from collections.abc import Callable

import pytest

from actions.deeplearn.layout import model_rows
from actions.errors import Conflict, TableExists, TableNotFound, WrongKind
from actions.ports import Name, Output, Session
from engine.errors import GraphError
from engine.graph.spec import Graph
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.merge import Residual
from server.store import SessionStores, SqlStores
from server.store.schema import model_layers
from tests.conftest import OpenStores

IMAGE = Input(n_channels=1, width=8, height=8)


def network() -> Graph:
    return (
        Graph("net", "CNN")
        .add("data", IMAGE)
        .add("left", Convolution(n_filters=4, width=3), ["data"])
        .add("right", Convolution(n_filters=4, width=1), ["data"])
        .add("sum", Residual(act="RECTIFIER"), ["right", "left"])
    )


Later = Callable[[], SessionStores]


@pytest.fixture
def later(open_stores: OpenStores, session: Session) -> Later:
    """Opens the stores again, with nothing kept in memory, as another process would."""
    return lambda: open_stores().for_session(session)


def store(mine: SessionStores, graph: Graph) -> None:
    mine.models.create(Output(Name("net")), graph)


def test_a_model_comes_back_as_it_was_stored(mine: SessionStores, later: Later) -> None:
    store(mine, network())

    loaded = later().models.load(Name("NET"))

    assert loaded.graph == network()
    assert loaded.graph.node("sum").sources == ("right", "left")
    assert (loaded.info.kind, loaded.info.columns, loaded.info.version) == ("model", 5, 0)


def test_the_text_of_a_function_comes_back_as_it_was_written(
    mine: SessionStores, later: Later
) -> None:
    text = (
        "function f(v);\n\tif v > 0 then return(v);  /* 'kept' \u2265 0 */\n  return(0);\nendsub;"
    )
    graph = network().add("bend", FullyConnected(n=2, act="FCMP", fcmp_act=text), ["sum"])
    store(mine, graph)

    assert later().models.load(Name("net")).graph == graph


def test_a_new_model_has_one_row_for_its_family(mine: SessionStores, later: Later) -> None:
    info = mine.models.create(Output(Name("empty")), Graph("empty", "DNN"))

    assert info.rows == 1
    assert later().models.load(Name("empty")).graph == Graph("empty", "DNN")


def test_a_taken_name_is_refused_and_the_model_stays(mine: SessionStores, later: Later) -> None:
    store(mine, network())

    with pytest.raises(
        TableExists,
        match=r"^the table 'net' exists in caslib 'CASUSER'; set replace to overwrite it$",
    ):
        store(mine, Graph("net"))

    assert later().models.load(Name("net")).graph == network()


def test_a_layer_is_added_in_place(mine: SessionStores) -> None:
    store(mine, network())
    loaded = mine.models.load(Name("net"))
    longer = loaded.graph.add("fc", FullyConnected(n=5), ["sum", "left"])

    info = mine.models.save(loaded, longer)

    again = mine.models.load(Name("net"))
    assert again.graph == longer
    assert again.info == info
    assert (info.id, info.version) == (loaded.info.id, 1)
    assert info.rows > loaded.info.rows


def test_a_layer_is_removed_and_the_others_keep_their_ids(mine: SessionStores) -> None:
    store(mine, network())
    loaded = mine.models.load(Name("net"))
    shorter = loaded.graph.remove("sum").remove("left")

    mine.models.save(loaded, shorter)

    graph = mine.models.load(Name("net")).graph
    assert [(node.id, node.name) for node in graph.nodes] == [(0, "data"), (2, "right")]


def test_a_layer_is_replaced_with_other_options_and_sources(
    mine: SessionStores, later: Later
) -> None:
    store(mine, network())
    loaded = mine.models.load(Name("net"))
    other = loaded.graph.add("sum", Residual(act="TANH"), ["left", "left", "right"], replacing=True)

    mine.models.save(loaded, other)

    assert later().models.load(Name("net")).graph == other


def test_shared_weights_come_back_and_can_change(mine: SessionStores, later: Later) -> None:
    same = Convolution(n_filters=4, width=3)
    graph = network().add("twin", same, ["data"], shared="left")
    store(mine, graph)
    loaded = mine.models.load(Name("net"))
    assert loaded.graph == graph

    alone = loaded.graph.add("twin", same, ["data"], replacing=True)
    info = mine.models.save(loaded, alone)

    assert later().models.load(Name("net")).graph == alone
    assert loaded.info.rows is not None
    assert info.rows == loaded.info.rows - 1


def test_edges_may_shrink(mine: SessionStores, later: Later) -> None:
    store(mine, network())
    loaded = mine.models.load(Name("net"))
    other = loaded.graph.add("sum", FullyConnected(n=2), ["data"], replacing=True)

    mine.models.save(loaded, other)

    assert later().models.load(Name("net")).graph == other


def test_saving_what_was_changed_meanwhile_is_a_conflict(mine: SessionStores, later: Later) -> None:
    store(mine, network())
    first, second = mine.models.load(Name("net")), mine.models.load(Name("net"))
    winner = first.graph.add("a", FullyConnected(n=1), ["sum"])
    mine.models.save(first, winner)

    with pytest.raises(
        Conflict, match=r"^model 'net' was changed by another session; load it again$"
    ):
        mine.models.save(second, second.graph.add("b", FullyConnected(n=1), ["sum"]))

    assert later().models.load(Name("net")).graph == winner


def test_saving_twice_from_one_load_needs_the_new_entry(mine: SessionStores) -> None:
    store(mine, network())
    loaded = mine.models.load(Name("net"))
    mine.models.save(loaded, loaded.graph)

    with pytest.raises(Conflict):
        mine.models.save(loaded, loaded.graph)


def test_saving_what_was_replaced_is_a_conflict(mine: SessionStores, later: Later) -> None:
    store(mine, network())
    loaded = mine.models.load(Name("net"))
    mine.models.create(Output(Name("net"), replace=True), Graph("net"))

    with pytest.raises(
        Conflict,
        match=r"^model 'net' was replaced or dropped by another session; load it again$",
    ):
        mine.models.save(loaded, loaded.graph)

    assert later().models.load(Name("net")).graph == Graph("net")


def test_loading_a_model_that_is_not_there_is_refused(mine: SessionStores) -> None:
    with pytest.raises(TableNotFound, match=r"^no table is named 'net' in caslib 'CASUSER'$"):
        mine.models.load(Name("net"))


def test_loading_weights_as_a_model_is_refused(mine: SessionStores) -> None:
    store(mine, network())

    with pytest.raises(
        WrongKind,
        match=r"^the table 'net' in caslib 'CASUSER' is a model table, expected a weight table$",
    ):
        mine.weights.load(Name("net"))


def test_a_promoted_model_can_be_changed_by_everybody(
    stores: SqlStores, mine: SessionStores
) -> None:
    mine.models.create(Output(Name("net", "public"), promote=True), network())
    bob = stores.for_session(stores.sessions.create("bob", "his"))
    loaded = bob.models.load(Name("net", "public"))

    bob.models.save(loaded, loaded.graph.add("fc", FullyConnected(n=1), ["sum"]))

    assert len(mine.models.load(Name("net", "public")).graph.nodes) == 5


def test_a_layer_type_of_another_version_is_refused(stores: SqlStores, mine: SessionStores) -> None:
    store(mine, network())
    with stores.database.write() as connection:
        connection.execute(model_layers.update().values(type="hologram"))

    message = "layer 'data' of model 'net' has type 'hologram', which this version cannot read"
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        mine.models.load(Name("net"))


@pytest.mark.parametrize("options", ['{"n_channels":-1}', '{"hue":1}', "[]", "{"])
def test_options_of_another_version_are_refused(
    stores: SqlStores, mine: SessionStores, options: str
) -> None:
    store(mine, network())
    with stores.database.write() as connection:
        rows = model_layers.c.name == "data"
        connection.execute(model_layers.update().where(rows).values(options=options))

    message = f"layer 'data' of model 'net' has options this version cannot read: {options}"
    with pytest.raises(GraphError, match=f"^{re.escape(message)}$"):
        mine.models.load(Name("net"))


def test_a_change_of_another_process_is_seen(mine: SessionStores, later: Later) -> None:
    store(mine, network())
    mine.models.load(Name("net"))
    other = later()
    seen = other.models.load(Name("net"))
    other.models.save(seen, seen.graph.add("head", FullyConnected(n=2), ["sum"]))

    assert mine.models.load(Name("net")).graph == network().add(
        "head", FullyConnected(n=2), ["sum"]
    )


def test_a_model_of_one_version_is_read_from_the_database_once(mine: SessionStores) -> None:
    store(mine, network())

    first = mine.models.load(Name("net")).graph

    assert mine.models.load(Name("net")).graph is first


def test_rows_are_those_of_the_model_table_after_every_change(
    mine: SessionStores, later: Later
) -> None:
    store(mine, network())
    other = FullyConnected(n=2, act="TANH")
    for graph in (
        network().add("head", other, ["sum"]),
        network().add("head", FullyConnected(n=2), ["sum"]),
        network().remove("sum"),
    ):
        saved = mine.models.save(mine.models.load(Name("net")), graph)
        expected = len(list(model_rows(graph)))

        assert saved.rows == expected
        assert mine.models.load(Name("net")).info.rows == expected
        assert later().models.load(Name("net")).info.rows == expected
        assert later().tables.find(Name("net")).rows == expected
