"""Models: one row per layer, one per edge; the graph is rebuilt on loading."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pydantic import ValidationError
from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from actions.deeplearn.layout import MODEL_SCHEMA, count_rows
from actions.errors import Conflict
from actions.ports import Name, Output, StoredModel, TableInfo
from engine.errors import EngineError, GraphError
from engine.graph.spec import Graph, Node
from engine.layers.base import LAYERS, Layer
from server.store.catalogue import Catalogue
from server.store.connect import Database
from server.store.graphs import GraphCache, Kept
from server.store.schema import canonical, contents, model_edges, model_layers, tables
from server.store.staging import Recipe, add_content

LAYER_COLUMNS = ("name", "type", "options", "shared_id")
LayerRow = tuple[str, str, str, int | None]
"""Name, type, options, and the id of the layer whose weights it uses."""
Layers = Mapping[int, LayerRow]
Edges = Mapping[tuple[int, int], int]
"""(Layer, position) to source."""

_RAISE_VERSION = (
    update(tables)
    .where(tables.c.id == bindparam("model"), tables.c.version == bindparam("seen"))
    .values(version=bindparam("raised"))
)
_DESCRIBE = (
    update(contents)
    .where(contents.c.id == bindparam("model"))
    .values(rows=bindparam("counted"), header=bindparam("described"))
)
_ADD_LAYERS, _ADD_EDGES = insert(model_layers), insert(model_edges)


class SqlModelStore:
    """Models of one session."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        graphs: GraphCache,
        job_id: str | None = None,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._graphs = graphs
        self._job_id = job_id

    def create(self, output: Output, graph: Graph) -> TableInfo:
        """Store a new model.

        Raises:
            TableExists: the name is taken and ``replace`` is false.
            CaslibNotFound: the session sees no such caslib.
        """
        recipe = Recipe(
            kind="model",
            columns=len(MODEL_SCHEMA.names),
            attributes={},
            header={"name": graph.name, "family": graph.family},
            job_id=self._job_id,
        )
        now = self._database.now()
        with self._database.write() as connection:
            content_id = add_content(
                connection, recipe, state="live", now=now, rows=view_rows(graph.nodes)
            )
            nodes = graph.nodes
            _add(connection, content_id, _layers(graph, nodes), _edges(graph, nodes))
            return self._catalogue.place(connection, [(content_id, output)], now=now)[0]

    def load(self, name: Name) -> StoredModel:
        """Return a model.

        Raises:
            TableNotFound: the session sees no such table.
            WrongKind: it is no model.
            GraphError: a layer was written by another version and cannot be read.
        """
        with self._database.read() as connection:
            info = self._catalogue.entry(connection, name, "model")
            kept = self._graphs.get((info.id, info.version))
            if kept is None:
                graph = _graph(connection, info)
                kept = Kept(graph, view_rows(graph.nodes))
                self._graphs.put((info.id, info.version), kept)
            return StoredModel(replace(info, rows=kept.rows), kept.graph)

    def save(self, stored: StoredModel, graph: Graph) -> TableInfo:
        """Change a model in place, writing only the layers that differ.

        Raises:
            Conflict: the model was changed, replaced or dropped since it was loaded.
        """
        info = stored.info
        with self._database.write() as connection:
            _raise_version(connection, info)
            written = _write_difference(connection, info.id, stored.graph, graph)
            rows = info.rows + written
            described = {"name": graph.name, "family": graph.family}
            connection.execute(
                _DESCRIBE, {"model": info.id, "counted": rows, "described": described}
            )
        self._graphs.put((info.id, info.version + 1), Kept(graph, rows))
        return replace(info, version=info.version + 1, rows=rows)


def view_rows(nodes: Iterable[Node]) -> int:
    """Return the rows of the model table as CAS shows it: one of its own, and those of layers."""
    return 1 + _rows(nodes)


def _rows(nodes: Iterable[Node]) -> int:
    return sum(count_rows(node) for node in nodes)


def _options(layer: Layer) -> dict[str, object]:
    return layer.model_dump(mode="json", exclude={"type"})


def _layers(graph: Graph, nodes: Iterable[Node]) -> dict[int, LayerRow]:
    return {
        node.id: (
            node.name,
            node.layer.type,
            canonical(_options(node.layer)),
            None if node.shared is None else graph.node(node.shared).id,
        )
        for node in nodes
    }


def _edges(graph: Graph, nodes: Iterable[Node]) -> dict[tuple[int, int], int]:
    return {
        (node.id, position): graph.node(source).id
        for node in nodes
        for position, source in enumerate(node.sources)
    }


def _raise_version(connection: Connection, info: TableInfo) -> None:
    known = {"model": info.id, "seen": info.version, "raised": info.version + 1}
    if connection.execute(_RAISE_VERSION, known).rowcount == 1:
        return
    present = connection.scalar(select(tables.c.id).where(tables.c.id == info.id))
    what = "replaced or dropped" if present is None else "changed"
    raise Conflict(
        f"model {info.name!r} was {what} by another session; load it again", model=info.name
    )


def _write_difference(connection: Connection, content_id: str, old: Graph, new: Graph) -> int:
    """Write the layers that differ, and return how many rows more the model table has.

    Most changes add one layer; what this costs does not grow with the model.
    """
    before = {node.id: node for node in old.nodes}
    differing = [
        node
        for node in new.nodes  # most are the same objects, which is quick to see
        if (known := before.get(node.id)) is not node and known != node
    ]
    replaced = before.keys() & {node.id for node in differing}
    gone = before.keys() - {node.id for node in new.nodes}
    layers, edges = _layers(new, differing), _edges(new, differing)
    _remove(connection, model_edges, content_id, replaced | gone)
    _remove(connection, model_layers, content_id, gone)
    for layer_id in replaced:
        row = dict(zip(LAYER_COLUMNS, layers.pop(layer_id), strict=True))
        same = (model_layers.c.content_id == content_id) & (model_layers.c.layer_id == layer_id)
        connection.execute(update(model_layers).where(same).values(row))
    _add(connection, content_id, layers, edges)
    return _rows(differing) - _rows(before[layer_id] for layer_id in replaced | gone)


def _remove(connection: Connection, table: Table, content_id: str, layer_ids: set[int]) -> None:
    if layer_ids:
        of_layers = (table.c.content_id == content_id) & table.c.layer_id.in_(layer_ids)
        connection.execute(delete(table).where(of_layers))


def _add(connection: Connection, content_id: str, layers: Layers, edges: Edges) -> None:
    if layers:
        connection.execute(
            _ADD_LAYERS,
            [
                {
                    "content_id": content_id,
                    "layer_id": layer_id,
                    **dict(zip(LAYER_COLUMNS, row, strict=True)),
                }
                for layer_id, row in layers.items()
            ],
        )
    if edges:
        connection.execute(
            _ADD_EDGES,
            [
                {
                    "content_id": content_id,
                    "layer_id": layer_id,
                    "position": position,
                    "source_id": source,
                }
                for (layer_id, position), source in edges.items()
            ],
        )


def _graph(connection: Connection, info: TableInfo) -> Graph:
    header = connection.execute(
        select(contents.c.header).where(contents.c.id == info.id)
    ).scalar_one()
    layer_query = select(model_layers).where(model_layers.c.content_id == info.id)
    layers = connection.execute(layer_query.order_by(model_layers.c.layer_id)).all()
    edge_query = select(model_edges).where(model_edges.c.content_id == info.id)
    edges = connection.execute(
        edge_query.order_by(model_edges.c.layer_id, model_edges.c.position)
    ).all()
    names: dict[int, str] = {row.layer_id: row.name for row in layers}
    sources: dict[int, list[str]] = {layer_id: [] for layer_id in names}
    for edge in edges:
        sources[edge.layer_id].append(names[edge.source_id])
    nodes = tuple(
        Node(
            row.layer_id,
            row.name,
            _read_layer(info.name, row.name, row.type, row.options),
            tuple(sources[row.layer_id]),
            names.get(row.shared_id),
        )
        for row in layers
    )
    return Graph(name=header["name"], family=header["family"], nodes=nodes)


def _read_layer(model: str, name: str, kind: str, options: str) -> Layer:
    cls = LAYERS.get(kind)
    if cls is None:
        raise GraphError(
            f"layer {name!r} of model {model!r} has type {kind!r}, which this version cannot read",
            layer=name,
            model=model,
            type=kind,
        )
    try:
        return cls.model_validate_json(options)
    except (ValidationError, EngineError) as error:
        raise GraphError(
            f"layer {name!r} of model {model!r} has options this version cannot read: {options}",
            layer=name,
            model=model,
            type=kind,
        ) from error
