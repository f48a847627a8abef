from importlib.metadata import version

from actions.context import Context
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult

LIBRARIES = ("torch", "pyarrow", "duckdb", "numpy", "pydantic")


def versions() -> dict[str, str]:
    """Return the versions of this program and of the libraries its numbers depend on."""
    return {"castorch": version("castorch-server"), **{name: version(name) for name in LIBRARIES}}


class AboutParams(ActionParams):
    """Parameters of builtins.about: none."""


@action("builtins.about")
def about(ctx: Context, p: AboutParams) -> ActionResult:
    """Return what runs here: versions, and the processor threads an action may use."""
    del p
    found = versions()
    return ActionResult(
        values={"version": found["castorch"], "versions": {**found}, "threads": ctx.threads}
    )
