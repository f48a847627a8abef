"""What a model is made of, as the table ``ModelInfo`` and as a table with a row per layer."""

from collections import Counter
from collections.abc import Iterator, Sequence

from actions.answers import description, result_table
from actions.results import Cell, ColumnType, ResultTable
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
GRADED = 2
"""An activation in training: its value and its gradient."""
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
    parameters = sum(totals(layers) or (0, 0))
    return _training(parameters, sum(layer.activations or 0 for layer in layers), batch_rows)


def _training(parameters: int, activations: int, batch_rows: int) -> int:
    return FLOAT_BYTES * (COPIES * parameters + GRADED * batch_rows * activations)


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


COSTS = (
    "Weights",
    "Biases",
    "Statistics",
    "MultiplyAdds",
    "Activations",
    "ActivationMemory",
    "TrainingMemory",
)
"""Columns of numbers that add up over the layers."""


def layer_table(
    graph: Graph, options: BuildOptions | None = None, *, batch_rows: int = 1
) -> ResultTable:
    """Return a table with a row per layer: what it is, takes and gives, and what it costs.

    A cell is missing while it depends on data that has not been seen. ``Activations`` are the
    values of the output for one example, ``ActivationMemory`` the bytes of those of a mini-batch in
    float32, and ``TrainingMemory`` the bytes of these and their gradients, and of the parameters,
    their gradients and what the solver remembers. ``ReceptiveField`` is height and width in pixels.

    Args:
        graph: the layers, bound to data or not.
        options: choices of the run which change the network.
        batch_rows: rows of a mini-batch, for the memory.

    Source: the deepLearn reference, memory estimate (4.8, F51).
    """
    rows = [_layer_row(graph, layer, batch_rows) for layer in account(graph, options)]
    texts = ("Name", "Type", "Sources", "Activation", "Output", "ReceptiveField")
    columns: list[tuple[str, ColumnType]] = [("Id", "int64")]
    columns += [(name, "string") for name in texts]
    return result_table([*columns, *((name, "int64") for name in COSTS)], rows, "Layers")


def cost_table(layers: ResultTable) -> ResultTable:
    """Return the sums over the rows of ``layer_table``; missing while a part is not known."""
    columns = {name: [row[name] for row in layers.records()] for name in COSTS}
    row = [_sum(values) for values in columns.values()]
    return result_table([(name, "int64") for name in COSTS], [row], "Totals")


def _sum(values: Sequence[Cell]) -> int | None:
    known = [value for value in values if isinstance(value, int)]
    return sum(known) if len(known) == len(values) else None


def _layer_row(graph: Graph, layer: LayerAccount, batch_rows: int) -> tuple[Cell, ...]:
    return (
        layer.id,
        layer.name,
        layer.type,
        ", ".join(layer.sources),
        getattr(graph.node(layer.name).layer, "act", None),
        _sides(layer.shape),
        _sides(layer.receptive_field),
        layer.weights,
        layer.biases,
        layer.statistics,
        layer.multiply_adds,
        layer.activations,
        *_memory(layer, batch_rows),
    )


def _sides(lengths: Sequence[int] | None) -> str | None:
    return None if lengths is None else " x ".join(map(str, lengths))


def _memory(layer: LayerAccount, batch_rows: int) -> tuple[int | None, int | None]:
    """Return the bytes of a layer's activations, and of all it needs in training."""
    values, known = layer.activations, totals([layer])
    if values is None:
        return None, None
    held = FLOAT_BYTES * batch_rows * values
    return held, None if known is None else _training(sum(known), values, batch_rows)
