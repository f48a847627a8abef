"""The form of a network that scores: as it was compiled, folded, or frozen into machine code.

All give the same numbers within ``TOLERANCE``, which is looked at before a form is used. The plain
form is the network as it is trained. The folded one has batch normalisations in the weights before
them. The frozen one is compiled, which takes longer than most tables take to score; so it is made
only once that is paid back, and kept with what was measured.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal

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
from engine.compile.lower import CompiledModel
from engine.compile.passes import fold_batch_norm, quicken_convolutions
from engine.modules.normalization import BatchNorm
from engine.modules.quick_convolution import WinogradConvolution2d

LOG = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Largest difference of a raw output to the plain form's, in units of the larger of 1 and the
largest raw output of the rows compared."""

CHECK_ROWS = 8
"""Rows on which the folded form is compared with the plain one."""

LOAD_S = 1.0
"""Seconds of work ahead from which on a frozen network that was kept is loaded."""

BASE_PRICE_S, WINOGRAD_PRICE_S = 6.0, 3.0
"""Seconds that freezing takes: of any network, and of each convolution in Winograd's form; measured
on two cores."""

PAYBACK = 3.0
"""Prices that scoring must take before a network is frozen: it then saves a third of the time."""

GAIN = 0.95
"""Share of the folded form's time below which the frozen one is worth its place."""

TRIALS = 3
"""Calls of the frozen form that are timed."""

MOST_WEIGHTS = 1 << 26
"""Most weights of a network that is frozen: they become part of the machine code."""

MOST_BYTES = 2 << 30
"""Of frozen networks that are kept."""

FormName = Literal["plain", "folded", "frozen"]
Values = Mapping[str, Tensor]
Form = Callable[[Values], Mapping[str, Tensor]]


class Record(BaseModel):
    """What scorings with some weights have found out on a machine.

    Attributes:
        form: the quickest form; empty where there was no trial.
        spent_s: seconds of computing in another form than the frozen one.
        folded_us: microseconds a row took in the form that was there before the trial.
        frozen_us: microseconds it takes frozen.
        difference: largest difference between the two, as ``TOLERANCE`` counts.
    """

    model_config = ConfigDict(frozen=True)

    form: FormName | Literal[""] = ""
    spent_s: float = 0.0
    folded_us: float = 0.0
    frozen_us: float = 0.0
    difference: float = 0.0


@dataclass(frozen=True)
class Shop:
    """What makes a form: where frozen networks are kept, and what is known.

    Attributes:
        folds: whether the folded form is used.
        folder: of frozen networks; None: none is used.
        weights: a name of the weights that no others have.
        record: what earlier scorings have found out.
        rows: of the table to be scored, at most.
    """

    folds: bool = True
    folder: Path | None = None
    weights: str = ""
    record: Record = field(default_factory=Record)
    rows: int = 0


PLAIN = Shop(folds=False)
"""Makes nothing: a network scores as it was compiled."""


class Forward:
    """Computes the raw outputs of a network in the best form there is for the rows ahead.

    Attributes:
        record: what is known now.
    """

    def __init__(self, model: CompiledModel, shop: Shop, batch_rows: int) -> None:
        self.plain = model
        self.shop = shop
        self.batch_rows = batch_rows
        self.record = shop.record
        self.form: Form = model
        self.is_fresh = True
        self.is_settled = shop.folder is None or not can_freeze(model) or is_heavy(model)
        self.done = 0
        self.seconds: list[float] = []

    def __call__(self, inputs: Values) -> Mapping[str, Tensor]:
        """Return raw outputs by name; see :class:`CompiledModel`."""
        rows = len(next(iter(inputs.values())))
        if self.is_fresh:
            self._fold(inputs)
        elif not self.is_settled and len(self.seconds) > 1 and rows == self.batch_rows:
            self._consider(inputs)
        start = perf_counter()
        outputs = self.form(inputs)
        seconds = perf_counter() - start
        self.done += rows
        if not isinstance(self.form, FrozenModel):
            spent_s = self.record.spent_s + seconds
            self.record = self.record.model_copy(update={"spent_s": spent_s})
            if rows == self.batch_rows:
                self.seconds.append(seconds)
        return outputs

    def _fold(self, inputs: Values) -> None:
        self.is_fresh = False
        if not (self.shop.folds and any(is_norm(m) for m in self.plain.module.modules())):
            return
        folded = fold_batch_norm(self.plain)
        few = {name: value[:CHECK_ROWS] for name, value in inputs.items()}
        found = difference(folded(few), self.plain(few))
        if found <= TOLERANCE:
            self.form = folded
        else:
            LOG.warning("the folded form is not used, it differs by %.2g", found)

    def _consider(self, inputs: Values) -> None:
        """Take the frozen form if there is one or it is worth to make one."""
        ahead_s = (self.shop.rows - self.done) * median(self.seconds[1:]) / self.batch_rows
        base = self.form
        assert isinstance(base, CompiledModel)  # noqa: S101 - another is settled
        path = self._path(base)
        if self.record.form == "frozen" and path.exists() and ahead_s >= LOAD_S:
            self._try(lambda: thawed(base, self.batch_rows, path), inputs)
        elif not self.record.form:
            quick = quicken_convolutions(base)
            price_s = price(quick)
            spent_s = self.record.spent_s
            if ahead_s >= price_s / 2 and spent_s + ahead_s >= PAYBACK * price_s:
                self._try(lambda: freeze(quick, inputs, path), inputs)
                remove_oldest(path.parent, MOST_BYTES)

    def _path(self, base: CompiledModel) -> Path:
        assert self.shop.folder is not None  # noqa: S101 - it would be settled
        return self.shop.folder / file_name(base, self.shop.weights, self.batch_rows)

    def _try(self, make: Callable[[], FrozenModel], inputs: Values) -> None:
        """Make or load the frozen form, and use it if it gives the same numbers in less time."""
        self.is_settled = True
        try:
            frozen = make()
            result = frozen(inputs)
        except Exception as error:  # noqa: BLE001 - a compiler's; there is another form
            LOG.warning("the network cannot be frozen: %s", str(error).partition("\n")[0])
            return
        found = difference(result, self.form(inputs))
        before, after = median(self.seconds[1:]), median(_timed(frozen, inputs))
        is_better = found <= TOLERANCE and after < GAIN * before
        self.record = Record(
            form="frozen" if is_better else "folded",
            spent_s=self.record.spent_s,
            folded_us=1e6 * before / self.batch_rows,
            frozen_us=1e6 * after / self.batch_rows,
            difference=found,
        )
        LOG.info("a frozen form was tried", extra={"ratio": before / after, "difference": found})
        if is_better:
            self.form = frozen


def price(quick: CompiledModel) -> float:
    """Return the seconds that freezing a model takes, about."""
    turned = sum(isinstance(m, WinogradConvolution2d) for m in quick.module.modules())
    return BASE_PRICE_S + WINOGRAD_PRICE_S * turned


def is_norm(module: torch.nn.Module) -> bool:
    """Return whether a module is a batch normalisation."""
    return isinstance(module, BatchNorm)


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


def _timed(form: Form, inputs: Values) -> list[float]:
    seconds = []
    for _ in range(TRIALS):
        start = perf_counter()
        form(inputs)
        seconds.append(perf_counter() - start)
    return seconds
