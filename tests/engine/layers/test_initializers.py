from math import sqrt
from typing import get_args

import pytest
import torch

from engine.layers.initializers import InitializerName, Start, initialize

IN, OUT = 300, 100


def drawn(name: str, seed: int = 3, **options: float) -> torch.Tensor:
    weight = torch.empty(200_000)
    start = Start(name, IN, OUT, **options)  # type: ignore[arg-type]
    initialize(weight, start, torch.Generator().manual_seed(seed))
    return weight


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("XAVIER", sqrt(6 / (IN + OUT))),
        ("XAVIER1", sqrt(3 / IN)),
        ("XAVIER2", sqrt(3 / OUT)),
        ("UNIFORM", 1 / sqrt(IN)),
    ],
)
def test_uniform_rules_fill_their_interval(name: str, bound: float) -> None:
    weight = drawn(name)

    assert -bound <= weight.min().item() < -0.999 * bound
    assert 0.999 * bound < weight.max().item() <= bound
    assert weight.std().item() == pytest.approx(bound / sqrt(3), rel=0.01)


@pytest.mark.parametrize(("fans", "bound"), [((25, 125), 0.2), ((500, 312), 0.0859602)])
def test_xavier_of_lenets_layers_with_their_fans(fans: tuple[int, int], bound: float) -> None:
    # F74: both convolutions; their fan-out is divided by the size of the pool that follows
    weight = torch.empty(100_000)
    initialize(weight, Start("XAVIER", *fans), torch.Generator().manual_seed(1))

    assert weight.abs().max().item() == pytest.approx(bound, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        ("MSRA", sqrt(4 / (IN + OUT))),
        ("MSRA1", sqrt(2 / IN)),
        ("MSRA2", sqrt(2 / OUT)),
        ("NORMAL", 1.0),
        ("CAUCHY", sqrt(1 / IN)),
    ],
)
def test_other_rules_have_their_deviation_around_zero(name: str, deviation: float) -> None:
    weight = drawn(name)

    assert weight.std().item() == pytest.approx(deviation, rel=0.02)
    assert weight.mean().item() == pytest.approx(0.0, abs=0.01 * deviation)


def test_the_cauchy_rule_is_clipped_at_ten_times_its_scale() -> None:
    weight = drawn("CAUCHY")

    # the quartiles of a Cauchy variable lie at one scale from the middle
    scale = weight.abs().median().item()
    assert weight.abs().max().item() == pytest.approx(10 * scale, rel=0.02)


def test_the_normal_rule_takes_mean_and_deviation() -> None:
    weight = drawn("NORMAL", mean=2.0, std=0.5)

    assert (weight.mean().item(), weight.std().item()) == pytest.approx((2.0, 0.5), abs=0.01)


def test_truncation_draws_again_beyond_its_reach() -> None:
    weight = drawn("NORMAL", mean=1.0, std=0.5, truncation=2.0)

    assert weight.min().item() >= 0.0
    assert weight.max().item() <= 2.0
    # a normal variable cut at two deviations has the deviation 0.8796
    assert weight.std().item() == pytest.approx(0.5 * 0.8796, rel=0.01)


def test_no_deviation_means_a_constant() -> None:
    assert set(drawn("NORMAL", mean=3.0, std=0.0, truncation=2.0).tolist()) == {3.0}


@pytest.mark.parametrize("name", get_args(InitializerName))
def test_one_seed_gives_one_start(name: str) -> None:
    assert torch.equal(drawn(name, 5), drawn(name, 5))
    assert not torch.equal(drawn(name, 5), drawn(name, 6))
