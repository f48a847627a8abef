"""Models that lie in data tables."""

import pytest

from actions.context import Context
from actions.deeplearn.layout import model_rows
from actions.errors import Conflict, WrongKind
from actions.ports import Name
from engine.errors import DataError
from tests.actions.house import SMALL_CNN, Run, build, put


@pytest.fixture(autouse=True)
def rows(run: Run) -> None:
    """A model, and a data table of its rows as a file holds them."""
    build(run, SMALL_CNN)
    run("table.save", table="net", name="net.sashdat")
    run("table.loadTable", path="net.sashdat", casOut="loaded")


def test_a_model_from_a_file_is_one_to_every_action(run: Run, ctx: Context) -> None:
    assert ctx.tables.find(Name("loaded")).kind == "data"
    graph = ctx.models.load(Name("loaded")).graph
    assert list(model_rows(graph))[1:] == list(model_rows(ctx.models.load(Name("net")).graph))[1:]
    info = run("deepLearn.modelInfo", model="loaded").tables["ModelInfo"].records()
    assert {"Descr": "Number of Convolutional Layers", "Value": "1"} in info


def test_a_change_makes_a_model_table_of_it(run: Run, ctx: Context) -> None:
    run("deepLearn.removeLayer", model="loaded", name="out")

    assert ctx.tables.find(Name("loaded")).kind == "model"
    assert [node.name for node in ctx.models.load(Name("loaded")).graph.nodes][-1] == "pool1"


def test_a_change_of_what_was_replaced_is_refused(run: Run, ctx: Context) -> None:
    stored = ctx.models.load(Name("loaded"))
    run("table.loadTable", path="net.sashdat", casOut={"name": "loaded", "replace": True})

    message = r"^model 'loaded' was replaced by another session; load it again$"
    with pytest.raises(Conflict, match=message):
        ctx.models.save(stored, stored.graph.remove("out"))


def test_other_data_is_no_model(run: Run, ctx: Context) -> None:
    put(ctx, "t", {"x": [1.0]})
    with pytest.raises(
        WrongKind, match=r"^the table 't' in caslib 'CASUSER' is a data table, expe"
    ):
        run("deepLearn.modelInfo", model="t")
    run("table.partition", table={"name": "net", "where": "_DLLayerID_ > 0"}, casOut="part")
    with pytest.raises(DataError, match=r"^the model table got no row 'modeltype', expected one$"):
        run("deepLearn.modelInfo", model="part")
