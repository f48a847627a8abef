from typing import Annotated, Literal

from pydantic import Field

from actions.answers import result_table
from actions.context import Context
from actions.language.grammar import parse_steps
from actions.language.steps import StepRun
from actions.params import ActionParams
from actions.ports import TableInfo
from actions.registry import action
from actions.results import ActionResult, ResultTable


class RunCodeParams(ActionParams):
    """Parameters of dataStep.runCode."""

    code: str
    """One DATA step or several, which run one after another."""
    single: Literal["NO", "NOINPUT", "YES"] = "NO"
    """Accepted; a step always reads its tables in order, in one thread."""
    n_threads: Annotated[int, Field(ge=0)] | None = None
    """Accepted; as above."""


@action("dataStep.runCode")
def run_code(ctx: Context, p: RunCodeParams) -> ActionResult:
    """Run DATA steps: read tables row by row, compute, choose, and write tables.

    Tables a step makes replace those of their names, unless ``replace=no`` is said of them; a step
    that fails makes none. Steps before it stay done. What is understood is in
    [Expressions and programs](../expressions.md).

    Raises:
        InvalidExpression: the code cannot be read, or fails on a value.
        NotSupportedError: it holds a statement or a function that is not run.
        TableNotFound: the session sees no such table.
        ColumnNotFound: a name is neither a column nor a variable.
    """
    read: list[TableInfo] = []
    written: list[TableInfo] = []
    for step in parse_steps(p.code):
        made = StepRun(ctx, step).run()
        read += made.read
        written += made.written
    return ActionResult(
        tables={
            "InputCasTables": _tables(read, "Input Cas Tables"),
            "OutputCasTables": _tables(written, "Output Cas Tables"),
        }
    )


def _tables(tables: list[TableInfo], title: str) -> ResultTable:
    return result_table(
        (
            ("casLib", "string"),
            ("Name", "string"),
            ("Rows", "int64"),
            ("Columns", "int64"),
            ("Append", "string"),
            ("Promote", "string"),
        ),
        [
            (
                each.caslib,
                each.name,
                each.rows,
                each.columns,
                "",
                "Y" if each.scope == "global" else "N",
            )
            for each in tables
        ],
        title,
    )
