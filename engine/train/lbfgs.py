"""L-BFGS with a backtracking line search.

Source: Nocedal, Wright, Numerical Optimization (2006), algorithms 7.4, 7.5 (two loops) and 3.1
(backtracking); the first step is min(1, 1 / |g|_1) long, later ones are tried at length 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter

from engine.compile.moments import Pooled
from engine.train.algorithms import Lbfg
from engine.train.config import Optimizer

SUFFICIENT = 1e-4
"""Share of the fall a line promises that a step must reach (Armijo's constant)."""
LEAST_CURVATURE = 1e-10
"""Pairs whose s'y is not above this bend the wrong way and are not kept."""


@dataclass(frozen=True)
class Evaluation:
    """What is minimised, at one point.

    Attributes:
        objective: mean loss and penalties.
        gradient: of the objective, all parameters side by side, (P,).
        loss: sum of the losses of the rows.
        error: sum of their fit errors.
        moments: statistics of batch normalisation, pooled up to here.
    """

    objective: float
    gradient: Tensor
    loss: Tensor
    error: Tensor
    moments: Pooled


class Lbfgs:
    """The memory of the solver, and one iteration at a time.

    Args:
        options: the run's options; their algorithm is LBFG.
        weights: parameters with penalties.
        others: parameters without.
    """

    def __init__(
        self, options: Optimizer, weights: Sequence[Parameter], others: Sequence[Parameter]
    ) -> None:
        assert isinstance(options.algorithm, Lbfg)  # noqa: S101 - the caller looked
        self.options = options
        self.solver = options.algorithm
        self.weights = list(weights)
        self.parameters = [*weights, *others]
        self.pairs: list[tuple[Tensor, Tensor]] = []
        self.iterations = 0
        self.reason: str | None = None

    def iterate(self, start: Evaluation, evaluate: Callable[[], Evaluation]) -> Evaluation:
        """Take one step; return the evaluation at the new point, ``start`` if there is none.

        Args:
            start: at the point the parameters are at.
            evaluate: evaluates at the point the parameters are at.
        """
        self.iterations += 1
        direction = self._direction(start.gradient)
        slope = _dot(direction, start.gradient)
        if slope >= 0:
            self.pairs.clear()
            direction = -start.gradient
            slope = -_dot(direction, direction)
        found = self._search(start, direction, slope, evaluate) if slope < 0 else None
        if found is None:
            self._give_up(slope)
            return start
        length, end = found
        self._keep(direction * length, end.gradient - start.gradient)
        limit = self.solver.max_iters
        if limit is not None and self.iterations >= limit:
            self.reason = "reached the maximum number of iterations"
        return end

    def collect(self) -> Tensor:
        """Clip the gradients, add those of the penalties, and return them side by side, (P,)."""
        low, high = self.solver.clip_grad_min, self.solver.clip_grad_max
        penalized = {id(weight) for weight in self.weights}
        parts: list[Tensor] = []
        with torch.no_grad():
            for each in self.parameters:
                gradient = torch.zeros_like(each) if each.grad is None else each.grad
                if low is not None or high is not None:
                    gradient = gradient.clamp(low, high)
                if id(each) in penalized:
                    gradient = gradient + self.options.reg_l2 * each
                    gradient = gradient + self.options.reg_l1 * each.sign()
                parts.append(gradient.reshape(-1))
                each.grad = None
        return torch.cat(parts)

    def penalties(self) -> float:
        """Return regL1 * sum |w| + regL2 / 2 * sum w^2."""
        total = 0.0
        with torch.no_grad():
            for weight in self.weights:
                wide = weight.double()
                total += self.options.reg_l1 * float(wide.abs().sum())
                total += self.options.reg_l2 / 2 * float(wide.square().sum())
        return total

    def _direction(self, gradient: Tensor) -> Tensor:
        """Return -H g by the two loops; H begins as s'y / y'y of the last pair."""
        q = gradient.clone()
        passed: list[float] = []
        for s, y in reversed(self.pairs):
            alpha = _dot(s, q) / _dot(s, y)
            passed.append(alpha)
            q.add_(y, alpha=-alpha)
        if self.pairs:
            s, y = self.pairs[-1]
            q.mul_(_dot(s, y) / _dot(y, y))
        for (s, y), alpha in zip(self.pairs, reversed(passed), strict=True):
            q.add_(s, alpha=alpha - _dot(y, q) / _dot(s, y))
        return q.neg_()

    def _search(
        self,
        start: Evaluation,
        direction: Tensor,
        slope: float,
        evaluate: Callable[[], Evaluation],
    ) -> tuple[float, Evaluation] | None:
        length = 1.0
        if not self.pairs:
            length = min(1.0, 1.0 / float(start.gradient.abs().sum()))
        origin = [each.detach().clone() for each in self.parameters]
        for _ in range(self.solver.max_line_search_iters):
            self._move(origin, direction, length)
            end = evaluate()
            if end.objective <= start.objective + SUFFICIENT * length * slope:
                return length, end
            length *= self.solver.backtrack_ratio
        self._move(origin, direction, 0.0)
        return None

    @torch.no_grad()
    def _move(self, origin: Sequence[Tensor], direction: Tensor, length: float) -> None:
        first = 0
        for each, at in zip(self.parameters, origin, strict=True):
            part = direction[first : first + each.numel()].view(each.shape)
            each.copy_(at + length * part if length else at)
            first += each.numel()

    def _give_up(self, slope: float) -> None:
        """Forget the pairs and go on downhill; without any, end a run on the whole table."""
        if self.options.is_full_batch and not self.pairs:
            self.reason = (
                "the line search found no smaller loss" if slope < 0 else "the gradient is zero"
            )
        self.pairs.clear()

    def _keep(self, s: Tensor, y: Tensor) -> None:
        if _dot(s, y) > LEAST_CURVATURE:
            self.pairs = [*self.pairs, (s, y)][-self.solver.m :]


def _dot(a: Tensor, b: Tensor) -> float:
    return float(torch.dot(a.double(), b.double()))
