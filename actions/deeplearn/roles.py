"""Which columns of a table a model is fed with, and which it is to predict."""

from actions.context import Context
from actions.errors import InvalidParameters
from actions.expression import resolve
from actions.params import TableRef, Variable
from actions.reading import OpenTable, open_table
from engine.data.forms import default_names, task_forms
from engine.graph.spec import Graph

IMAGE = "_image_"
LABEL = "_label_"

Names = tuple[str, ...]


def chosen(table: OpenTable, parameter: str, given: tuple[Variable, ...], default: str) -> Names:
    """Return the columns of a role, as the table spells them.

    Args:
        table: where they are.
        parameter: what the role is called on the wire.
        given: the columns that were asked for.
        default: the column that is taken when none is given, if the table has it.

    Raises:
        ColumnNotFound: a column does not exist.
        InvalidParameters: none is given and the table has no column of the default's name.
    """
    columns = table.all_columns.names
    if given:
        return tuple(resolve(each.name, columns, table.label) for each in given)
    if default in columns:
        return (default,)
    raise InvalidParameters(
        f"parameter {parameter!r} got no columns, and {table.label} has no column {default!r}, "
        "expected at least one",
        parameter=parameter,
        known=list(columns),
    )


def predicted(table: OpenTable, graph: Graph, given: tuple[Variable, ...]) -> Names:
    """Return the columns to predict: those given, else what the model's task layer looks for.

    Raises:
        ColumnNotFound: a column does not exist.
        InvalidParameters: none is given and the table has none that the layer looks for.
    """
    forms = task_forms(graph)
    if given or len(forms) != 1:
        return chosen(table, "target", given, LABEL)
    if forms[0].kind == "none":
        return ()
    found = default_names(forms[0], table.all_columns.names)
    return found or chosen(table, "target", given, LABEL)


def narrowed(ctx: Context, ref: TableRef, columns: Names) -> OpenTable:
    """Open a table with some of its columns only, each once."""
    return open_table(ctx, ref, columns=tuple(dict.fromkeys(columns)))
