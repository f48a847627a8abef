from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from engine.compile.moments import Pooled
from engine.data.batches import ResidentSource
from engine.data.encode import Encoder
from engine.layers.base import BuildOptions
from engine.train.config import Optimizer
from engine.train.lbfgs import Evaluation, Lbfgs
from engine.train.step import norms, validate
from tests.engine.networks import network
from tests.engine.train.cases import LABELS, ROWS, Case, X, Y, optimizer

SIZES = torch.tensor([1.0, 3.0, 10.0, 0.5])
GOAL = torch.tensor([1.0, -2.0, 0.5, 3.0])


def bowl(w: Tensor) -> Tensor:
    """Return a quadratic with its least value, 0, at GOAL."""
    return (SIZES * (w - GOAL).square()).sum() / 2


def iterates(options: Optimizer, function: Callable[[Tensor], Tensor], count: int) -> list[Tensor]:
    """Return the parameter after every iteration."""
    w = Parameter(torch.zeros(4))
    solver = Lbfgs(options, [w], [])

    def evaluate() -> Evaluation:
        value = function(w)
        value.backward()  # type: ignore[no-untyped-call]
        loss = value.detach().double()
        objective = float(loss) + solver.penalties()
        return Evaluation(objective, solver.collect(), loss, loss, Pooled())

    found = []
    for _ in range(count):
        solver.iterate(evaluate(), evaluate)
        found.append(w.detach().clone())
    return found


def test_iterates_are_those_of_torch_where_whole_steps_are_taken() -> None:
    w = torch.zeros(4, requires_grad=True)
    other = torch.optim.LBFGS([w], lr=1.0, max_iter=1, history_size=3, tolerance_grad=0.0)

    def closure() -> Tensor:
        other.zero_grad()
        value = bowl(w)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    for ours in iterates(optimizer("LBFG", algorithm={"m": 3}), bowl, 5):
        other.step(closure)  # type: ignore[no-untyped-call]
        torch.testing.assert_close(ours, w.detach(), rtol=1e-4, atol=1e-5)


def test_the_search_halves_a_step_until_the_fall_suffices() -> None:
    def steep(w: Tensor) -> Tensor:
        return 1.5 * (w[0] - 0.2).square()

    (first,) = iterates(optimizer("LBFG", algorithm={"backtrack_ratio": 0.5}), steep, 1)
    # g = -0.6, step 1: w = 0.6, f = 0.24 > f(0) = 0.06; step 1/2: w = 0.3, f = 0.015, enough
    assert first[0].item() == pytest.approx(0.3)


def test_a_search_that_finds_nothing_leaves_the_point() -> None:
    def steep(w: Tensor) -> Tensor:
        return 1.5 * (w[0] - 0.2).square()

    options = optimizer("LBFG", algorithm={"max_line_search_iters": 1})
    assert iterates(options, steep, 1)[0].tolist() == [0.0, 0.0, 0.0, 0.0]


def test_penalties_are_part_of_what_is_minimised() -> None:
    # per weight: a (w - c)^2 / 2 + r w^2 / 2 is least at w = a c / (a + r)
    (*_, last) = iterates(optimizer("LBFG", reg_l2=0.5), bowl, 25)
    torch.testing.assert_close(last, SIZES * GOAL / (SIZES + 0.5), rtol=1e-3, atol=1e-3)


def test_gradients_are_clipped_and_the_sign_of_weights_is_added() -> None:
    w = Parameter(torch.tensor([2.0, -1.0]))
    bounds = {"clip_grad_min": -1.0, "clip_grad_max": 1.0}
    solver = Lbfgs(optimizer("LBFG", algorithm=bounds, reg_l1=0.25), [w], [])
    w.grad = torch.tensor([5.0, -0.5])
    assert solver.collect().tolist() == [1.25, -0.75]
    assert solver.penalties() == pytest.approx(0.75)


def test_the_whole_table_takes_a_linear_model_to_least_squares() -> None:
    case = Case()
    case.train(optimizer("LBFG", max_epochs=40), batch_rows=7)

    solution = np.linalg.lstsq(np.column_stack([X, np.ones(ROWS)]), Y, rcond=None)[0]
    np.testing.assert_allclose(case.weights, solution, atol=1e-4)


def test_on_a_convex_problem_it_beats_descent_at_its_best_rate() -> None:
    # F56: both can train
    # logistic regression with a penalty and one input of another scale; either may look at the
    # whole table 30 times
    budget, seen = 30, 0
    columns = {**LABELS, "a": 8 * X[:, 0]}

    class Counted(ResidentSource):
        def epoch(self, batch_rows: int, generator: torch.Generator | None = None) -> Any:
            nonlocal seen
            seen += 1
            return super().epoch(batch_rows, generator)

    case = Case(columns)
    case.source = Counted.read(Encoder(case.schema), [columns])
    options = optimizer("LBFG", max_epochs=budget, reg_l2=0.01, algorithm={"max_iters": 12})
    case.train(options)
    assert seen <= budget

    def objective(trained: Case) -> float:
        loss, _ = validate(trained.model, trained.source, ROWS)
        return loss + norms(trained.model.parameters("weights"), 0.0, 0.01)[1]

    best = np.inf
    for rate in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0):
        descent = Case(columns)
        descent.train(optimizer("VANILLA", rate, max_epochs=budget, reg_l2=0.01), 8)
        best = min(best, objective(descent))
    assert objective(case) < best - 0.001


def test_an_epoch_with_a_mini_batch_size_is_an_iteration_for_every_mini_batch() -> None:
    case = Case()
    options = optimizer("LBFG", mini_batch_size=10, max_epochs=3, algorithm={"m": 4})
    result = case.train(options, batch_rows=10)
    losses = [record.loss for record in result.history]
    assert losses[2] < losses[0]
    assert len(losses) == 3


def test_the_run_stops_at_its_last_iteration() -> None:
    case = Case()
    options = optimizer("LBFG", mini_batch_size=10, max_epochs=9, algorithm={"max_iters": 6})
    result = case.train(options, batch_rows=10)
    # four mini-batches an epoch: the sixth iteration is the second one of the second epoch
    assert len(result.history) == 2
    assert result.reason == "reached the maximum number of iterations"


def test_a_table_whose_gradient_is_zero_ends_at_once() -> None:
    w = Parameter(torch.zeros(1))
    solver = Lbfgs(optimizer("LBFG"), [w], [])
    zero = torch.zeros((), dtype=torch.float64)
    still = Evaluation(0.0, torch.zeros(1), zero, zero, Pooled())
    assert solver.iterate(still, lambda: still) is still
    assert solver.reason == "the gradient is zero"


def test_noise_is_the_same_in_every_evaluation_of_a_search() -> None:
    # with fresh dropout in every evaluation the objective would move by itself
    case = Case(LABELS, network(hidden=6), BuildOptions(dropout=0.5))
    result = case.train(optimizer("LBFG", max_epochs=15))
    assert result.history[-1].loss < result.history[0].loss
