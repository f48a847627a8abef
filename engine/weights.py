"""The weight table: every number of a model in the order of CAS.

Layers by id; inside a layer weights before biases; and the statistics (mean and standard deviation)
of all batch normalisation layers at the end of the table, layers by id again. ``_WeightID_`` counts
inside a layer across weights, biases and statistics.

Source: reference of the ``deepLearn`` action set, weight table; rule B11.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch

from engine.compile.lower import CompiledModel
from engine.errors import WeightsError
from engine.graph.layout import SegmentSpec as SegmentSpec
from engine.graph.layout import layout as layout
from engine.graph.walk import place

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
    """Yield a model's numbers in table order, in chunks of at most ``CHUNK_VALUES``.

    Chunks are views of the model where it lies on the CPU in logical order, else copies.
    """
    for spec in model.specs:
        flat = model.tensor(spec).detach().reshape(-1)
        for offset in range(0, spec.size, CHUNK_VALUES):
            piece = flat[offset : offset + CHUNK_VALUES]
            yield Chunk(spec, offset, piece.cpu().numpy())


def load_weights(
    model: CompiledModel, chunks: Iterable[Chunk], *, partial: bool = False
) -> frozenset[int]:
    """Copy numbers into a model and return the ids of the layers that got them.

    Args:
        model: what to fill.
        chunks: in any order; each is used once and let go.
        partial: layers of which nothing is given keep their values.

    Raises:
        WeightsError: a tensor is unknown, of another shape, given twice, or not complete.
    """
    names = _LayerNames(model)
    slots = {(spec.layer_id, spec.name): _Slot(model, spec, names) for spec in model.specs}
    for chunk in chunks:
        slot = slots.get((chunk.spec.layer_id, chunk.spec.name))
        if slot is None:
            raise WeightsError(
                f"weights got tensor {chunk.spec.name!r} of {names[chunk.spec.layer_id]}, which "
                "the model does not have",
                layer_id=chunk.spec.layer_id,
                tensor=chunk.spec.name,
            )
        slot.check(chunk.spec)
        slot.write_run(chunk.offset, chunk.values)
    return _finish(slots.values(), partial=partial)


def load_rows(
    model: CompiledModel,
    rows: Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Float32]],
    *,
    partial: bool = False,
) -> frozenset[int]:
    """Copy (layer id, weight id, value) rows into a model and return the ids of their layers.

    Args:
        model: what to fill.
        rows: in any order, in batches of any size.
        partial: layers of which nothing is given keep their values.

    Raises:
        WeightsError: a row belongs to no tensor, occurs twice, or is missing.
    """
    names = _LayerNames(model)
    slots = [_Slot(model, spec, names) for spec in model.specs]
    by_layer: dict[int, list[_Slot]] = {}
    for slot in slots:
        by_layer.setdefault(slot.spec.layer_id, []).append(slot)
    for layer_ids, weight_ids, values in rows:
        for layer_id, at in _runs(layer_ids):
            _write_layer(by_layer.get(layer_id, []), names[layer_id], weight_ids[at], values[at])
    return _finish(slots, partial=partial)


class _LayerNames:
    """How messages name the layer of an id."""

    def __init__(self, model: CompiledModel) -> None:
        self._nodes = {node.id: node for node in model.graph.nodes}

    def __getitem__(self, layer_id: int) -> str:
        node = self._nodes.get(layer_id)
        return f"layer id {layer_id}" if node is None else place(node.name, node.layer)


class _Slot:
    """One tensor while it is filled: which of its values have come.

    A tensor that lies on the CPU in logical order is filled where it is, another one in a copy
    that lives from its first value to its last.
    """

    def __init__(self, model: CompiledModel, spec: SegmentSpec, names: _LayerNames) -> None:
        self.spec = spec
        self.count = 0
        self._where = f"tensor {spec.name!r} of {names[spec.layer_id]}"
        self._tensor = model.tensor(spec).detach()
        self._flat: Float32 | None = None
        self._runs: list[tuple[int, int]] = []
        self._seen: npt.NDArray[np.bool_] | None = None

    def check(self, spec: SegmentSpec) -> None:
        """Check that given numbers were written for such a tensor."""
        if (spec.part, spec.shape) != (self.spec.part, self.spec.shape):
            raise WeightsError(
                f"{self._where} got {spec.part} of shape {spec.shape}, "
                f"expected {self.spec.part} of shape {self.spec.shape}",
                layer_id=spec.layer_id,
                got=list(spec.shape),
                expected=list(self.spec.shape),
            )

    def write_run(self, offset: int, values: Float32) -> None:
        """Write consecutive values."""
        end = offset + len(values)
        if offset < 0 or end > self.spec.size:
            raise WeightsError(
                f"{self._where} got values {offset} to {end}, expected {self.spec.size} in all",
                layer_id=self.spec.layer_id,
            )
        if self._seen is not None:
            self._mark(np.arange(offset, end))
        elif self._runs and self._runs[-1][1] == offset:
            self._runs[-1] = (self._runs[-1][0], end)
        else:
            self._runs.append((offset, end))
        self._put(slice(offset, end), values)

    def write_scattered(self, places: npt.NDArray[np.int64], values: Float32) -> None:
        """Write values one by one; the places are inside the tensor."""
        if self._seen is None:
            self._seen = np.zeros(self.spec.size, np.bool_)
            for offset, end in self._runs:
                self._mark(np.arange(offset, end))
        self._mark(places)
        self._put(places, values)

    def finish(self) -> None:
        """Check that every value came exactly once."""
        missing = self._first_missing()
        if missing < self.spec.size:
            raise WeightsError(
                f"{self._where} got {self.count} of {self.spec.size} values, the first missing "
                f"is {missing}",
                layer_id=self.spec.layer_id,
                got=self.count,
                expected=self.spec.size,
            )

    def _first_missing(self) -> int:
        """Return the first place that got no value, the size when there is none."""
        if self._seen is not None:
            missing = int(np.argmin(self._seen))
            return self.spec.size if self._seen[missing] else missing
        reached = 0
        for offset, end in sorted(self._runs):
            if offset < reached:
                raise self._twice(offset)
            if offset > reached:
                break
            reached = end
        return reached

    def _put(self, at: "slice | npt.NDArray[np.int64]", values: Float32) -> None:
        if self._flat is None:
            self._flat = self._tensor.cpu().reshape(-1).numpy()
        self._flat[at] = values
        self.count += len(values)
        if self.count >= self.spec.size:
            self.finish()
            if self._flat.ctypes.data != self._tensor.data_ptr():
                self._tensor.copy_(torch.from_numpy(self._flat).view(self.spec.shape))
            self._flat = None

    def _mark(self, places: npt.NDArray[np.int64]) -> None:
        assert self._seen is not None  # noqa: S101 - the callers made it
        taken = places[self._seen[places]]
        unique, counts = np.unique(places, return_counts=True)
        repeated = unique[counts > 1]
        if len(taken) or len(repeated):
            raise self._twice(int(taken[0] if len(taken) else repeated[0]))
        self._seen[places] = True

    def _twice(self, value: int) -> WeightsError:
        return WeightsError(
            f"{self._where} got value {value} twice, expected every value once",
            layer_id=self.spec.layer_id,
        )


def _runs(layer_ids: npt.NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    """Yield runs of equal layer ids."""
    edges = np.flatnonzero(np.diff(layer_ids)) + 1
    bounds = [0, *edges.tolist(), len(layer_ids)]
    for start, end in pairwise(bounds):
        if end > start:
            yield int(layer_ids[start]), slice(start, end)


def _write_layer(
    slots: list[_Slot], name: str, weight_ids: npt.NDArray[np.int64], values: Float32
) -> None:
    """Write rows of one layer to the tensors they belong to."""
    written = 0
    for slot in slots:
        first = slot.spec.first_weight_id
        inside = (weight_ids >= first) & (weight_ids < first + slot.spec.size)
        places, part = weight_ids[inside] - first, values[inside]
        if not len(places):
            continue
        written += len(places)
        if len(places) == 1 or bool((np.diff(places) == 1).all()):
            slot.write_run(int(places[0]), part)
        else:
            slot.write_scattered(places, part)
    if written < len(weight_ids):
        most = max((slot.spec.first_weight_id + slot.spec.size for slot in slots), default=0)
        wrong = weight_ids[(weight_ids < 0) | (weight_ids >= most)]
        raise WeightsError(
            f"{name} got weight id {int(wrong[0])}, expected 0 to {most - 1}"
            if most
            else f"{name} got weights, expected none",
            weight_id=int(wrong[0]),
        )


def _finish(slots: Iterable[_Slot], *, partial: bool) -> frozenset[int]:
    given = list(slots)
    loaded = frozenset(slot.spec.layer_id for slot in given if slot.count)
    for slot in given:
        if slot.spec.layer_id in loaded or not partial:
            slot.finish()
    return loaded
