"""The frozen form of a network that scores: have it made once that pays, try it, keep it or not.

Freezing takes longer than most tables take to score. So a network is frozen once that would be paid
back, beside the scoring, and kept with what was measured.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict

from engine.compile.freezing import Freezing
from engine.compile.frozen import can_freeze, file_name, freeze, remove_oldest, thawed
from engine.compile.lower import CompiledModel
from engine.compile.passes import has_loops
from engine.precision import Precision
from engine.score.agreement import TOLERANCE, Form, Outputs, Values, difference, rows_of

LOG = logging.getLogger(__name__)

LOAD_S = 0.5
"""Seconds of work ahead from which on a frozen network that is there is loaded."""

PRICE_S = 15.0
"""Seconds of one processor that freezing takes, about."""

GAIN = 0.97
"""Share of the time of the other form below which the frozen one is worth its place."""

TIMED_PARTS = 8
"""Parts whose time is known before the work ahead is judged."""

TRIAL_PARTS = 32
"""Parts that each of two forms is tried with."""

LEAST_TRIAL_PARTS = 8
"""Parts of each with which a trial is judged where the table ends before it is over."""

MOST_WEIGHTS = 1 << 26
"""Most weights of a network that is frozen: they become part of the machine code."""

MOST_BYTES = 2 << 30
"""Of frozen networks that are kept."""

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
        loops: whether convolutions may be computed by loops in C.
        folder: of frozen networks; None: none is used.
        weights: a name of the weights that no others have.
        record: what earlier scorings have found out.
        rows: of the table to be scored, at most.
        precision: what products are formed in; in FP16 no network is frozen.
    """

    folds: bool = True
    loops: bool = True
    folder: Path | None = None
    weights: str = ""
    record: Record = field(default_factory=Record)
    rows: int = 0
    precision: Precision = "FP32"


PLAIN = Shop(folds=False)
"""Makes nothing: a network scores as it was compiled."""


class Trial:
    """Computes in two forms, turn by turn, and takes their times, so that both meet the same noise.

    Turns follow the sequence of Thue and Morse: if they alternated, lanes in step would have a form
    each, and the form of the slower processor would look the slower one.

    Attributes:
        forms: the one there was, and the frozen one.
        us: microseconds a row of each.
    """

    def __init__(self, eager: Form, frozen: Form) -> None:
        self.forms = (eager, frozen)
        self.us: tuple[list[float], list[float]] = ([], [])
        self.turns = count()

    def __call__(self, values: Values) -> Outputs:
        turn = next(self.turns).bit_count() % 2
        start = perf_counter()
        outputs = self.forms[turn](values)
        self.us[turn].append(1e6 * (perf_counter() - start) / rows_of(values))
        return outputs

    @property
    def parts(self) -> int:
        """How many parts both have computed, at least."""
        return min(map(len, self.us))


class FrozenForm:
    """Looks for a quicker form of a network while that scores.

    Attributes:
        form: the frozen one, or its trial; None: there is none.
        least_rows: of a part that it is used for; it would fill up fewer.
        found: what is known, but for the time spent in this scoring.
    """

    def __init__(self, model: CompiledModel, shop: Shop, batch_rows: int) -> None:
        """Begin to look.

        Args:
            model: as it was compiled, in evaluation.
            shop: where frozen networks are kept.
            batch_rows: rows of a whole part.
        """
        self.model = model
        self.shop = shop
        self.batch_rows = batch_rows
        self.form: Form | None = None
        self.least_rows = 0
        self.found = shop.record
        self.lanes = 1
        self._rows = 0
        self._seconds = 0.0
        self._is_settled = (
            shop.folder is None
            or shop.precision == "FP16"
            or shop.record.form == "folded"
            or not can_freeze(model)
            or is_heavy(model)
        )

    @cached_property
    def path(self) -> Path:
        """Where the frozen form is kept, if there is a folder."""
        name = file_name(self.model, self.shop.weights, self.batch_rows, folds=self.shop.folds)
        return (self.shop.folder or Path()) / name

    @property
    def record(self) -> Record:
        """What is known now."""
        return self.found.model_copy(update={"spent_s": self._spent_s})

    def took(self, rows: int, seconds: float) -> None:
        """Hear how long rows took, with all that goes on beside them."""
        if self.form is None:
            self._rows += rows
            self._seconds += seconds

    def look(self, eager: CompiledModel, values: Values, outputs: Outputs) -> None:
        """Go on towards the frozen form: have it made, try it, keep it or not.

        Args:
            eager: the form there is.
            values: of the input layers of a part.
            outputs: what that form made of them, as long as no other was tried.
        """
        if isinstance(self.form, Trial):
            self._judge(self.form, TRIAL_PARTS)
        elif not self._is_settled and rows_of(values) == self.batch_rows:
            try:
                self._seek(eager, values, outputs)
            except Exception as error:  # noqa: BLE001 - a compiler's; there is another form
                reason = str(error).partition("\n")[0]
                self._reject(f"the network cannot be frozen: {reason}")

    def end(self) -> None:
        """Hear that no rows are left."""
        if isinstance(self.form, Trial):
            self._judge(self.form, LEAST_TRIAL_PARTS)

    def _seek(self, eager: CompiledModel, values: Values, outputs: Outputs) -> None:
        self._is_settled = has_loops(eager)  # which the compiler has none of
        if self._is_settled:
            return
        making = UNDER_WAY.get(self.path)
        if making is not None:
            if not making.is_over():
                return
            del UNDER_WAY[self.path]
            making.end()
            remove_oldest(self.path.parent, MOST_BYTES)
        if self.path.exists():
            if self._ahead_s >= LOAD_S:
                self._load(eager, values, outputs)
        elif self._spent_s + self._ahead_s >= PRICE_S and is_idle():
            with suppress(FileExistsError):  # another worker has it frozen
                UNDER_WAY[self.path] = freeze(eager, values, self.batch_rows, self.path)

    def _load(self, eager: CompiledModel, values: Values, outputs: Outputs) -> None:
        """Load the frozen form; if it gives the same numbers use it, or try it first."""
        self._is_settled = True
        frozen = thawed(self.model, self.batch_rows, self.path, self.lanes)
        with torch.inference_mode():
            found = difference(frozen(values), outputs)
        self.found = self.found.model_copy(update={"difference": found})
        if found > TOLERANCE:
            self._reject(f"the frozen form is not used, it differs by {found:.2g}")
        elif self.found.form == "frozen":
            self._use(frozen)
        else:
            self.form, self.least_rows = Trial(eager, frozen), self.batch_rows

    def _judge(self, trial: Trial, parts: int) -> None:
        """Once both had so many parts, keep the frozen form if it was quicker than the other."""
        if trial.parts < parts:
            return
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
        self._use(trial.forms[1] if is_better else None)

    def _use(self, form: Form | None) -> None:
        share = self.found.frozen_us / self.found.folded_us
        self.form, self.least_rows = form, round(self.batch_rows * share)

    def _reject(self, reason: str) -> None:
        LOG.warning(reason)
        self._is_settled = True
        self.found = self.found.model_copy(update={"form": "folded"})

    @property
    def _ahead_s(self) -> float:
        """Seconds that the rows ahead will take in the form there is; 0: nothing is known yet."""
        if self._rows >= TIMED_PARTS * self.batch_rows:
            row_s = self._seconds / self._rows
        else:
            row_s = self.found.folded_us / 1e6 / self.lanes
        return max(0, self.shop.rows - self._rows) * row_s

    @property
    def _spent_s(self) -> float:
        return self.shop.record.spent_s + self._seconds


def is_idle() -> bool:
    """Return whether this process has no network frozen at the moment."""
    return all(each.is_over() for each in UNDER_WAY.values())


def is_heavy(model: CompiledModel) -> bool:
    """Return whether a model has too many weights to be frozen."""
    return sum(each.numel() for each in model.module.parameters()) > MOST_WEIGHTS
