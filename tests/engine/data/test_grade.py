from math import log

import pytest
import torch

from engine.data.encode import ABSENT, UNSEEN
from engine.data.grade import grade
from engine.layers.base import Target
from engine.layers.output import Output


def test_an_unseen_level_is_wrong_without_a_loss_and_a_missing_one_is_nothing() -> None:
    task = Output().bind(Target("nominal", 2)).task()
    raw = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])

    result = grade(task, raw, torch.tensor([0, UNSEEN, ABSENT, 0]))

    assert result.loss[0].item() == pytest.approx(log(2))
    assert result.loss[1:3].tolist() == [0.0, 0.0]
    assert result.error.tolist() == [0.0, 1.0, 0.0, 1.0]
    assert result.has_loss.tolist() == [True, False, False, True]
    assert result.has_error.tolist() == [True, True, False, True]


def test_loss_of_numbers_is_half_the_squared_error_and_missing_ones_have_none() -> None:
    task = Output().bind(Target("interval", 2)).task()
    raw = torch.tensor([[1.0, 2.0], [5.0, 5.0]])

    result = grade(task, raw, torch.tensor([[2.0, 5.0], [float("nan"), 1.0]]))

    # squared errors 1 and 9, their mean 5
    assert result.error.tolist() == [5.0, 0.0]
    assert result.loss.tolist() == [2.5, 0.0]
    assert result.has_error.tolist() == [True, False]
