"""Starting values of weights.

Source: the deepLearn reference, initialisers; the three suffixes are those of Caffe's fillers:
none for the mean of fan-in and fan-out, 1 for fan-in, 2 for fan-out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import atan, pi, sqrt
from typing import Literal

import torch
from torch import Tensor
from torch.nn import init

InitializerName = Literal[
    "XAVIER", "XAVIER1", "XAVIER2", "MSRA", "MSRA1", "MSRA2", "UNIFORM", "NORMAL", "CAUCHY"
]

CAUCHY_REACH = 10.0
"""Where draws of the Cauchy distribution are clipped, in units of its scale."""


@dataclass(frozen=True)
class Start:
    """How a tensor begins.

    Attributes:
        fan_in: values that enter one output.
        fan_out: outputs that one value enters.
        mean: of NORMAL.
        std: standard deviation of NORMAL.
        truncation: NORMAL is drawn again beyond this many standard deviations; None: never.
    """

    name: InitializerName
    fan_in: int
    fan_out: int
    mean: float = 0.0
    std: float = 1.0
    truncation: float | None = None


def initialize(weight: Tensor, start: Start, generator: torch.Generator) -> None:
    """Fill a tensor in place with draws from the generator."""
    with torch.no_grad():
        _RULES[start.name](weight, start, generator)


def _fan(start: Start) -> float:
    """Return the n of the variance rules 1/n (XAVIER) and 2/n (MSRA)."""
    suffix = start.name[-1]
    if suffix == "1":
        return start.fan_in
    return start.fan_out if suffix == "2" else (start.fan_in + start.fan_out) / 2


def _xavier(weight: Tensor, start: Start, generator: torch.Generator) -> None:
    """Fill uniformly on ±√(3/n)."""
    bound = sqrt(3.0 / _fan(start))
    weight.uniform_(-bound, bound, generator=generator)


def _msra(weight: Tensor, start: Start, generator: torch.Generator) -> None:
    """Fill normally with variance 2/n."""
    weight.normal_(0.0, sqrt(2.0 / _fan(start)), generator=generator)


def _uniform(weight: Tensor, start: Start, generator: torch.Generator) -> None:
    """Fill uniformly on ±1/√fan-in."""
    bound = 1.0 / sqrt(start.fan_in)
    weight.uniform_(-bound, bound, generator=generator)


def _normal(weight: Tensor, start: Start, generator: torch.Generator) -> None:
    """Fill normally, drawn again beyond the truncation."""
    if start.truncation is None or start.std == 0.0:
        weight.normal_(start.mean, start.std, generator=generator)
        return
    reach = start.truncation * start.std
    low, high = start.mean - reach, start.mean + reach
    init.trunc_normal_(weight, start.mean, start.std, low, high, generator=generator)


def _cauchy(weight: Tensor, start: Start, generator: torch.Generator) -> None:
    """Fill with draws of Cauchy(0, 1) clipped to ±c and scaled to the variance 1/fan-in.

    The clipped variable has the variance (2/π)(c - atan c) + c²(1 - (2/π) atan c): the integral of
    x²/(π(1 + x²)) over [-c, c], and c² times the probability of the tails.
    """
    angle = 2.0 / pi * atan(CAUCHY_REACH)
    variance = 2.0 / pi * CAUCHY_REACH - angle + CAUCHY_REACH**2 * (1.0 - angle)
    weight.cauchy_(0.0, 1.0, generator=generator).clamp_(-CAUCHY_REACH, CAUCHY_REACH)
    weight.mul_(1.0 / sqrt(variance * start.fan_in))


_RULES: dict[str, Callable[[Tensor, Start, torch.Generator], None]] = {
    "XAVIER": _xavier,
    "XAVIER1": _xavier,
    "XAVIER2": _xavier,
    "MSRA": _msra,
    "MSRA1": _msra,
    "MSRA2": _msra,
    "UNIFORM": _uniform,
    "NORMAL": _normal,
    "CAUCHY": _cauchy,
}
