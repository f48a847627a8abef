"""Losses of sequences: one target at every step, and labels without places (CTC).

Shape letters: N rows, T steps of the output, S steps of the target, K neurons of a step.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from engine.losses import ABSENT, Known, Report, Rows, Target, Task

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class PerStep(Rows):
    """The loss of a row is the mean of the losses of its steps that have a target.

    ``raw`` is (N, T, K), ``target`` int64 (N, T) or float32 (N, T).

    Attributes:
        inner: the task of a single step.
    """

    report: ClassVar[Report] = "steps"

    target: Target
    inner: Task

    def known(self, target: Tensor) -> Known:
        each = self.inner.known(self._flat(target))
        steps = target.shape
        has_loss, has_error = each.has_loss.view(steps), each.has_error.view(steps)
        return Known(target, has_loss.any(1), has_error.any(1))

    def draw_from(self, generator: torch.Generator | None) -> None:
        self.inner.draw_from(generator)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return self._mean_loss(self.inner.loss, raw, target)

    def scored_loss(self, raw: Tensor, target: Tensor) -> Tensor:
        return self._mean_loss(self.inner.scored_loss, raw, target)

    def _mean_loss(self, loss: Loss, raw: Tensor, target: Tensor) -> Tensor:
        known = self.inner.known(self._flat(target))
        return _mean(loss(raw.flatten(0, 1), known.target), known.has_loss, target)

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        known = self.inner.known(self._flat(target))
        errors = self.inner.fit_error(raw.flatten(0, 1), known.target)
        errors = errors.where(known.has_loss, 1.0)
        return _mean(errors, known.has_error, target)

    def predict(self, raw: Tensor) -> Tensor:
        return self.inner.predict(raw.flatten(0, 1)).view(raw.shape)

    def _flat(self, target: Tensor) -> Tensor:
        flat = target.flatten()
        return flat[:, None] if self.target.kind == "interval" else flat


def _mean(values: Tensor, here: Tensor, target: Tensor) -> Tensor:
    """Return the mean over the steps that count and were scored; rows without any have zero."""
    counted = here & ~values.isnan()
    kept = values.where(counted, 0.0).view(target.shape)
    return kept.sum(1) / counted.view(target.shape).sum(1).clamp(min=1)


@dataclass(frozen=True)
class Ctc(Rows):
    """Connectionist temporal classification: -ln of the summed chance of all alignments.

    The last neuron is the blank. Labels are decoded greedily: the likeliest neuron of every step,
    repetitions as one, without blanks. A row's fit error is 0 if that gives its labels, else 1.

    ``raw`` is (N, T, K), ``target`` int64 (N, S), what is below zero is no label.

    Source: Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification", 2006;
    the deepLearn reference, error function CTC. The place of the blank is ours.
    """

    report: ClassVar[Report] = "labels"

    target: Target

    @property
    def blank(self) -> int:
        """The neuron that means no label."""
        return self.target.size

    def known(self, target: Tensor) -> Known:
        has_labels = (target != ABSENT).any(1)
        return Known(target, has_labels & ((target >= 0) | (target == ABSENT)).all(1), has_labels)

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        labels = _compact(target, target >= 0)
        lengths = (target >= 0).sum(1)
        steps = torch.full((len(raw),), raw.shape[1], dtype=torch.int64, device=raw.device)
        chances_TNK = raw[..., : self.blank + 1].log_softmax(-1).transpose(0, 1)
        return functional.ctc_loss(
            chances_TNK, labels.clamp(min=0), steps, lengths, self.blank, reduction="none"
        )

    def fit_error(self, raw: Tensor, target: Tensor) -> Tensor:
        found, wanted = self.decode(raw), _compact(target, target >= 0)
        width = max(found.shape[1], wanted.shape[1])
        found, wanted = (
            functional.pad(each, (0, width - each.shape[1]), value=ABSENT)
            for each in (found, wanted)
        )
        return (found != wanted).any(1).to(raw.dtype)

    def predict(self, raw: Tensor) -> Tensor:
        return raw[..., : self.blank + 1].softmax(-1)

    def decode(self, likely: Tensor) -> Tensor:
        """Return the labels of outputs (N, T, K), then ABSENT, int64 (N, T)."""
        best = likely[..., : self.blank + 1].argmax(-1)
        repeats = torch.zeros_like(best, dtype=torch.bool)
        repeats[:, 1:] = best[:, 1:] == best[:, :-1]
        return _compact(best, (best != self.blank) & ~repeats)


def _compact(codes: Tensor, kept: Tensor) -> Tensor:
    """Return the kept codes of every row side by side, ABSENT after them."""
    order = (~kept).to(torch.int8).argsort(dim=1, stable=True)
    return codes.where(kept, ABSENT).gather(1, order)
