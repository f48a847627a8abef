import re
from math import log

import pytest
import torch

from engine.errors import GraphError, LayerError
from engine.layers.base import Target
from engine.layers.output import Output

RAW = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
TRUE = torch.tensor([[0.0, 4.0], [3.5, 5.0]])


def output(text: str, **options: object) -> Output:
    return Output.model_validate({"error": "FCMPERR", "fcmp_err": text, **options})


def test_a_loss_of_values_is_averaged_over_the_variables() -> None:
    task = output("abs(y - yhat)").bind(Target("interval", 2)).task()
    assert task.loss(RAW, TRUE).tolist() == [1.5, 0.25]
    # errors 1, -2 and -0.5, 0: the fit error stays the squared one
    assert task.fit_error(RAW, TRUE).tolist() == [2.5, 0.125]
    assert task.predict(RAW).tolist() == RAW.tolist()


def test_a_loss_of_values_sees_activated_ones() -> None:
    task = output("yhat - y * log(yhat)", act="EXP").bind(Target("interval", 2)).task()
    poisson = Output(error="POISSON").bind(Target("interval", 2)).task()
    assert task.loss(RAW, TRUE).tolist() == pytest.approx(poisson.loss(RAW, TRUE).tolist())


def test_a_written_activation_ends_a_network_too() -> None:
    bound = output("(y - yhat) ** 2", act="FCMP", fcmp_act="2 * x").bind(Target("interval", 2))
    assert bound.task().predict(RAW).tolist() == [[2.0, 4.0], [6.0, 10.0]]
    assert bound.task().loss(RAW, TRUE).tolist() == [2.0, 15.625]


def test_a_loss_of_levels_is_added_up() -> None:
    codes = torch.tensor([0, 1])
    task = output("-y * log(yhat)").bind(Target("nominal", 2)).task()
    entropy = Output().bind(Target("nominal", 2)).task()
    assert task.loss(RAW, codes).tolist() == pytest.approx(entropy.loss(RAW, codes).tolist())
    assert task.fit_error(RAW, codes).tolist() == [1.0, 0.0]


def test_levels_may_weigh_differently() -> None:
    # equal probabilities of two levels; the joined value is one a row
    even = torch.zeros(2, 2)
    task = output("-3 * sum(y * log(yhat))").bind(Target("nominal", 2)).task()
    assert task.loss(even, torch.tensor([0, 1])).tolist() == pytest.approx([3 * log(2)] * 2)


def test_a_loss_of_levels_needs_probabilities() -> None:
    message = "option 'act' got 'TANH' with error 'FCMPERR', expected 'SOFTMAX'"
    with pytest.raises(GraphError, match=f"^{message}$"):
        output("y", act="TANH").bind(Target("nominal", 2))


@pytest.mark.parametrize(
    ("options", "got"),
    [({"error": "FCMPERR"}, "'FCMPERR' and no text"), ({"fcmp_err": "y"}, "'AUTO' and a text")],
)
def test_name_and_text_come_together(options: dict[str, str], got: str) -> None:
    message = (
        f"options 'error' and 'fcmpErr' got {got}, expected the text of a function with 'FCMPERR' "
        "and none without"
    )
    with pytest.raises(LayerError, match=f"^{message}$"):
        Output.model_validate(options)


def test_the_text_is_checked_when_the_layer_is_declared() -> None:
    message = (
        "option 'fcmpErr': function at line 1, column 5 got the name 'yhut', expected one that is "
        "known; the nearest is 'yhat'"
    )
    with pytest.raises(LayerError, match=f"^{re.escape(message)}$"):
        output("y - yhut")
