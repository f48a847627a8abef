"""A trained model in one file: its declaration, its data schema and its weights.

The file is one of safetensors. Each tensor of the weight table is an array named
``<layer>.<tensor>``, in the order of the table; the metadata hold JSON texts:

    format   castorch.model
    version  1
    model    name, family and declared layers
    schema   how rows become tensors, and predictions values
    layers   names of layers whose outputs a score gives too
    lineage  what the weights know of their making

Nothing in it is code, and nothing is pickled. A file from elsewhere is checked whole before memory
is asked for: the declaration says which arrays there must be, and the file must have just those.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import ValidationError

from engine.data.schema import Schema, bound_graph
from engine.errors import DataError
from engine.graph.declaration import declared, read_declared
from engine.graph.layout import SegmentSpec, layout
from engine.graph.spec import Graph
from engine.interchange.pieces import Pieces
from engine.interchange.safetensors_file import FLOAT_BYTES, Entry, read_header, write_header
from engine.weights import CHUNK_VALUES, Chunk

FORMAT = "castorch.model"
VERSION = "1"
FAMILIES = ("CNN", "DNN", "RNN")

LITTLE = np.dtype("<f4")


@dataclass(frozen=True)
class Declaration:
    """What a model file holds besides its numbers.

    Attributes:
        graph: the model as it is declared.
        schema: how rows become tensors, and predictions values.
        layers: names of layers whose outputs a score gives too.
        lineage: what the weights know of their making.
    """

    graph: Graph
    schema: Schema
    layers: tuple[str, ...] = ()
    lineage: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def bound(self) -> Graph:
        """The graph with all its shapes.

        Raises:
            GraphError: layers and schema do not belong together.
        """
        return bound_graph(self.schema, self.graph)

    @cached_property
    def specs(self) -> tuple[SegmentSpec, ...]:
        """The tensors of the weight table."""
        return layout(self.bound, self.schema.options)

    @cached_property
    def by_name(self) -> dict[str, SegmentSpec]:
        """The tensors by their names in the file."""
        names = {node.id: node.name for node in self.graph.nodes}
        return {f"{names[spec.layer_id]}.{spec.name}": spec for spec in self.specs}


@dataclass(frozen=True)
class ModelFile:
    """A model file that was found to be whole; its numbers are still to be read.

    Attributes:
        entries: the arrays in the order they lie in.
    """

    declaration: Declaration
    entries: Sequence[Entry]
    pieces: Pieces

    def chunks(self) -> Iterator[Chunk]:
        """Yield the numbers, once; in the order they lie in."""
        for entry in self.entries:
            spec = self.declaration.by_name[entry.name]
            for offset in range(0, spec.size, CHUNK_VALUES):
                count = min(CHUNK_VALUES, spec.size - offset)
                values = np.frombuffer(self.pieces.take(count * FLOAT_BYTES), LITTLE)
                yield Chunk(spec, offset, values.astype(np.float32, copy=False))


def write_model(declaration: Declaration, chunks: Iterable[Chunk]) -> Iterator[bytes]:
    """Yield the bytes of a model file.

    Args:
        declaration: the model.
        chunks: its numbers, in the order of the weight table.

    Raises:
        DataError: the declaration is too long.
    """
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "model": _text(_model(declaration.graph)),
        "schema": declaration.schema.model_dump_json(),
        "layers": _text(list(declaration.layers)),
        "lineage": _text(dict(declaration.lineage)),
    }
    shapes = [(name, spec.shape) for name, spec in declaration.by_name.items()]
    yield write_header(metadata, shapes)
    for chunk in chunks:
        yield chunk.values.astype(LITTLE, copy=False).tobytes()


def read_model(pieces: Pieces) -> ModelFile:
    """Read a model file up to its numbers.

    Raises:
        DataError: it is no such file, or holds other arrays than its declaration asks for.
        GraphError: its layers make no network, or do not go with its schema.
        ShapeError: a layer does not fit its sources, or is beyond the limits.
    """
    header = read_header(pieces)
    declaration = _declaration(pieces, header.metadata)
    expected = declaration.by_name
    got = {entry.name: entry.shape for entry in header.entries}
    for name in dict.fromkeys([*expected, *got]):
        shape = expected[name].shape if name in expected else None
        if got.get(name) != shape:
            raise DataError(
                f"{pieces.label} holds array {name!r} as {_shown(got.get(name))}, expected "
                f"{_shown(shape)} by its declaration",
                tensor=name,
            )
    return ModelFile(declaration, header.entries, pieces)


def _model(graph: Graph) -> dict[str, object]:
    return {"name": graph.name, "family": graph.family, "layers": declared(graph)}


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _declaration(pieces: Pieces, metadata: Mapping[str, str]) -> Declaration:
    found = (metadata.get("format"), metadata.get("version"))
    if found != (FORMAT, VERSION):
        raise DataError(
            f"{pieces.label} has format {found[0]!r} and version {found[1]!r}, expected "
            f"{FORMAT!r} and {VERSION!r}"
        )
    model = _json(pieces, metadata, "model", dict)
    name, family = model.get("name"), model.get("family")
    if not isinstance(name, str) or family not in FAMILIES:
        raise DataError(
            f"{pieces.label} declares a model {name!r} of family {family!r}, expected a name and "
            f"one of {', '.join(FAMILIES)}"
        )
    graph = read_declared(name, family, model.get("layers"))
    layers = _json(pieces, metadata, "layers", list)
    for each in layers:
        graph.node(str(each))
    return Declaration(
        graph,
        _schema(pieces, metadata.get("schema", "")),
        tuple(str(each) for each in layers),
        _json(pieces, metadata, "lineage", dict),
    )


def _schema(pieces: Pieces, text: str) -> Schema:
    try:
        return Schema.model_validate_json(text)
    except ValidationError as error:
        raise DataError(f"{pieces.label} holds a data schema this version cannot read") from error


def _json(pieces: Pieces, metadata: Mapping[str, str], key: str, kind: type[Any]) -> Any:
    try:
        value = json.loads(metadata.get(key, ""))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, kind):
        raise DataError(
            f"{pieces.label} holds no {key!r} in its metadata, expected a JSON "
            f"{'object' if kind is dict else 'list'}",
            key=key,
        )
    return value


def _shown(shape: Sequence[int] | None) -> str:
    return "nothing" if shape is None else f"{tuple(shape)}"
