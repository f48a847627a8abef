"""Models that lie in data tables: with the columns of a model table, as files of CAS hold them."""

from dataclasses import dataclass

from actions.deeplearn.from_layout import read_model
from actions.deeplearn.layout import MODEL_SCHEMA
from actions.errors import Conflict, WrongKind
from actions.expression import resolve
from actions.ports import ModelStore, Name, Output, StoredModel, TableInfo, TableStore
from engine.graph.spec import Graph


@dataclass(frozen=True)
class TableModels:
    """A store of models that reads data tables of the five columns too.

    A change of such a model puts a model table in the place of the data table.
    """

    models: ModelStore
    tables: TableStore

    def create(self, output: Output, graph: Graph) -> TableInfo:
        """Store a new model."""
        return self.models.create(output, graph)

    def load(self, name: Name) -> StoredModel:
        """Return a model, read from its rows where it lies in a data table.

        Raises:
            WrongKind: the table is neither a model nor has the columns of one.
            DataError: a row has no meaning; the message names the nearest key that has.
        """
        try:
            return self.models.load(name)
        except WrongKind:
            info = self.tables.find(name)
            if info.kind != "data":
                raise
            known = self.tables.schema(info).names
            folded = {each.casefold() for each in known}
            if not all(each.casefold() in folded for each in MODEL_SCHEMA.names):
                raise
        columns = [resolve(each, known) for each in MODEL_SCHEMA.names]
        batches = self.tables.scan(info, columns=columns)
        cells = (list(batch.to_pydict().values()) for batch in batches)
        rows = (row for columns in cells for row in zip(*columns, strict=True))
        return StoredModel(info, read_model(rows, info.name))

    def save(self, stored: StoredModel, graph: Graph) -> TableInfo:
        """Change a model in place.

        Raises:
            Conflict: the model was changed, replaced or dropped since it was loaded.
        """
        info = stored.info
        if info.kind != "data":
            return self.models.save(stored, graph)
        name = Name(info.name, info.caslib)
        if self.tables.find(name).id != info.id:
            raise Conflict(
                f"model {info.name!r} was replaced by another session; load it again",
                model=info.name,
            )
        output = Output(name, replace=True, promote=info.scope == "global", label=info.label)
        return self.models.create(output, graph)
