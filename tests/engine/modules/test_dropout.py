import pytest
import torch

from engine.modules.dropout import Dropout, dropout


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_standard_dropout_scales_when_scoring() -> None:
    # 4.6, D7
    module = Dropout(0.25, "STANDARD")
    ones = torch.ones(10_000)

    trained = module(ones)
    scored = module.eval()(ones)

    assert sorted(trained.unique().tolist()) == [0.0, 1.0]
    assert trained.mean().item() == pytest.approx(0.75, abs=0.02)
    assert scored.unique().tolist() == [0.75]


def test_inverted_dropout_scales_when_training() -> None:
    # 4.6, D7
    module = Dropout(0.25, "INVERTED")
    ones = torch.ones(10_000)

    trained = module(ones)
    scored = module.eval()(ones)

    assert sorted(trained.unique().tolist()) == pytest.approx([0.0, 1 / 0.75])
    assert trained.mean().item() == pytest.approx(1.0, abs=0.03)
    assert scored is ones


def test_draws_come_from_the_generator_that_is_handed_in() -> None:
    module, ones = Dropout(0.5, "STANDARD"), torch.ones(100)
    results = []
    for seed in (1, 1, 2):
        module.generator = seeded(seed)
        results.append(module(ones))

    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_every_row_is_drawn_anew() -> None:
    module = Dropout(0.5, "STANDARD")
    module.generator = seeded(1)
    result = module(torch.ones(2, 100))

    assert not torch.equal(result[0], result[1])


def test_gradients_pass_where_values_do() -> None:
    module, ones = Dropout(0.5, "INVERTED"), torch.ones(50, requires_grad=True)
    result = module(ones)

    result.sum().backward()

    assert ones.grad is not None
    assert torch.equal(ones.grad, result.detach())


def test_no_rate_is_no_module() -> None:
    assert dropout(0.0, "STANDARD") is None
    assert isinstance(dropout(0.1, "STANDARD"), Dropout)
