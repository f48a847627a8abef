"""What actions that make weights have in common at their ends: free names, and lineage."""

from actions.context import Context
from actions.errors import TableExists, TableNotFound
from actions.params import OutTable
from actions.ports import Name, TableInfo
from actions.results import Json


def refuse_taken(ctx: Context, out: OutTable) -> None:
    """Refuse, before any work, a name that publishing would refuse after it.

    Raises:
        TableExists: the name is taken and ``replace`` is false.
    """
    if out.replace:
        return
    try:
        found = ctx.tables.find(Name(out.name, out.caslib))
    except TableNotFound:
        return
    if found.scope == "session" or out.promote:
        raise TableExists(
            f"the table {found.name!r} exists in caslib {found.caslib!r}; "
            "set replace to overwrite it",
            table=found.name,
            caslib=found.caslib,
        )


def source_of(info: TableInfo) -> dict[str, Json]:
    """Return how lineage names a table."""
    return {"name": info.name, "caslib": info.caslib, "id": info.id, "version": info.version}
