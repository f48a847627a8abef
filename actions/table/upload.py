from typing import Annotated

from actions.answers import made_one
from actions.context import Context
from actions.errors import InvalidParameters
from actions.files.detect import ImportOptions, open_rows
from actions.params import ActionParams, OutTable
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows
from engine.layers.base import Aliases


class UploadParams(ActionParams):
    """Parameters of table.upload; the file is the body of the request."""

    cas_out: Annotated[OutTable, Aliases("table", "outTable")]
    """The table to make."""
    import_options: ImportOptions = ImportOptions()
    """How the file is read."""


@action("table.upload", takes_upload=True)
def upload(ctx: Context, p: UploadParams) -> ActionResult:
    """Make a data table of a file that was sent: CSV, Parquet, Arrow, JSON rows, zipped images.

    Raises:
        InvalidFile: the file is not what it claims to be.
        TableExists: the name is taken and ``replace`` is false.
    """
    if ctx.upload is None:
        raise InvalidParameters("table.upload got no file, expected one as the body of the request")
    rows = open_rows(ctx.upload, p.import_options)
    info = store_rows(ctx, rows.schema, rows.batches, p.cas_out.output)
    ctx.note(f"The uploaded file is the table {info.name} in caslib {info.caslib}.")
    return made_one(info)
