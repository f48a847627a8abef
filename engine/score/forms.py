"""The form of a network that scores: as it was compiled, folded, quick, or frozen to machine code.

All give the same numbers within ``TOLERANCE``, which is looked at before a form is used. The plain
form is the network as it is trained. The folded one has batch normalisations in the weights before
them, and the quick one, on a processor, convolutions and maxima in forms that cannot be trained.
The frozen one is compiled, which takes longer than most tables take to score; so it is made
beside the scoring, only once that would be paid back, and kept with what was measured.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Generic, Literal, TypeVar

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from engine.compile.freezing import Freezing
from engine.compile.frozen import (
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
from engine.overlap import side_by_side
from engine.precision import Precision

LOG = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Largest difference of a raw output to the plain form's, in units of the larger of 1 and the
largest raw output of the rows compared."""

CHECK_ROWS = 8
"""Rows on which the quick and the folded form are compared with the plain one."""

QUICK_ROWS = 64
"""Rows of a table from which on the quick form is made: filters are transformed for it."""

LOAD_S = 0.5
"""Seconds of work ahead from which on a frozen network that is there is loaded."""

BASE_PRICE_S, WINOGRAD_PRICE_S = 15.0, 1.0
"""Seconds of one processor that freezing takes: of any network, and of each convolution in
Winograd's form."""

GAIN = 0.97
"""Share of the time of the other form below which the frozen one is worth its place."""

TIMED_PARTS = 8
"""Parts whose time is known before the work ahead is judged."""

TRIAL_PARTS = 32
"""Parts that each of two forms is tried with."""

MOST_WEIGHTS = 1 << 26
"""Most weights of a network that is frozen: they become part of the machine code."""

MOST_BYTES = 2 << 30
"""Of frozen networks that are kept."""

Values = Mapping[str, Tensor]
Outputs = Mapping[str, Tensor]
Form = Callable[[Values], Outputs]
T = TypeVar("T")

UNDER_WAY: dict[Path, Freezing] = {}
"""Networks that this process has asked to be frozen, by where they go. They outlive the scoring
that asked; a later one finds them."""


class Record(BaseModel):
    """What scorings with some weights have found out on a machine.

    Attributes:
        form: the one to take; empty where the frozen one was not tried yet.
        spent_s: seconds of computing in another form than the frozen one.
        folded_us: microseconds a row took one thread in the form that was there before the trial.
        frozen_us: microseconds it takes one thread frozen.
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


class Trial:
    """Computes in two forms, turn by turn, and takes their times, so that both meet the same noise.

    Attributes:
        forms: the one there is, and the frozen one.
        us: microseconds a row of each.
    """

    def __init__(self, eager: Form, frozen: Form) -> None:
        self.forms = (eager, frozen)
        self.us: tuple[list[float], list[float]] = ([], [])
        self.turns = count()

    def __call__(self, values: Values) -> Outputs:
        turn = next(self.turns) % 2
        start = perf_counter()
        outputs = self.forms[turn](values)
        self.us[turn].append(1e6 * (perf_counter() - start) / rows_of(values))
        return outputs

    @property
    def is_over(self) -> bool:
        """Return whether both had their turns."""
        return min(map(len, self.us)) >= TRIAL_PARTS


class Forward(Generic[T]):
    """Computes the raw outputs of a network in the best form there is for the rows ahead.

    All forms compute side by side in lanes, one processor thread each, which is quicker than to
    share the threads in every operation.

    Attributes:
        form: the form that computes.
        eager: the form that is not frozen; the one for less than ``least_rows``, which a frozen
            network would fill up.
        lanes_rows: rows computed in that form in lanes.
        lanes_s: seconds that took, with all that goes on beside it.
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
        self.lanes = 0
        self.lanes_rows = 0
        self.lanes_s = 0.0
        self.found = shop.record
        self.is_settled = (
            shop.folder is None
            or shop.precision == "FP16"
            or shop.record.form == "folded"
            or not can_freeze(model)
            or is_heavy(model)
        )

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
        if lanes:
            yield from self._in_lanes(source, lanes)
        else:
            yield from ((part, self._outputs(self.encode(part))) for part in source)

    @property
    def record(self) -> Record:
        """What is known now."""
        return self.found.model_copy(update={"spent_s": self._spent_s})

    def _in_lanes(self, parts: Iterator[T], lanes: int) -> Iterator[tuple[T, Outputs]]:
        self.lanes = lanes
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
                if self.form is self.eager:
                    self.lanes_rows += rows_of(values)
                    self.lanes_s += end - start
                start = end
                if rows_of(values) == self.batch_rows:
                    self._look_for_better(values, outputs)
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
            return (self.form if rows >= self.least_rows else self.eager)(values)

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

    def _look_for_better(self, values: Values, outputs: Outputs) -> None:
        """Go on towards the frozen form: have it made, try it, keep it or not.

        Args:
            values: of the input layers of a whole part.
            outputs: what the form there is made of them, if none was tried yet.
        """
        if isinstance(self.form, Trial):
            if self.form.is_over:
                self._judge(self.form)
        elif not self.is_settled:
            try:
                self._seek_frozen(values, outputs)
            except Exception as error:  # noqa: BLE001 - a compiler's; there is another form
                reason = str(error).partition("\n")[0]
                self._reject(f"the network cannot be frozen: {reason}")

    def _seek_frozen(self, values: Values, outputs: Outputs) -> None:
        making = UNDER_WAY.get(self.path)
        if making is not None:
            if not making.is_over():
                return
            del UNDER_WAY[self.path]
            making.end()
            remove_oldest(self.path.parent, MOST_BYTES)
        if self.path.exists():
            if self._ahead_s >= LOAD_S:
                self._load(values, outputs)
        elif self._spent_s + self._ahead_s >= price(self.eager) and is_idle():
            with suppress(FileExistsError):  # another worker has it frozen
                UNDER_WAY[self.path] = freeze(self.eager, values, self.batch_rows, self.path)

    def _load(self, values: Values, outputs: Outputs) -> None:
        """Load the frozen form; if it gives the same numbers use it, or try it first."""
        self.is_settled = True
        frozen = thawed(self.plain, self.batch_rows, self.path, self.lanes)
        with torch.inference_mode():
            found = difference(frozen(values), outputs)
        self.found = self.found.model_copy(update={"difference": found})
        if found > TOLERANCE:
            self._reject(f"the frozen form is not used, it differs by {found:.2g}")
        elif self.found.form == "frozen":
            self._use(frozen)
        else:
            self.form, self.least_rows = Trial(self.eager, frozen), self.batch_rows

    def _judge(self, trial: Trial) -> None:
        """Keep the frozen form if it was quicker than the other one."""
        eager_us, frozen_us = map(median, trial.us)
        is_better = frozen_us < GAIN * eager_us
        self.found = self.found.model_copy(
            update={
                "form": "frozen" if is_better else "folded",
                "folded_us": eager_us,
                "frozen_us": frozen_us,
            }
        )
        LOG.info("a frozen form was tried", extra=self.found.model_dump())
        self._use(trial.forms[is_better])

    def _use(self, form: Form) -> None:
        share = self.found.frozen_us / self.found.folded_us
        self.form, self.least_rows = form, round(self.batch_rows * share)

    def _reject(self, reason: str) -> None:
        LOG.warning(reason)
        self.is_settled = True
        self.found = self.found.model_copy(update={"form": "folded"})

    @property
    def _ahead_s(self) -> float:
        """Seconds that the rows ahead will take in the form there is; 0: nothing is known yet."""
        if self.lanes_rows >= TIMED_PARTS * self.batch_rows:
            row_s = self.lanes_s / self.lanes_rows
        else:
            row_s = self.found.folded_us / 1e6 / self.lanes
        return max(0, self.shop.rows - self.lanes_rows) * row_s

    @property
    def _spent_s(self) -> float:
        return self.shop.record.spent_s + self.lanes_s


def is_idle() -> bool:
    """Return whether this process has no network frozen at the moment."""
    return all(each.is_over() for each in UNDER_WAY.values())


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
