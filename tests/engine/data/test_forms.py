import re

import numpy as np
import pytest

from engine.data.encode import Encoder
from engine.data.forms import default_names, task_forms
from engine.data.schema import bound_graph
from engine.errors import DataError
from engine.graph.spec import Graph
from engine.layers.clustering import Cluster
from engine.layers.input import Input
from engine.layers.output import Output
from engine.layers.survival import Survival
from engine.losses import TargetForm
from tests.engine.networks import learned, network

NAMES = ["id", "_label_", "_nObjects_", "_Object0_", "_Object0_x"]


@pytest.mark.parametrize(
    ("form", "names"),
    [
        (TargetForm(), ("_label_",)),
        (TargetForm("pixels"), ("_label_",)),
        (TargetForm("none"), ()),
        (TargetForm("objects"), ("_nObjects_", "_Object0_", "_Object0_x")),
    ],
)
def test_a_form_knows_the_columns_it_looks_for(form: TargetForm, names: tuple[str, ...]) -> None:
    assert default_names(form, NAMES) == names


def test_every_task_layer_says_what_it_wants() -> None:
    assert task_forms(network(output=Output())) == [TargetForm()]


def test_a_layer_without_a_target_gets_no_values() -> None:
    graph = Graph("net").add("data", Input()).add("groups", Cluster(n_clusters=2), ["data"])
    columns = {"x": np.arange(3.0)}
    schema = learned(graph, columns, target=())

    assert bound_graph(schema, graph).shapes["groups"] == (2,)
    for encoder in (Encoder(schema), Encoder(schema, "score")):
        assert encoder.encode(columns).targets["groups"].shape == (3, 0)


def test_a_target_for_a_layer_without_one_is_refused() -> None:
    graph = Graph("net").add("data", Input()).add("groups", Cluster(n_clusters=2), ["data"])
    message = "layer 'groups' got the targets ['y'], expected none: it learns without a target"
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        learned(graph, {"x": np.arange(3.0), "y": np.arange(3.0)})


def test_rows_without_their_time_or_event_are_dropped_whatever_the_rule() -> None:
    graph = Graph("net").add("data", Input()).add("risk", Survival(), ["data"])
    columns = {
        "x": np.arange(3.0),
        "time": np.array([1.0, np.nan, 3.0]),
        "event": np.array([1.0, 1.0, np.nan]),
    }
    schema = learned(graph, columns, target=("time", "event"), target_missing="MEAN")

    assert schema.rows_used == 1
    assert Encoder(schema).encode(columns).targets["risk"].tolist() == [[1.0, 1.0]]
