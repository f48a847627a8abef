from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from actions.analysis import Input, Study, Value, study
from actions.answers import Declared, output_tables, result_table
from actions.context import Context
from actions.errors import InvalidParameters
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.ports import TableInfo
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult, Cell
from actions.writing import store_rows
from engine.layers.base import Aliases

_CONTINUOUS = {
    "MAX": ("Maximum", "max({0})"),
    "MEAN": ("Mean", "favg({0})"),
    "MEDIAN": ("Median", "median({0})"),
    "MIDRANGE": ("Midrange", "(min({0}) + max({0})) / 2"),
    "MIN": ("Minimum", "min({0})"),
}
"""What a method is called in the answer, and its SQL."""


class ImputeParams(ActionParams):
    """Parameters of dataPreprocess.impute."""

    later: ClassVar[Mapping[str, str]] = {
        "code": "no program is written",
        "freq": "every row counts as one",
        "outVarsNameSuffix": "new names are made with 'outVarsNamePrefix'",
        "requestPackages": "the parameters of the call say how columns are filled",
        "seed": "no method draws numbers",
    }

    table: TableRef
    """The table, and the ``where`` that chooses rows."""
    inputs: tuple[Variable, ...] = ()
    """Columns to fill, of numbers or text; left out: all there are."""
    method_continuous: Annotated[
        Literal["MAX", "MEAN", "MEDIAN", "MIDRANGE", "MIN"], Aliases("methodInterval")
    ] = "MEAN"
    """What missing numbers become, of the numbers that are there."""
    method_nominal: Literal["MODE"] = "MODE"
    """What missing text becomes: what occurs most often, of several the first."""
    values_continuous: Annotated[tuple[float, ...], Aliases("valuesInterval")] = ()
    """What missing numbers become, in place of the method: one value for all columns of numbers,
    or one for each."""
    values_nominal: tuple[str, ...] = ()
    """What missing text becomes, in place of the method: one value, or one for each column."""
    out_vars_name_prefix: str = "IMP"
    """What the names of filled columns begin with, before ``_``."""
    copy_all_vars: bool = False
    """Copy all columns of the table."""
    copy_vars: tuple[Variable, ...] = ()
    """Columns to copy beside those that are filled."""
    cas_out: OutTable | None = None
    """The table to write; left out: the values are only told."""


@dataclass(frozen=True)
class Filled:
    """A column that is filled, and what with."""

    column: Input
    result: str
    method: str
    value: Value
    present: int
    missing: int

    @property
    def statement(self) -> str:
        """The statement that computes the filled column."""
        source, target = _name(self.column.name), _name(self.result)
        if self.value is None:
            return f"{target} = {source};"
        value = _quoted(self.value) if isinstance(self.value, str) else repr(self.value)
        return f"{target} = coalesce({source}, {value});"


@action("dataPreprocess.impute")
def impute(ctx: Context, p: ImputeParams) -> ActionResult:
    """Fill missing values of columns with a value of the others, or with one that is given.

    The filled columns are new ones: ``IMP_x`` of ``x``. A column without any value stays missing.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: a column holds bytes, or there are more or fewer values than columns.
        InvalidExpression: ``where`` cannot be read.
        TableExists: the name is taken and ``replace`` is false.
    """
    with study(ctx, p.table.model_copy(update={"group_by": ()}), p.inputs) as found:
        filled = [_filled(p, found, each) for each in found.inputs]
    columns: Declared = (
        ("Variable", "string"),
        ("ImputeTech", "string"),
        ("ResultVar", "string"),
        ("N", "double"),
        ("NMiss", "double"),
        ("ImputedValueContinuous", "double"),
        ("ImputedValueNominal", "string"),
    )
    tables = {"ImputeInfo": result_table(columns, map(_row, filled), "Imputed Values")}
    if p.cas_out is not None:
        tables["OutputCasTables"] = output_tables(_write(ctx, p, p.cas_out, filled))
    return ActionResult(tables)


def _filled(p: ImputeParams, found: Study, column: Input) -> Filled:
    c = column.sql
    if column.is_number:
        method, sql = _CONTINUOUS[p.method_continuous]
    else:
        method, sql = "Mode", "(SELECT {0} FROM rows WHERE {0} IS NOT NULL GROUP BY {0} "
        sql += "ORDER BY count(*) DESC, {0} LIMIT 1)"
    ((value, every, present),) = found.ask(
        f"SELECT {sql.format(c)}, count(*), count({c}) FROM rows"  # noqa: S608 - our names
    )
    given = _given(p, found, column)
    if given is not None:
        method, value = "Value", given
    result = f"{p.out_vars_name_prefix}_{column.name}"
    return Filled(column, result, method, value, present, every - present)


def _given(p: ImputeParams, found: Study, column: Input) -> Value:
    """Return the value that is given for a column, or None."""
    kind = "Continuous" if column.is_number else "Nominal"
    values: tuple[Value, ...] = p.values_continuous if column.is_number else p.values_nominal
    same = [each for each in found.inputs if each.is_number == column.is_number]
    if not values:
        return None
    if len(values) not in (1, len(same)):
        raise InvalidParameters(
            f"parameter 'values{kind}' got {len(values)} values, expected 1 or {len(same)}, one "
            f"for each of {', '.join(each.name for each in same)}",
            parameter=f"values{kind}",
        )
    return values[0] if len(values) == 1 else values[same.index(column)]


def _row(filled: Filled) -> list[Cell]:
    value = filled.value
    return [
        filled.column.name,
        filled.method,
        filled.result,
        float(filled.present),
        float(filled.missing),
        None if isinstance(value, str) else value,
        value if isinstance(value, str) else "",
    ]


def _write(ctx: Context, p: ImputeParams, out: OutTable, filled: list[Filled]) -> TableInfo:
    names = [each.name for each in p.copy_vars]
    if p.copy_all_vars:
        names = open_table(ctx, p.table).schema.names
    results = [each.result for each in filled]
    computed = [*p.table.computed_vars, *(Variable(name=each) for each in results)]
    program = (*p.table.computed_vars_program, *(each.statement for each in filled))
    ref = p.table.model_copy(
        update={
            "computed_vars": tuple(computed) if p.table.computed_vars else (),
            "computed_vars_program": program,
        }
    )
    table = open_table(ctx, ref, columns=tuple(dict.fromkeys((*names, *results))))
    return store_rows(ctx, table.schema, table.batches(), out.output)


def _name(name: str) -> str:
    return f"{_quoted(name)}n"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
