"""Statements as functions of a row."""

from collections.abc import Callable, Iterable, Sequence

from actions.errors import InvalidExpression
from actions.language.frame import Frame, Variable
from actions.language.nodes import (
    Assign,
    CallRoutine,
    Constant,
    Expr,
    Format,
    If,
    Keep,
    Leave,
    Loop,
    Name,
    Output,
    Place,
    Source,
    Span,
    Statement,
    Sum,
)
from actions.language.rows import Code, Row
from engine.errors import NotSupportedError

MOST_TURNS = 10_000_000
"""Turns of a loop."""

Signal = str | None
Run = Callable[[Row], Signal]
"""What a statement does to a row; ``delete`` ends the row, ``stop`` the step."""


class Runner:
    """Turns the statements of a program into functions.

    Args:
        frame: its variables, all defined.
        output: what an output statement does, by the names of its tables; None refuses them.
        source: what reads the next row of a set or merge; None refuses them.
    """

    def __init__(
        self,
        frame: Frame,
        output: Callable[[Output], Run] | None = None,
        source: Callable[[Source], Run] | None = None,
    ) -> None:
        self.frame = frame
        self.output = output
        self.source = source

    def block(self, statements: Iterable[Statement]) -> Run:
        """Return what statements do, one after another."""
        runs = [run for each in statements if (run := self.statement(each)) is not None]
        if len(runs) == 1:
            return runs[0]

        def run_all(row: Row) -> Signal:
            for run in runs:
                signal = run(row)
                if signal is not None:
                    return signal
            return None

        return run_all

    def statement(self, statement: Statement) -> Run | None:
        """Return what a statement does; None for one that only declares."""
        match statement:
            case Assign():
                return self._assign(statement)
            case Sum(name=name, value=value):
                return self._sum(name, value)
            case If():
                return self._if(statement)
            case Keep(condition=condition):
                met = self.frame.meaning.truth(condition)
                return lambda row: None if met(row) else "delete"
            case Loop():
                return self._loop(statement)
            case Leave(word=word):
                return lambda _: word
            case CallRoutine():
                return self._routine(statement)
            case Output() if self.output is not None:
                return self.output(statement)
            case Source() if self.source is not None:
                return self.source(statement)
            case _:
                return None

    def _assign(self, statement: Assign) -> Run:
        target, value = statement.target, statement.value
        if isinstance(target, Name):
            found = self.frame.find(target.name)
            assert found is not None  # noqa: S101 - all assigned variables were defined
            code, slot = self._converted(found, value), found.slot

            def assign(row: Row) -> Signal:
                row[slot] = code(row)
                return None

            return assign
        meaning = self.frame.meaning
        if not self.frame.is_array(target.name):
            meaning.fail(target.place, f"got {target.name!r}, which is no array")
        elements = self.frame.arrays[target.name.casefold()]
        find = self.frame.slot_of(target.name, target.place, meaning.number(target.index))
        code = self._converted(elements[0], value)

        def assign_element(row: Row) -> Signal:
            row[find(row)] = code(row)
            return None

        return assign_element

    def _converted(self, variable: Variable, value: Expr) -> Code:
        """Return code for a value in the kind of the variable it goes to."""
        meaning = self.frame.meaning
        if variable.kind == "number":
            return meaning.number(value)
        if variable.kind == "binary":
            found = meaning.plain(value)
            if found.kind != "binary" and not _is_missing(value):
                meaning.fail(
                    value.place, f"gives {found.kind} to {variable.name!r}, expected bytes"
                )
            return found.code if found.kind == "binary" else lambda _: None
        if _is_missing(value):
            return lambda _: ""
        code, length = meaning.text(value), variable.length
        return code if length is None else lambda row: code(row)[:length]

    def _sum(self, name: str, value: Expr) -> Run:
        found = self.frame.find(name)
        assert found is not None  # noqa: S101 - sums define their variables
        code, slot = self.frame.meaning.number(value), found.slot

        def add(row: Row) -> Signal:
            row[slot] = (row[slot] or 0.0) + (code(row) or 0.0)
            return None

        return add

    def _if(self, statement: If) -> Run:
        condition = self.frame.meaning.truth(statement.condition)
        then, otherwise = self.block(statement.then), self.block(statement.otherwise)
        return lambda row: then(row) if condition(row) else otherwise(row)

    def _loop(self, loop: Loop) -> Run:
        body = self.block(loop.body)
        meaning = self.frame.meaning
        condition = None if loop.condition is None else meaning.truth(loop.condition)
        turns = self._turns(loop)

        def run(row: Row) -> Signal:
            for count, _ in enumerate(turns(row), start=1):
                if count > MOST_TURNS:
                    self._endless(loop.place)
                if condition is not None and not loop.until and not condition(row):
                    return None
                signal = body(row)
                if signal is not None:
                    return signal
                if condition is not None and loop.until and condition(row):
                    return None
            return None

        return run

    def _turns(self, loop: Loop) -> Callable[[Row], Iterable[object]]:
        """Return what goes through the turns of a loop and sets its variable."""
        if not loop.name:
            return lambda _: iter(int, 1)
        found = self.frame.find(loop.name)
        assert found is not None  # noqa: S101 - loops define their variables
        values = [self.frame.meaning.number(each) for each in loop.values]
        if loop.last is None:
            return lambda row: _through(row, found.slot, values)
        last = self.frame.meaning.number(loop.last)
        step = (lambda _: 1.0) if loop.step is None else self.frame.meaning.number(loop.step)
        *before, first = values

        def turns(row: Row) -> Iterable[object]:
            yield from _through(row, found.slot, before)
            yield from _count(row, found.slot, (first(row), last(row), step(row)))

        return turns

    def _endless(self, place: Place) -> None:
        raise InvalidExpression(
            f"{self.frame.subject} at {place} made more than {MOST_TURNS} turns of a loop, "
            "expected fewer",
            line=place.line,
            column=place.column,
        )

    def _routine(self, statement: CallRoutine) -> Run:
        meaning = self.frame.meaning
        args = [each for each in statement.args if not isinstance(each, Span | Format)]
        if statement.word == "missing":
            return self._set_missing(statement)
        if statement.word != "streaminit":
            raise NotSupportedError(
                f"{self.frame.subject} at {statement.place} calls the routine "
                f"{statement.word!r}, which is not supported yet; expected 'streaminit' or "
                "'missing'",
                got=statement.word,
            )
        if len(args) != 1:
            meaning.fail(
                statement.place, f"calls 'streaminit' with {len(args)} arguments, expected 1"
            )
        code, random = meaning.number(args[0]), self.frame.emitter.random
        is_done = False

        def seed(row: Row) -> Signal:
            nonlocal is_done
            if not is_done:
                random.seed(code(row))
                is_done = True
            return None

        return seed

    def _set_missing(self, statement: CallRoutine) -> Run:
        found = [self.frame.find(each.name) for each in statement.args if isinstance(each, Name)]
        slots = [(each.slot, each.missing) for each in found if each is not None]

        def clear(row: Row) -> Signal:
            for slot, missing in slots:
                row[slot] = missing
            return None

        return clear


def _is_missing(value: Expr) -> bool:
    return isinstance(value, Constant) and value.value is None


def _through(row: Row, slot: int, values: Sequence[Code]) -> Iterable[object]:
    for code in values:
        row[slot] = code(row)
        yield row


def _count(
    row: Row, slot: int, bounds: tuple[float | None, float | None, float | None]
) -> Iterable[object]:
    """Count from the first to the last value; afterwards the variable is one step beyond."""
    first, last, step = bounds
    if first is None or last is None or not step:
        return
    row[slot] = first
    while (row[slot] <= last) if step > 0 else (row[slot] >= last):
        yield row
        row[slot] = (row[slot] or 0.0) + step
