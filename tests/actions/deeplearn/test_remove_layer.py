import pytest

from actions.context import Context
from actions.memory import MemoryStores
from actions.ports import Name
from engine.errors import GraphError
from tests.actions.house import SMALL_CNN, Run, build, nothing_changes


def test_ids_of_the_other_layers_stay(run: Run, ctx: Context) -> None:
    build(run, SMALL_CNN)

    run("deepLearn.removeLayer", modelTable="net", name="OUT")
    run("deepLearn.addLayer", modelTable="net", **SMALL_CNN[3])

    graph = ctx.models.load(Name("net")).graph
    assert [(node.id, node.name) for node in graph.nodes] == [
        (0, "data"),
        (1, "conv1"),
        (2, "pool1"),
        (3, "out"),
    ]


def test_a_layer_others_use_cannot_be_removed(run: Run, stores: MemoryStores) -> None:
    build(run, SMALL_CNN)

    message = (
        r"^layer 'conv1' \(convo\) cannot be removed, it is a source of 'pool1'; "
        r"remove what follows first$"
    )
    with nothing_changes(stores), pytest.raises(GraphError, match=message):
        run("deepLearn.removeLayer", modelTable="net", name="conv1")


def test_a_layer_that_is_not_there_is_named_with_the_nearest(
    run: Run, stores: MemoryStores
) -> None:
    build(run, SMALL_CNN)

    message = r"^the layer 'conv2' does not exist in model 'net'; did you mean 'conv1'\?$"
    with nothing_changes(stores), pytest.raises(GraphError, match=message):
        run("deepLearn.removeLayer", modelTable="net", name="conv2")
