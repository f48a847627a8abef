"""Targets with a class or a number in every pixel: a label image, or a column per pixel."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.data.columns import Columns, Float64, Mask, numbers, pick, row_count, shown, text_of
from engine.data.images import decode_image
from engine.data.targets import Reading, TargetRequest, refuse_none
from engine.data.variables import PixelsTarget
from engine.errors import DataError
from engine.losses import ABSENT, UNSEEN

Array = npt.NDArray[Any]

CLASS_LIMIT = 1000
"""Classes a label image may have; more means that it is a photograph."""


class PixelsLearner:
    """Learns which values the pixels of label images have."""

    def __init__(self, request: TargetRequest, columns: Columns) -> None:
        del columns
        refuse_none(request)
        shape = request.form.shape
        assert shape is not None  # noqa: S101 - the form of pixels has one
        self.request = request
        self.names = request.names
        self.layout = Layout(request.names, shape, len(self.names) == 1 and prod(shape) > 1)
        if not self.layout.is_image and len(self.names) != prod(shape):
            raise DataError(
                f"layer {request.layer!r} got {len(self.names)} target "
                f"variables, expected one column of images or {prod(shape)} variables, one per "
                "pixel",
                layer=request.layer,
                got=len(self.names),
            )
        self.values: set[float] = set()
        self.here = 0

    def used(self, columns: Columns, first_row: int) -> Mask:
        return self.layout.complete(columns, first_row)

    def add(self, columns: Columns, used: Mask, first_row: int) -> None:
        self.here += int(used.sum())
        if not self.request.form.is_nominal:
            return
        values = self.layout.values(columns, used, first_row)
        self.values |= {float(value) for value in np.unique(values)}
        if len(self.values) > CLASS_LIMIT:
            raise DataError(
                f"column {self.names[0]!r} has more than {CLASS_LIMIT} values of pixels, "
                "expected fewer; is it a photograph, not a label image?",
                column=self.names[0],
                limit=CLASS_LIMIT,
            )

    @property
    def present(self) -> dict[str, int]:
        return {self.names[0]: self.here}

    def spec(self) -> PixelsTarget:
        form = self.request.form
        is_descending = self.request.order == "DESCENDING"
        levels = [text_of(value) for value in sorted(self.values, reverse=is_descending)]
        if form.is_nominal and len(levels) == 1:
            raise DataError(
                f"target {self.names[0]!r} has pixels of one value, {levels[0]}, expected at "
                "least two",
                target=self.names[0],
                levels=levels,
            )
        return PixelsTarget(
            layer=self.request.layer,
            names=self.names,
            is_image=self.layout.is_image,
            shape=self.layout.shape,
            levels=tuple(level for level in levels if level is not None),
            scale=form.scale,
        )


@dataclass(frozen=True)
class Layout:
    """How columns hold the pixels of a row.

    Attributes:
        names: one column of images, or one per pixel, map by map and row by row.
        shape: channels, height and width.
    """

    names: tuple[str, ...]
    shape: tuple[int, int, int]
    is_image: bool

    def complete(self, columns: Columns, first_row: int) -> Mask:
        """Return which rows have all their pixels."""
        if self.is_image:
            return np.array([cell is not None for cell in columns[self.names[0]]], dtype=bool)
        here = np.ones(row_count(columns), dtype=bool)
        for name in self.names:
            here &= ~np.isnan(numbers(columns[name], name, first_row))
        return here

    def values(self, columns: Columns, rows: Mask, first_row: int) -> Float64:
        """Return the pixels (N, C, H, W) of some rows, which have them all.

        Raises:
            DataError: a cell is no image of that size, or no number.
        """
        if not self.is_image:
            cells = [numbers(columns[name], name, first_row)[rows] for name in self.names]
            return np.stack(cells, axis=1).reshape(-1, *self.shape)
        column = columns[self.names[0]]
        pixels = np.empty((int(rows.sum()), *self.shape))
        for place, row in enumerate(np.flatnonzero(rows)):
            pixels[place] = self._picture(column[row], first_row + int(row))
        return pixels

    def _picture(self, cell: object, row: int) -> npt.NDArray[np.uint8]:
        name = self.names[0]
        if not isinstance(cell, bytes):
            raise DataError(
                f"column {name!r}, row {row} got {shown(cell)}, expected the bytes of an image",
                column=name,
                row=row,
            )
        return decode_image(
            cell, shape=self.shape, channel_order="BGR", row=row, column=name, keep_palette=True
        )


def read_pixels(target: PixelsTarget, reading: Reading) -> Array:
    """Return classes (N, H, W) int16, or numbers (N, C, H, W) float32.

    A row without its target is dropped, except when scoring: then its pixels are missing.
    A value of pixels that training did not see is counted and no class.
    """
    columns: Columns = {name: pick(reading.columns, name) for name in target.names}
    layout = Layout(target.names, target.shape, target.is_image)
    here = layout.complete(columns, reading.first_row)
    if reading.purpose != "score":
        reading.used[:] &= here
    values = layout.values(columns, here, reading.first_row)
    if not target.levels:
        encoded = np.full((len(here), *target.shape), np.nan, dtype=np.float32)
        encoded[here] = values * target.scale
        return encoded
    classes = np.full((len(here), *target.shape[1:]), ABSENT, dtype=np.int16)
    classes[here] = _classes(target, values[:, 0], reading)
    return classes


def _classes(target: PixelsTarget, values: Float64, reading: Reading) -> npt.NDArray[np.int16]:
    known = np.array([float(level) for level in target.levels])
    order = np.argsort(known)
    place = np.searchsorted(known, values, sorter=order).clip(max=len(known) - 1)
    codes = order[place]
    is_known = known[codes] == values
    reading.unseen.add(target.names[0], int((~is_known).sum()))
    return np.where(is_known, codes, UNSEEN).astype(np.int16)
