from math import exp, log

import pytest
import torch

from engine.layers.base import Target, Task
from engine.layers.output import Output

LEVELS = Target("nominal", 3)
ONE, TWO = Target("interval", 1), Target("interval", 2)


def task(target: Target, **options: object) -> Task:
    return Output.model_validate(options).bind(target).task()


def test_entropy_is_minus_the_logarithm_of_the_true_levels_probability() -> None:
    # softmax(0, ln 2, ln 5) = 1/8, 2/8, 5/8
    raw = torch.tensor([[0.0, log(2), log(5)]] * 3)
    nominal = task(LEVELS)

    assert nominal.predict(raw)[0].tolist() == pytest.approx([0.125, 0.25, 0.625])
    assert nominal.loss(raw, torch.tensor([0, 1, 2])).tolist() == pytest.approx(
        [log(8), log(4), log(8 / 5)]
    )


def test_an_untrained_network_starts_at_the_logarithm_of_the_levels() -> None:
    # 1.5: about 1.085 for 3 levels is near ln 3
    assert task(LEVELS).loss(torch.zeros(1, 3), torch.tensor([1])).item() == pytest.approx(log(3))


def test_entropy_does_not_overflow() -> None:
    loss = task(LEVELS).loss(torch.tensor([[1e4, 0.0, 0.0]]), torch.tensor([1]))

    assert loss.item() == pytest.approx(1e4)


def test_a_row_whose_likeliest_level_is_wrong_counts_one() -> None:
    raw = torch.tensor([[3.0, 1, 2], [1, 3, 2]])

    assert task(LEVELS).fit_error(raw, torch.tensor([0, 2])).tolist() == [0.0, 1.0]


def test_the_normal_loss_is_half_the_mean_squared_error() -> None:
    # 1.5: errors 1 and 3, squares 1 and 9, mean 5
    raw, values = torch.tensor([[2.0, 5.0]]), torch.tensor([[1.0, 8.0]])
    interval = task(TWO)

    assert interval.fit_error(raw, values).tolist() == [5.0]
    assert interval.loss(raw, values).tolist() == [2.5]
    assert interval.predict(raw).tolist() == [[2.0, 5.0]]


def test_the_normal_loss_measures_the_activated_output() -> None:
    interval = task(ONE, act="RECTIFIER")

    assert interval.loss(torch.tensor([[-3.0]]), torch.tensor([[2.0]])).tolist() == [2.0]


@pytest.mark.parametrize("act", ["EXP", "SOFTPLUS", "LOGISTIC"])
def test_poisson_and_gamma_are_their_formulas(act: str) -> None:
    # 2.6, with ŷ of raw 0.7 and y = 3
    predicted = {"EXP": exp(0.7), "SOFTPLUS": log(1 + exp(0.7)), "LOGISTIC": 1 / (1 + exp(-0.7))}
    guess, raw, value = predicted[act], torch.tensor([[0.7]]), torch.tensor([[3.0]])
    poisson, gamma = task(ONE, error="POISSON", act=act), task(ONE, error="GAMMA", act=act)

    assert poisson.predict(raw).item() == gamma.predict(raw).item() == pytest.approx(guess)
    assert poisson.loss(raw, value).item() == pytest.approx(guess - 3 * log(guess), abs=1e-6)
    assert gamma.loss(raw, value).item() == pytest.approx(3 / guess + log(guess), abs=1e-6)
    assert poisson.fit_error(raw, value).item() == pytest.approx((guess - 3) ** 2)
    assert gamma.fit_error(raw, value).item() == pytest.approx((guess - 3) ** 2)


@pytest.mark.parametrize("error", ["NORMAL", "POISSON", "GAMMA"])
def test_losses_of_several_variables_are_averaged(error: str) -> None:
    raw, values = torch.tensor([[0.3, 0.3]]), torch.tensor([[2.0, 2.0]])
    one, two = task(ONE, error=error), task(TWO, error=error)

    torch.testing.assert_close(two.loss(raw, values), one.loss(raw[:, :1], values[:, :1]))


@pytest.mark.parametrize("act", ["RECTIFIER", "ELU", "LEAKY", "TANH", "EXP"])
def test_no_function_of_a_task_changes_its_arguments(act: str) -> None:
    interval = task(ONE, act=act)
    raw, values = torch.tensor([[-1.5]]), torch.tensor([[0.5]])

    interval.loss(raw, values)
    interval.fit_error(raw, values)
    interval.predict(raw)

    assert (raw.item(), values.item()) == (-1.5, 0.5)


def test_a_task_knows_its_target() -> None:
    assert task(LEVELS).target is LEVELS
