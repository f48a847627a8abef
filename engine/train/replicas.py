"""Several processes that train one model: each takes its share of every mini-batch.

All of them hold the model and read the same rows in the same order; replica r of N takes the
rows from r R / N on, up to (r + 1) R / N, of a mini-batch of R. The gradient of the mean over the
mini-batch is the sum of what the shares add to it, so that the weights move as those of one process
would. What depends on a clock or a caller is decided by replica 0 and followed by the others.

Batch normalisation uses the statistics of a share. Its sums over an epoch are merged over the
replicas (the deepLearn reference, rules B12 and B13).
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from engine.compile.moments import EpochMoments, Pooled
from engine.data.batches import Batch
from engine.data.importance import FACTOR, WEIGHT, factors

WAIT_S = 1800.0
"""Time a replica waits for the others, in seconds; that of reading a large table too."""

Totals = tuple[Tensor, Tensor]
Joint = Any
"""A process group of torch, ``ProcessGroupGloo`` or ``ProcessGroupNCCL``, as its stubs type little
of them."""


class ReplicaLost(Exception):  # noqa: N818 - named as what happened
    """Another replica has left: its process died, or cannot be reached."""


class Replicas:
    """One process that trains alone; the base of those that train together."""

    rank = 0
    size = 1

    def share(self, batch: Batch) -> Batch:
        """Return this replica's rows of a mini-batch, possibly none."""
        return batch

    def totals(self, loss: Tensor, error: Tensor) -> Totals:
        """Return the sums over all replicas."""
        return loss, error

    def sum(self, values: Tensor) -> Tensor:
        """Return values added up over the replicas, in place."""
        return values

    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        """Give every replica the sum of the gradients; none where no replica has one."""

    def follow(self, decide: Callable[[], int]) -> int:
        """Return what replica 0 decides; nobody else is asked."""
        return decide()

    def least(self, number: int) -> int:
        """Return the least of the replicas' numbers."""
        return number

    def gather(self, values: Tensor) -> list[Tensor]:
        """Return the tensors of all replicas, of one shape, by rank, on the processor."""
        return [values.cpu()]

    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """Give every replica the values of replica 0."""


ALONE = Replicas()


@dataclass(frozen=True)
class Seat:
    """A place among replicas that meet.

    Attributes:
        rank: from 0.
        size: replicas in all.
        host: address of replica 0 at which they meet.
        port: there.
        own_host: address of this replica at which the others reach it.
    """

    rank: int
    size: int
    host: str
    port: int
    own_host: str


class Group(Replicas):
    """A replica among others, joined by a process group of torch: Gloo, on GPUs NCCL.

    Raises:
        ReplicaLost: by every method, when another replica is gone.
    """

    def __init__(self, group: Joint, device: torch.device) -> None:
        self.rank, self.size = group.rank(), group.size()
        self._group = group
        self._device = device

    def share(self, batch: Batch) -> Batch:
        first, last = (batch.rows * at // self.size for at in (self.rank, self.rank + 1))
        targets = dict(batch.targets)
        if WEIGHT in targets:
            targets[FACTOR] = factors(targets[WEIGHT])
        return replace(
            batch,
            inputs={name: tensor[first:last] for name, tensor in batch.inputs.items()},
            targets={name: tensor[first:last] for name, tensor in targets.items()},
            rows=last - first,
        )

    def totals(self, loss: Tensor, error: Tensor) -> Totals:
        both = self.sum(torch.stack([loss, error]))
        return both[0], both[1]

    def sum(self, values: Tensor) -> Tensor:
        with _told():
            self._group.allreduce([values], dist.AllreduceOptions()).wait()
        return values

    @torch.no_grad()
    def sum_gradients(self, parameters: Sequence[Tensor]) -> None:
        flat = [
            torch.zeros_like(each).reshape(-1) if each.grad is None else each.grad.reshape(-1)
            for each in parameters
        ]
        holders = [float(each.grad is not None) for each in parameters]
        summed = self.sum(torch.cat([*flat, torch.tensor(holders).to(self._device)]))
        first = 0
        held = summed[-len(holders) :].tolist()
        for each, count in zip(parameters, held, strict=True):
            part = summed[first : first + each.numel()].view(each.shape)
            first += each.numel()
            if count and each.grad is None:
                each.grad = torch.empty_like(each)
            if each.grad is not None:
                each.grad.copy_(part)

    def follow(self, decide: Callable[[], int]) -> int:
        chosen = torch.tensor([decide() if self.rank == 0 else 0], device=self._device)
        self.copy_first([chosen])
        return int(chosen.item())

    def least(self, number: int) -> int:
        values = torch.tensor([number], device=self._device)
        options = dist.AllreduceOptions()
        options.reduceOp = dist.ReduceOp(dist.ReduceOp.MIN)
        with _told():
            self._group.allreduce([values], options).wait()
        return int(values.item())

    def gather(self, values: Tensor) -> list[Tensor]:
        here = values.to(self._device)
        found = [torch.empty_like(here) for _ in range(self.size)]
        with _told():
            self._group.allgather([found], [here]).wait()
        return [each.cpu() for each in found]

    @torch.no_grad()
    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        options = dist.BroadcastOptions()
        options.rootRank = 0
        for each in tensors:
            values = each.detach().contiguous()
            with _told():
                self._group.broadcast([values], options).wait()
            each.detach().copy_(values)

    def abort(self) -> None:
        """Let go of the others; whoever waits for them waits no more."""
        self._group.abort()


@contextmanager
def listening(host: str) -> Iterator[socket.socket]:
    """Yield the socket at which replicas are to meet, on one address of this machine alone."""
    with socket.create_server((host, 0)) as listener:
        yield listener


def meet(
    seat: Seat,
    device: torch.device,
    listener: socket.socket | None = None,
) -> Group:
    """Return this replica's way to the others, when all have come.

    Args:
        seat: this replica's place.
        device: where its model is: Gloo joins processors, NCCL graphics processors.
        listener: of replica 0, the socket of ``listening``; it is given away.

    Raises:
        ReplicaLost: another one did not come in time.
    """
    is_first = seat.rank == 0
    with _told():
        store = dist.TCPStore(  # type: ignore[attr-defined]  # torch's stubs leave it out
            seat.host,
            seat.port,
            seat.size,
            is_first,
            timedelta(seconds=WAIT_S),
            wait_for_workers=False,
            master_listen_fd=None if listener is None else listener.detach(),
        )
        store.set(f"seat {seat.rank}", "taken")
        store.wait([f"seat {rank}" for rank in range(seat.size)])
        return Group(_process_group(store, seat, device, timedelta(seconds=WAIT_S)), device)


def merge_moments(replicas: Replicas, moments: EpochMoments) -> None:
    """Let the epoch's sums of batch normalisation be those over the rows of all replicas."""
    if replicas.size == 1 or not moments.layers:
        return
    parts = gathered_moments(replicas, moments)
    device = moments.layers[0].affine.device
    moments.reset()
    for part in parts:
        if part.mean is not None and part.variance is not None:
            moments.merge(part.rows, part.mean.to(device), part.variance.to(device))


def gathered_moments(replicas: Replicas, moments: EpochMoments) -> list[Pooled]:
    """Return what every replica has pooled so far, by rank."""
    own = moments.pooled()
    if replicas.size == 1:
        return [own]
    width = sum(len(layer.affine) for layer in moments.layers)
    nothing = torch.zeros(width, dtype=torch.float64)
    rows = torch.tensor([own.rows], dtype=torch.float64)
    mean = nothing if own.mean is None else own.mean.cpu()
    variance = nothing if own.variance is None else own.variance.cpu()
    return [_pooled(each, width) for each in replicas.gather(torch.cat([rows, mean, variance]))]


def _pooled(values: Tensor, width: int) -> Pooled:
    rows = int(values[0].item())
    if not rows:
        return Pooled()
    return Pooled(rows, values[1 : width + 1].clone(), values[width + 1 :].clone())


def _process_group(store: Any, seat: Seat, device: torch.device, wait: timedelta) -> Joint:
    kind: Any = dist.ProcessGroupNCCL if device.type == "cuda" else dist.ProcessGroupGloo
    options = kind.Options() if device.type == "cuda" else kind._Options()
    options._timeout = wait
    if device.type != "cuda":
        options._devices = [kind.create_device(hostname=seat.own_host)]
    return kind(store, seat.rank, seat.size, options)


@contextmanager
def _told() -> Iterator[None]:
    """Tell failures of the connection to others by their name.

    Raises:
        ReplicaLost: the connection broke, or nobody came.
    """
    try:
        yield
    except RuntimeError as error:
        raise ReplicaLost("another replica of the training is gone") from error
