"""The weight table: every number of a model in the order of CAS.

Layers by id; inside a layer weights before biases; and the statistics (mean and standard deviation)
of all batch normalisation layers at the end of the table, layers by id again. ``_WeightID_`` counts
inside a layer across weights, biases and statistics.

Source: reference of the ``deepLearn`` action set, weight table; rule B11.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.compile.lower import CompiledModel
from engine.graph.layout import SegmentSpec as SegmentSpec
from engine.graph.layout import layout as layout

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Chunk:
    """A run of a tensor's values.

    Attributes:
        offset: position of the first value inside the flattened tensor.
        values: float32, one axis.
    """

    spec: SegmentSpec
    offset: int
    values: Float32


CHUNK_VALUES = 1 << 20
"""Values in a full chunk: 4 MiB of float32."""


def read_weights(model: CompiledModel) -> Iterator[Chunk]:
    """Yield a model's numbers in table order, in chunks of at most ``CHUNK_VALUES``, as views."""
    raise NotImplementedError


def load_weights(model: CompiledModel, chunks: Iterable[Chunk]) -> None:
    """Copy numbers into a model.

    Raises:
        WeightsError: a tensor is unknown, of another shape, or not complete.
    """
    raise NotImplementedError


def load_rows(
    model: CompiledModel,
    rows: Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Float32]],
) -> None:
    """Copy numbers given as (layer id, weight id, value) rows, in any order.

    Raises:
        WeightsError: a row belongs to no tensor, occurs twice, or is missing.
    """
    raise NotImplementedError
