"""Lowers a parsed function to a list of torch operations: loops unrolled, choices made masks.

What does not depend on tensors is computed on the way, so that with numbers alone lowering is
running.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import NoReturn

import torch

from engine.errors import LayerError
from engine.functions.nodes import (
    Assign,
    Branch,
    Definition,
    Expr,
    Give,
    Loop,
    Place,
    Statement,
    assigned,
    expressions,
    gives,
)
from engine.functions.operations import FUNCTIONS, NUMBERS, OPERATIONS, SYNONYMS, Operation

MOST_STEPS = 2000
MOST_WORK = 200_000
MOST_TURNS = 10_000
MOST_CHOICES = 60


@dataclass(frozen=True)
class Ref:
    """A tensor of a program: an argument, or the result of a step."""

    index: int
    is_array: bool = False


@dataclass(frozen=True)
class Series:
    """Numbers an array argument holds; ``bare`` is what its name alone stands for."""

    values: tuple[float, ...]
    bare: float


Value = float | Ref | Series
Operand = float | Ref


@dataclass(frozen=True)
class Step:
    """One operation of a program; ``element`` takes a reference and a place."""

    operation: str
    operands: tuple[Operand, ...]


class Lowering:
    """Turns statements into steps.

    Args:
        inputs: tensors that are there before the first step.
        subject: what messages call the text.
    """

    def __init__(self, inputs: int, subject: str = "function") -> None:
        self.inputs = inputs
        self.subject = subject
        self.steps: list[Step] = []
        self.work = 0
        self.masks: list[Ref] = []

    def whole(self, definition: Definition, env: dict[str, Value]) -> Operand:
        """Return what the function returns.

        Raises:
            LayerError: it uses what it must not, or not every way through it ends in a return.
        """
        found = self.run(definition.body, dict(env))
        if found is None:
            raise LayerError(
                f"{self.subject} {definition.name!r} got a way through without a return, expected "
                "return(value); at the end"
            )
        return found

    def run(self, statements: tuple[Statement, ...], env: dict[str, Value]) -> Operand | None:
        """Run statements; return the value of the return they reach, None without one."""
        ahead = list(reversed(statements))
        while ahead:
            statement = ahead.pop()
            self._spend(statement.place)
            match statement:
                case Give(value=value):
                    return self.value(value, env)
                case Assign(place, name, value):
                    self._assign(place, name, self.value(value, env), env)
                case Loop():
                    ahead.extend(reversed(self._turns(statement, env)))
                case Branch(condition=condition):
                    chosen = self.value(condition, env)
                    if not isinstance(chosen, Ref):
                        way = statement.then if chosen else statement.otherwise
                        ahead.extend(reversed(way))
                    elif gives((statement,)):
                        return self._both(statement, chosen, tuple(reversed(ahead)), env)
                    else:
                        self._merge(statement, chosen, env)
        return None

    def _assign(self, place: Place, name: str, value: Operand, env: dict[str, Value]) -> None:
        old = env.get(name)
        if isinstance(old, Series) or (isinstance(old, Ref) and old.is_array):
            self._refuse(place, f"an assignment to the argument {name!r}", "another name")
        env[name] = value

    def _turns(self, loop: Loop, env: dict[str, Value]) -> tuple[Statement, ...]:
        first, last = self._constant(loop.first, env), self._constant(loop.last, env)
        step = 1.0 if loop.step is None else self._constant(loop.step, env)
        turns = int((last - first) / step) + 1 if step and (last - first) / step >= 0 else 0
        if not step or turns > MOST_TURNS:
            got = "a loop that never ends" if not step else f"a loop of {turns} turns"
            self._refuse(loop.place, got, f"at most {MOST_TURNS} turns")
        if self.work + turns * (1 + len(loop.body)) > MOST_WORK:
            self._exhausted(loop.place)
        body: list[Statement] = []
        for turn in range(turns):
            number = Expr("number", loop.place, number=first + turn * step)
            body += (Assign(loop.place, loop.name, number), *loop.body)
        return tuple(body)

    def _branches(self, branch: Branch, chosen: Ref) -> list[tuple[Ref, tuple[Statement, ...]]]:
        return [
            (chosen, branch.then),
            (self._ref(self.emit("not", (chosen,), branch.place)), branch.otherwise),
        ]

    def _both(
        self,
        branch: Branch,
        chosen: Ref,
        rest: tuple[Statement, ...],
        env: dict[str, Value],
    ) -> Operand | None:
        """Return the choice between what both ways give, each run to its end."""
        found = []
        for mask, statements in self._branches(branch, chosen):
            before = self._enter(mask, branch.place)
            found.append(self.run(statements + rest, dict(env)))
            self.masks = before
        then, otherwise = found
        if then is None or otherwise is None:
            return None
        return self.emit("choose", (chosen, then, otherwise), branch.place)

    def _merge(self, branch: Branch, chosen: Ref, env: dict[str, Value]) -> None:
        """Run both ways and choose between what they leave under each name."""
        ends: list[dict[str, Value]] = []
        for mask, statements in self._branches(branch, chosen):
            before, here = self._enter(mask, branch.place), dict(env)
            self.run(statements, here)
            self.masks = before
            ends.append(here)
        then, otherwise = ends
        for name in {*then, *otherwise}:
            a, b = then.get(name), otherwise.get(name)
            if a is None or b is None:
                env.pop(name, None)
            elif a != b:
                operands = (chosen, self._operand(a), self._operand(b))
                env[name] = self.emit("choose", operands, branch.place)
            else:
                env[name] = a

    def _enter(self, mask: Ref, place: Place) -> list[Ref]:
        """Narrow the mask that holds from here; return the masks before."""
        before = self.masks
        if len(before) == MOST_CHOICES:
            got = f"more than {MOST_CHOICES} choices inside or after one another"
            self._refuse(place, got, "fewer, or ifn(condition, a, b)")
        inner = self._ref(self.emit("and", (before[-1], mask), place)) if before else mask
        self.masks = [*before, inner]
        return before

    def value(self, expr: Expr, env: Mapping[str, Value]) -> Operand:
        """Return the value of an expression."""
        self._spend(expr.place)
        match expr.kind:
            case "number":
                return self._finite(expr.number, expr.place)
            case "name":
                return self._operand(self._named(expr, env))
            case "element":
                return self._element(expr, env)
            case "call":
                return self._call(expr, env)
        found = self.value(expr.args[0], env)
        for word, arg in zip(expr.words, expr.args[1:], strict=True):
            found = self.emit(word, (found, self.value(arg, env)), expr.place)
        return found

    def check(self, expr: Expr, known: Mapping[str, Value]) -> None:
        """Check the names and functions in an expression, without their values."""
        if expr.kind in ("name", "element"):
            self._named(expr, known)
        if expr.kind == "call":
            self._known(expr)
        for arg in expr.args:
            self.check(arg, known)

    def _known(self, expr: Expr) -> Operation | None:
        """Return the operation of a call, None for dim."""
        name = SYNONYMS.get(expr.word, expr.word)
        if name == "dim":
            return None
        known = FUNCTIONS.get(name) or (OPERATIONS.get(name) if name in SIGNS else None)
        if known is None:
            nearest = self._nearest(expr.word, {**FUNCTIONS, **SYNONYMS})
            self._refuse(expr.place, f"the function {expr.word!r}", nearest)
        if not known.least <= len(expr.args) <= known.most:
            wanted = str(known.least) if known.least == known.most else f"{known.least} or more"
            self._refuse(expr.place, f"{len(expr.args)} arguments of {name!r}", wanted)
        return known

    def _named(self, expr: Expr, env: Mapping[str, Value]) -> Value:
        if expr.word not in env:
            self._refuse(expr.place, f"the name {expr.word!r}", self._nearest(expr.word, env))
        return env[expr.word]

    def _element(self, expr: Expr, env: Mapping[str, Value]) -> Operand:
        array = self._named(expr, env)
        place = self._constant(expr.args[0], env)
        is_array = isinstance(array, Series) or (isinstance(array, Ref) and array.is_array)
        if not is_array:
            self._refuse(expr.place, f"an element of {expr.word!r}", "an argument that is an array")
        size = len(array.values) if isinstance(array, Series) else None
        if place != int(place) or place < 1 or (size is not None and place > size):
            most = "" if size is None else f" to {size}"
            self._refuse(expr.place, f"element {place:g}", f"a whole number from 1{most}")
        if isinstance(array, Series):
            return array.values[int(place) - 1]
        return self._add(Step("element", (self._operand(array), place)), expr.place)

    def _call(self, expr: Expr, env: Mapping[str, Value]) -> Operand:
        name = SYNONYMS.get(expr.word, expr.word)
        series = self._series(expr, env)
        if self._known(expr) is None:
            if series is None:
                self._refuse(expr.place, "'dim' of no array of numbers", "an argument that is one")
            return float(len(series.values))
        if series is not None and name in REDUCTIONS:
            return self.emit(name, series.values or (series.bare,), expr.place)
        return self.emit(name, tuple(self.value(arg, env) for arg in expr.args), expr.place)

    @staticmethod
    def _series(expr: Expr, env: Mapping[str, Value]) -> Series | None:
        """Return the array of numbers a call has for its only argument."""
        if len(expr.args) != 1 or expr.args[0].kind != "name":
            return None
        array = env.get(expr.args[0].word)
        return array if isinstance(array, Series) else None

    def _constant(self, expr: Expr, env: Mapping[str, Value]) -> float:
        found = self.value(expr, env)
        if isinstance(found, Ref):
            self._refuse(expr.place, "a value that depends on the data", "a constant")
        return found

    def emit(self, operation: str, operands: tuple[Operand, ...], place: Place) -> Operand:
        """Return the result of an operation: at once of numbers, else of a step added."""
        known = OPERATIONS[operation]
        numbers = [each for each in operands if not isinstance(each, Ref)]
        if len(numbers) == len(operands):
            self.work += len(operands)
            if operation in NUMBERS:
                return self._finite(NUMBERS[operation](*numbers), place)
            made = [torch.tensor(each, dtype=torch.float64) for each in numbers]
            return self._finite(known.run(*made).item(), place)
        if known.is_risky and self.masks:
            operands = tuple(self._guarded(each, place) for each in operands)
        return self._add(Step(operation, operands), place)

    def _guarded(self, operand: Operand, place: Place) -> Operand:
        if not isinstance(operand, Ref):
            return operand
        return self._add(Step("choose", (self.masks[-1], operand, 1.0)), place)

    def _add(self, step: Step, place: Place) -> Ref:
        if len(self.steps) == MOST_STEPS:
            self._refuse(place, f"more than {MOST_STEPS} operations", "a shorter function")
        self.steps.append(step)
        return Ref(self.inputs + len(self.steps) - 1)

    def _operand(self, value: Value) -> Operand:
        if isinstance(value, Series):
            return value.bare
        return replace(value, is_array=False) if isinstance(value, Ref) else value

    @staticmethod
    def _ref(value: Operand) -> Ref:
        assert isinstance(value, Ref)  # noqa: S101 - an operation on a tensor gives one
        return value

    def _finite(self, number: float, place: Place) -> float:
        if not isfinite(number):
            self._refuse(place, f"a value of {number}", "a finite one")
        return float(number)

    def _spend(self, place: Place) -> None:
        self.work += 1
        if self.work > MOST_WORK:
            self._exhausted(place)

    def _exhausted(self, place: Place) -> NoReturn:
        self._refuse(place, f"more than {MOST_WORK} steps of work", "a shorter function")

    def _nearest(self, word: str, known: Mapping[str, object]) -> str:
        near = difflib.get_close_matches(word, known, 1)
        if near:
            return f"one that is known; the nearest is {near[0]!r}"
        return f"one of {', '.join(sorted(known))}"

    def _refuse(self, place: Place, got: str, expected: str) -> NoReturn:
        raise LayerError(
            f"{self.subject} at {place} got {got}, expected {expected}",
            line=place.line,
            column=place.column,
            got=got,
            expected=expected,
        )


def check_words(definition: Definition, names: tuple[str, ...], subject: str) -> None:
    """Check that every function and name of a text is known, and that every way ends in a return.

    Raises:
        LayerError: one is not, or none.
    """
    lowering = Lowering(0, subject)
    known = dict.fromkeys((*names, *assigned(definition.body)), 1.0)
    for expr in expressions(definition.body):
        lowering.check(expr, known)
    if not gives(definition.body):
        lowering.whole(Definition(definition.name, None, ()), {})


SIGNS = ("plus", "minus", "not")
REDUCTIONS = ("max", "min", "mean", "sum")
