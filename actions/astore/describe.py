from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import ClassVar

from actions.answers import Declared, result_table
from actions.context import Context
from actions.model_files import PIECE_BYTES, open_store
from actions.params import ActionParams, TableRef
from actions.ports import TableInfo
from actions.registry import action
from actions.results import ActionResult, Cell, ResultTable
from engine.data.schema import Schema, source_columns
from engine.data.variables import ImageInput, Nominal, TextInput, VectorInput
from engine.graph.infer import infer_shapes
from engine.interchange.model_file import FORMAT, VERSION, Declaration, read_model
from engine.layers.base import TaskLayer
from engine.score.makers import make_reports
from engine.score.outputs import OutputColumn, layer_columns

NUMBER_BYTES = 8
VARYING = 0
"""Length of a variable whose values are as long as they are."""

INPUTS: Declared = (
    ("Name", "string"),
    ("Length", "int64"),
    ("Role", "string"),
    ("Type", "string"),
    ("RawType", "string"),
    ("FormatName", "string"),
)
OUTPUTS: Declared = (
    ("Name", "string"),
    ("Length", "int64"),
    ("Type", "string"),
    ("Label", "string"),
)
TYPES = {
    "double": ("Num", NUMBER_BYTES),
    "string": ("Varchar", VARYING),
    "binary": ("Varbinary", VARYING),
}


class DescribeParams(ActionParams):
    """Parameters of astore.describe."""

    later: ClassVar[Mapping[str, str]] = {
        "epcode": "stores hold a model and no program",
        "store": "'rstore' says which store it is",
    }

    rstore: TableRef
    """The store, as dlExportModel makes it."""


@action("astore.describe")
def describe(ctx: Context, p: DescribeParams) -> ActionResult:
    """Tell what a store holds: its key, its model, the variables it reads and those it gives.

    The key is the SHA-256 of the model file. A length of 0 stands for values of varying length.

    Raises:
        TableNotFound: the session sees no such table.
        InvalidFile: the table is no store.
        DataError: it holds no model file.
        GraphError: the model it declares is none.
    """
    info, pieces = open_store(ctx, p.rstore)
    declaration, size = read_model(pieces).declaration, pieces.size
    _, pieces = open_store(ctx, p.rstore)
    key = sha256()
    while pieces.left:
        key.update(pieces.take(min(pieces.left, PIECE_BYTES)))
    return ActionResult(
        tables={
            "Key": result_table((("Key", "string"),), [(key.hexdigest(),)], "Key"),
            "Description": _description(info, declaration, size),
            "InputVariables": result_table(INPUTS, _inputs(declaration.schema), "Input Variables"),
            "OutputVariables": result_table(OUTPUTS, _outputs(declaration), "Output Variables"),
        }
    )


def _description(info: TableInfo, declaration: Declaration, size: int) -> ResultTable:
    rows: list[tuple[str, Cell]] = [
        ("Analytic Engine", "castorch"),
        ("Format", f"{FORMAT} {VERSION}"),
        ("Model Name", declaration.graph.name),
        ("Number of Layers", len(declaration.graph.nodes)),
        ("Number of Weights", sum(spec.size for spec in declaration.specs)),
        ("Size in Bytes", size),
        ("Time Created", info.created.isoformat(timespec="seconds")),
    ]
    return result_table(
        (("Attribute", "string"), ("Value", "string")),
        [(name, str(value)) for name, value in rows],
        "Basic Information",
    )


def _inputs(schema: Schema) -> Iterator[tuple[Cell, ...]]:
    for source in schema.inputs:
        if isinstance(source, ImageInput):
            yield source.column, VARYING, "Input", "Varbinary", "Image", ""
        elif isinstance(source, TextInput):
            yield source.column, VARYING, "Input", "Varchar", "Text", ""
        elif isinstance(source, VectorInput):
            for variable in source.variables:
                is_nominal = isinstance(variable, Nominal)
                raw = "Nominal" if is_nominal else "Interval"
                type_, length = ("Varchar", VARYING) if is_nominal else ("Num", NUMBER_BYTES)
                yield variable.name, length, "Input", type_, raw, ""
        else:
            for name in source_columns(source):
                yield name, NUMBER_BYTES, "Input", "Num", "Interval", ""


def _outputs(declaration: Declaration) -> Iterator[tuple[Cell, ...]]:
    for column in (*_scores(declaration), *_layers(declaration)):
        type_, length = TYPES[column.type]
        yield column.name, length, type_, column.label


def _scores(declaration: Declaration) -> Iterator[OutputColumn]:
    """Yield the columns of scores, without compiling the model."""
    graph = declaration.bound
    tasks = {n.name: n.layer.task() for n in graph.nodes if isinstance(n.layer, TaskLayer)}
    reports = make_reports(graph, declaration.schema, tasks, encode_name=True, top_probs=None)
    for report in reports.values():
        yield from report.columns


def _layers(declaration: Declaration) -> Iterator[OutputColumn]:
    shapes = infer_shapes(declaration.bound, declaration.schema.options)
    for name in declaration.layers:
        node = declaration.graph.node(name)
        for column in layer_columns(node.id, shapes[node.name] or ()):
            yield replace(column, label=f"Output for Layer {node.name}")
