"""Model files as rows of a store."""

from pathlib import Path

from actions.files.rows import Rows
from actions.model_files import STORE_SCHEMA, blocks, open_file, store_batches
from engine.interchange.model_file import read_model


def read_model_file(path: Path) -> Rows:
    """Open a model file, which is checked up to its numbers, as the rows of a store.

    Raises:
        DataError: it is no model file.
        GraphError: the model it declares is none.
    """
    read_model(open_file(path, path.name))
    return Rows(STORE_SCHEMA, store_batches(blocks(path)))
