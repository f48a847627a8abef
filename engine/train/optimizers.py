"""Solvers: torch's fused implementations where they compute exactly the documented update."""

from collections.abc import Callable, Sequence

import torch
from torch.nn import Parameter

from engine.train.config import Adam, Algorithm, Momentum, Optimizer, Vanilla

LEAST_RATE = 1e-30
"""Floor of the rate of MOMENTUM, far below what moves a float32 weight; see ``rescaled``."""

Groups = list[dict[str, object]]


def _vanilla(solver: Algorithm, groups: Groups) -> torch.optim.Optimizer:
    return torch.optim.SGD(groups, lr=solver.learning_rate, fused=True)


def _momentum(solver: Algorithm, groups: Groups) -> torch.optim.Optimizer:
    assert isinstance(solver, Momentum)  # noqa: S101 - the registry below is keyed by class
    return torch.optim.SGD(groups, lr=solver.learning_rate, momentum=solver.momentum, fused=True)


def _adam(solver: Algorithm, groups: Groups) -> torch.optim.Optimizer:
    assert isinstance(solver, Adam)  # noqa: S101 - the registry below is keyed by class
    betas = (solver.beta1, solver.beta2)
    return torch.optim.Adam(groups, lr=solver.learning_rate, betas=betas, eps=1e-8, fused=True)


OPTIMIZERS: dict[type[Algorithm], Callable[[Algorithm, Groups], torch.optim.Optimizer]] = {
    Vanilla: _vanilla,
    Momentum: _momentum,
    Adam: _adam,
}
"""The torch optimizer of every solver that is built."""


class Update:
    """Applies gradients to parameters.

    In order: gradients are clipped element by element, the penalties' gradients are added to those
    of weights (regL1 * sign(w), regL2 * w; biases, gamma and beta have none), the solver steps, and
    the gradients are dropped.

    Args:
        options: the run's options.
        weights: parameters with penalties.
        others: parameters without.
    """

    def __init__(
        self, options: Optimizer, weights: Sequence[Parameter], others: Sequence[Parameter]
    ) -> None:
        self.options = options
        self.weights = list(weights)
        self.parameters = [*weights, *others]
        # every group is a call of its own, so there are two only where they differ
        groups: Groups = [{"params": self.parameters}]
        if options.reg_l2:
            groups = [
                {"params": self.weights, "weight_decay": options.reg_l2},
                {"params": list(others)},
            ]
        self.solver = OPTIMIZERS[type(options.algorithm)](options.algorithm, groups)
        self.rate = options.algorithm.learning_rate

    def __call__(self, rate: float) -> None:
        """Take one step with the gradients the parameters hold."""
        self._set_rate(rate)
        self._clip()
        if self.options.reg_l1:
            self._add_l1()
        self.solver.step()
        self.solver.zero_grad(set_to_none=True)

    def _set_rate(self, rate: float) -> None:
        if rate == self.rate:
            return
        if isinstance(self.options.algorithm, Momentum):
            rate = max(rate, LEAST_RATE)
            self._rescale(self.rate / rate)
        self.rate = rate
        for group in self.solver.param_groups:
            group["lr"] = rate

    def _rescale(self, ratio: float) -> None:
        """Keep the velocity when the rate changes.

        torch keeps b with w -= rate * b; the documented velocity is v = -rate * b, so that a step
        taken at an old rate keeps its length only if b grows as the rate falls.
        """
        for state in self.solver.state.values():
            buffer = state.get("momentum_buffer")
            if buffer is not None:
                buffer.mul_(ratio)

    def _clip(self) -> None:
        low, high = self.options.algorithm.clip_grad_min, self.options.algorithm.clip_grad_max
        if low is None and high is None:
            return
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad.clamp_(low, high)

    def _add_l1(self) -> None:
        for parameter in self.weights:
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach().sign(), alpha=self.options.reg_l1)
