"""One training step and one pass of validation; nothing here waits for the device."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite

import torch
from torch import Tensor
from torch.nn import Module, Parameter

from engine.compile.lower import CompiledModel, module_name
from engine.data.batches import Batch, BatchSource
from engine.data.grade import grade
from engine.data.importance import FACTOR, WEIGHT, factors
from engine.errors import TrainingError
from engine.train.lbfgs import Evaluation, Lbfgs
from engine.train.optimizers import Update
from engine.train.replicas import ALONE, Replicas

Place = tuple[int, int]
"""An epoch, 0-based, and a mini-batch of it, 1-based."""


def train_step(
    model: CompiledModel,
    update: Update,
    batch: Batch,
    rate: float,
    *,
    at: Place = (0, 1),
    replicas: Replicas = ALONE,
) -> tuple[Tensor, Tensor]:
    """Update the weights from one mini-batch; return its sums of loss and fit error, on the device.

    With several task layers the errors are added up like the losses.
    What is minimised is the mean loss of the rows, summed over task layers, plus the penalties.

    On the processor, where looking costs nothing, a loss that is not finite ends the run before it
    spoils the weights. Elsewhere the meter finds it when it is read.

    Args:
        model: in training mode.
        update: the solver.
        batch: on the device of the model.
        rate: learning rate.
        at: epoch and batch, for the error.
        replicas: those that take their share of the mini-batch.

    Raises:
        TrainingError: the loss is not finite; the message names the first layer to blame.
        ReplicaLost: another replica is gone.
    """
    share = replicas.share(batch)
    own, wrong = summed(model, share)
    total, error = replicas.totals(own.detach(), wrong)
    if model.device.type == "cpu" and not isfinite(total.item()):
        layer = first_not_finite(model, share, replicas)
        raise not_finite("loss is not finite", *at, layer=layer)
    if share.rows:
        send_back(own, batch.rows)
    replicas.sum_gradients(update.parameters)
    update(rate, batch.rows)
    return total, error


def evaluate(
    model: CompiledModel,
    solver: Lbfgs,
    batches: Iterable[Batch],
    rows: int,
    replicas: Replicas = ALONE,
) -> Evaluation:
    """Return the objective and its gradient over mini-batches of ``rows`` in all."""
    loss = torch.zeros((), dtype=torch.float64, device=model.device)
    error = torch.zeros_like(loss)
    for batch in batches:
        share = replicas.share(batch)
        if share.rows:
            total, wrong = summed(model, share.to(model.device))
            send_back(total, rows)
            loss += total.detach()
            error += wrong
    loss, error = replicas.totals(loss, error)
    replicas.sum_gradients(solver.parameters)
    gradient = solver.collect()
    objective = float(loss) / rows + solver.penalties()
    return Evaluation(objective, gradient, loss, error, model.moments.pooled())


def validate(
    model: CompiledModel, source: BatchSource, batch_rows: int, replicas: Replicas = ALONE
) -> tuple[float, float]:
    """Return mean loss and fit error of a table, with stored statistics and no dropout.

    Rows whose level training did not see count as wrong and have no loss. With several task layers
    the means are added up.
    """
    model.eval()
    sums = {name: torch.zeros(4, dtype=torch.float64, device=model.device) for name in model.tasks}
    with torch.inference_mode():
        for batch in source.epoch(batch_rows):
            here = replicas.share(batch).to(model.device)
            if not here.rows:
                continue
            raw = model(here.inputs)
            for name, task in model.tasks.items():
                result = grade(task, raw[name], here.targets[name])
                parts = (result.loss, result.has_loss, result.error, result.has_error)
                sums[name] += torch.stack([part.sum(dtype=torch.float64) for part in parts])
    losses, errors = 0.0, 0.0
    for name, each in sums.items():
        loss, with_loss, error, with_error = replicas.sum(each).tolist()
        losses += model.loss_scale(name) * loss / max(with_loss, 1.0)
        errors += error / max(with_error, 1.0)
    return losses, errors


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

    def __init__(
        self,
        epoch: int,
        *,
        batches: int = 0,
        total_rows: int = 0,
        loss: float = 0.0,
        error: float = 0.0,
    ) -> None:
        self.epoch = epoch
        self.pending: list[Tensor] = []
        self.rows: list[int] = []
        self.batches = batches
        self.total_rows = total_rows
        self.loss = loss
        self.error = error

    def state(self) -> dict[str, float]:
        """Return what was read so far, to go on from."""
        return {
            "batches": self.batches,
            "total_rows": self.total_rows,
            "loss": self.loss,
            "error": self.error,
        }

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


def first_not_finite(model: CompiledModel, batch: Batch, replicas: Replicas = ALONE) -> str | None:
    """Return the first layer, sources first, whose output for a batch is not finite; or None.

    Args:
        model: in training mode.
        batch: this replica's share of it.
        replicas: those that look at theirs.
    """
    found: dict[str, bool] = {}

    def watch(name: str) -> Callable[[Module, object, object], None]:
        def hook(module: Module, inputs: object, output: object) -> None:
            del module, inputs
            parts = output if isinstance(output, tuple) else (output,)
            tensors = (part for part in parts if isinstance(part, Tensor))
            found[name] = all(bool(tensor.isfinite().all()) for tensor in tensors)

        return hook

    modules = dict(model.module.named_children())
    handles = [
        modules[place].register_forward_hook(watch(node.name))
        for node in model.graph.nodes
        if (place := module_name(node.id)) in modules  # else another layer does its work
    ]
    try:
        with torch.no_grad():
            if batch.rows:
                model(batch.inputs)
    finally:
        for handle in handles:
            handle.remove()
    names = [node.name for node in model.graph.order]
    bad = (place for place, name in enumerate(names) if not found.get(name, True))
    first = replicas.least(next(bad, len(names)))
    return names[first] if first < len(names) else None


def not_finite(
    fact: str, epoch: int, batch: int | None = None, *, layer: str | None = None
) -> TrainingError:
    """Return the error of a run that diverged."""
    details: dict[str, int | str] = {"epoch": epoch}
    place = f"epoch {epoch}"
    if batch is not None:
        place, details["batch"] = f"{place}, batch {batch}", batch
    if layer is not None:
        place, details["layer"] = f"{place}, layer {layer!r}", layer
    return TrainingError(
        f"{fact} at {place}; usual causes are inputs that are not scaled, a learning rate that is "
        "too large, or exploding gradients",
        **details,
    )


def summed(model: CompiledModel, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the sums of loss and fit error of a mini-batch, by the weights of its rows."""
    if not batch.rows:
        nothing = torch.zeros((), device=model.device)
        return nothing, nothing
    return graded(model, batch, model(batch.inputs))


def graded(model: CompiledModel, batch: Batch, raw: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the sums of loss and fit error of the raw outputs of a mini-batch."""
    targets = model.turns.turned(batch.targets)
    weights = targets.get(WEIGHT)
    share = targets.get(FACTOR)
    if share is None and weights is not None:
        share = factors(weights)
    losses, errors = [], []
    for name, task in model.tasks.items():
        loss = task.loss(raw[name], targets[name])
        losses.append((loss if share is None else loss * share).sum() * model.loss_scale(name))
        with torch.no_grad():
            error = task.fit_error(raw[name].detach(), targets[name])
            errors.append((error if share is None else error * share).sum())
    return _sum(losses), _sum(errors)


def send_back(total: Tensor, rows: int) -> None:
    """Leave the gradient of a mean over rows in the parameters, given the sum.

    The factor is no gradient handed over: torch would load its compiler's shapes for that, and it
    would have to cross over to the device.
    """
    (total * (1.0 / rows)).backward()  # type: ignore[no-untyped-call]


def _sum(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
