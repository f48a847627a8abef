from typing import Annotated

from pydantic import PositiveInt

from actions.answers import Declared, result_table
from actions.context import Context
from actions.deeplearn.schemas import known_graph
from actions.deeplearn.summary import FLOAT_BYTES, GRADED, totals, training_bytes
from actions.params import ActionParams, TableRef
from actions.registry import action
from actions.results import ActionResult, ResultTable
from engine.devices import choose_device, memory_bytes
from engine.graph.advice import advise
from engine.graph.infer import LayerAccount, account
from engine.layers.base import Aliases


class CheckModelParams(ActionParams):
    """Parameters of castorch.checkModel."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model."""
    init_weights: TableRef | None = None
    """Weights trained for it, from which sizes are taken that depend on data."""
    batch_size: Annotated[PositiveInt, Aliases("miniBatchSize")] = 1
    """Rows of a mini-batch."""
    device: str | None = None
    """Device to train on: ``cpu``, ``cuda:0``; left out: a GPU of this machine where it has one."""
    memory: PositiveInt | None = None
    """Bytes there are, in place of those of the device."""


@action("castorch.checkModel")
def check_model(ctx: Context, p: CheckModelParams) -> ActionResult:
    """Tell whether training a model fits into memory, and what speaks against its layers.

    ``Fit`` holds the bytes that training needs (as ``castorch.summary`` counts them), the bytes
    there are, and the largest mini-batch that would fit (0: not even one row; missing: sizes depend
    on data not seen yet). What the framework needs for itself is not counted.

    ``Advice`` names layers, the rule they are measured by, and the reason:

    - exactFit: windows with given padding leave pixels, or padding, at the end that none covers.
    - evenFilter: filters of even length have no middle.
    - normSource: the layer before a batch normalisation activates, or adds a bias.
    - largePool: windows throw most of what was found away.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        WeightsError: the weights belong to another model.
        DeviceError: this machine has no such device.
    """
    graph, options = known_graph(ctx, p.model_table, p.init_weights)
    device = choose_device(p.device)
    name, there = ("given", p.memory) if p.memory else (str(device), memory_bytes(device))
    fit = _fit(account(graph, options), p.batch_size, name, there)
    rows = [(each.layer, each.rule, each.reason) for each in advise(graph, options)]
    columns: Declared = (("Layer", "string"), ("Rule", "string"), ("Reason", "string"))
    advice = result_table(columns, rows, "Advice")
    return ActionResult(tables={"Fit": fit, "Advice": advice})


def _fit(layers: list[LayerAccount], batch_rows: int, device: str, there: int) -> ResultTable:
    row: tuple[int | bool | None, ...] = (None, None, None)
    if totals(layers) is not None:
        fixed = training_bytes(layers, 0)
        needed = training_bytes(layers, batch_rows)
        each = FLOAT_BYTES * GRADED * sum(layer.activations or 0 for layer in layers)
        largest = max(0, (there - fixed) // each)
        row = (needed, needed <= there, largest)
    return result_table(
        (
            ("Device", "string"),
            ("BatchSize", "int64"),
            ("Memory", "int64"),
            ("Needed", "int64"),
            ("Fits", "bool"),
            ("LargestBatch", "int64"),
        ),
        [(device, batch_rows, there, *row)],
        "Fit",
    )
