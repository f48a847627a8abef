"""Small networks and the schemas they learn, for the tests of data, training and scoring."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from engine.compile.lower import CompiledModel, compile_graph
from engine.data.columns import Columns
from engine.data.learn import learn_schema
from engine.data.schema import Schema, SchemaRequest, bound_graph
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.output import Output

Array = npt.NDArray[Any]


def objects(*values: object) -> Array:
    """Return a column of any values."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def network(source: Input | None = None, output: Output | None = None, *, hidden: int = 0) -> Graph:
    """Return an input layer, data, perhaps a layer of tanh neurons, fc1, and an output, out."""
    graph = Graph("net").add("data", source or Input())
    if hidden:
        graph = graph.add("fc1", FullyConnected(n=hidden), ["data"])
    return graph.add("out", output or Output(), ["fc1" if hidden else "data"])


def learned(
    graph: Graph, columns: Columns, *, options: BuildOptions | None = None, **request: object
) -> Schema:
    """Return the schema of a table whose target is y, unless said, and the rest are inputs."""
    target = request.pop("target", ("y",))
    assert isinstance(target, tuple)
    inputs = tuple(name for name in columns if name not in target)
    asked = SchemaRequest.model_validate({"inputs": inputs, "target": target, **request})
    return learn_schema(asked, graph, [columns], options or BuildOptions())


def compiled(graph: Graph, schema: Schema, seed: int = 1) -> CompiledModel:
    """Return a model with starting values."""
    generator = torch.Generator().manual_seed(seed)
    return compile_graph(bound_graph(schema, graph), schema.options, generator=generator)
