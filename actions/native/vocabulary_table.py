"""A vocabulary as a table: the terms in order of their ids."""

from collections.abc import Mapping

import pyarrow as pa

from actions.context import Context
from actions.params import TableRef
from actions.query import Order
from actions.reading import open_table
from engine.data.vocabulary import Vocabulary
from engine.errors import DataError

_COLUMNS: list[tuple[str, pa.DataType]] = [
    ("_Term_", pa.string()),
    ("_TermID_", pa.int64()),
    ("_Count_", pa.int64()),
]

VOCABULARY = pa.schema(_COLUMNS)


def vocabulary_batch(vocabulary: Vocabulary, counts: Mapping[str, int]) -> pa.RecordBatch:
    """Return the rows of a vocabulary, with how often every term occurs."""
    terms = vocabulary.terms
    return pa.record_batch(
        [
            pa.array(terms, pa.string()),
            pa.array(range(len(terms)), pa.int64()),
            pa.array([counts[term] for term in terms], pa.int64()),
        ],
        schema=VOCABULARY,
    )


def read_vocabulary(ctx: Context, ref: TableRef) -> Vocabulary:
    """Return the vocabulary of a table.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: it has no column ``_Term_`` or ``_TermID_``.
        DataError: its ids are not 0, 1, 2 and so on, each with a term.
    """
    table = open_table(ctx, ref, columns=("_Term_", "_TermID_"), order=(Order("_TermID_"),))
    terms: list[str] = []
    for batch in table.batches():
        for term, place in zip(*(each.to_pylist() for each in batch.columns), strict=True):
            if place != len(terms) or not isinstance(term, str):
                raise DataError(
                    f"{table.label} got term {term!r} with id {place!r}, expected ids 0, 1, 2 "
                    f"and so on, here {len(terms)}, each with a text",
                    got=place,
                    expected=len(terms),
                )
            terms.append(term)
    if not terms:
        raise DataError(f"{table.label} has no rows, expected at least one term")
    return Vocabulary(tuple(terms))
