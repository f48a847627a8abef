from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from actions.answers import made
from actions.context import Context
from actions.deeplearn.scoring import default_schema
from actions.deeplearn.sources import TableSource
from actions.errors import InvalidParameters
from actions.files.whole import new_file, write_whole
from actions.model_files import STORE_SCHEMA, store_batches
from actions.params import ActionParams, LayerName, OutTable, TableRef
from actions.registry import action
from actions.results import ActionResult, Json
from actions.writing import store_rows
from engine.compile.lower import compile_graph
from engine.interchange.model_file import Declaration, write_model
from engine.layers.base import Aliases
from engine.weights import Chunk, read_weights

Never = Literal["NONE"]


class FileTarget(ActionParams):
    """A file to make; a bare string stands for its name."""

    shorthand = "name"

    name: str
    """Name of the file, inside the caslib."""
    caslib: str | None = None
    """Caslib of the file; left out: the session's active one."""
    replace: bool = False
    """Replace a file of that name."""


class DlExportModelParams(ActionParams):
    """Parameters of deepLearn.dlExportModel."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model, declared as it was when its weights were trained."""
    init_weights: TableRef
    """Its weights: a weight table, or one with its three columns."""
    cas_out: OutTable | None = None
    """The store to make: a table that holds the model file, for the actions of ``astore``."""
    file: FileTarget | None = None
    """In place of ``casOut``: a file of a caslib to make; an extension."""
    layers: Annotated[tuple[LayerName, ...], Aliases("layerList")] = ()
    """Layers whose outputs a score with the store gives, too."""
    layer_image_type: Literal["WIDE"] = "WIDE"
    """A column for every number of such an output."""
    random_flip: Never = "NONE"
    """Images are scored as they are."""
    random_crop: Never = "NONE"
    """Images are scored as they are."""
    random_mutation: Never = "NONE"
    """Images are scored as they are."""


@action("deepLearn.dlExportModel")
def dl_export_model(ctx: Context, p: DlExportModelParams) -> ActionResult:
    """Write a model with its weights and its data schema as one model file.

    Raises:
        InvalidParameters: neither or both of ``casOut`` and ``file`` have a value.
        TableNotFound: the session sees no such table.
        WeightsError: the weights belong to another model, or carry no data schema and the model
            is none of images.
        GraphError: a layer does not exist.
        TableExists: the store exists and ``replace`` is false.
        InvalidFile: the file exists and ``replace`` is false.
        PathForbidden: the path leads out of the caslib, or names a folder.
    """
    source = TableSource(ctx, p.model_table, p.init_weights)
    if p.cas_out is not None and p.file is None:
        pieces = store_batches(_export(ctx, source, p.layers))
        return made(store_rows(ctx, STORE_SCHEMA, pieces, p.cas_out.output))
    if p.file is not None and p.cas_out is None:
        caslib = ctx.caslibs.find(p.file.caslib)
        path = new_file(caslib, p.file.name, replace=p.file.replace)
        written = _export(ctx, source, p.layers)
        write_whole(path, lambda part: _write(part, written))
        return ActionResult(values={"caslib": caslib.name, "name": p.file.name})
    raise InvalidParameters(
        f"parameters 'casOut' and 'file' got {'two values' if p.file else 'no value'}, "
        "expected exactly one",
        parameter="casOut",
    )


def _export(ctx: Context, source: TableSource, layers: Sequence[str]) -> Iterator[bytes]:
    declaration = Declaration(
        source.declared,
        source.schema or default_schema(source.declared, source.info),
        tuple(source.declared.node(name).name for name in layers),
        _lineage(ctx, source),
    )
    return write_model(declaration, _chunks(ctx, source, declaration))


def _lineage(ctx: Context, source: TableSource) -> dict[str, Json]:
    """Return what the weights know of their making, without what the file says anyway."""
    if source.info.kind != "weights":
        return {}
    _, header = ctx.weights.load(source.weights.address)
    return {key: value for key, value in header.lineage.items() if key != "layers"}


def _chunks(ctx: Context, source: TableSource, declaration: Declaration) -> Iterator[Chunk]:
    if source.info.kind == "weights" and source.weights.where is None:
        return ctx.weights.chunks(source.info)
    model = compile_graph(declaration.bound, declaration.schema.options)
    source.load(model)
    return read_weights(model)


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(pieces)
