"""What a model is made of, as the table ``ModelInfo`` and as a table with a row per layer."""

from collections import Counter
from collections.abc import Iterator, Sequence

from actions.answers import description, result_table
from actions.results import Cell, ResultTable
from engine.graph.infer import LayerAccount, account
from engine.graph.spec import Graph
from engine.layers.base import LAYERS, BuildOptions

FAMILIES = {
    "CNN": "Convolutional Neural Network",
    "RNN": "Recurrent Neural Network",
    "DNN": "Deep Neural Network",
}

ALWAYS = ("input", "output", "convo", "pool", "fc")
"""Layer types that are counted even when there is none, in this order."""

COPIES = 3
"""A parameter in training: its value, its gradient, and what the solver remembers of it."""
FLOAT_BYTES = 4
MEGABYTE = 1 << 20

Total = tuple[int, int]


def totals(layers: Sequence[LayerAccount]) -> Total | None:
    """Return the weights and biases of all layers; None while a shape is not known."""
    pairs = [(layer.weights, layer.biases) for layer in layers]
    known = [(w, b) for w, b in pairs if w is not None and b is not None]
    if len(known) < len(layers) or not layers:
        return None
    return sum(w for w, _ in known), sum(b for _, b in known)


def training_bytes(layers: Sequence[LayerAccount], batch_rows: int) -> int:
    """Return an estimate of the memory of training.

    Parameters count three times (value, gradient, solver), activations twice (value, gradient) for
    every row of a mini-batch, in float32.

    Source: the deepLearn reference, memory estimate (4.8, F51).
    """
    known = totals(layers) or (0, 0)
    activations = sum(_size(layer) for layer in layers)
    return FLOAT_BYTES * (COPIES * sum(known) + 2 * batch_rows * activations)


def _size(layer: LayerAccount) -> int:
    size = 1
    for axis in layer.shape or (0,):
        size *= axis
    return size


def model_info(
    graph: Graph, options: BuildOptions | None = None, *, batch_rows: int = 1
) -> ResultTable:
    """Return the table ``ModelInfo``.

    Parameter counts and memory stand in it as soon as all shapes are known.

    Args:
        graph: the layers, bound to data or not.
        options: choices of the run which change the network.
        batch_rows: rows of a mini-batch, for the memory.

    Source: the deepLearn reference, modelInfo (1.4).
    """
    return description(_info_rows(graph, account(graph, options), batch_rows), "Model Information")


def _info_rows(
    graph: Graph, layers: Sequence[LayerAccount], batch_rows: int
) -> Iterator[tuple[str, Cell]]:
    yield "Model Name", graph.name
    yield "Model Type", FAMILIES.get(graph.family, graph.family)
    yield "Number of Layers", len(graph.nodes)
    counts = Counter(node.layer.type for node in graph.nodes)
    for kind in ALWAYS:
        yield f"Number of {LAYERS[kind].title} Layers", counts[kind]
    for kind, layer in LAYERS.items():
        if kind not in ALWAYS and counts[kind]:
            yield f"Number of {layer.title} Layers", counts[kind]
    known = totals(layers)
    if known is None:
        return
    yield "Number of Weight Parameters", known[0]
    yield "Number of Bias Parameters", known[1]
    yield "Total Number of Model Parameters", sum(known)
    memory = -(-training_bytes(layers, batch_rows) // MEGABYTE)
    yield "Approximate Memory Cost for Training (MB)", memory


def layer_table(graph: Graph, options: BuildOptions | None = None) -> ResultTable:
    """Return a table with a row per layer: what it is, takes and gives, and what it costs.

    A cell is missing while it depends on data that has not been seen.
    """
    rows = [_layer_row(graph, layer) for layer in account(graph, options)]
    return result_table(
        (
            ("Id", "int64"),
            ("Name", "string"),
            ("Type", "string"),
            ("Sources", "string"),
            ("Activation", "string"),
            ("Output", "string"),
            ("Weights", "int64"),
            ("Biases", "int64"),
            ("Statistics", "int64"),
            ("MultiplyAdds", "int64"),
        ),
        rows,
        "Layers",
    )


def _layer_row(graph: Graph, layer: LayerAccount) -> tuple[Cell, ...]:
    act = getattr(graph.node(layer.name).layer, "act", None)
    shape = None if layer.shape is None else " x ".join(map(str, layer.shape))
    return (
        layer.id,
        layer.name,
        layer.type,
        ", ".join(layer.sources),
        act,
        shape,
        layer.weights,
        layer.biases,
        layer.statistics,
        layer.multiply_adds,
    )
