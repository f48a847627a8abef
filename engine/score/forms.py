"""The form of a network that scores: as it was compiled, folded, quick, or frozen to machine code.

All give the same numbers within ``TOLERANCE``, which is looked at before a form is used. The plain
form is the network as it is trained. The folded one has batch normalisations in the weights before
them, and the quick one, on a processor, convolutions and maxima in forms that cannot be trained.
The frozen one is compiled, which takes longer than most tables take to score; so it is made
only once that is paid back, and kept with what was measured.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Generic, Literal, TypeVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from engine.compile.frozen import (
    FrozenModel,
    can_freeze,
    file_name,
    freeze,
    remove_oldest,
    thawed,
)
from engine.compile.halves import halved
from engine.compile.lower import CompiledModel
from engine.compile.passes import fold_batch_norm, quicken
from engine.modules.winograd import WinogradConvolution2d
from engine.overlap import ahead, side_by_side
from engine.precision import Precision

LOG = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Largest difference of a raw output to the plain form's, in units of the larger of 1 and the
largest raw output of the rows compared."""

CHECK_ROWS = 8
"""Rows on which the quick and the folded form are compared with the plain one."""

QUICK_ROWS = 64
"""Rows of a table from which on the quick form is made: filters are transformed for it."""

LOAD_S = 1.0
"""Seconds of work ahead from which on a frozen network that was kept is loaded."""

BASE_PRICE_S, WINOGRAD_PRICE_S = 6.0, 3.0
"""Seconds that freezing takes: of any network, and of each convolution in Winograd's form; measured
on two cores."""

PAYBACK = 3.0
"""Prices that scoring must take before a network is frozen: it then saves a third of the time."""

GAIN = 0.95
"""Share of the time in lanes below which the frozen form is worth its place."""

TIMED_PARTS = 8
"""Parts whose time is known before the work ahead is judged."""

TRIAL_PARTS = 16
"""Parts that the frozen form is tried with."""

MOST_WEIGHTS = 1 << 26
"""Most weights of a network that is frozen: they become part of the machine code."""

MOST_BYTES = 2 << 30
"""Of frozen networks that are kept."""

Values = Mapping[str, Tensor]
Outputs = Mapping[str, Tensor]
Form = Callable[[Values], Outputs]
T = TypeVar("T")


class Record(BaseModel):
    """What scorings with some weights have found out on a machine.

    Attributes:
        form: the one to take; empty where the frozen one was not tried yet.
        spent_s: seconds of computing in another form than the frozen one.
        folded_us: microseconds a row took in the form that was there before the trial.
        frozen_us: microseconds it takes frozen.
        difference: largest difference between the two, as ``TOLERANCE`` counts.
    """

    model_config = ConfigDict(frozen=True)

    form: Literal["", "folded", "frozen"] = ""
    spent_s: float = 0.0
    folded_us: float = 0.0
    frozen_us: float = 0.0
    difference: float = 0.0


@dataclass(frozen=True)
class Shop:
    """What makes a form: where frozen networks are kept, and what is known.

    Attributes:
        folds: whether the folded form is used.
        in_tiles: whether the folded form has convolutions in Winograd's form.
        folder: of frozen networks; None: none is used.
        weights: a name of the weights that no others have.
        record: what earlier scorings have found out.
        rows: of the table to be scored, at most.
        precision: what products are formed in; in FP16 no network is frozen.
    """

    folds: bool = True
    in_tiles: bool = True
    folder: Path | None = None
    weights: str = ""
    record: Record = field(default_factory=Record)
    rows: int = 0
    precision: Precision = "FP32"


PLAIN = Shop(folds=False)
"""Makes nothing: a network scores as it was compiled."""


class Forward(Generic[T]):
    """Computes the raw outputs of a network in the best form there is for the rows ahead.

    The plain and the folded form compute side by side in lanes, one processor thread each, which is
    quicker than to share the threads in every operation. The frozen form uses all threads at once.

    Attributes:
        form: the form that computes.
        eager: the form that is not frozen; the one for less than ``least_rows``, which a frozen
            network would fill up.
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
        self.batch_rows = batch_rows
        self.encode = encode
        self.eager = model
        self.form: Form = model
        self.least_rows = 0
        self.lanes_rows = 0
        self.lanes_s = 0.0
        self.found = shop.record
        self.threads = torch.get_num_threads()
        self.is_settled = shop.folder is None or not can_freeze(model) or is_heavy(model)
        self.is_settled |= shop.precision == "FP16"

    @cached_property
    def path(self) -> Path:
        """Where the frozen form is kept, if there is a folder."""
        ways = (self.shop.folds, self.shop.in_tiles)
        name = file_name(self.plain, self.shop.weights, self.batch_rows, ways)
        return (self.shop.folder or Path()) / name

    def stream(self, parts: Iterable[T], *, lanes: int) -> Iterator[tuple[T, Outputs]]:
        """Yield parts with their raw outputs by name, in their order.

        Args:
            parts: what ``encode`` takes.
            lanes: parts computed at once; 0: in this thread, and encoded in it too.
        """
        source = iter(parts)
        for part in source:
            values = self.encode(part)
            if rows_of(values):
                self._fold(values)
                self._halve()
            yield part, self._outputs(values)
            if rows_of(values):
                break
        while lanes and not isinstance(self.form, FrozenModel):
            yield from self._in_lanes(until(self._is_due, source), lanes)
            following = next(source, None)
            if following is None:
                return
            values = self.encode(following)
            frozen = self._frozen(values) if rows_of(values) and self._is_due() else None
            yield following, self._outputs(values)
            if frozen is not None:
                yield from self._tried(frozen, source)
        yield from self._one_by_one(source, overlaps=lanes > 0)

    @property
    def record(self) -> Record:
        """What is known now."""
        return self.found.model_copy(update={"spent_s": self._spent_s})

    def _in_lanes(self, parts: Iterator[T], lanes: int) -> Iterator[tuple[T, Outputs]]:
        share = max(1, self.threads // lanes)
        prepare = partial(torch.set_num_threads, share)
        prepare()  # helpers of this thread would wait for its next operation in a busy loop
        before_s, start = self.lanes_s, perf_counter()
        try:
            for part, values, outputs in side_by_side(
                self._encoded_outputs, parts, lanes, prepare=prepare
            ):
                self.lanes_rows += rows_of(values)
                yield part, outputs
                self.lanes_s = before_s + perf_counter() - start
        finally:
            torch.set_num_threads(self.threads)

    def _encoded_outputs(self, part: T) -> tuple[T, Values, Outputs]:
        values = self.encode(part)
        return part, values, self._outputs(values)

    def _one_by_one(self, parts: Iterator[T], *, overlaps: bool) -> Iterator[tuple[T, Outputs]]:
        encoded = ((part, self.encode(part)) for part in parts)
        for part, values in ahead(encoded) if overlaps else encoded:
            yield part, self._outputs(values)

    def _tried(self, frozen: FrozenModel, parts: Iterator[T]) -> Iterator[tuple[T, Outputs]]:
        """Compute some parts in the frozen form, and keep it if that was quicker than lanes."""
        self.form = frozen
        start, rows = perf_counter(), 0
        for part, outputs in self._one_by_one(islice(parts, TRIAL_PARTS), overlaps=True):
            rows += len(next(iter(outputs.values()), ()))
            yield part, outputs
        if not rows:
            return
        seconds = (perf_counter() - start) / rows
        is_better = seconds < GAIN * self.seconds_a_row
        self.found = self.found.model_copy(
            update={
                "form": "frozen" if is_better else "folded",
                "folded_us": 1e6 * self.seconds_a_row,
                "frozen_us": 1e6 * seconds,
            }
        )
        LOG.info("a frozen form was tried", extra=self.found.model_dump())
        if is_better:
            self.least_rows = round(self.batch_rows * seconds / self.seconds_a_row)
        else:
            self.form = self.eager

    def _outputs(self, values: Values) -> Outputs:
        rows = rows_of(values)
        if not rows:
            return {}
        with torch.inference_mode():
            return (self.form if rows >= self.least_rows else self.eager)(values)

    @property
    def seconds_a_row(self) -> float:
        """Time a row takes in lanes, with all that goes on beside them."""
        return self.lanes_s / max(1, self.lanes_rows)

    def _fold(self, values: Values) -> None:
        """Take the quickest form, not frozen, that gives the plain one's numbers."""
        if not self.shop.folds:
            return
        few = {name: value[:CHECK_ROWS] for name, value in values.items()}
        for name, form in self._folded_forms():
            with torch.inference_mode():
                found = difference(form(few), self.plain(few))
            if found <= TOLERANCE:
                self.form = self.eager = form
                return
            LOG.warning("the %s form is not used, it differs by %.2g", name, found)

    def _folded_forms(self) -> Iterator[tuple[str, CompiledModel]]:
        folded = fold_batch_norm(self.plain)
        is_long = self.shop.rows >= QUICK_ROWS
        if is_long and self.plain.device.type == "cpu" and self.shop.precision == "FP32":
            yield "quick", quicken(folded, in_tiles=self.shop.in_tiles)
        yield "folded", folded

    def _halve(self) -> None:
        if self.shop.precision == "FP16" and isinstance(self.form, CompiledModel):
            self.form = self.eager = halved(self.form)

    def _is_due(self) -> bool:
        """Return whether it is time to take the frozen form, or to make one."""
        if self.is_settled or self.lanes_rows < TIMED_PARTS * self.batch_rows:
            return False
        ahead_s = (self.shop.rows - self.lanes_rows) * self.seconds_a_row
        if self._is_kept:
            return ahead_s >= LOAD_S
        if self.found.form == "folded":
            return False
        price_s = price(self.eager)
        return ahead_s >= price_s / 2 and self._spent_s + ahead_s >= PAYBACK * price_s

    @property
    def _is_kept(self) -> bool:
        """Return whether the frozen form was the quicker one, and is still there."""
        return self.found.form == "frozen" and self.path.exists()

    @property
    def _spent_s(self) -> float:
        return self.shop.record.spent_s + self.lanes_s

    def _frozen(self, values: Values) -> FrozenModel | None:
        """Return the frozen form, made or loaded, if it gives the same numbers."""
        self.is_settled = True
        is_known = self._is_kept
        try:
            if is_known:
                frozen = thawed(self.plain, self.batch_rows, self.path)
            else:
                frozen = freeze(self.eager, values, self.batch_rows, self.path)
                remove_oldest(self.path.parent, MOST_BYTES)
            result = frozen(values)
        except Exception as error:  # noqa: BLE001 - a compiler's; there is another form
            LOG.warning("the network cannot be frozen: %s", str(error).partition("\n")[0])
            self.found = self.found.model_copy(update={"form": "folded"})
            return None
        with torch.inference_mode():
            found = difference(result, self.eager(values))
        self.found = self.found.model_copy(update={"difference": found})
        if found > TOLERANCE:
            LOG.warning("the frozen form is not used, it differs by %.2g", found)
            self.found = self.found.model_copy(update={"form": "folded"})
            return None
        if is_known:
            self.form = frozen
            return None
        return frozen


def until(is_over: Callable[[], bool], items: Iterator[T]) -> Iterator[T]:
    """Yield items until, before one is taken, it is over; the rest stays where it is."""
    while not is_over():
        try:
            item = next(items)
        except StopIteration:
            return
        yield item


def rows_of(values: Values) -> int:
    """Return the rows of the values of input layers."""
    return len(next(iter(values.values())))


def price(model: CompiledModel) -> float:
    """Return the seconds that freezing a model takes, about."""
    turned = sum(isinstance(each, WinogradConvolution2d) for each in model.module.modules())
    return BASE_PRICE_S + WINOGRAD_PRICE_S * turned


def is_heavy(model: CompiledModel) -> bool:
    """Return whether a model has too many weights to be frozen."""
    return sum(each.numel() for each in model.module.parameters()) > MOST_WEIGHTS


def difference(found: Mapping[str, Tensor], plain: Mapping[str, Tensor]) -> float:
    """Return the largest difference of raw outputs, in units of the larger of 1 and the largest.

    Values that are undefined or infinite in both count as equal; in one alone, as infinitely far.
    """
    worst = 0.0
    for name, expected in plain.items():
        known = expected.isfinite()
        if not torch.equal(known, found[name].isfinite()):
            return float("inf")
        if known.any():
            scale = max(1.0, float(expected[known].abs().max()))
            apart = float((found[name][known] - expected[known]).abs().max())
            worst = max(worst, apart / scale)
    return worst
