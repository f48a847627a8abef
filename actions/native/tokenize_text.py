from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from pydantic import PositiveInt

from actions.answers import output_tables
from actions.context import Context
from actions.errors import InvalidParameters
from actions.native.vocabulary_table import VOCABULARY, read_vocabulary, vocabulary_batch
from actions.params import ActionParams, OutTable, TableRef
from actions.reading import OpenTable, open_table
from actions.registry import action
from actions.results import ActionResult
from engine.data.text import MOST_STEPS
from engine.data.vocabulary import Census, Vocabulary, words
from engine.errors import Cancelled, DataError


class TokenizeTextParams(ActionParams):
    """Parameters of castorch.tokenizeText."""

    table: TableRef
    """The table of texts."""
    text: str
    """Its column of texts."""
    cas_out: OutTable
    """The table to make: ``copyVars``, then ``_Length_``, ``_Token0_``, ``_Token1_`` and so on."""
    vocabulary: TableRef | None = None
    """Terms to use, a table this action made before; left out: those of the texts."""
    vocabulary_out: OutTable | None = None
    """Where to put the terms of the texts: ``_Term_``, ``_TermID_``, ``_Count_``."""
    min_count: PositiveInt = 1
    """Terms of the texts that occur less often get no id."""
    max_tokens: PositiveInt | None = None
    """Tokens a text is cut or padded to; left out: those of the longest, 1,000 at most."""
    lowercase: bool = True
    """Whether texts are put in lower case first."""
    copy_vars: tuple[str, ...] = ()
    """Columns that are copied."""


@action("castorch.tokenizeText")
def tokenize_text(ctx: Context, p: TokenizeTextParams) -> ActionResult:
    """Turn texts into ids of terms, one column a token, for a projection layer.

    A token is a run of letters, digits and underscores, or a single other character. Ids count from
    0, the most frequent term first; a token without a term, and padding, have -1, which a
    projection layer gives a vector of zeros. Texts to be scored are turned with the ``vocabulary``
    and the ``maxTokens`` of the texts a model was trained on.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: ``vocabulary`` is given with what makes another, or more tokens are asked
            for than a text may have.
        DataError: ``text`` is no column of text, no text has a token, or ``vocabulary`` holds no
            terms.
        TableExists: a name is taken and ``replace`` is false.
    """
    _check(p)
    texts = _Texts(
        open_table(ctx, p.table, columns=(p.text,)),
        open_table(ctx, p.table, columns=(p.text, *p.copy_vars)),
        p.lowercase,
    )
    texts.check()
    census = texts.census() if p.vocabulary is None or p.max_tokens is None else Census(Counter())
    if p.vocabulary is None:
        vocabulary = Vocabulary.of(census.counts, least=p.min_count)
    else:
        vocabulary = read_vocabulary(ctx, p.vocabulary)
    steps = p.max_tokens or min(census.longest, MOST_STEPS)
    schema = _schema(texts.rows.schema, steps)
    with (
        ctx.tables.stage(schema) as ids,
        ctx.tables.stage(VOCABULARY) as terms,
    ):
        for batch in texts.encoded(vocabulary, schema):
            ids.write(batch)
        outputs = [(ids, p.cas_out.output)]
        if p.vocabulary_out is not None:
            terms.write(vocabulary_batch(vocabulary, census.counts))
            outputs.append((terms, p.vocabulary_out.output))
        made = ctx.tables.publish(*outputs)
    return ActionResult(
        tables={"OutputCasTables": output_tables(*made)},
        values={"alphabetSize": len(vocabulary.terms), "tokens": steps},
    )


def _check(p: TokenizeTextParams) -> None:
    for name, is_given in (
        ("vocabularyOut", p.vocabulary_out is not None),
        ("minCount", p.min_count > 1),
    ):
        if p.vocabulary is not None and is_given:
            raise InvalidParameters(
                f"parameter {name!r} makes a vocabulary, expected it without 'vocabulary', "
                "which gives one",
                parameter=name,
            )
    if p.max_tokens is not None and p.max_tokens > MOST_STEPS:
        raise InvalidParameters(
            f"parameter 'maxTokens' got {p.max_tokens}, expected 1 to {MOST_STEPS}",
            parameter="maxTokens",
            got=p.max_tokens,
        )


@dataclass(frozen=True)
class _Texts:
    """A column of texts, alone for counting and with the columns to be copied."""

    alone: OpenTable
    rows: OpenTable
    lower: bool

    def check(self) -> None:
        """Raise DataError unless the column is text."""
        field = self.alone.schema.field(0)
        if not pa.types.is_string(field.type):
            raise DataError(
                f"column {field.name!r} of {self.alone.label} got {field.type}, expected text",
                column=field.name,
                got=str(field.type),
            )

    def census(self) -> Census:
        """Count the terms.

        Raises:
            DataError: no text has a token.
        """
        found = Census(Counter())
        for tokens, _ in self._tokens(self.alone):
            found.add(tokens)
        if not found.longest:
            name = self.alone.schema.field(0).name
            raise DataError(
                f"column {name!r} of {self.alone.label} has no token in any row, expected texts",
                column=name,
            )
        return found

    def encoded(self, vocabulary: Vocabulary, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """Yield the rows of the table to be made."""
        copied = self.rows.schema.names[1:]
        steps = len(schema) - len(copied) - 1
        for tokens, batch in self._tokens(self.rows):
            ids = vocabulary.encode(tokens, steps)
            lengths = pa.array([min(len(each), steps) for each in tokens], pa.int64())
            arrays = [batch.column(name) for name in copied]
            arrays += [lengths, *(pa.array(each) for each in ids.T)]
            yield pa.record_batch(arrays, schema=schema)

    def _tokens(self, table: OpenTable) -> Iterator[tuple[list[list[str]], pa.RecordBatch]]:
        for batch in table.batches():
            if table.ctx.cancelled():
                raise Cancelled("the work was cancelled while texts were read")
            texts = batch.column(0).to_pylist()
            yield [words(text, lower=self.lower) for text in texts], batch


def _schema(read: pa.Schema, steps: int) -> pa.Schema:
    fields = [*list(read)[1:], pa.field("_Length_", pa.int64())]
    return pa.schema(fields + [pa.field(f"_Token{each}_", pa.int64()) for each in range(steps)])
