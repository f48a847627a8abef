from base64 import b64decode
from binascii import Error as NotBase64
from typing import Annotated

from pydantic import NonNegativeInt

from actions.answers import made
from actions.context import Context
from actions.errors import InvalidParameters
from actions.model_files import STORE_SCHEMA, store_batches
from actions.params import ActionParams, OutTable
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows
from engine.interchange.model_file import read_model
from engine.interchange.pieces import Pieces
from engine.layers.base import Aliases


class Blob(ActionParams):
    """Bytes; a bare string stands for their base64."""

    shorthand = "data"

    data: str
    """The bytes as base64."""
    length: NonNegativeInt | None = None
    """Accepted; how many bytes there are is counted."""
    is_blob: Annotated[bool, Aliases("_blob")] = True
    """Accepted; it marks bytes in the CAS dialect."""


class UploadParams(ActionParams):
    """Parameters of astore.upload."""

    rstore: OutTable
    """The store to make."""
    store: Blob
    """The bytes of a model file."""


@action("astore.upload")
def upload(ctx: Context, p: UploadParams) -> ActionResult:
    """Make a store of the bytes of a model file, which is checked before.

    Raises:
        InvalidParameters: the bytes are not base64.
        DataError: they are no model file.
        GraphError: the model they declare is none.
        TableExists: the name is taken and ``replace`` is false.
    """
    try:
        blob = b64decode(p.store.data, validate=True)
    except (NotBase64, ValueError) as error:
        raise InvalidParameters(
            f"parameter 'store' got bytes that are no base64: {error}", parameter="store"
        ) from error
    read_model(Pieces("the store", len(blob), [blob]))
    return made(store_rows(ctx, STORE_SCHEMA, store_batches([blob]), p.rstore.output))
