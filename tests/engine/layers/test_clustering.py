import pytest

from engine.errors import GraphError
from engine.layers.base import Target
from engine.layers.clustering import Cluster
from engine.tasks.clustering import Cluster as Task
from tests.engine.rows import DEFAULTS

NOTHING = Target("none", 0)


def test_weights_are_the_centres() -> None:
    bound = Cluster(n_clusters=3).bind(NOTHING)

    assert [spec.shape for spec in bound.tensors([(2, 2, 2)], DEFAULTS)] == [(3, 8)]
    assert bound.infer([(8,)], DEFAULTS) == bound.infer_open() == (3,)
    assert bound.multiply_adds([(8,)], DEFAULTS) == 24
    assert bound.task() == Task(NOTHING, 3)
    assert bound.target_form([(8,)]).kind == "none"


def test_a_target_is_refused() -> None:
    message = "got a target that is nominal, expected none: clusters are found without"
    with pytest.raises(GraphError, match=f"^{message}$"):
        Cluster(n_clusters=3).bind(Target("nominal", 3))


def test_a_layer_without_binding_has_no_task() -> None:
    with pytest.raises(GraphError, match=r"^got no target yet, expected a bound cluster layer$"):
        Cluster(n_clusters=2).task()
