"""A DATA step: reads tables row by row, runs its statements, and writes tables."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pyarrow as pa

from actions.context import Context
from actions.errors import InvalidExpression
from actions.expression import resolve
from actions.language.formats import check, is_text_format, moment_type
from actions.language.frame import STEP, Frame, Variable, listed, moment_of
from actions.language.nodes import (
    Array,
    Assign,
    By,
    CallRoutine,
    Choose,
    DataSet,
    Element,
    Formats,
    Keep,
    Length,
    Loop,
    Name,
    Names,
    Output,
    Rename,
    Retain,
    Source,
    Statement,
    Step,
    Sum,
    within,
)
from actions.language.rows import Code, Row
from actions.language.running import Run, Runner, Signal
from actions.language.sources import Reader, Reading
from actions.language.step_tables import (
    ROWS_AT_ONCE,
    Written,
    option_pairs,
    output_of,
    reference,
)
from actions.language.transfer import is_stored_whole
from actions.ports import TableInfo
from actions.query import Order
from actions.reading import OpenTable, open_table
from engine.errors import Cancelled

SUBJECT = STEP
NOTHING = "_null_"
"""The name of a step that makes no table."""


@dataclass
class Made:
    """What a step read and wrote."""

    read: list[TableInfo]
    written: list[TableInfo]


class StepRun:
    """A step over the tables of a session."""

    def __init__(self, ctx: Context, step: Step) -> None:
        self.ctx = ctx
        self.step = step
        self.body = within(step.body)
        self.frame = Frame(SUBJECT, "a table")
        self.read: list[TableInfo] = []
        self.order: dict[str, None] = {}
        self.keys = [key for each in self.body if isinstance(each, By) for key in each.keys]
        self.tables: dict[int, list[tuple[DataSet, OpenTable, dict[str, str]]]] = {}
        self.flags: dict[tuple[int, str], Variable] = {}
        self.readings: list[Reading] = []
        self._declare()

    # variables

    def _declare(self) -> None:
        """Find the tables and make the variables, in the order of the text."""
        counter = self.frame.define("_n_", "number")
        counter.is_hidden = True
        for at, each in enumerate(self.body):
            if isinstance(each, Source):
                self._open(at, each)
            for name in _named(each):
                self.order.setdefault(name.casefold(), None)
        for known in self.frame.variables.values():
            known.is_retained = known.is_retained or known.type is not None
        self._hide()
        self.frame.define_all(self.step.body)
        for known in self.frame.variables.values():
            self.order.setdefault(known.name.casefold(), None)
        for each in self.body:
            if isinstance(each, Formats):
                self._format(each)
        self._keep_raw()

    def _format(self, statement: Formats) -> None:
        """Take numbers for the dates or times a format shows; others leave values as they are."""
        check(statement.format, reads=False)
        found = moment_type(statement.format)
        is_text = is_text_format(statement.format)
        for known in (each for item in statement.names for each in self.frame.named(item)):
            if (known.kind == "text") != is_text:
                self.frame.meaning.fail(
                    statement.place,
                    f"gives {known.name!r}, which holds {known.kind}, the format "
                    f"{statement.format!r}",
                )
            if found is None and known.moment:
                known.shown = pa.float64()
            elif found is not None:
                known.shown = found if moment_of(found) != known.moment else known.shown

    def _open(self, at: int, source: Source) -> None:
        self.tables[at] = []
        for table in source.tables:
            columns = self._columns(table)
            found = open_table(
                self.ctx,
                reference(table),
                columns=tuple(columns),
                order=self._ordering(table, columns),
            )
            self.read.append(found.info)
            self.tables[at].append((table, found, columns))
            for each in found.schema:
                self.frame.column(columns[each.name], each.type)
                self.order.setdefault(columns[each.name].casefold(), None)

    def _columns(self, table: DataSet) -> dict[str, str]:
        """Return the columns that are read of a table, with the names of their variables."""
        whole = open_table(self.ctx, reference(table))
        names = whole.schema.names
        for option in table.options:
            if option.word in ("keep", "drop"):
                chosen = {
                    resolve(name, names, whole.label)
                    for item in option.names
                    for name in listed(item)
                }
                keeps = option.word == "keep"
                names = [name for name in names if (name in chosen) == keeps]
        pairs = option_pairs(table.options, "rename")
        renamed = {resolve(old, names, whole.label): new for old, new in pairs}
        return {name: renamed.get(name, name) for name in names}

    def _ordering(self, table: DataSet, columns: dict[str, str]) -> tuple[Order, ...]:
        by_new = {new.casefold(): old for old, new in columns.items()}
        found = []
        for name, descends in self.keys:
            if name.casefold() not in by_new:
                resolve(name, list(columns.values()), f"the table {table.name!r}")
            found.append(Order(by_new[name.casefold()], descends))
        return tuple(found)

    def _hide(self) -> None:
        """Make the variables that tell of rows: in=, end=, nobs=, first. and last."""
        hidden = [f"{mark}.{name}" for name, _ in self.keys for mark in ("first", "last")]
        for each in self.body:
            if isinstance(each, Source):
                hidden += [name for name in (each.end, each.count) if name]
        for name in hidden:
            found = self.frame.define(name, "number")
            found.is_hidden = found.is_retained = True
            found.initial = 0.0
        for at, tables in self.tables.items():
            for table, _, _ in tables:
                for option in table.options:
                    if option.word == "in":
                        found = self.frame.define(option.text, "number")
                        found.is_hidden = found.is_retained = True
                        found.initial = 0.0
                        self.flags[(at, table.name + str(table.place))] = found

    def _keep_raw(self) -> None:
        """Let columns that are never assigned keep what Arrow stores of them."""
        assigned = {name.casefold() for each in self.body for name in self._assigned(each)}
        for each in self.frame.variables.values():
            if each.type is not None and each.name.casefold() not in assigned:
                is_whole = each.kind == "number" and is_stored_whole(each.type)
                each.is_raw = is_whole and each.shown is None

    def _assigned(self, statement: Statement) -> list[str]:
        match statement:
            case Assign(target=Name(name=name)) | Sum(name=name) | Loop(name=name):
                return [name]
            case Assign(target=Element(name=name)):
                return [each.name for each in self.frame.arrays.get(name.casefold(), ())]
            case Array(values=values, name=name) if values:
                return [each.name for each in self.frame.arrays[name.casefold()]]
            case Retain(has_value=True, names=names):
                return [name for item in names for name in listed(item)]
            case CallRoutine(args=args):
                return [each.name for each in args if isinstance(each, Name)]
            case _:
                return []

    # statements

    def _reading(self, at: int, source: Source) -> Reading:
        wheres = [each.condition for each in self.body if isinstance(each, Keep) and each.is_where]
        conditions = [self.frame.meaning.truth(each) for each in wheres]
        keys = [(self._known(name), descends) for name, descends in self.keys]
        readers = []
        for table, found, columns in self.tables[at]:
            own: list[Code] = [
                self.frame.meaning.truth(option.condition)
                for option in table.options
                if option.condition is not None
            ]
            readers.append(
                Reader(
                    [(name, self._known(columns[name])) for name in found.schema.names],
                    found.batches,
                    keys,
                    own + conditions,
                    self.flags.get((at, table.name + str(table.place))),
                )
            )
        marks = [
            (self._known(f"first.{name}"), self._known(f"last.{name}")) for name, _ in self.keys
        ]
        end = self._known(source.end) if source.end else None
        if source.count:
            rows = sum(found.info.rows for _, found, _ in self.tables[at])
            self._known(source.count).initial = float(rows)
        return Reading(self.frame, readers, is_merge=source.word == "merge", end=end, marks=marks)

    def _known(self, name: str) -> Variable:
        found = self.frame.find(name)
        assert found is not None  # noqa: S101 - declared before
        return found

    def _source(self, source: Source) -> Run:
        at = next(place for place, each in enumerate(self.body) if each is source)
        reading = self._reading(at, source)
        self.readings.append(reading)
        return reading.read

    def _outputs(self, written: Sequence[Written]) -> dict[str, Written]:
        return {each.name.casefold(): each for each in written}

    # tables that are made

    def _written(self) -> list[Written]:
        return [self._table(each) for each in self.step.tables if each.name.lower() != NOTHING]

    def _table(self, table: DataSet) -> Written:
        names = [name for name in self.order if self._is_shown(name)]
        for each in self.body:
            if isinstance(each, Choose):
                names = self._chosen(names, each.word, each.names)
        renamed = {
            old.casefold(): new
            for each in self.body
            if isinstance(each, Rename)
            for old, new in each.pairs
        }
        for option in table.options:
            if option.word in ("keep", "drop"):
                names = self._chosen(names, option.word, option.names)
        renamed |= {old.casefold(): new for old, new in option_pairs(table.options, "rename")}
        columns = [(renamed.get(name, self._known(name).name), self._known(name)) for name in names]
        if not columns:
            raise InvalidExpression(
                f"{SUBJECT} at {table.place} makes the table {table.name!r} without columns, "
                "expected at least one",
                table=table.name,
            )
        seen: set[str] = set()
        for name, _ in columns:
            if name.casefold() in seen:
                raise InvalidExpression(
                    f"{SUBJECT} at {table.place} makes two columns of the name {name!r}, expected "
                    "one",
                    column=name,
                )
            seen.add(name.casefold())
        return Written(output_of(table), table.name, columns)

    def _is_shown(self, name: str) -> bool:
        found = self.frame.find(name)
        return found is not None and not found.is_hidden

    def _chosen(self, names: list[str], word: str, items: Sequence[Names]) -> list[str]:
        """Return the names a keep or drop leaves; names of nothing are told and passed over."""
        chosen: set[str] = set()
        for item in items:
            if item.kind in ("name", "range"):
                found = {name.casefold() for name in listed(item)}
                for name in sorted(found - set(self.frame.variables)):
                    self.ctx.warn(f"{word} names {name!r}, which is no variable of the step")
                chosen |= found
            else:
                chosen |= {each.name.casefold() for each in self.frame.named(item)}
        keeps = word == "keep"
        return [name for name in names if (name in chosen) == keeps]

    # running

    def run(self) -> Made:
        """Run the step and publish what it made, all at once.

        Raises:
            Cancelled: the caller asked to stop.
            TableExists: a table exists and ``replace=no`` was said.
        """
        written = self._written()
        by_name = self._outputs(written)

        def output(statement: Output) -> Run:
            chosen = [self._chosen_table(by_name, name, statement) for name in statement.tables]
            tables = chosen or written

            def add(row: Row) -> Signal:
                for each in tables:
                    each.add(row)
                return None

            return add

        body = Runner(self.frame, output, self._source).block(
            each for each in self.step.body if not (isinstance(each, Keep) and each.is_where)
        )
        is_explicit = any(isinstance(each, Output) for each in self.body)
        with ExitStack() as stack:
            for each in written:
                each.staged = stack.enter_context(self.ctx.tables.stage(each.schema))
            for row in self._rows(body):
                if not is_explicit:
                    for each in written:
                        each.add(row)
            for each in written:
                each.flush()
            staged = [(each.staged, each.output) for each in written if each.staged is not None]
            made = self.ctx.tables.publish(*staged) if staged else []
        return Made(self.read, made)

    def _chosen_table(self, tables: dict[str, Written], name: str, statement: Output) -> Written:
        if name.casefold() not in tables:
            raise InvalidExpression(
                f"{SUBJECT} at {statement.place} got the table {name!r} in output, expected one of "
                f"{', '.join(each.name for each in tables.values())}",
                table=name,
            )
        return tables[name.casefold()]

    def _rows(self, body: Run) -> Iterator[Row]:
        """Yield the row at the end of every turn that was not ended by delete."""
        row = self.frame.new_row()
        counter = self._known("_n_").slot
        reset = [
            (each.slot, each.missing)
            for each in self.frame.variables.values()
            if not each.is_retained and each.slot != counter
        ]
        turn = 0
        while True:
            turn += 1
            if turn % ROWS_AT_ONCE == 0 and self.ctx.cancelled():
                raise Cancelled("the work was cancelled while a DATA step ran")
            for slot, missing in reset:
                row[slot] = missing
            row[counter] = float(turn)
            before = sum(each.count for each in self.readings)
            signal = body(row)
            if signal == "stop":
                return
            if signal is None:
                yield row
            if sum(each.count for each in self.readings) == before:
                return


def _named(statement: Statement) -> list[str]:
    """Return the names a statement puts into the order of columns."""
    match statement:
        case Retain(names=names) | Length(names=names) | Array(names=names):
            return [name for item in names for name in listed(item)]
        case Assign(target=Name(name=name)) | Sum(name=name):
            return [name]
        case Loop(name=name) if name:
            return [name]
        case _:
            return []
