from typing import Annotated

from actions.context import Context
from actions.errors import FileNotFound, PathForbidden
from actions.params import ActionParams
from actions.paths import existing
from actions.registry import action
from actions.results import ActionResult
from engine.layers.base import Aliases


class DeleteSourceParams(ActionParams):
    """Parameters of table.deleteSource."""

    source: Annotated[str, Aliases("path", "name")]
    """File inside the caslib; folders are refused."""
    caslib: str | None = None
    """Caslib of the file; left out: the session's active one."""
    quiet: bool = False
    """Do nothing, and raise no error, if there is no such file."""


@action("table.deleteSource")
def delete_source(ctx: Context, p: DeleteSourceParams) -> ActionResult:
    """Delete a file from the folder of a caslib; tables that were loaded from it stay.

    Raises:
        CaslibNotFound: the session sees no such caslib.
        PathForbidden: the path leads out of the caslib, or is a folder.
        FileNotFound: there is no such file.
    """
    caslib = ctx.caslibs.find(p.caslib)
    try:
        place = existing(caslib, p.source)
    except FileNotFound:
        if not p.quiet:
            raise
        return ActionResult()
    if place.is_dir():
        raise PathForbidden(
            f"the path {p.source!r} is a folder, expected a file inside caslib {caslib.name!r}",
            path=p.source,
            caslib=caslib.name,
        )
    place.unlink()
    return ActionResult(values={"caslib": caslib.name, "source": p.source})
