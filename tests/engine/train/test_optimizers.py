import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import Parameter

from engine.train.config import Optimizer
from engine.train.optimizers import Update

RATES = [0.1, 0.1, 0.02, 0.004]
GRADIENTS = np.random.default_rng(3).normal(size=(len(RATES), 5)).astype(np.float32)
START = np.linspace(-1, 1, 5).astype(np.float32)


def steps(options: Optimizer, *, is_weight: bool = True) -> list[np.ndarray]:
    """Return the parameter after every step."""
    parameter = Parameter(torch.from_numpy(START.copy()))
    update = Update(options, [parameter] if is_weight else [], [] if is_weight else [parameter])
    found = []
    for rate, gradient in zip(RATES, GRADIENTS, strict=True):
        parameter.grad = torch.from_numpy(gradient.copy())
        update(rate)
        found.append(parameter.detach().numpy().copy())
    return found


def options(method: str, **more: object) -> Optimizer:
    algorithm = {"method": method, "learning_rate": RATES[0]}
    own = ("momentum", "beta1", "beta2", "clip_grad_min", "clip_grad_max", "decay", "weight_decay")
    algorithm |= {name: value for name, value in more.items() if name in own}
    rest = {name: value for name, value in more.items() if name not in own}
    return Optimizer.model_validate({"algorithm": algorithm, **rest})


def test_vanilla_subtracts_rate_times_gradient() -> None:
    w = START.astype(np.float64)
    for rate, gradient, found in zip(RATES, GRADIENTS, steps(options("VANILLA")), strict=True):
        w = w - rate * gradient
        np.testing.assert_allclose(found, w, rtol=1e-6, atol=1e-7)


def test_the_velocity_of_momentum_contains_the_rate_it_was_made_with() -> None:
    # v = mu v - rate g; w += v: a fall of the rate leaves the velocity as it is
    w, v = START.astype(np.float64), np.zeros(5)
    found = steps(options("MOMENTUM", momentum=0.8))
    for rate, gradient, each in zip(RATES, GRADIENTS, found, strict=True):
        v = 0.8 * v - rate * gradient
        w = w + v
        np.testing.assert_allclose(each, w, rtol=1e-5, atol=1e-6)


def test_adam_corrects_its_moments_for_their_start() -> None:
    w, m, s = START.astype(np.float64), np.zeros(5), np.zeros(5)
    found = steps(options("ADAM", beta1=0.7, beta2=0.95))
    for t, (rate, gradient) in enumerate(zip(RATES, GRADIENTS, strict=True), start=1):
        m = 0.7 * m + 0.3 * gradient
        s = 0.95 * s + 0.05 * gradient.astype(np.float64) ** 2
        w = w - rate * (m / (1 - 0.7**t)) / (np.sqrt(s / (1 - 0.95**t)) + 1e-8)
        np.testing.assert_allclose(found[t - 1], w, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["VANILLA", "MOMENTUM"])
def test_penalties_pull_weights_by_their_sign_and_their_size(method: str) -> None:
    first = steps(options(method, reg_l1=0.3, reg_l2=0.5))[0]
    expected = START - 0.1 * (GRADIENTS[0] + 0.3 * np.sign(START) + 0.5 * START)
    np.testing.assert_allclose(first, expected, rtol=1e-5, atol=1e-6)


def test_adam_takes_penalties_into_its_gradient() -> None:
    first = steps(options("ADAM", reg_l1=0.3, reg_l2=0.5))[0]
    g = GRADIENTS[0] + 0.3 * np.sign(START) + 0.5 * START
    # after one step both moments are corrected to g and g^2: the step is rate * sign(g)
    np.testing.assert_allclose(first, START - 0.1 * np.sign(g), rtol=1e-5, atol=1e-6)


def test_penalties_spare_biases() -> None:
    with_penalty = steps(options("VANILLA", reg_l1=0.3, reg_l2=0.5), is_weight=False)
    np.testing.assert_array_equal(with_penalty[-1], steps(options("VANILLA"), is_weight=False)[-1])


def test_gradients_are_clipped_element_by_element_before_penalties() -> None:
    clipped = options("VANILLA", clip_grad_min=-0.5, clip_grad_max=0.25, reg_l2=1.0)
    expected = START - 0.1 * (np.clip(GRADIENTS[0], -0.5, 0.25) + START)
    np.testing.assert_allclose(steps(clipped)[0], expected, rtol=1e-5, atol=1e-6)


def test_one_bound_clips_one_side() -> None:
    clipped = options("VANILLA", clip_grad_max=0.0)
    expected = START - 0.1 * np.minimum(GRADIENTS[0], 0.0)
    np.testing.assert_allclose(steps(clipped)[0], expected, rtol=1e-5, atol=1e-6)


def test_parameters_without_a_gradient_stay() -> None:
    weight = Parameter(torch.ones(2))
    update = Update(options("VANILLA", clip_grad_max=1.0, reg_l1=1.0, reg_l2=1.0), [weight], [])
    update(0.1)
    assert weight.tolist() == [1.0, 1.0]


def test_a_rate_that_vanishes_leaves_momentum_finite() -> None:
    weight = Parameter(torch.zeros(1))
    update = Update(options("MOMENTUM", momentum=0.5), [weight], [])
    found = []
    for rate in (0.1, 0.0, 0.0):
        weight.grad = torch.ones(1)
        update(rate)
        found.append(weight.item())
    # v = -0.1, then halved twice: -0.1, -0.15, -0.175
    assert found == pytest.approx([-0.1, -0.15, -0.175], rel=1e-5)


def test_nesterov_looks_ahead_along_its_velocity() -> None:
    # v = mu v - rate g; w += mu v - rate g (Sutskever 2013, w at the point that looks ahead)
    w, v = START.astype(np.float64), np.zeros(5)
    found = steps(options("NESTEROV", momentum=0.8))
    for rate, gradient, each in zip(RATES, GRADIENTS, found, strict=True):
        v = 0.8 * v - rate * gradient
        w = w + 0.8 * v - rate * gradient
        np.testing.assert_allclose(each, w, rtol=1e-5, atol=1e-6)


def test_adagrad_divides_by_the_root_of_all_squares() -> None:
    w, s = START.astype(np.float64), np.zeros(5)
    for rate, gradient, each in zip(RATES, GRADIENTS, steps(options("ADAGRAD")), strict=True):
        s += gradient.astype(np.float64) ** 2
        w = w - rate * gradient / (np.sqrt(s) + 1e-10)
        np.testing.assert_allclose(each, w, rtol=1e-5, atol=1e-6)


def test_rmsprop_divides_by_the_root_of_a_running_mean_of_squares() -> None:
    w, s = START.astype(np.float64), np.zeros(5)
    found = steps(options("RMSPROP", decay=0.7))
    for rate, gradient, each in zip(RATES, GRADIENTS, found, strict=True):
        s = 0.7 * s + 0.3 * gradient.astype(np.float64) ** 2
        w = w - rate * gradient / (np.sqrt(s) + 1e-8)
        np.testing.assert_allclose(each, w, rtol=1e-5, atol=1e-6)


def test_adamw_takes_decay_past_the_moments_and_the_penalty_through_them() -> None:
    w, m, s = START.astype(np.float64), np.zeros(5), np.zeros(5)
    found = steps(options("ADAMW", beta1=0.7, beta2=0.95, weight_decay=0.2, reg_l2=0.5))
    for t, (rate, gradient) in enumerate(zip(RATES, GRADIENTS, strict=True), start=1):
        g = gradient + 0.5 * w
        w = w - rate * 0.2 * w
        m = 0.7 * m + 0.3 * g
        s = 0.95 * s + 0.05 * g**2
        w = w - rate * (m / (1 - 0.7**t)) / (np.sqrt(s / (1 - 0.95**t)) + 1e-8)
        np.testing.assert_allclose(found[t - 1], w, rtol=1e-5, atol=1e-6)


def test_adamw_decays_no_biases() -> None:
    decayed = steps(options("ADAMW", weight_decay=0.5), is_weight=False)[-1]
    np.testing.assert_array_equal(decayed, steps(options("ADAM"), is_weight=False)[-1])


def test_natural_gradient_divides_by_the_running_fisher_diagonal() -> None:
    w, fisher = START.astype(np.float64), np.zeros(5)
    parameter = Parameter(torch.from_numpy(START.copy()))
    update = Update(options("NATGRAD", reg_l2=0.5), [parameter], [])
    rows = [4, 4, 4, 2]
    for t, (rate, gradient, n) in enumerate(zip(RATES, GRADIENTS, rows, strict=True), start=1):
        fisher = 0.95 * fisher + 0.05 * n * gradient.astype(np.float64) ** 2
        w = w - rate * (gradient + 0.5 * w) / (fisher / (1 - 0.95**t) + 1e-3)
        parameter.grad = torch.from_numpy(gradient.copy())
        update(rate, n)
        np.testing.assert_allclose(parameter.detach().numpy(), w, rtol=1e-5, atol=1e-6)


def test_the_solver_with_its_own_step_has_no_optimizer_of_torch() -> None:
    with pytest.raises(TypeError, match=r"^solver LBFG has no optimizer of torch$"):
        Update(options("LBFG"), [], [])


@pytest.mark.parametrize("method", ["VANILLA", "MOMENTUM", "NESTEROV", "ADAM", "ADAMW"])
def test_updates_one_by_one_give_what_fused_ones_give(method: str) -> None:
    found = []
    for fused in (True, False):
        weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
        update = Update(options(method, reg_l2=0.1), [weight], [], fused=fused)
        for step in range(3):
            weight.grad = torch.tensor([0.5, 0.25, -1.0]) * (step + 1)
            update(0.1)
            assert weight.grad is None
        found.append(weight.detach())
    torch.testing.assert_close(*found)


def test_no_solver_loads_the_compiler_of_torch() -> None:
    # which takes more than a second of a worker's first training, and 70 MB
    program = """
import sys
from tests.engine.train.cases import Case, optimizer
from engine.train.resume import solver_state
from engine.train.optimizers import Update
for method in ("VANILLA", "MOMENTUM", "NESTEROV", "ADAM", "ADAMW", "ADAGRAD", "RMSPROP", "LBFG",
               "NATGRAD"):
    case = Case()
    case.train(optimizer(method, max_epochs=2))
    if method != "LBFG":
        solver_state(Update(optimizer(method), case.model.parameters("weights"), []))
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""

    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
