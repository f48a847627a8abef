"""One training step and one pass of validation; nothing here waits for the device."""

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor
from torch.nn import Parameter

from engine.compile.lower import CompiledModel
from engine.data.batches import Batch, BatchSource
from engine.data.grade import grade
from engine.errors import TrainingError
from engine.train.optimizers import Update


def train_step(
    model: CompiledModel, update: Update, batch: Batch, rate: float
) -> tuple[Tensor, Tensor]:
    """Update the weights from one mini-batch; return its sums of loss and fit error, on the device.

    With several task layers the errors are added up like the losses.
    What is minimised is the mean loss of the rows, summed over task layers, plus the penalties.
    """
    raw = model(batch.inputs)
    losses, errors = [], []
    for name, task in model.tasks.items():
        losses.append(task.loss(raw[name], batch.targets[name]).sum())
        with torch.no_grad():
            errors.append(task.fit_error(raw[name].detach(), batch.targets[name]).sum())
    total = _sum(losses)
    # the gradient of the mean, without dividing the sum on the device
    total.backward(total.new_tensor(1.0 / batch.rows))  # type: ignore[no-untyped-call]
    update(rate)
    return total.detach(), _sum(errors)


def validate(model: CompiledModel, source: BatchSource, batch_rows: int) -> tuple[float, float]:
    """Return mean loss and fit error of a table, with stored statistics and no dropout.

    Rows whose level training did not see count as wrong and have no loss.
    """
    model.eval()
    sums = torch.zeros(4, dtype=torch.float64, device=model.device)
    with torch.inference_mode():
        for batch in source.epoch(batch_rows):
            here = batch.to(model.device)
            raw = model(here.inputs)
            for name, task in model.tasks.items():
                result = grade(task, raw[name], here.targets[name])
                parts = (result.loss, result.has_loss, result.error, result.has_error)
                sums += torch.stack([part.sum(dtype=torch.float64) for part in parts])
    loss, with_loss, error, with_error = sums.tolist()
    return loss / max(with_loss, 1.0), error / max(with_error, 1.0)


def norms(weights: Sequence[Parameter], reg_l1: float, reg_l2: float) -> tuple[float, float]:
    """Return regL1 * sum |w| and regL2 / 2 * sum w^2."""
    with torch.no_grad():
        sums = [torch.stack([w.abs().sum(), w.square().sum()]) for w in weights]
        total = torch.stack(sums).sum(dim=0).tolist() if sums else [0.0, 0.0]
    return reg_l1 * total[0], reg_l2 / 2 * total[1]


def is_finite(parameters: Sequence[Tensor]) -> bool:
    """Return whether no value of a model is infinite or undefined; waits for the device."""
    with torch.no_grad():
        return bool(torch.stack([p.isfinite().all() for p in parameters]).all().item())


class Meter:
    """Sums of loss and fit error over an epoch, read from the device only when asked.

    The sums are taken in the order of the batches, whenever they are read.
    """

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.pending: list[Tensor] = []
        self.rows: list[int] = []
        self.batches = 0
        self.total_rows = 0
        self.loss = 0.0
        self.error = 0.0

    def add(self, loss: Tensor, error: Tensor, rows: int) -> None:
        """Take a batch's sums without reading them."""
        self.pending.append(torch.stack([loss, error]))
        self.rows.append(rows)

    def read(self) -> tuple[float, float]:
        """Return the means of the last batch; the only place where the host waits in an epoch.

        Raises:
            TrainingError: a loss is not finite.
        """
        last = (0.0, 0.0)
        for (loss, error), rows in zip(torch.stack(self.pending).tolist(), self.rows, strict=True):
            self.batches += 1
            if not isfinite(loss):
                raise not_finite("loss is not finite", self.epoch, self.batches)
            self.loss += loss
            self.error += error
            self.total_rows += rows
            last = (loss / rows, error / rows)
        self.pending.clear()
        self.rows.clear()
        return last


def not_finite(fact: str, epoch: int, batch: int | None = None) -> TrainingError:
    """Return the error of a run that diverged."""
    place = f"epoch {epoch}" if batch is None else f"epoch {epoch}, batch {batch}"
    details = {"epoch": epoch} if batch is None else {"epoch": epoch, "batch": batch}
    return TrainingError(
        f"{fact} at {place}; usual causes are inputs that are not scaled, a learning rate that is "
        "too large, or exploding gradients",
        **details,
    )


def _sum(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
