from typing import Annotated, Any

from actions.answers import Declared, result_table
from actions.context import Context
from actions.params import ActionParams
from actions.registry import action, find
from actions.results import ActionResult, Cell
from actions.spelling import json_schema
from engine.layers.base import Aliases


class HelpParams(ActionParams):
    """Parameters of builtins.help."""

    name: Annotated[str, Aliases("action")]
    """The action."""


@action("builtins.help")
def help_(ctx: Context, p: HelpParams) -> ActionResult:
    """Return what an action does and the parameters it takes.

    Raises:
        UnknownAction: there is none of that name.
    """
    del ctx
    declared = find(p.name)
    schema = json_schema(declared.params)
    required = schema.get("required", [])
    rows = [_row(name, each, required) for name, each in schema["properties"].items()]
    columns: Declared = (
        ("Name", "string"),
        ("Required", "int64"),
        ("Default", "string"),
        ("Description", "string"),
    )
    table = result_table(columns, rows, f"Parameters of {declared.name}")
    return ActionResult(
        tables={"Parameters": table}, values={"name": declared.name, "summary": declared.summary}
    )


def _row(name: str, schema: dict[str, Any], required: list[str]) -> tuple[Cell, ...]:
    default = schema.get("default")
    shown = None if default is None else str(default)
    return name, int(name in required), shown, schema.get("description", "")
