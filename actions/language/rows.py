"""Expressions and statements as Python over the values of one row.

A row is a list; every variable has a place in it. Numbers are floats or None, text is a string.
"""

import math
import operator
from collections import deque
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import numpy as np
import pyarrow as pa

from actions.arrow_functions import pc
from actions.errors import InvalidExpression
from actions.language.functions import LONGEST_TEXT, Function
from actions.language.meaning import Typed, to_number
from actions.values import best

Row = list[Any]
Code = Callable[[Row], Any]

_LOWEST = float("-inf")
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def _add(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a + b


def _subtract(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _multiply(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a * b


def _divide(a: float | None, b: float | None) -> float | None:
    return None if a is None or not b else a / b


_ARITHMETIC = {"add": _add, "subtract": _subtract, "multiply": _multiply, "divide": _divide}


def finite(value: float | None) -> float | None:
    """Return a number, or missing where it is too great to be one."""
    return value if value is not None and isfinite(value) else None


def _integer(random: np.random.Generator, low: float, high: float | None = None) -> float:
    first, last = (1, low) if high is None else (low, high)
    return float(random.integers(int(first), int(last) + 1))


DISTRIBUTIONS: dict[str, Callable[..., float]] = {
    "unif": np.random.Generator.uniform,
    "norm": np.random.Generator.normal,
    "expo": np.random.Generator.exponential,
    "pois": np.random.Generator.poisson,
    "bern": lambda random, p: float(random.random() < p),
    "inte": _integer,
}
"""Distributions by the first four letters of their names."""


class RandomNumbers:
    """Random numbers of one run; the same seed gives the same numbers."""

    def __init__(self) -> None:
        self._generator: np.random.Generator | None = None

    def seed(self, seed: float | None) -> None:
        """Begin a stream; a seed that is missing or not positive stands for a new one each time."""
        is_given = seed is not None and seed > 0
        self._generator = np.random.default_rng(int(seed or 0) if is_given else None)

    def draw(self, kind: str, *shape: float | None) -> float | None:
        """Return a number of a distribution by its name.

        Raises:
            InvalidExpression: there is none of that name.
        """
        if self._generator is None:
            self.seed(None)
        assert self._generator is not None  # noqa: S101 - seeded above
        if None in shape:
            return None
        draw = DISTRIBUTIONS.get(kind.strip().lower()[:4])
        if draw is None:
            raise InvalidExpression(
                f"the distribution {kind!r} is not known, expected 'uniform', 'normal', "
                "'bernoulli', 'exponential', 'poisson' or 'integer'",
                got=kind,
            )
        try:
            return float(draw(self._generator, *shape))
        except (TypeError, ValueError):
            raise InvalidExpression(
                f"the distribution {kind!r} got {list(shape)}, expected other parameters",
                got=kind,
            ) from None


class RowEmitter:
    """Makes functions of a row."""

    def __init__(self) -> None:
        self.random = RandomNumbers()

    def constant(self, value: float | str | None) -> Code:
        return lambda _: value

    def chain(self, args: Sequence[Code], words: Sequence[str]) -> Code:
        first = args[0]
        steps = [(_ARITHMETIC[word], code) for word, code in zip(words, args[1:], strict=True)]
        if len(steps) == 1:
            run, second = steps[0]
            return lambda row: run(first(row), second(row))

        def chained(row: Row) -> float | None:
            value: float | None = first(row)
            for run, code in steps:
                value = run(value, code(row))
            return value

        return chained

    def power(self, base: Code, exponent: Code) -> Code:
        def raised(row: Row) -> float | None:
            a, b = base(row), exponent(row)
            if a is None or b is None:
                return None
            try:
                return math.pow(a, b)
            except (OverflowError, ValueError):
                return None

        return raised

    def minus(self, value: Code) -> Code:
        def negative(row: Row) -> float | None:
            found = value(row)
            return None if found is None else -found

        return negative

    def concat(self, args: Sequence[Code]) -> Code:
        return lambda row: "".join([code(row) for code in args])[:LONGEST_TEXT]

    def compare(self, word: str, left: Code, right: Code, *, of_text: bool) -> Code:
        test = _COMPARE[word]
        if of_text:
            return lambda row: test(left(row).rstrip(" "), right(row).rstrip(" "))

        def compared(row: Row) -> bool:
            a, b = left(row), right(row)
            return test(_LOWEST if a is None else a, _LOWEST if b is None else b)

        return compared

    def within(self, value: Code, items: Sequence[Code], *, of_text: bool) -> Code:
        every = [code([]) for code in items]
        if of_text:
            texts = frozenset(each.rstrip(" ") for each in every)
            return lambda row: value(row).rstrip(" ") in texts
        numbers = frozenset(every)
        return lambda row: value(row) in numbers

    def like(self, value: Code, pattern: Code) -> Code:
        def matches(row: Row) -> bool:
            text = pa.scalar(value(row).rstrip(" "))
            return bool(pc.match_like(text, pattern(row)).as_py())

        return matches

    def join(self, word: str, args: Sequence[Code]) -> Code:
        if word == "and":
            return lambda row: all(code(row) for code in args)
        return lambda row: any(code(row) for code in args)

    def negate(self, value: Code) -> Code:
        return lambda row: not value(row)

    def choose(self, condition: Code, yes: Code, no: Code) -> Code:
        return lambda row: yes(row) if condition(row) else no(row)

    def truth_of(self, value: Code) -> Code:
        return lambda row: bool(value(row))

    def number_of_truth(self, value: Code) -> Code:
        return lambda row: 1.0 if value(row) else 0.0

    def number_of_text(self, value: Code) -> Code:
        return lambda row: to_number(value(row))

    def text_of_number(self, value: Code) -> Code:
        def shown(row: Row) -> str:
            found = finite(value(row))
            return (best(found) if found is not None else ".").rjust(12)

        return shown

    def call(self, found: Function, args: Sequence[Typed[Code]]) -> Code:
        run, codes = found.run, [each.code for each in args]
        match codes:
            case [a]:
                return lambda row: run(a(row))
            case [a, b]:
                return lambda row: run(a(row), b(row))
            case [a, b, c]:
                return lambda row: run(a(row), b(row), c(row))
            case _:
                return lambda row: run(*[code(row) for code in codes])

    def stateful(self, word: str, args: Sequence[Typed[Code]]) -> Code:
        codes = [each.code for each in args]
        if word.startswith("lag"):
            return _lag(codes[0], int(word[3:] or 1), "" if args[0].kind == "text" else None)
        if word.startswith("dif"):
            now, before = codes[0], _lag(codes[0], int(word[3:] or 1), None)
            return lambda row: _subtract(now(row), before(row))
        if word == "rand":
            kind, *shape = codes
            return lambda row: self.random.draw(str(kind(row)), *[code(row) for code in shape])
        return lambda _: self.random.draw("uniform")


def _lag(value: Code, steps: int, missing: str | None) -> Code:
    """Return the value of an earlier call, as LAG does; each place in a text has its own queue."""
    queue = deque([missing] * steps, maxlen=max(1, min(steps, 10_000)))

    def earlier(row: Row) -> Any:
        found = queue[0]
        queue.append(value(row))
        return found

    return earlier
