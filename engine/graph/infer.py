"""Rules of a whole graph that need no tensors: shapes, binding to data, completeness, cost."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.shapes import Shape


@dataclass(frozen=True)
class LayerAccount:
    """What one layer costs; None where it depends on data which has not been seen.

    Attributes:
        type: wire name of the layer type.
        weights: values in the weights part; regularised.
        biases: values in the biases part, with gamma and beta of batch normalisation.
        statistics: stored values which are no parameters (mean and standard deviation).
        multiply_adds: multiplications of a forward pass of one example.
    """

    id: int
    name: str
    type: str
    sources: tuple[str, ...]
    shape: Shape | None
    weights: int | None
    biases: int | None
    statistics: int | None
    multiply_adds: int | None


def infer_shapes(graph: Graph, options: BuildOptions | None = None) -> dict[str, Shape | None]:
    """Return every layer's output shape by name, None where it depends on data not seen yet.

    Raises:
        ShapeError: a layer does not fit its sources; the message begins with its name and type.
    """
    raise NotImplementedError


def bind(graph: Graph, inputs: Mapping[str, Shape], targets: Mapping[str, Target]) -> Graph:
    """Return the graph with input shapes and targets filled in, every shape known.

    Args:
        graph: the declared layers.
        inputs: shape of one row by name of input layer.
        targets: by name of task layer.

    Raises:
        GraphError: a name is no input or task layer, one is missing, or a layer cannot take it.
        ShapeError: a layer does not fit its sources.
    """
    raise NotImplementedError


def check_trainable(graph: Graph) -> None:
    """Check that a graph can be trained and scored.

    Raises:
        GraphError: there is no input layer, no task layer, or a layer that no task layer uses.
    """
    raise NotImplementedError


def account(graph: Graph, options: BuildOptions | None = None) -> list[LayerAccount]:
    """Return the cost of every layer in order of id.

    Raises:
        ShapeError: a layer does not fit its sources.
    """
    raise NotImplementedError
