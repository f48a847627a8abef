"""Scores tables of any length in constant memory."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, prod
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.compile.lower import CompiledModel
from engine.data.columns import Columns, Mask, row_count
from engine.data.encode import Encoder
from engine.data.schema import Schema, source_columns
from engine.data.text import Embeddings
from engine.devices import products
from engine.graph.infer import infer_shapes
from engine.score.forms import Forward
from engine.score.frozen_form import PLAIN, Shop
from engine.score.held import HeldRows
from engine.score.layer_outputs import ImageType, LayerOutput
from engine.score.makers import make_reports
from engine.score.outputs import OutputColumn, Values
from engine.score.streamed import StreamedForward
from engine.score.summary import LOSS, ScoreSummary
from engine.score.sums import State
from engine.transfer import CudaLink

Array = npt.NDArray[Any]

CONVOLUTION_AXES = 4
"""Axes of a convolution's weights; where there are any, images lie channels-last."""

WIDEST_VALUES = 1 << 20
"""Values the widest layer may hold for the rows scored at a time: 4 MiB of float32. With half as
many LeNet and ResNet-18 take up to a tenth longer, with half as many again 15 and 40 MB more;
measured."""

WIDEST_ON_DEVICE = 1 << 28
"""As ``WIDEST_VALUES``, on a graphics processor: 1 GiB of float32; fewer rows would not fill it."""

LEAST_ROWS = 16
"""Rows scored at a time however wide the network is."""

BATCH_ROWS = 8192
"""Rows scored at a time however narrow it is."""


@dataclass(frozen=True)
class ScoredBatch:
    """The scores of a batch, row by row.

    Attributes:
        columns: the output columns by name; missing (NaN, None) in rows that cannot be used.
        layers: columns of the layer outputs that were asked for.
        used: which rows were scored.
    """

    columns: dict[str, Array]
    layers: dict[str, Array]
    used: Mask

    @property
    def rows(self) -> int:
        return len(self.used)


@dataclass
class _Part:
    """Some rows of a batch.

    Attributes:
        columns: the batch.
        here: the rows.
        first_row: 0-based row of the table where they begin.
        used: which of them can be used, once they are encoded.
        targets: of those, by task layer.
    """

    columns: Columns
    here: slice
    first_row: int
    used: Mask = field(default_factory=lambda: np.zeros(0, dtype=bool))
    targets: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def is_last(self) -> bool:
        """Whether these are the last rows of the batch."""
        return bool(self.here.stop == row_count(self.columns))


@dataclass
class Scorer:
    """Scores batches of columns with a model and the schema it was trained with.

    A row's scores do not depend on its neighbours. A row is not used if its image is missing, or an
    interval input under the rule NONE. The table need not have the target; where it has, losses and
    errors are added up. A level of the target that training did not see counts as wrong and has no
    loss; one of an input is encoded as all zeros.

    Attributes:
        encode_name: see :func:`engine.score.outputs.output_layout`.
        top_probs: likewise.
        layers: names of layers whose outputs are returned too; the model was compiled for them.
        layer_image_type: as numbers, or as an image per map.
        batch_rows: most rows encoded and scored at a time; fewer where the widest layer would
            hold more than ``WIDEST_VALUES``. It changes speed and memory only.
        embeddings: vectors of the terms of texts, in place of those kept with the schema.
        first_row: 0-based row of the table where this scorer begins, for messages.
        shop: where quicker forms of the network come from; else it scores as it was compiled.
        lanes: parts computed side by side, on a processor one thread each, on a graphics processor
            encoded side by side; 0: one after the other in the caller's thread.
        channels_last: whether images and filters lie map by map in every pixel where there are
            convolutions.
        tf32: whether a graphics processor may form products of float32 with TF32.
    """

    model: CompiledModel
    schema: Schema
    encode_name: bool = True
    top_probs: int | None = None
    layers: Sequence[str] = ()
    layer_image_type: ImageType = "WIDE"
    batch_rows: int = BATCH_ROWS
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    embeddings: Embeddings | None = None
    first_row: int = 0
    shop: Shop = PLAIN
    lanes: int = 0
    channels_last: bool = True
    tf32: bool = True

    def __post_init__(self) -> None:
        self.reports = make_reports(
            self.model.graph,
            self.schema,
            self.model.tasks,
            encode_name=self.encode_name,
            top_probs=self.top_probs,
        )
        self.encoder = Encoder(self.schema, "score", self.embeddings)
        self.outputs, self.targets = HeldRows(), HeldRows()
        self.rows_read = self.rows_used = 0
        self.record = self.shop.record

    @property
    def columns(self) -> tuple[OutputColumn, ...]:
        """The columns of the scored table, known before any row is."""
        return tuple(column for report in self.reports.values() for column in report.columns)

    @cached_property
    def layer_columns(self) -> tuple[OutputColumn, ...]:
        """The columns of the layer outputs, known before any row is."""
        return tuple(column for each in self._layer_outputs.values() for column in each.columns)

    @cached_property
    def rows_at_a_time(self) -> int:
        """Rows encoded and scored at a time: a batch is cut into even parts."""
        shapes = infer_shapes(self.model.graph, self.model.options).values()
        widest = max(prod(shape) for shape in shapes if shape is not None)
        most = WIDEST_VALUES if self.device.type == "cpu" else WIDEST_ON_DEVICE
        parts = ceil(self.batch_rows / max(LEAST_ROWS, most // widest))
        return ceil(self.batch_rows / parts)

    @cached_property
    def _layer_outputs(self) -> dict[str, LayerOutput]:
        if not self.layers:
            return {}
        graph = self.model.graph
        shapes = infer_shapes(graph, self.model.options)
        nodes = [graph.node(name) for name in self.layers]
        return {
            node.name: LayerOutput(node.id, shapes[node.name] or (), self.layer_image_type)
            for node in nodes
        }

    def score(self, batches: Iterable[Columns]) -> Iterator[ScoredBatch]:
        """Yield the scores of every batch, as many rows as it has and in their order.

        Raises:
            DataError: a column is missing, or a cell is not what its variable expects.
        """
        convolves = any(len(spec.shape) == CONVOLUTION_AXES for spec in self.model.specs)
        channels_last = convolves and self.channels_last
        self.model = self.model.to(self.device, channels_last=channels_last)
        self.model.eval()
        forward = self._forward()
        scored: ScoredBatch | None = None
        first = 0
        with products(self.device, tf32=self.tf32):
            for part, outputs in forward.stream(self._parts(batches), lanes=self.lanes):
                scored = scored or self._unscored(row_count(part.columns))
                scored.used[part.here] = part.used
                if outputs:
                    with torch.inference_mode():
                        self.outputs.add(outputs)
                        self.targets.add(part.targets)
                if part.is_last or self.outputs.are_many:
                    self._put(slice(first, part.here.stop), scored)
                    first = part.here.stop
                if part.is_last:
                    yield scored
                    scored, first = None, 0
            self.record = forward.record

    def state(self) -> State:
        """Return the sums of all rows scored so far, for another scorer to absorb."""
        return {
            "rows_read": self.rows_read,
            "rows_used": self.rows_used,
            "unseen": dict(self.encoder.unseen),
            "reports": {name: report.state() for name, report in self.reports.items()},
        }

    def absorb(self, state: State) -> None:
        """Take the sums of a scorer of other rows, as if they had been scored here."""
        self.rows_read += state["rows_read"]
        self.rows_used += state["rows_used"]
        self.encoder.unseen.update(state["unseen"])
        for name, report in self.reports.items():
            report.absorb(state["reports"][name])

    def summary(self) -> ScoreSummary:
        """Return the numbers of all rows scored so far.

        With several task layers the name of each fact ends with the layer and its id, and the loss
        is their sum.
        """
        found = {name: report.findings() for name, report in self.reports.items()}
        facts: dict[str, float] = {}
        for name, each in found.items():
            suffix = f" ({name}, {self.model.graph.node(name).id})" if len(found) > 1 else ""
            facts.update({f"{fact}{suffix}": value for fact, value in each.facts.items()})
        scales = self.schema.loss_scales
        losses = [
            each.loss * scales.get(name, 1.0)
            for name, each in found.items()
            if each.loss is not None
        ]
        if losses:
            facts[LOSS] = sum(losses)
        return ScoreSummary(
            rows_read=self.rows_read,
            rows_used=self.rows_used,
            facts=facts,
            classes=tuple(score for each in found.values() for score in each.classes),
            tables={key: table for each in found.values() for key, table in each.tables.items()},
            warnings=self._warnings(),
        )

    def _warnings(self) -> tuple[str, ...]:
        inputs = {name for source in self.schema.inputs for name in source_columns(source)}
        return tuple(
            f"column {name!r} has {count} values that training did not see; "
            + (
                "they are encoded as zeros"
                if name in inputs
                else "they count as wrong and have no loss"
            )
            for name, count in self.encoder.unseen.items()
            if count
        )

    def _parts(self, batches: Iterable[Columns]) -> Iterator[_Part]:
        """Yield as many rows at a time as the network takes."""
        read = self.first_row + self.rows_read
        for columns in batches:
            rows = row_count(columns)
            for first in range(0, max(rows, 1), self.rows_at_a_time):
                here = slice(first, min(first + self.rows_at_a_time, rows))
                yield _Part(columns, here, read + first)
            read += rows

    def _forward(self) -> Forward[_Part]:
        """Return what computes, on the device of the scorer."""
        given = (self.model, self.shop, self.rows_at_a_time, self._encode)
        if self.device.type == "cpu":
            return Forward(*given)
        return StreamedForward(*given, CudaLink(self.device))

    def _encode(self, part: _Part) -> Mapping[str, Tensor]:
        cells = {name: column[part.here] for name, column in part.columns.items()}
        encoded = self.encoder.encode(cells, part.first_row)
        part.used, part.targets = encoded.used, encoded.targets
        return encoded.inputs

    def _unscored(self, rows: int) -> ScoredBatch:
        return ScoredBatch(
            {column.name: _missing(column, rows) for column in self.columns},
            {column.name: _missing(column, rows) for column in self.layer_columns},
            np.zeros(rows, dtype=bool),
        )

    def _put(self, here: slice, scored: ScoredBatch) -> None:
        """Put the scores that are held, of some neighbouring rows of a batch, into it."""
        used = scored.used[here]
        self.rows_read += len(used)
        self.rows_used += int(used.sum())
        if used.any():
            places = here.start + np.flatnonzero(used)
            with torch.inference_mode():
                outputs, targets = self.outputs.taken(), self.targets.taken()
                for name, report in self.reports.items():
                    values = report.add(outputs[name], targets.get(name))
                    _write(scored.columns, places, values)
                _write(scored.layers, places, self._layer_values(outputs))

    def _layer_values(self, outputs: Mapping[str, Tensor]) -> Values:
        values: dict[str, Array] = {}
        for name, layer in self._layer_outputs.items():
            found = outputs[name]
            if name in self.model.tasks:
                found = self.model.tasks[name].predict(found)
            values.update(layer.write(found))
        return values


def _missing(column: OutputColumn, rows: int) -> Array:
    if column.type == "double":
        return np.full(rows, np.nan)
    return np.full(rows, None, dtype=object)


def _write(columns: dict[str, Array], places: npt.NDArray[np.int64], values: Values) -> None:
    for name, cells in values.items():
        columns[name][places] = cells
