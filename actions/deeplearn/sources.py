"""Where a trained model comes from: a model table with a weight table, or a model file."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from actions.context import Context
from actions.deeplearn.loading import load_table
from actions.deeplearn.schemas import (
    attached_schema,
    bind_weights,
    check_declared,
    check_layout,
    read_schema,
)
from actions.params import TableRef
from actions.ports import TableInfo
from engine.compile.lower import CompiledModel
from engine.data.schema import Schema
from engine.graph.spec import Graph
from engine.interchange.model_file import ModelFile
from engine.weights import load_weights


class Source(Protocol):
    """A trained model."""

    @property
    def info(self) -> TableInfo:
        """The table its numbers lie in."""

    @property
    def declared(self) -> Graph:
        """The model as it is declared."""

    @property
    def schema(self) -> Schema | None:
        """How rows become tensors; None where the numbers came without."""

    def load(self, model: CompiledModel) -> None:
        """Fill a compiled model."""


@dataclass(frozen=True)
class TableSource:
    """A model table, and a table of weights."""

    ctx: Context
    model: TableRef
    weights: TableRef

    @cached_property
    def info(self) -> TableInfo:
        """The table of weights."""
        return self.ctx.tables.find(self.weights.address)

    @cached_property
    def declared(self) -> Graph:
        """The model as it is declared."""
        return self.ctx.models.load(self.model.address).graph

    @cached_property
    def schema(self) -> Schema | None:
        """How rows become tensors, as the weights know it, checked against the model.

        Raises:
            WeightsError: the weights belong to another model.
        """
        if self.info.kind == "data":
            return attached_schema(self.info)
        info, header = self.ctx.weights.load(self.weights.address)
        found = read_schema(info, header)
        if found is not None:
            check_declared(info, header, self.declared)
            bound = bind_weights(info, found, self.declared)
            check_layout(info, header.specs, bound, found.options)
        return found

    def load(self, model: CompiledModel) -> None:
        """Fill a compiled model.

        Raises:
            WeightsError: the weights belong to another model.
        """
        load_table(self.ctx, self.weights, model)


@dataclass(frozen=True)
class FileSource:
    """A model file in a table; its numbers can be read once."""

    info: TableInfo
    file: ModelFile

    @property
    def declared(self) -> Graph:
        """The model as it is declared."""
        return self.file.declaration.graph

    @property
    def schema(self) -> Schema:
        """How rows become tensors."""
        return self.file.declaration.schema

    def load(self, model: CompiledModel) -> None:
        """Fill a compiled model."""
        load_weights(model, self.file.chunks())
