from pathlib import PurePosixPath

from actions.answers import made_one
from actions.context import Context
from actions.errors import InvalidParameters
from actions.files.detect import ImportOptions, open_rows
from actions.files.links import link_file
from actions.params import ActionParams, OutTable, Variable
from actions.paths import existing
from actions.query import Query, plan, run
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows


class LoadTableParams(ActionParams):
    """Parameters of table.loadTable."""

    path: str
    """File or folder of images, inside the caslib."""
    caslib: str | None = None
    """Caslib of the file; left out: the session's active one."""
    cas_out: OutTable | None = None
    """The table to make; left out: named as the file, without its ending."""
    import_options: ImportOptions = ImportOptions()
    """How the file is read."""
    where: str | None = None
    """Condition that chooses rows."""
    vars: tuple[Variable, ...] = ()
    """Columns to keep; left out: all."""
    link: bool = False
    """Store nothing but where the file lies, and read it there each time; ours, of Parquet files
    and delimited text."""


@action("table.loadTable")
def load_table(ctx: Context, p: LoadTableParams) -> ActionResult:
    """Make a data table of a file or a folder of images in a caslib.

    The rows are stored, so the table stays as it is whatever becomes of the file. A table that is a
    link holds no rows: every reading reads the file, and fails once that was changed or removed.

    Raises:
        PathForbidden: the path leads out of the caslib.
        FileNotFound: there is no such file.
        InvalidFile: the file is not what it claims to be.
        TableExists: the name is taken and ``replace`` is false.
        InvalidParameters: what is to be linked is neither Parquet nor delimited text, not whole, or
            to be seen by sessions that do not see its caslib.
    """
    if p.link:
        return _link(ctx, p)
    path = existing(ctx.caslibs.find(p.caslib), p.path)
    out = _output(p)
    rows = open_rows(path, p.import_options)
    query = Query(p.where, tuple(each.name for each in p.vars))
    found = plan(query, rows.schema, f"the file {p.path!r}")
    batches = run(found, (batch.select(found.reads) for batch in rows.batches))
    return made_one(store_rows(ctx, found.schema, batches, out.output))


def _link(ctx: Context, p: LoadTableParams) -> ActionResult:
    chosen = "where" if p.where is not None else "vars"
    if p.where is not None or p.vars:
        raise InvalidParameters(
            f"parameters 'link' and {chosen!r} got both, expected one of them; a link is the whole "
            f"file, give {chosen!r} when it is read",
            parameter=chosen,
        )
    if p.import_options.vars:
        raise InvalidParameters(
            "parameters 'link' and 'importOptions.vars' got both, expected one of them; the types "
            "of a link are those its values have",
            parameter="importOptions.vars",
        )
    found = link_file(ctx.caslibs.find(p.caslib), p.path, p.import_options)
    return made_one(ctx.tables.link(_output(p).output, found.schema, found.rows, found.link))


def _output(p: LoadTableParams) -> OutTable:
    return p.cas_out or OutTable(name=PurePosixPath(p.path).stem, caslib=p.caslib)
