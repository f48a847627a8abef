"""What one pass over the training table learns for an input layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np

from engine.data.columns import Columns, Mask, is_character, numbers, shown
from engine.data.images import image_size
from engine.data.lengths import true_lengths
from engine.data.profile import LevelProfile, NumericProfile
from engine.data.targets import Missing, Scaling, interval, numeric_or_levels
from engine.data.text import MOST_STEPS, Embeddings, tokens
from engine.data.variables import (
    ImageInput,
    InputSpec,
    Nominal,
    SequenceInput,
    TextInput,
    Variable,
    VectorInput,
)
from engine.errors import DataError, NotSupportedError
from engine.graph.spec import Node
from engine.layers.base import Layer
from engine.layers.input import Input
from engine.shapes import IMAGE_AXES

Profile = NumericProfile | LevelProfile


class InputRole(Protocol):
    """What is learned for an input layer; batches are given to ``restrict`` and then to ``add``."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns it reads."""

    def restrict(self, columns: Columns, used: Mask, first_row: int) -> None:
        """Take rows out of ``used`` that the rules on missing values drop."""

    def add(self, columns: Columns, used: Mask, first_row: int) -> None:
        """Take a batch."""

    def present(self) -> dict[str, int]:
        """Return how many values each variable has that may not be all missing."""

    def spec(self) -> InputSpec:
        """Return what was learned."""


@dataclass(frozen=True)
class Fed:
    """The columns that feed an input layer, and how.

    Attributes:
        nominals: names of categories, case folded.
        missing: replacement of missing interval values.
        length: variable with the number of true steps of a sequence.
        token_size: variables of a step; 0: the columns are no sequence.
    """

    node: Node
    columns: tuple[str, ...]
    nominals: frozenset[str]
    missing: Missing
    is_text: bool = False
    length: str | None = None
    token_size: int = 0
    embeddings: Embeddings | None = None

    @property
    def scaling(self) -> Scaling:
        """How intervals are standardised."""
        layer = self.node.layer
        return layer.std if isinstance(layer, Input) else "NONE"


def input_role(fed: Fed, columns: Columns) -> InputRole:
    """Return the role of an input layer, decided from the first batch.

    Raises:
        DataError: the columns do not fit the layer.
    """
    shape = image_shape(fed.node.layer)
    if fed.is_text:
        return TextRole(fed)
    if fed.token_size and shape is None:
        return SequenceRole(fed, columns)
    if fed.length is not None:
        raise DataError(
            f"layer {fed.node.name!r} (input) got the length {fed.length!r}, expected none: "
            "only sequences of columns have true lengths",
            layer=fed.node.name,
        )
    if shape is not None and len(fed.columns) == 1 and prod(shape) > 1:
        return ImageRole(fed, shape)
    return VectorRole(fed, columns, shape)


class ImageRole:
    """A column of pictures; where the layer cuts them down, all are as large as the first."""

    def __init__(self, fed: Fed, shape: tuple[int, int, int]) -> None:
        layer = fed.node.layer
        self.fed = fed
        self.shape = shape
        self.columns = fed.columns
        self.count = 0
        self.has_size = not isinstance(layer, Input) or layer.random_crop == "NONE"

    def restrict(self, columns: Columns, used: Mask, first_row: int) -> None:
        del first_row
        here = present_cells(columns, self.columns[0])
        self.count += int(here.sum())
        used &= here

    def add(self, columns: Columns, used: Mask, first_row: int) -> None:
        if self.has_size or not used.any():
            return
        row = int(np.flatnonzero(used)[0])
        cell = columns[self.columns[0]][row]
        if isinstance(cell, bytes):  # the encoder refuses all else
            size = image_size(cell, row=first_row + row, column=self.columns[0])
            self.shape = (self.shape[0], *size)
            self.has_size = True

    def present(self) -> dict[str, int]:
        return {self.columns[0]: self.count}

    def spec(self) -> InputSpec:
        channels, height, width = self.shape
        return ImageInput(
            layer=self.fed.node.name,
            column=self.columns[0],
            channels=channels,
            height=height,
            width=width,
            channel_order=getattr(self.fed.node.layer, "channel_order", "BGR"),
        )


class VectorRole:
    """Variables side by side; with an image layer, one per pixel."""

    def __init__(self, fed: Fed, columns: Columns, shape: tuple[int, int, int] | None) -> None:
        self.fed = fed
        self.shape = shape
        self.columns = fed.columns
        if shape and len(fed.columns) != prod(shape):
            raise DataError(
                f"layer {fed.node.name!r} (input) got {len(fed.columns)} variables, expected one "
                f"column of images or {prod(shape)} variables, one per pixel",
                layer=fed.node.name,
                got=len(fed.columns),
            )
        for name in fed.columns:
            if any(isinstance(cell, bytes) for cell in columns[name][:100]):
                raise DataError(
                    f"column {name!r} holds binary values but layer {fed.node.name!r} (input) "
                    "declares no image, expected nChannels, width and height",
                    column=name,
                    layer=fed.node.name,
                )
        self.profiles = {
            name: numeric_or_levels(columns, name, fed.nominals) for name in fed.columns
        }

    def restrict(self, columns: Columns, used: Mask, first_row: int) -> None:
        if self.fed.missing == "NONE":
            for name, found in self.profiles.items():
                if isinstance(found, NumericProfile):
                    used &= ~np.isnan(numbers(columns[name], name, first_row))

    def add(self, columns: Columns, used: Mask, first_row: int) -> None:
        for name, found in self.profiles.items():
            _add_cells(found, columns, name, used, first_row)

    def present(self) -> dict[str, int]:
        # a nominal input without values is one level, missing; it carries nothing but is no fault
        return {name: found.present for name, found in self.profiles.items()}

    def spec(self) -> InputSpec:
        variables = tuple(
            _variable(found, self.fed.missing, self.fed.scaling) for found in self.profiles.values()
        )
        return VectorInput(layer=self.fed.node.name, variables=variables, image_shape=self.shape)


class SequenceRole:
    """Variables that are the values of steps; a value has one scale in all steps.

    Cells of padding are not looked at.
    """

    def __init__(self, fed: Fed, columns: Columns) -> None:
        self.fed = fed
        self.columns = fed.columns if fed.length is None else (*fed.columns, fed.length)
        self.steps, rest = divmod(len(fed.columns), fed.token_size)
        if rest:
            raise DataError(
                f"layer {fed.node.name!r} (input) got {len(fed.columns)} variables, expected a "
                f"multiple of {fed.token_size}, the values of a step",
                layer=fed.node.name,
                got=len(fed.columns),
            )
        for name in fed.columns:
            if name.casefold() in fed.nominals or is_character(columns[name]):
                raise NotSupportedError(
                    f"column {name!r} of a sequence is nominal, which is not supported yet; "
                    "expected numbers, or token ids before a projection layer",
                    column=name,
                )
        self.profiles = [NumericProfile(name) for name in fed.columns[: fed.token_size]]

    def restrict(self, columns: Columns, used: Mask, first_row: int) -> None:
        if self.fed.missing == "NONE":
            for _, name, true in self._cells(columns, first_row):
                used &= ~(true & np.isnan(numbers(columns[name], name, first_row)))

    def add(self, columns: Columns, used: Mask, first_row: int) -> None:
        for found, name, true in self._cells(columns, first_row):
            found.add(numbers(columns[name], name, first_row), used & true)

    def _cells(self, columns: Columns, first_row: int) -> "list[tuple[NumericProfile, str, Mask]]":
        """Return every column with its profile and the rows in which it is no padding."""
        lengths = true_lengths(columns, self.fed.length, self.steps, first_row)
        size = self.fed.token_size
        return [
            (self.profiles[place % size], name, lengths > place // size)
            for place, name in enumerate(self.fed.columns)
        ]

    def present(self) -> dict[str, int]:
        return {found.name: found.present for found in self.profiles}

    def spec(self) -> InputSpec:
        return SequenceInput(
            layer=self.fed.node.name,
            columns=self.fed.columns,
            values=tuple(
                interval(found, self.fed.missing, self.fed.scaling) for found in self.profiles
            ),
            length=self.fed.length,
        )


class TextRole:
    """A column of text; the longest one decides the number of steps."""

    def __init__(self, fed: Fed) -> None:
        self.fed = fed
        self.columns = fed.columns
        self.count = 0
        self.longest = 1
        if len(fed.columns) != 1:
            raise DataError(
                f"layer {fed.node.name!r} (input) got the variables {list(fed.columns)}, expected "
                "one text",
                layer=fed.node.name,
                got=len(fed.columns),
            )
        if fed.embeddings is None:
            raise DataError(
                f"text {fed.columns[0]!r} got no embeddings, expected textParms with "
                "initInputEmbeddings: a table of terms and their vectors",
                column=fed.columns[0],
            )

    def restrict(self, columns: Columns, used: Mask, first_row: int) -> None:
        del first_row
        here = present_cells(columns, self.columns[0])
        self.count += int(here.sum())
        used &= here

    def add(self, columns: Columns, used: Mask, first_row: int) -> None:
        column = columns[self.columns[0]]
        for row in np.flatnonzero(used):
            count = len(tokens(text_cell(column[row], self.columns[0], first_row + int(row))))
            self.longest = max(self.longest, count)

    def present(self) -> dict[str, int]:
        return {self.columns[0]: self.count}

    def spec(self) -> InputSpec:
        assert self.fed.embeddings is not None  # noqa: S101 - checked at the beginning
        return TextInput(
            layer=self.fed.node.name,
            column=self.columns[0],
            steps=min(self.longest, MOST_STEPS),
            embeddings=self.fed.embeddings.kept,
        )


def text_cell(cell: object, name: str, row: int) -> str:
    """Return a cell of a text column.

    Raises:
        DataError: it holds something else.
    """
    if isinstance(cell, str):
        return cell
    got = f"{len(cell)} bytes" if isinstance(cell, bytes) else shown(cell)
    raise DataError(f"column {name!r}, row {row} got {got}, expected text", column=name, row=row)


def present_cells(columns: Columns, name: str) -> Mask:
    """Return which cells of a column of pictures or text are not missing."""
    return np.array(
        [
            cell is not None and not (isinstance(cell, str) and not cell.strip())
            for cell in columns[name]
        ],
        dtype=bool,
    )


def image_shape(layer: Layer) -> tuple[int, int, int] | None:
    """Return the channels, height and width of an input layer of images."""
    shape = layer.shape if isinstance(layer, Input) else None
    if shape is None or len(shape) != IMAGE_AXES:
        return None
    channels, height, width = shape
    return channels, height, width


def _add_cells(found: Profile, columns: Columns, name: str, used: Mask, first_row: int) -> None:
    """Give a batch's cells to a profile."""
    if isinstance(found, NumericProfile):
        found.add(numbers(columns[name], name, first_row), used)
    else:
        found.add(columns[name], used)


def _variable(found: Profile, rule: Missing, scaling: Scaling) -> Variable:
    if isinstance(found, NumericProfile):
        return interval(found, rule, scaling)
    return Nominal(
        name=found.name,
        levels=found.ordered("ASCENDING"),
        has_missing_level=found.has_missing,
    )
