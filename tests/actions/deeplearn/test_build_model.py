import pytest

from actions.context import Context
from actions.errors import InvalidParameters, TableExists
from actions.memory import MemoryStores
from actions.ports import Name
from tests.actions.house import Run, nothing_changes


def test_an_empty_model_has_one_row_in_five_columns(run: Run) -> None:
    answer = run("deepLearn.buildModel", modelTable="Net", type="cnn")

    assert answer.tables["OutputCasTables"].records() == [
        {"casLib": "CASUSER", "Name": "Net", "Rows": 1, "Columns": 5}
    ]


def test_the_name_of_the_graph_is_stored_in_lower_case(run: Run, ctx: Context) -> None:
    run("deepLearn.buildModel", model={"name": "LeNet"}, type="DNN")

    graph = ctx.models.load(Name("LENET")).graph
    assert (graph.name, graph.family, graph.nodes) == ("lenet", "DNN", ())


def test_a_model_is_not_replaced_unless_asked(run: Run, stores: MemoryStores) -> None:
    run("deepLearn.buildModel", modelTable="net")

    message = r"^the table 'net' exists in caslib 'CASUSER'; set replace to overwrite it$"
    with nothing_changes(stores), pytest.raises(TableExists, match=message):
        run("deepLearn.buildModel", modelTable="NET")
    run("deepLearn.buildModel", modelTable={"name": "net", "replace": True})


def test_an_unknown_family_is_refused_with_the_known_ones(run: Run, stores: MemoryStores) -> None:
    message = r"^parameter 'type' got 'CNM', expected one of CNN, RNN, DNN; did you mean 'CNN'\?$"
    with nothing_changes(stores), pytest.raises(InvalidParameters, match=message):
        run("deepLearn.buildModel", modelTable="net", type="CNM")
