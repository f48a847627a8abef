from math import exp, log

import numpy as np
import pytest
import torch

from engine.losses import Target
from engine.tasks.survival import Cox, baseline

TASK = Cox(Target("interval", 2))
TIMES = torch.tensor([[2.0, 1.0], [1.0, 1.0], [3.0, 0.0], [2.0, 1.0]])
RISKS = torch.tensor([[0.5], [1.0], [0.0], [-0.5]])


def test_the_loss_compares_a_row_with_those_still_at_risk() -> None:
    late = exp(0.5) + exp(0.0) + exp(-0.5)
    expected = [log(late) - 0.5, log(late + exp(1.0)) - 1.0, 0.0, log(late) + 0.5]

    assert TASK.loss(RISKS, TIMES).tolist() == pytest.approx(expected)


def test_the_fit_error_is_the_share_of_later_rows_with_no_smaller_hazard() -> None:
    raw = torch.tensor([[0.0], [0.0], [1.0], [0.0]])

    # first: one later row, with a larger hazard; second: three later, two equal, one larger
    assert TASK.fit_error(raw, TIMES).tolist() == pytest.approx([1.0, 2 / 3, 0.0, 1.0])
    assert TASK.predict(raw) is raw


def test_a_row_without_its_time_is_left_out() -> None:
    assert TASK.known(torch.tensor([[float("nan"), 1.0]])).has_loss.tolist() == [False]


def test_the_cumulative_hazard_is_breslows() -> None:
    found = baseline(TIMES[:, 0].numpy(), TIMES[:, 1].numpy(), RISKS[:, 0].numpy().astype(float))

    late = exp(0.5) + exp(0.0) + exp(-0.5)
    first = 1 / (late + exp(1.0))
    assert found.times.tolist() == [1.0, 2.0]
    assert found.hazard.tolist() == pytest.approx([first, first + 2 / late])
    assert found.loss == pytest.approx(TASK.loss(RISKS, TIMES).sum().item())


def test_without_covariates_it_is_nelson_and_aalens() -> None:
    times, events = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 1.0])
    found = baseline(times, events, np.zeros(3))

    assert found.hazard.tolist() == pytest.approx([1 / 3, 1 / 3 + 1])


def test_large_hazards_do_not_overflow() -> None:
    found = baseline(np.array([1.0, 2.0]), np.ones(2), np.array([900.0, 900.0]))
    assert found.loss == pytest.approx(log(2))
