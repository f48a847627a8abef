"""A caller's function, compiled; and its value for numbers.

The text stands in an option of a layer or of an optimizer, so that it is kept with the model.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from engine.errors import LayerError
from engine.functions.grammar import parse
from engine.functions.lowering import Lowering, Operand, Ref, Series, Step, Value, check_words
from engine.functions.nodes import Definition, names_read
from engine.functions.operations import OPERATIONS, element


@dataclass(frozen=True)
class Signature:
    """What a function is called with.

    Attributes:
        option: whose value the text is, in wire spelling.
        arguments: documented names, in order.
        arrays: those of them that have elements.
    """

    option: str
    arguments: tuple[str, ...]
    arrays: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return f"option {self.option!r}: function"


ACTIVATION = Signature("fcmpAct", ("x",))
LOSS = Signature("fcmpErr", ("y", "yhat"))
FORWARD = Signature("forwardFunc", ("x", "w"), ("x", "w"))
LEARNING_RATE = Signature(
    "fcmpLearningRate",
    ("rate", "initRate", "gamma", "stepSize", "iterNum", "batch", "loss"),
    ("loss",),
)


@dataclass(frozen=True)
class Function:
    """A compiled function: torch operations in order, on tensors of one shape or that broadcast.

    Attributes:
        result: a step's, an argument, or a constant.
    """

    inputs: int
    steps: tuple[Step, ...]
    result: Operand

    def __call__(self, *tensors: Tensor) -> Tensor:
        """Return the value; a constant one has the shape of the first tensor."""
        values = list(tensors)
        for step in self.steps:
            operands = [values[o.index] if isinstance(o, Ref) else o for o in step.operands]
            if step.operation == "element":
                array, place = operands
                assert isinstance(array, Tensor)  # noqa: S101 - lowering made it so
                values.append(element(array, int(place)))
            else:
                values.append(OPERATIONS[step.operation].run(*operands))
        if isinstance(self.result, Ref):
            return values[self.result.index]
        return torch.full_like(tensors[0], self.result)


@dataclass(frozen=True)
class Elementwise:
    """A function as an activation: the value has the shape of the argument."""

    function: Function

    def __call__(self, x: Tensor) -> Tensor:
        y = self.function(x)
        return y if y.shape == x.shape else y.expand(x.shape).contiguous()


@lru_cache(maxsize=256)
def compile_function(text: str, signature: Signature) -> Function:
    """Return the function of a text.

    Raises:
        LayerError: the text cannot be run; the message names line and column.
        NotSupportedError: it holds a statement of the dialect that is not run.
    """
    definition, names = _parsed(text, signature)
    env: dict[str, Value] = {
        name: Ref(index, documented in signature.arrays)
        for index, (name, documented) in enumerate(zip(names, signature.arguments, strict=True))
    }
    lowering = Lowering(len(names), signature.subject)
    result = lowering.whole(definition, env)
    return Function(len(names), tuple(lowering.steps), result)


Number = float | tuple[float, ...]


@lru_cache(maxsize=64)
def evaluate(text: str, signature: Signature, values: tuple[Number, ...]) -> float:
    """Return the value of a function of numbers.

    Args:
        text: of the function.
        signature: what it is called with.
        values: of the arguments; of an array its numbers, whose last, or 0 without any, is what the
            bare name stands for.

    Raises:
        LayerError: the text cannot be run, or its value is not finite.
    """
    definition, names = _parsed(text, signature)
    env: dict[str, Value] = {}
    for name, value in zip(names, values, strict=True):
        if isinstance(value, tuple):
            env[name] = Series(value, value[-1] if value else 0.0)
        else:
            env[name] = float(value)
    result = Lowering(0, signature.subject).whole(definition, env)
    assert not isinstance(result, Ref)  # noqa: S101 - numbers give numbers
    return result


def uses(text: str, signature: Signature, argument: str) -> bool:
    """Return whether a function reads an argument, named as documented."""
    definition, names = _parsed(text, signature)
    name = names[signature.arguments.index(argument)]
    return name in names_read(definition.body)


def is_name(text: str, signature: Signature) -> bool:
    """Return whether a text is no function but the name of one."""
    bare = text.strip().lower()
    is_argument = bare in (name.lower() for name in signature.arguments)
    return re.fullmatch(r"[a-z_]\w*", bare) is not None and not is_argument


def check_function(text: str, signature: Signature) -> None:
    """Check a text whose loops may depend on its arguments: all that can be without them.

    Raises:
        LayerError: it is no function of such arguments.
        NotSupportedError: it holds a statement of the dialect that is not run.
    """
    definition, names = _parsed(text, signature)
    check_words(definition, names, signature.subject)


@lru_cache(maxsize=256)
def _parsed(text: str, signature: Signature) -> tuple[Definition, tuple[str, ...]]:
    """Return a parsed text and the names its arguments have in it, in lower case."""
    documented = tuple(name.lower() for name in signature.arguments)
    listed = f"({', '.join(signature.arguments)})"
    if is_name(text, signature):
        raise LayerError(
            f"option {signature.option!r} got the bare name {text.strip()!r}, expected the text of "
            f"the function itself: an expression of {listed}, or function name{listed}; ...",
            option=signature.option,
            got=text.strip(),
        )
    definition = parse(text, signature.subject)
    given = definition.parameters
    is_named = given is not None and len(given) < len(documented) and {*given} <= {*documented}
    # fewer parameters are taken by name, as the dialect does
    names = documented if given is None or is_named else given
    if len(names) != len(documented) or len(set(names)) != len(names):
        raise LayerError(
            f"option {signature.option!r} got a function of ({', '.join(names)}), expected "
            f"{len(documented)} arguments with names of their own, for {listed}",
            option=signature.option,
            got=list(names),
        )
    return definition, names
