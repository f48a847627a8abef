"""The work of dlImportModelWeights: weights from files into weight tables."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from actions.builtin.about import versions
from actions.context import Context
from actions.deeplearn.labels import labelled, read_labels
from actions.deeplearn.scoring import image_schema
from actions.errors import InvalidParameters, TableNotFound
from actions.model_files import open_file, open_store
from actions.paths import existing
from actions.ports import Output, StoredModel, TableInfo, WeightsHeader
from actions.results import Json
from engine.compile.lower import compile_graph
from engine.data.schema import Schema, bound_graph
from engine.errors import EngineError, WeightsError
from engine.graph.declaration import declared
from engine.graph.layout import SegmentSpec, layout
from engine.graph.spec import Graph, fold
from engine.interchange.foreign_weights import ForeignWeights, Format
from engine.interchange.hdf5_file import open_hdf5
from engine.interchange.model_file import read_model
from engine.interchange.pieces import Pieces
from engine.layers.base import BuildOptions
from engine.layers.recurrent import RecurrentLayer
from engine.weights import load_weights, read_weights

if TYPE_CHECKING:
    from actions.deeplearn.dl_import_model_weights import DlImportModelWeightsParams

ONNX_ENDING = ".onnxmodel.h5"


@dataclass(frozen=True)
class Import:
    """One run of dlImportModelWeights."""

    ctx: Context
    p: "DlImportModelWeightsParams"

    def run(self) -> TableInfo:
        """Read the file, or the store, and return the weight table it became."""
        is_own = self.p.format_type == "CASTORCH"
        given = [each for each in (self.p.weight_file_path, self.p.rstore) if each is not None]
        if len(given) != 1 or (self.p.rstore is not None and not is_own):
            expected = "exactly one" if is_own else "the first alone"
            raise InvalidParameters(
                f"parameters 'weightFilePath' and 'rstore' got {len(given)} values with formatType "
                f"{self.p.format_type!r}, expected {expected}",
                parameter="weightFilePath",
            )
        return self._own() if is_own else self._foreign()

    def _foreign(self) -> TableInfo:
        """Import a file of another framework."""
        stored = self.ctx.models.load(self.p.model_table.address)
        path, name = self._file()
        schema = self._schema(stored)
        graph = stored.graph if schema is None else bound_graph(schema, stored.graph)
        format_ = self._format(name)
        with open_hdf5(
            path, f"the file {name!r}", "CAFFE" if format_ == "CAFFE" else "KERAS"
        ) as file:
            weights = ForeignWeights(graph, layout(graph, BuildOptions()), file, format_)
            weights.check()
            header = self._header(stored.graph, weights.specs, schema)
            self._tell_of(graph)
            with self.ctx.weights.stage(header, weights.chunks()) as staged:
                return self.ctx.tables.publish((staged, self.p.model_weights.output))[0]

    def _own(self) -> TableInfo:
        """Import a model file, and its model where there is none of the name."""
        pieces = self._pieces()
        file = read_model(pieces)
        declaration = file.declaration
        model = compile_graph(declaration.bound, declaration.schema.options)
        load_weights(model, file.chunks())
        schema = self._named(declaration.schema)
        header = self._header(declaration.graph, model.specs, schema, **declaration.lineage)
        with self.ctx.weights.stage(header, read_weights(model)) as staged:
            made = self._make_model(pieces.label, declaration.graph)
            try:
                return self.ctx.tables.publish((staged, self.p.model_weights.output))[0]
            except EngineError:
                if made is not None:
                    self.ctx.tables.drop(self.p.model_table.address)
                raise

    def _file(self) -> tuple[Path, str]:
        caslib, name = self.ctx.caslibs.find(self.p.caslib), self.p.weight_file_path or ""
        return existing(caslib, name), name

    def _pieces(self) -> Pieces:
        if self.p.rstore is not None:
            return open_store(self.ctx, self.p.rstore)[1]
        return open_file(*self._file())

    def _format(self, name: str) -> Format:
        if self.p.format_type == "CAFFE":
            return "CAFFE"
        is_onnx = self.p.format_type == "ONNX" or name.lower().endswith(ONNX_ENDING)
        return "ONNX" if is_onnx else "KERAS"

    def _schema(self, stored: StoredModel) -> Schema | None:
        """Return how images become tensors; None for a model that is none of images."""
        found = image_schema(stored.graph)
        if found is not None:
            return self._named(found)
        if self.p.label_table is not None:
            raise InvalidParameters(
                f"parameter 'labelTable' got a table, but model {stored.graph.name!r} has no "
                "image input and output layer with a number of neurons; leave it out",
                parameter="labelTable",
            )
        self.ctx.note(
            f"Model {stored.graph.name!r} is none of images: its weights can start a training, "
            "and score once they were trained."
        )
        return None

    def _named(self, schema: Schema) -> Schema:
        """Return the schema with the names of the label table for its levels."""
        if self.p.label_table is None:
            return schema
        info = self.ctx.tables.find(self.p.model_table.address, "model")
        return labelled(info, schema, None, read_labels(self.ctx, self.p.label_table))

    def _header(
        self, graph: Graph, specs: Sequence[SegmentSpec], schema: Schema | None, **lineage: Json
    ) -> WeightsHeader:
        source: dict[str, Json] = {
            "file": self.p.weight_file_path,
            "store": None if self.p.rstore is None else self.p.rstore.name,
            "format": self.p.format_type,
        }
        return WeightsHeader(
            specs=specs,
            lineage={
                **lineage,
                "layers": [*declared(graph)],
                "imported": source,
                "versions": {**versions()},
                "job": self.ctx.job_id,
            },
            schema=None if schema is None else schema.model_dump(mode="json"),
        )

    def _make_model(self, label: str, graph: Graph) -> TableInfo | None:
        """Store the model of a file, or check that the one that is there is the same."""
        address = self.p.model_table.address
        try:
            known = self.ctx.models.load(address).graph
        except TableNotFound:
            named = replace(graph, name=fold(address.name))
            return self.ctx.models.create(Output(address), named)
        if (known.nodes, known.family) != (graph.nodes, graph.family):
            raise WeightsError(
                f"{label} holds another model than {known.name!r}, expected the same layers; "
                "import it under another name",
                model=known.name,
            )
        return None

    def _tell_of(self, graph: Graph) -> None:
        """Warn of what another framework computes in another way."""
        for node in graph.nodes:
            if isinstance(node.layer, RecurrentLayer) and node.layer.rnn_type == "GRU":
                self.ctx.warn(
                    f"layer {node.name!r} is a GRU whose reset gate works on the product with the "
                    "state; scores are those of Keras only with reset_after"
                )
