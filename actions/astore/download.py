from actions.context import Context
from actions.model_files import whole_store
from actions.params import ActionParams, TableRef
from actions.registry import action
from actions.results import ActionResult


class DownloadParams(ActionParams):
    """Parameters of astore.download."""

    rstore: TableRef
    """The store, as dlExportModel makes it."""


@action("astore.download")
def download(ctx: Context, p: DownloadParams) -> ActionResult:
    """Return the bytes of a store: the model file.

    Raises:
        TableNotFound: the session sees no such table.
        InvalidFile: the table is no store.
        TooLarge: it is longer than 1 GiB; read its rows, or export into a file of a caslib.
    """
    _, blob = whole_store(ctx, p.rstore)
    return ActionResult(values={"blob": blob})
