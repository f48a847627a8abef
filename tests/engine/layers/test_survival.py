import pytest

from engine.errors import GraphError, ShapeError
from engine.layers.base import Target
from engine.layers.survival import Survival
from engine.tasks.survival import Cox
from tests.engine.rows import DEFAULTS

TIMES = Target("interval", 2)


def test_one_value_is_the_hazard() -> None:
    bound = Survival().bind(TIMES)
    assert bound.infer([(1, 1, 1)], DEFAULTS) == (1,)
    assert bound.task() == Cox(TIMES)
    assert Survival().target_form([(1,)]).drops_missing


def test_more_values_are_refused() -> None:
    message = (
        "got 3 values, expected 1, the logarithm of the hazard ratio; put a fully connected layer "
        "of one neuron before it"
    )
    with pytest.raises(ShapeError, match=f"^{message}$"):
        Survival().infer([(3,)], DEFAULTS)


@pytest.mark.parametrize("target", [Target("interval", 1), Target("nominal", 2)])
def test_targets_other_than_time_and_event_are_refused(target: Target) -> None:
    message = (
        f"got a target of {target.size} that is {target.kind}, expected two interval variables: "
        "the time and whether the event was seen"
    )
    with pytest.raises(GraphError, match=f"^{message}$"):
        Survival().bind(target)


def test_a_layer_without_its_target_has_no_task() -> None:
    with pytest.raises(GraphError, match=r"^got no target yet, expected a bound survival layer$"):
        Survival().task()
