"""What a function text may compute: names to torch operations on tensors and numbers.

Every operation gets at least one tensor. Comparisons and logic give 1 and 0; what is not zero is
true. Source: the SAS functions of the same names; SIGMOID, RELU, ERF and SOFTPLUS are ours.
"""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

Operand = Tensor | float
MANY = 64


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        least: fewest operands.
        most: most operands.
        is_risky: whether it may have no finite value or slope somewhere; in a branch it is then
            computed at 1 where the branch is not taken, so that no slope is lost.
    """

    run: Callable[..., Tensor]
    least: int = 1
    most: int = 1
    is_risky: bool = False


def tensors(*values: Operand) -> list[Tensor]:
    """Return operands as tensors, all like the first that is one."""
    like = next(value for value in values if isinstance(value, Tensor))
    return [v if isinstance(v, Tensor) else like.new_full((), v) for v in values]


def _relation(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def compare(a: Operand, b: Operand) -> Tensor:
        left, right = tensors(a, b)
        return function(left, right).to(left.dtype)

    return compare


def _axes(x: Tensor) -> tuple[int, ...]:
    """Return the axes of the values of a row; of a bare vector its only one."""
    return tuple(range(1, x.dim())) if x.dim() > 1 else tuple(range(x.dim()))


def _over(
    pair: Callable[[Tensor, Tensor], Tensor], whole: Callable[[Tensor], Tensor]
) -> Callable[..., Tensor]:
    """Return what joins several operands element by element, or the values of a row of one."""

    def join(*values: Operand) -> Tensor:
        found = tensors(*values)
        return whole(found[0]) if len(found) == 1 else reduce(pair, found)

    return join


def _total(x: Tensor) -> Tensor:
    return x.sum(_axes(x), keepdim=True) if x.dim() else x


def _average(*values: Operand) -> Tensor:
    found = tensors(*values)
    if len(found) == 1:
        return found[0].mean(_axes(found[0]), keepdim=True) if found[0].dim() else found[0]
    return reduce(operator.add, found) / len(found)


def choose(condition: Operand, a: Operand, b: Operand) -> Tensor:
    """Return a where the condition is not zero, else b."""
    where, left, right = tensors(condition, a, b)
    return torch.where(where != 0, left, right)


def _round(x: Operand, unit: Operand = 1.0) -> Tensor:
    """Return the nearest multiple of the unit; halves go away from zero, as in SAS."""
    value, size = tensors(x, unit)
    return value.sign() * (value.abs() / size + 0.5).floor() * size


ARITHMETIC: dict[str, Operation] = {
    "add": Operation(operator.add, 2, 2),
    "subtract": Operation(operator.sub, 2, 2),
    "multiply": Operation(operator.mul, 2, 2),
    "divide": Operation(operator.truediv, 2, 2, is_risky=True),
    "power": Operation(operator.pow, 2, 2, is_risky=True),
    "plus": Operation(lambda x: x),
    "minus": Operation(operator.neg),
    "not": Operation(lambda x: (x == 0).to(x.dtype)),
    "or": Operation(_relation(lambda a, b: (a != 0) | (b != 0)), 2, 2),
    "and": Operation(_relation(lambda a, b: (a != 0) & (b != 0)), 2, 2),
    "eq": Operation(_relation(torch.eq), 2, 2),
    "ne": Operation(_relation(torch.ne), 2, 2),
    "lt": Operation(_relation(torch.lt), 2, 2),
    "le": Operation(_relation(torch.le), 2, 2),
    "gt": Operation(_relation(torch.gt), 2, 2),
    "ge": Operation(_relation(torch.ge), 2, 2),
}
"""Operations behind signs."""

NUMBERS: dict[str, Callable[..., float]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "minus": operator.neg,
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
"""Quick ways to the same results, of numbers alone."""

FUNCTIONS: dict[str, Operation] = {
    "abs": Operation(torch.abs),
    "arcos": Operation(torch.acos, is_risky=True),
    "arsin": Operation(torch.asin, is_risky=True),
    "atan": Operation(torch.atan),
    "ceil": Operation(torch.ceil),
    "cos": Operation(torch.cos),
    "cosh": Operation(torch.cosh, is_risky=True),
    "erf": Operation(torch.erf),
    "exp": Operation(torch.exp, is_risky=True),
    "floor": Operation(torch.floor),
    "ifn": Operation(choose, 3, 3),
    "int": Operation(torch.trunc),
    "log": Operation(torch.log, is_risky=True),
    "log10": Operation(torch.log10, is_risky=True),
    "log1px": Operation(torch.log1p, is_risky=True),
    "log2": Operation(torch.log2, is_risky=True),
    "max": Operation(_over(torch.maximum, lambda x: x.amax(_axes(x), keepdim=True)), 1, MANY),
    "mean": Operation(_average, 1, MANY),
    "min": Operation(_over(torch.minimum, lambda x: x.amin(_axes(x), keepdim=True)), 1, MANY),
    "mod": Operation(lambda a, b: torch.fmod(*tensors(a, b)), 2, 2, is_risky=True),
    "relu": Operation(torch.relu),
    "round": Operation(_round, 1, 2, is_risky=True),
    "sigmoid": Operation(torch.sigmoid),
    "sign": Operation(torch.sign),
    "sin": Operation(torch.sin),
    "sinh": Operation(torch.sinh, is_risky=True),
    "softplus": Operation(functional.softplus),
    "sqrt": Operation(torch.sqrt, is_risky=True),
    "sum": Operation(_over(operator.add, _total), 1, MANY),
    "tan": Operation(torch.tan),
    "tanh": Operation(torch.tanh),
}
"""Functions a text may call."""

SYNONYMS = {"logistic": "sigmoid", "average": "mean", "log1p": "log1px", "trunc": "int"}


def element(value: Tensor, place: int) -> Tensor:
    """Return the value at a place, counted from 1, of the last axis, which is kept.

    Raises:
        IndexError: there is no such place.
    """
    if place > value.shape[-1]:
        raise IndexError(f"element {place} of {value.shape[-1]}")
    return value[..., place - 1 : place]


OPERATIONS = {**ARITHMETIC, **FUNCTIONS, "choose": Operation(choose, 3, 3)}
"""Every operation of a compiled function."""
