from math import exp, log

import pytest
import torch

from engine.compile.lower import compile_graph
from engine.devices import seeded
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.input import Input
from engine.layers.output import Output
from engine.losses import ABSENT, Entropy
from engine.tasks.sampled import SampledEntropy
from engine.tasks.steps import PerStep

LEVELS = Target("nominal", 3)
RAW = torch.tensor([[log(1.0), log(2.0), log(5.0)]])
# one level of three is drawn and counts three times: with the true level 1, of weight 2, against
# level 0, of weight 1, or level 2, of weight 5; or level 1 itself is drawn, which leaves none
DRAWN = [log((2 + 3 * 1) / 2), 0.0, log((2 + 3 * 5) / 2)]


def draws(times: int) -> list[float]:
    task = SampledEntropy(LEVELS, 1)
    task.draw_from(seeded(1))
    return [task.loss(RAW, torch.tensor([1])).item() for _ in range(times)]


def test_the_true_level_is_compared_with_the_drawn_ones() -> None:
    losses = draws(300)
    counts = [sum(abs(loss - wanted) < 1e-6 for loss in losses) for wanted in DRAWN]

    assert sum(counts) == 300
    assert min(counts) > 70  # about 100 each


def test_the_sum_of_the_levels_is_right_on_average() -> None:
    # over the three draws, which are equally likely: (1 + 2 + 5) / 2
    assert sum(map(exp, DRAWN)) / 3 == pytest.approx(8 / 2)


def test_all_levels_are_the_full_softmax() -> None:
    raw = torch.randn(6, 3, generator=seeded(1))
    target = torch.tensor([0, 1, 2, 0, 1, 2])
    for samples in (3, 9):
        loss = SampledEntropy(LEVELS, samples).loss(raw, target)
        torch.testing.assert_close(loss, Entropy(LEVELS).loss(raw, target))


def test_two_of_three_levels_leave_out_one() -> None:
    # each of the others counts 3/2 times; either both are drawn, or one and the true level
    task = SampledEntropy(LEVELS, 2)
    task.draw_from(seeded(2))
    wanted = {round(log((2 + 1.5 * w) / 2), 5) for w in (1, 5, 6)}

    found = {round(task.loss(RAW, torch.tensor([1])).item(), 5) for _ in range(60)}
    assert found == wanted


def test_scoring_takes_all_levels() -> None:
    # -ln(2 / 8)
    task = SampledEntropy(LEVELS, 1)

    assert task.scored_loss(RAW, torch.tensor([1])).item() == pytest.approx(log(4))
    torch.testing.assert_close(task.predict(RAW), torch.tensor([[1 / 8, 2 / 8, 5 / 8]]))


def test_the_same_generator_draws_the_same_levels() -> None:
    assert draws(20) == draws(20)


def test_levels_that_are_not_drawn_get_no_gradient() -> None:
    raw = torch.zeros(1, 50, requires_grad=True)
    task = SampledEntropy(Target("nominal", 50), 5)
    task.loss(raw, torch.tensor([7])).sum().backward()  # type: ignore[no-untyped-call]

    assert raw.grad is not None
    assert 5 <= int((raw.grad != 0).sum()) <= 6


def test_every_step_of_a_sequence_draws_in_training_and_not_in_scoring() -> None:
    task = PerStep(Target("nominal", 3, 2), SampledEntropy(LEVELS, 1))
    task.draw_from(seeded(1))
    raw, target = RAW[None].repeat(1, 2, 1), torch.tensor([[1, ABSENT]])

    loss = task.loss(raw, target).item()
    assert min(abs(loss - wanted) for wanted in DRAWN) < 1e-6
    assert task.scored_loss(raw, target).item() == pytest.approx(log(4))


def test_a_model_hands_its_generator_to_the_loss() -> None:
    graph = Graph("words").add("in", Input()).add("out", Output(n_softmax_samples=4), ["in"])
    bound = bind(graph, {"in": (3,)}, {"out": Target("nominal", 40)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1))
    raw, target = torch.randn(8, 40, generator=seeded(3)), torch.arange(8)

    def loss(seed: int) -> list[float]:
        model.set_generator(seeded(seed))
        return list(model.tasks["out"].loss(raw, target).tolist())

    assert loss(1) == loss(1)
    assert loss(1) != loss(2)
