"""How dlTrain and dlScore are told of sequences, texts, and the data of several layers."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, NonNegativeInt, PositiveInt

from actions.arrow_functions import pc
from actions.context import Context
from actions.errors import InvalidParameters
from actions.expression import resolve
from actions.params import ActionParams, LayerName, TableRef, Variable
from actions.reading import OpenTable, open_table
from engine.data.schema import DataSpec, SequenceRequest
from engine.data.text import Embeddings
from engine.errors import NotSupportedError
from engine.layers.base import Aliases, Synonyms


class Sequence(ActionParams):
    """How the columns of a row make a sequence: step after step, the values of a step together."""

    input_length: Variable | None = None
    """Column with the number of true steps of the inputs; left out: all are."""
    target_length: Variable | None = None
    """Column with the number of true steps of the target; left out: as many as there are."""
    token_size: PositiveInt = 1
    """Columns that make one step of the inputs."""


class SequenceOpts(ActionParams):
    """The old form of ``sequence``."""

    time_step: PositiveInt
    """Number of steps the inputs are divided into."""


class TextParms(ActionParams):
    """How texts are read."""

    later: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("initOutputEmbeddings", "hasOutputTermIds", "modelOutputEmbeddings"),
            "texts are inputs only",
        ),
        "embeddingTrainable": "vectors of terms stay as they are; a projection layer trains some",
    }

    init_input_embeddings: Annotated[TableRef | None, Aliases("initEmbeddings")] = None
    """Table of terms (first column) and their vectors (the others)."""
    has_input_term_ids: bool = False
    """Whether the second column of that table holds ids of the terms, which are not read."""
    language: str = Field(default="ENGLISH", min_length=1, max_length=32)
    """Accepted; texts of all languages are cut into words and marks of punctuation."""


class NumNomParms(ActionParams):
    """How numeric and nominal columns of one layer make a sequence."""

    length: Variable | None = None
    """Column with the number of true steps."""
    token_size: NonNegativeInt = 0
    """Columns that make one step; 0: they are no sequence."""


class DataSpecParams(ActionParams):
    """What one input layer is fed with, or what one task layer is to predict."""

    partly: ClassVar[Mapping[str, str]] = {"type": "TEXT for a task layer: texts are inputs only"}

    type: Annotated[
        Literal["NUMERICNOMINAL", "TEXT", "IMAGE", "OBJECTDETECTION"],
        Synonyms({"NUMNOM": "NUMERICNOMINAL"}),
    ]
    """What the columns hold."""
    layer: LayerName
    """Name of the layer."""
    data: tuple[Variable, ...] = ()
    """The columns."""
    data_layer: LayerName | None = None
    """Of a task layer: the input layer it belongs to; kept for the record."""
    nominals: Annotated[tuple[Variable, ...], Aliases("nominal")] = ()
    """Columns among them that are categories."""
    num_nom_parms: Annotated[NumNomParms | None, Aliases("numericNominalParms")] = None
    """How they make a sequence."""
    loss_scale_factor: Annotated[float, Field(gt=0.0)] = 1.0
    """Factor of a task's loss."""


def sequence_request(
    given: Sequence | None, old: SequenceOpts | None, inputs: int, table: OpenTable
) -> SequenceRequest | None:
    """Return how columns make a sequence; None when they do not.

    Args:
        given: the parameter ``sequence``.
        old: the parameter ``sequenceOpts``.
        inputs: number of input columns.
        table: where the columns are.

    Raises:
        ColumnNotFound: a column does not exist.
        InvalidParameters: both are given, or the inputs cannot be divided into the steps.
    """
    if given is not None and old is not None:
        raise InvalidParameters(
            "parameters 'sequence' and 'sequenceOpts' got a value both, expected one of them",
            parameter="sequenceOpts",
        )
    if old is not None:
        if inputs % old.time_step:
            raise InvalidParameters(
                f"parameter 'sequenceOpts.timeStep' got {old.time_step}, expected a divisor of "
                f"{inputs}, the number of input columns",
                parameter="sequenceOpts.timeStep",
                got=old.time_step,
            )
        return SequenceRequest(token_size=inputs // old.time_step)
    if given is None:
        return None
    return SequenceRequest(
        input_length=_spelled(given.input_length, table),
        target_length=_spelled(given.target_length, table),
        token_size=given.token_size,
    )


def data_spec(given: DataSpecParams, table: OpenTable) -> DataSpec:
    """Return what a layer is fed with, or is to predict, in the spelling of the table.

    Raises:
        ColumnNotFound: a column does not exist.
        NotSupportedError: a text is to be predicted.
    """
    parms = given.num_nom_parms or NumNomParms()
    if given.type == "TEXT" and given.data_layer is not None:
        raise NotSupportedError(
            f"dataSpecs for layer {given.layer!r} got type 'TEXT' for a task, which is not "
            "supported yet; expected 'NUMERICNOMINAL'",
            parameter="dataSpecs",
            layer=given.layer,
        )
    return DataSpec(
        layer=given.layer,
        data=names(given.data, table),
        is_text=given.type == "TEXT",
        nominals=names(given.nominals, table),
        length=_spelled(parms.length, table),
        token_size=parms.token_size,
        loss_scale=given.loss_scale_factor,
    )


def names(given: tuple[Variable, ...], table: OpenTable) -> tuple[str, ...]:
    """Return columns as the table spells them.

    Raises:
        ColumnNotFound: a column does not exist.
    """
    return tuple(resolve(each.name, table.all_columns.names, table.label) for each in given)


def _spelled(given: Variable | None, table: OpenTable) -> str | None:
    return None if given is None else names((given,), table)[0]


def embeddings(ctx: Context, given: TextParms | None) -> Embeddings | None:
    """Read the table of terms and vectors; None when none is given.

    Raises:
        TableNotFound: the session sees no such table.
        InvalidParameters: the first column is no text, or another one holds no numbers.
        DataError: the table has no rows or no vectors.
    """
    if given is None or given.init_input_embeddings is None:
        return None
    table = open_table(ctx, given.init_input_embeddings)
    first, *rest = list(table.schema)
    vectors = rest[1:] if given.has_input_term_ids else rest
    wrong = [] if pa.types.is_string(first.type) else [first]
    wrong += [each for each in vectors if not _is_number(each.type)]
    if wrong:
        raise InvalidParameters(
            f"parameter 'textParms.initInputEmbeddings' got column {wrong[0].name!r} of type "
            f"{wrong[0].type}, expected terms in the first column and numbers in the others",
            parameter="textParms.initInputEmbeddings",
            column=wrong[0].name,
        )
    terms: list[str] = []
    parts = [np.empty((0, len(vectors)), dtype=np.float32)]
    for batch in table.batches():
        kept = batch.filter(pc.is_valid(batch.column(0)))
        terms += map(str, kept.column(0).to_pylist())
        columns = [pc.cast(kept.column(each.name), pa.float32()) for each in vectors]
        values = [np.nan_to_num(each.to_numpy(zero_copy_only=False)) for each in columns]
        parts.append(np.stack(values, axis=1) if values else parts[0])
    return Embeddings.of(table.info.name, terms, np.concatenate(parts))


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)
