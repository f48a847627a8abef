"""Solvers: torch's fused implementations where they compute exactly the documented update."""

from collections.abc import Callable, Sequence
from functools import cache
from inspect import unwrap

import torch
from torch import Tensor
from torch.nn import Parameter

from engine.train.algorithms import (
    Adagrad,
    Adam,
    AdamW,
    Algorithm,
    Momentum,
    NaturalGradient,
    Nesterov,
    RmsProp,
    Vanilla,
)
from engine.train.config import Optimizer

LEAST_RATE = 1e-30
"""Floor of the rate of MOMENTUM, far below what moves a float32 weight; see ``rescaled``."""

Groups = list[dict[str, object]]

Maker = Callable[..., torch.optim.Optimizer]

_WRAPPED = ("add_param_group", "state_dict", "load_state_dict")
"""What torch wraps for its compiler in every solver, beside the step."""


class DiagonalFisher(torch.optim.Optimizer):
    """Natural gradient with a diagonal Fisher matrix; see ``NaturalGradient`` for its rule.

    Attributes:
        rows: of the mini-batch whose gradient is there.
    """

    decay = 0.95
    damping = 1e-3

    def __init__(self, groups: Groups, *, rate: float) -> None:
        super().__init__(groups, {"lr": rate, "weight_decay": 0.0})
        self.rows = 1

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step; a closure is not called."""
        del closure
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group["lr"], group["weight_decay"])

    def _move(self, parameter: Parameter, rate: float, weight_decay: float) -> None:
        state = self.state[parameter]
        if not state:
            state["step"], state["fisher"] = 0, torch.zeros_like(parameter)
        gradient = parameter.grad
        assert gradient is not None  # noqa: S101 - the caller looked
        state["step"] += 1
        state["fisher"].mul_(self.decay)
        state["fisher"].addcmul_(gradient, gradient, value=(1 - self.decay) * self.rows)
        fisher = state["fisher"] / (1 - self.decay ** state["step"])
        full = gradient.add(parameter, alpha=weight_decay)
        parameter.addcdiv_(full, fisher.add_(self.damping), value=-rate)


@cache
def bare(kind: type[torch.optim.Optimizer]) -> Maker:
    """Return a solver of torch's that computes the same and never loads torch's compiler.

    torch wraps parts of its solvers so that the compiler leaves them alone, and loads the compiler
    for that at their first call: more than a second and 70 MB. Its step has no hooks either.

    Source: torch, ``torch/_compile.py`` and ``torch/optim/optimizer.py``.
    """
    step = torch.no_grad()(unwrap(kind.step))
    step.hooked = True  # torch adds hooks to a step that has none
    own = {name: unwrap(getattr(kind, name)) for name in _WRAPPED}
    return type(kind.__name__, (kind,), {**own, "step": step})


def can_be_replayed(solver: Algorithm, *, fused: bool) -> bool:
    """Return whether torch's optimizer of a solver can keep its rate and its step on the device.

    Source: torch.optim: ``capturable``, and the fused SGD, whose rate may be a tensor.
    """
    if isinstance(solver, Vanilla | Momentum | Nesterov):
        return fused
    return isinstance(solver, Adam | AdamW | RmsProp)


def _optimizer(
    solver: Algorithm, groups: Groups, rate: float | Tensor, *, fused: bool
) -> torch.optim.Optimizer:
    """Return the torch optimizer of a solver; fused, it updates all weights in one call.

    Args:
        solver: the declared one.
        groups: of parameters.
        rate: a tensor where steps are replayed.
        fused: see above.

    Raises:
        TypeError: the solver is LBFG, which has a step of its own.
    """
    replayed = isinstance(rate, Tensor)
    match solver:
        case Vanilla():
            return bare(torch.optim.SGD)(groups, lr=rate, fused=fused)
        case Momentum():
            return bare(torch.optim.SGD)(groups, lr=rate, momentum=solver.momentum, fused=fused)
        case Nesterov():
            sgd, share = bare(torch.optim.SGD), solver.momentum
            return sgd(groups, lr=rate, momentum=share, nesterov=True, fused=fused)
        case Adam():
            betas = (solver.beta1, solver.beta2)
            return bare(torch.optim.Adam)(
                groups, lr=rate, betas=betas, eps=1e-8, fused=fused, capturable=replayed
            )
        case AdamW():
            betas = (solver.beta1, solver.beta2)
            return bare(torch.optim.AdamW)(
                groups, lr=rate, betas=betas, eps=1e-8, fused=fused, capturable=replayed
            )
        case Adagrad():
            return bare(torch.optim.Adagrad)(groups, lr=rate, eps=1e-10)
        case RmsProp():
            return bare(torch.optim.RMSprop)(
                groups, lr=rate, alpha=solver.decay, eps=1e-8, capturable=replayed
            )
        case NaturalGradient():
            return bare(DiagonalFisher)(groups, rate=solver.learning_rate)
        case _:
            raise TypeError(f"solver {solver.method} has no optimizer of torch")


class Update:
    """Applies gradients to parameters.

    In order: gradients are clipped element by element, the penalties' gradients are added to those
    of weights (regL1 * sign(w), regL2 * w; biases, gamma and beta have none), the solver steps, and
    the gradients are dropped.

    Args:
        options: the run's options.
        weights: parameters with penalties.
        others: parameters without.
        fused: update all weights in one call, where torch can.
        replayed: keep the rate on the device, for a step that is recorded, where torch can.

    Attributes:
        is_replayed: whether it is kept there.
    """

    def __init__(
        self,
        options: Optimizer,
        weights: Sequence[Parameter],
        others: Sequence[Parameter],
        *,
        fused: bool = True,
        replayed: bool = False,
    ) -> None:
        self.options = options
        self.weights = list(weights)
        self.parameters = [*weights, *others]
        solver = options.algorithm
        self.rate = solver.learning_rate
        self.is_replayed = replayed and can_be_replayed(solver, fused=fused)
        rate: float | Tensor = self.rate
        if self.is_replayed:
            rate = torch.tensor(rate, device=self.parameters[0].device)
        self.solver = _optimizer(solver, self._groups(list(others)), rate, fused=fused)

    def _groups(self, others: list[Parameter]) -> Groups:
        """Return the groups of parameters: each is a call, so there are two only if they differ."""
        algorithm, decay = self.options.algorithm, self.options.reg_l2
        if isinstance(algorithm, AdamW):
            decay = algorithm.weight_decay
        elif not decay:
            return [{"params": self.parameters}]
        return [
            {"params": self.weights, "weight_decay": decay},
            {"params": others, "weight_decay": 0.0},
        ]

    def __call__(self, rate: float, rows: int = 1) -> None:
        """Take one step with the gradients the parameters hold, of a mini-batch of ``rows``."""
        self.set_rate(rate)
        self.step(rows)

    def step(self, rows: int) -> None:
        """Take one step at the rate that is set, and drop the gradients."""
        self._clip()
        if self.options.reg_l1:
            self._add_l1()
        if self.options.reg_l2 and isinstance(self.options.algorithm, AdamW):
            self._add_l2()
        if isinstance(self.solver, DiagonalFisher):
            self.solver.rows = rows
        self.solver.step()
        self.drop_gradients()

    def drop_gradients(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:  # zero_grad does the same and costs a step's hundredth
            parameter.grad = None

    def set_rate(self, rate: float) -> None:
        """Let the following steps have a rate."""
        if rate == self.rate:
            return
        if isinstance(self.options.algorithm, Momentum | Nesterov):
            rate = max(rate, LEAST_RATE)
            self._rescale(self.rate / rate)
        self.hold_rate(rate)

    def hold_rate(self, rate: float) -> None:
        """Set the rate alone, as a checkpoint does, which has the velocity as well."""
        self.rate = rate
        for group in self.solver.param_groups:
            if self.is_replayed:
                group["lr"].fill_(rate)
            else:
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

    def _add_l2(self) -> None:
        """Add the penalty's gradient where torch decays weights by another way."""
        for parameter in self.weights:
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach(), alpha=self.options.reg_l2)
