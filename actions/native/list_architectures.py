from collections.abc import Iterator, Mapping

from actions.answers import result_table
from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult, Cell
from engine.graph.infer import account
from engine.zoo import ZOO, Architecture


class ListArchitecturesParams(ActionParams):
    """Parameters of castorch.listArchitectures."""


@action("castorch.listArchitectures")
def list_architectures(ctx: Context, p: ListArchitecturesParams) -> ActionResult:
    """Return a row per architecture that can be built by name.

    ``Layers`` and ``Parameters`` (weights and biases) are those without any choice; ``Choices`` are
    the parameters of ``castorch.buildArchitecture`` it takes, with what they are unless said.
    """
    del ctx, p
    columns = result_table(
        (
            ("Name", "string"),
            ("Title", "string"),
            ("Layers", "int64"),
            ("Parameters", "int64"),
            ("Choices", "string"),
            ("Description", "string"),
            ("Source", "string"),
        ),
        map(_row, ZOO.values()),
        "Architectures",
    )
    return ActionResult(tables={"Architectures": columns})


def _row(architecture: Architecture) -> tuple[Cell, ...]:
    layers = account(architecture.build())
    return (
        architecture.name,
        architecture.title,
        len(layers),
        sum((layer.weights or 0) + (layer.biases or 0) for layer in layers),
        "; ".join(_said(architecture.choices)),
        architecture.notes,
        architecture.source,
    )


def _said(choices: Mapping[str, object]) -> Iterator[str]:
    for name, value in choices.items():
        if isinstance(value, tuple):
            yield f"{name} {', '.join(map(str, value))}"
        else:
            yield name if value is None else f"{name} {value}"
