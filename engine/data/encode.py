"""Columns become tensors by the rules of a schema."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.data.columns import (
    Column,
    Columns,
    Float64,
    Mask,
    find_name,
    level_codes,
    numbers,
    pick,
    row_count,
    shown,
)
from engine.data.forms import READERS
from engine.data.images import decode_image
from engine.data.importance import WEIGHT, row_weights
from engine.data.schema import Schema
from engine.data.sequence_inputs import read_sequences, read_texts, usable
from engine.data.targets import Purpose as Purpose
from engine.data.targets import Reading, Unseen
from engine.data.text import Embeddings
from engine.data.unpacked import unpacked
from engine.data.variables import (
    ImageInput,
    InputSpec,
    Interval,
    IntervalTarget,
    Nominal,
    NominalTarget,
    SequenceInput,
    TargetSpec,
    TextInput,
    Variable,
    VectorInput,
)
from engine.errors import DataError
from engine.losses import ABSENT as ABSENT
from engine.losses import UNSEEN as UNSEEN
from engine.sequences import lengths_of


@dataclass(frozen=True)
class Encoded:
    """The tensors of the used rows of a batch.

    Attributes:
        inputs: by input layer; uint8 (N, C, H, W) images, float32 (N, D) vectors, or float32
            (N, T, D) sequences, whose true lengths int64 (N,) are under ``lengths_of`` its name.
        targets: by task layer; int64 (N,) codes or float32 (N, V) scaled values. Empty when a table
            to be scored has no target.
        used: which of the batch's rows these are.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    used: Mask

    @property
    def rows(self) -> int:
        """The number of used rows."""
        return int(self.used.sum())


class Encoder:
    """Encodes the batches of one table.

    Training and validation drop rows without a nominal target and replace missing interval targets
    as the schema says; a level that training did not see is an error in training and counts as
    wrong elsewhere. Scoring keeps every row whose inputs can be used. Several threads may encode.

    Attributes:
        unseen: cells so far, by variable, whose level training did not see.
    """

    def __init__(
        self,
        schema: Schema,
        purpose: Purpose = "train",
        embeddings: Embeddings | None = None,
    ) -> None:
        self.schema = schema
        self.purpose = purpose
        self.embeddings = {
            source.layer: usable(source, embeddings)
            for source in schema.inputs
            if isinstance(source, TextInput)
        }
        self.unseen = Unseen()

    def encode(self, columns: Columns, first_row: int = 0) -> Encoded:
        """Return the tensors of a batch.

        Args:
            columns: at least those the schema reads.
            first_row: 0-based row of the table where the batch begins, for messages.

        Raises:
            DataError: a column is missing, or a cell is not what its variable expects.
        """
        used = np.ones(row_count(columns), dtype=bool)
        targets: dict[str, npt.NDArray[np.generic]] = {}
        for target in self.schema.targets:
            if self.purpose != "score" or _has(columns, target.names):
                targets[target.layer] = self._target(target, columns, first_row, used)
        inputs: dict[str, npt.NDArray[np.generic]] = {}
        for source in self.schema.inputs:
            inputs.update(self._inputs(source, columns, first_row, used))
        for target in self.schema.targets:
            if isinstance(target, NominalTarget) and target.layer in targets:
                unseen = used & (targets[target.layer] == UNSEEN)
                self._count_unseen(target, pick(columns, target.name), unseen, first_row)
        if self.purpose == "train":
            request, specs = self.schema.request, self.schema.targets
            weights = row_weights(request, specs, targets, columns, first_row, used)
            if weights is not None:
                targets[WEIGHT] = weights.astype(np.float32)
        # a later column may have dropped rows an earlier one had kept
        return Encoded(
            inputs={name: _tensor(array, used) for name, array in inputs.items()},
            targets={name: _tensor(array, used) for name, array in targets.items()},
            used=used,
        )

    def _inputs(
        self, source: InputSpec, columns: Columns, first_row: int, used: Mask
    ) -> dict[str, npt.NDArray[np.generic]]:
        """Return the values of an input layer, and the true lengths of sequences beside them."""
        if isinstance(source, SequenceInput):
            values, lengths = read_sequences(source, columns, first_row, used)
        elif isinstance(source, TextInput):
            embeddings = self.embeddings[source.layer]
            values, lengths = read_texts(source, embeddings, columns, first_row, used)
        else:
            return {source.layer: self._input(source, columns, first_row, used)}
        return {source.layer: values, lengths_of(source.layer): lengths}

    def _target(
        self, target: TargetSpec, columns: Columns, first_row: int, used: Mask
    ) -> npt.NDArray[np.generic]:
        if isinstance(target, NominalTarget):
            return self._nominal_target(target, pick(columns, target.name), used)
        if isinstance(target, IntervalTarget):
            return self._interval_target(target, columns, first_row, used)
        reading = Reading(columns, first_row, used, self.purpose, self.unseen)
        return READERS[target.kind](target, reading)

    def _nominal_target(
        self, target: NominalTarget, column: Column, used: Mask
    ) -> npt.NDArray[np.int64]:
        places = {level: code for code, level in enumerate(target.levels)}
        codes = level_codes(column, places, UNSEEN, ABSENT)
        if self.purpose != "score":
            used &= codes != ABSENT
        return codes

    def _count_unseen(
        self, target: NominalTarget, column: Column, unseen: Mask, first_row: int
    ) -> None:
        count = int(unseen.sum())
        if count and self.purpose == "train":
            row = int(np.flatnonzero(unseen)[0])
            raise DataError(
                f"target {target.name!r}, row {first_row + row} got {shown(column[row])}, "
                f"expected one of the {len(target.levels)} levels of the schema",
                target=target.name,
                row=first_row + row,
            )
        self.unseen.add(target.name, count)

    def _interval_target(
        self, target: IntervalTarget, columns: Columns, first_row: int, used: Mask
    ) -> npt.NDArray[np.float32]:
        encoded = np.empty((len(used), len(target.variables)), dtype=np.float32)
        for place, variable in enumerate(target.variables):
            values = numbers(pick(columns, variable.name), variable.name, first_row)
            if self.purpose != "score":
                values = _filled(values, variable, used)
            encoded[:, place] = _scaled(values, variable, first_row)
        return encoded

    def _input(
        self, source: ImageInput | VectorInput, columns: Columns, first_row: int, used: Mask
    ) -> npt.NDArray[np.generic]:
        if isinstance(source, ImageInput):
            return _images(source, pick(columns, source.column), first_row, used)
        width = sum(variable.width for variable in source.variables)
        encoded = np.zeros((len(used), width), dtype=np.float32)
        place = 0
        for variable in source.variables:
            part = encoded[:, place : place + variable.width]
            self._fill(part, variable, pick(columns, variable.name), first_row, used)
            place += variable.width
        return encoded.reshape(len(used), *source.shape)

    def _fill(
        self,
        part: npt.NDArray[np.float32],
        variable: Variable,
        column: Column,
        first_row: int,
        used: Mask,
    ) -> None:
        if isinstance(variable, Nominal):
            self._one_hot(part, variable, column)
            return
        values = _filled(numbers(column, variable.name, first_row), variable, used)
        part[:, 0] = _scaled(values, variable, first_row)

    def _one_hot(self, part: npt.NDArray[np.float32], variable: Nominal, column: Column) -> None:
        places = {level: code for code, level in enumerate(variable.levels)}
        missing = len(variable.levels) if variable.has_missing_level else UNSEEN
        codes = level_codes(column, places, UNSEEN, missing)
        seen = np.flatnonzero(codes != UNSEEN)
        self.unseen.add(variable.name, len(codes) - len(seen))
        part[seen, codes[seen]] = 1.0


def _has(columns: Columns, names: Sequence[str]) -> bool:
    known = list(columns)
    return all(find_name(known, name) is not None for name in names)


def _filled(values: Float64, variable: Interval, used: Mask) -> Float64:
    """Replace missing values, or mark their rows as not used."""
    absent = np.isnan(values)
    if variable.missing is None:
        used &= ~absent
        return np.where(absent, variable.center, values)
    return np.where(absent, variable.missing, values)


def _scaled(values: Float64, variable: Interval, first_row: int) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):
        scaled = ((values - variable.center) / variable.scale).astype(np.float32)
    too_large = np.isinf(scaled)
    if too_large.any():
        row = int(np.flatnonzero(too_large)[0])
        raise DataError(
            f"column {variable.name!r}, row {first_row + row} got {float(values[row])!r}, "
            "expected a number that float32 can hold",
            column=variable.name,
            row=first_row + row,
        )
    return scaled


def _images(
    source: ImageInput, column: Column, first_row: int, used: Mask
) -> npt.NDArray[np.uint8]:
    used &= np.array([cell is not None for cell in column], dtype=bool)
    if used.all():
        shape = (source.channels, source.height, source.width)
        pixels = unpacked(column, shape, source.channel_order)
        if pixels is not None:
            return pixels
    encoded = np.empty((len(column), *source.shape), dtype=np.uint8)
    for row in np.flatnonzero(used):
        cell = column[row]
        if not isinstance(cell, bytes):
            raise DataError(
                f"column {source.column!r}, row {first_row + int(row)} got {shown(cell)}, "
                "expected the bytes of an image",
                column=source.column,
                row=first_row + int(row),
            )
        encoded[row] = decode_image(
            cell,
            shape=(source.channels, source.height, source.width),
            channel_order=source.channel_order,
            row=first_row + int(row),
            column=source.column,
        )
    return encoded


def _tensor(array: npt.NDArray[np.generic], used: Mask) -> Tensor:
    return torch.from_numpy(array if used.all() else array[used])
