from collections.abc import Iterator

import pyarrow as pa

from actions.answers import made
from actions.context import Context
from actions.files.word_vectors import read_word_vectors, schema_of
from actions.native.vocabulary_table import read_vocabulary
from actions.params import ActionParams, OutTable, TableRef
from actions.paths import existing
from actions.registry import action
from actions.results import ActionResult
from actions.writing import store_rows


class LoadWordVectorsParams(ActionParams):
    """Parameters of castorch.loadWordVectors."""

    path: str
    """The file: a term and its numbers a line, apart by blanks, plain or in gzip."""
    caslib: str | None = None
    """Caslib of the file; left out: the session's active one."""
    cas_out: OutTable
    """The table to make: ``_Term_``, then ``_V0_``, ``_V1_`` and so on."""
    vocabulary: TableRef | None = None
    """Terms to load, a table of castorch.tokenizeText; left out: all."""


@action("castorch.loadWordVectors")
def load_word_vectors(ctx: Context, p: LoadWordVectorsParams) -> ActionResult:
    """Make a table of word vectors, as ``textParms.initInputEmbeddings`` of dlTrain takes it.

    Reads the text form of word2vec (with its first line of two numbers) and GloVe (without).

    Raises:
        PathForbidden: the path leads out of the caslib.
        FileNotFound: there is no such file.
        InvalidFile: a line is no term with as many numbers as the first; the message names it.
        TableNotFound: the session sees no table ``vocabulary``.
        DataError: ``vocabulary`` holds no terms.
        TableExists: the name is taken and ``replace`` is false.
    """
    path = existing(ctx.caslibs.find(p.caslib), p.path)
    known = None if p.vocabulary is None else frozenset(read_vocabulary(ctx, p.vocabulary).terms)
    size, blocks = read_word_vectors(path, known)
    schema = schema_of(size)

    def batches() -> Iterator[pa.RecordBatch]:
        for terms, vectors in blocks:
            arrays = [pa.array(terms), *(pa.array(each) for each in vectors.T)]
            yield pa.record_batch(arrays, schema=schema)

    return made(store_rows(ctx, schema, batches(), p.cas_out.output))
