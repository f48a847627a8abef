"""The form of a network that scores: as it was compiled, folded, quick, or frozen to machine code.

All give the same numbers within ``TOLERANCE``, which is looked at before a form is used. The plain
form is the network as it is trained. The folded one has batch normalisations in the weights before
them, and the quick one, on a processor, convolutions and maxima in forms that cannot be trained.
The frozen one is compiled; see ``engine.score.frozen_form``.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from time import perf_counter
from typing import Generic, TypeVar

import torch
from torch import Tensor

from engine.compile.halves import halved
from engine.compile.lower import CompiledModel
from engine.compile.passes import fold_batch_norm, quicken
from engine.overlap import side_by_side
from engine.score.agreement import TOLERANCE, Form, Outputs, Values, difference, rows_of
from engine.score.frozen_form import FrozenForm, Record, Shop

LOG = logging.getLogger(__name__)

CHECK_ROWS = 8
"""Rows on which the quick and the folded form are compared with the plain one."""

QUICK_ROWS = 64
"""Rows of a table from which on the quick form is made: filters are transformed for it."""

T = TypeVar("T")


class Forward(Generic[T]):
    """Computes the raw outputs of a network in the best form there is for the rows ahead.

    All forms compute side by side in lanes, one processor thread each, which is quicker than to
    share the threads in every operation.

    Attributes:
        eager: the best form that is not frozen.
        frozen: looks for the frozen one.
    """

    def __init__(
        self,
        model: CompiledModel,
        shop: Shop,
        batch_rows: int,
        encode: Callable[[T], Values],
    ) -> None:
        """Prepare to compute with a model.

        Args:
            model: in evaluation.
            shop: where forms come from.
            batch_rows: rows of a part, but for the last ones of a batch.
            encode: makes the values of the input layers of a part; called in any thread.
        """
        self.plain = model
        self.shop = shop
        self.encode = encode
        self.eager = model
        self.frozen = FrozenForm(model, shop, batch_rows)

    @property
    def form(self) -> Form:
        """The form that computes whole parts."""
        return self.frozen.form or self.eager

    @property
    def record(self) -> Record:
        """What is known of the forms now."""
        return self.frozen.record

    def stream(self, parts: Iterable[T], *, lanes: int) -> Iterator[tuple[T, Outputs]]:
        """Yield parts with their raw outputs by name, in their order.

        Args:
            parts: what ``encode`` takes.
            lanes: parts computed at once; 0: in this thread, and encoded in it too.
        """
        source = iter(parts)
        for part in source:
            values = self.encode(part)
            yield part, self._first_outputs(values) if rows_of(values) else {}
            if rows_of(values):
                break
        if lanes:
            yield from self._in_lanes(source, lanes)
        else:
            yield from ((part, self._outputs(self.encode(part))) for part in source)

    def _in_lanes(self, parts: Iterator[T], lanes: int) -> Iterator[tuple[T, Outputs]]:
        self.frozen.lanes = lanes
        threads = torch.get_num_threads()
        prepare = partial(torch.set_num_threads, max(1, threads // lanes))
        prepare()  # helpers of this thread would wait for its next operation in a busy loop
        start = perf_counter()
        try:
            for part, values, outputs in side_by_side(
                self._encoded_outputs, parts, lanes, prepare=prepare
            ):
                yield part, outputs
                end = perf_counter()
                self.frozen.took(rows_of(values), end - start)
                start = end
                if rows_of(values):
                    self.frozen.look(self.eager, values, outputs)
            self.frozen.end()
        finally:
            torch.set_num_threads(threads)

    def _encoded_outputs(self, part: T) -> tuple[T, Values, Outputs]:
        values = self.encode(part)
        return part, values, self._outputs(values)

    def _outputs(self, values: Values) -> Outputs:
        rows = rows_of(values)
        if not rows:
            return {}
        with torch.inference_mode():
            return (self.form if rows >= self.frozen.least_rows else self.eager)(values)

    def _first_outputs(self, values: Values) -> Outputs:
        """Take the best form that is not frozen, and return what it makes of the first rows."""
        if self.shop.precision == "FP32":
            return self._fold(values)
        self._fold(first_rows(values))
        self.eager = halved(self.eager)
        return self._outputs(values)

    def _fold(self, values: Values) -> Outputs:
        """Take the quickest form in float32 that gives the plain one's numbers; return its own."""
        if not self.shop.folds:
            return self._outputs(values)
        with torch.inference_mode():
            expected = self.plain(first_rows(values))
        for name, form in self._folded_forms():
            with torch.inference_mode():
                outputs = form(values)
                found = difference(first_rows(outputs), expected)
            if found <= TOLERANCE:
                self.eager = form
                return outputs
            LOG.warning("the %s form is not used, it differs by %.2g", name, found)
        return self._outputs(values)

    def _folded_forms(self) -> Iterator[tuple[str, CompiledModel]]:
        is_long = self.shop.rows >= QUICK_ROWS
        if is_long and self.plain.device.type == "cpu" and self.shop.precision == "FP32":
            yield "quick", quicken(fold_batch_norm(self.plain), loops=self.shop.loops)
        yield "folded", fold_batch_norm(self.plain)


def first_rows(values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the rows on which forms are compared."""
    return {name: value[:CHECK_ROWS] for name, value in values.items()}
