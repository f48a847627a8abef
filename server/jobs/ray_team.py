"""Workers of a Ray cluster that help the worker of a job."""

import logging
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from threading import Event, Thread
from typing import Any

import numpy as np
import ray
import ray.data
import torch
from ray.exceptions import RayError

from actions.errors import JobFailed
from actions.job_ports import Job
from actions.run import run_action
from actions.team import Block, Hire, Party
from engine.devices import choose_device
from engine.errors import Cancelled, EngineError
from engine.train.replicas import Group, ReplicaLost, Replicas, Seat, listening, meet
from server.jobs.ray_worker import actor, how_it_died, own_address, reserved
from server.logs import start_logging
from server.settings import Settings

LOG = logging.getLogger(__name__)

ROOM_S = 120.0
"""Time a helper may take to find room in the cluster and to start, in seconds."""
LOOK_S = 0.5
"""Time between two looks at the helpers, in seconds."""
VERDICT_S = 5.0
"""Time a helper that is gone has to be known as dead, in seconds."""


@dataclass
class RayTeam:
    """The helpers of one job, asked for by the worker that runs it.

    Attributes:
        owner: the worker's name.
        cancelled: whether the job is to stop.
    """

    settings: Settings
    job: Job
    owner: str
    cancelled: Callable[[], bool]

    @contextmanager
    def gather(self, size: int) -> Iterator[Party]:
        """Let so many workers, this one among them, run the job's action until the block's end."""
        host = own_address()
        with listening(host) as listener:
            seat = Seat(0, size, host, listener.getsockname()[1], host)
            helper = actor(RayReplica, self.settings)
            helpers = [
                helper.remote(self.settings, self.job, self.owner, replace(seat, rank=rank))
                for rank in range(1, size)
            ]
            lead = _Lead(seat, listener, helpers, self.cancelled)
            try:
                yield lead
            except ReplicaLost as error:
                raise lead.verdict(error) from error
            finally:
                lead.close()

    def deal(self, hire: Hire, blocks: Sequence[Block], size: int) -> Iterator[bytes]:
        """Yield what clerks make of blocks, in the order of the blocks; see ``actions.team``."""
        self._wait_for_room(size)
        options = ray.data.DataContext.get_current()
        options.enable_progress_bars = False
        options.execution_options.preserve_order = True
        dealt = ray.data.from_items(
            [asdict(block) for block in blocks], override_num_blocks=max(1, len(blocks))
        ).map_batches(
            RayClerk,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=size),
            fn_constructor_args=(self.settings, self.job, self.owner, hire),
            **reserved(self.settings),
        )
        for batch in dealt.iter_batches(batch_size=None, batch_format="pyarrow"):
            answers: Any = batch
            for answer in answers.column("answer"):
                yield answer.as_py()

    def _wait_for_room(self, size: int) -> None:
        """Wait until the cluster has room for a clerk.

        Raises:
            JobFailed: it has none in time.
            Cancelled: the job is to stop.
        """
        deadline = time.monotonic() + ROOM_S
        while not has_room(self.settings):
            if self.cancelled():
                raise Cancelled("scoring was cancelled while it waited for its workers")
            if time.monotonic() > deadline:
                raise _no_room(size, 0)
            time.sleep(LOOK_S)


def has_room(settings: Settings) -> bool:
    """Return whether the cluster has room for another worker."""
    free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
    return bool(free.get("CPU", 0) >= settings.threads and free.get("GPU", 0) >= settings.ray_gpus)


def _no_room(size: int, room: int) -> JobFailed:
    return JobFailed(
        f"parameter 'nWorkers' got {size}, but after {ROOM_S:g} s the cluster has room for {room}; "
        "free or add machines, or ask for fewer",
        workers=size,
        room=room,
    )


class RayClerk:
    """Does a part of another worker's job on blocks of rows; one in each process."""

    def __init__(self, settings: Settings, job: Job, owner: str, hire: Hire) -> None:
        from server.wiring import helper_context, open_stores  # which names the runners

        start_logging(settings.log_level)
        torch.set_num_threads(settings.threads)
        stores = open_stores(settings)
        self._work = hire(helper_context(settings, stores, job, owner))

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the answers to blocks."""
        places = zip(batch["first_row"], batch["rows"], strict=True)
        answers = [self._work(Block(int(first), int(rows))) for first, rows in places]
        return {"answer": np.array(answers, dtype=object)}


@dataclass
class _Lead:
    """The first worker of a party."""

    seat: Seat
    listener: socket.socket
    helpers: list[Any]
    cancelled: Callable[[], bool]
    group: Group | None = None
    closed: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self._begun = [helper.begin.remote() for helper in self.helpers]
        self._runs = {helper.run.remote(): rank for rank, helper in enumerate(self.helpers, 1)}
        self._arrivals = [helper.arrive.remote() for helper in self.helpers]

    def meet(self, device: str) -> Replicas:
        """Return the way to the helpers, when all have come."""
        deadline = time.monotonic() + ROOM_S
        self._until(self._begun, deadline)
        self._until(self._arrivals, None)
        self.group = meet(self.seat, choose_device(device), self.listener)
        Thread(target=self._watch, name="castorch-party", daemon=True).start()
        return self.group

    def _until(self, awaited: list[Any], deadline: float | None) -> None:
        """Wait for answers of all helpers, as long as all of them live.

        Raises:
            JobFailed: the deadline has passed.
            Cancelled: the job is to stop.
            ReplicaLost: one of them has ended.
        """
        left = awaited
        while left:
            _, left = ray.wait(left, num_returns=len(left), timeout=LOOK_S)
            if self._ended():
                raise ReplicaLost("another replica of the training is gone")
            if self.cancelled():
                raise Cancelled("training was cancelled while it waited for its workers")
            if left and deadline is not None and time.monotonic() > deadline:
                raise _no_room(self.seat.size, self.seat.size - len(left))

    def _ended(self) -> list[Any]:
        ended, _ = ray.wait(list(self._runs), num_returns=len(self._runs), timeout=0)
        return ended

    def _watch(self) -> None:
        """Let nobody wait for a helper that has failed."""
        while not self.closed.wait(LOOK_S):
            if any(_failure(each) is not None for each in self._ended()):
                if self.group is not None:
                    self.group.abort()
                return

    def verdict(self, error: ReplicaLost) -> Exception:
        """Return why the party has ended."""
        ray.wait(list(self._runs), timeout=VERDICT_S)
        for run in self._ended():
            failure = _failure(run)
            if isinstance(failure, EngineError):
                return failure
            if failure is not None:
                place = f"worker {self._runs[run] + 1} of {self.seat.size}"
                return ReplicaLost(f"{place} of the training is gone: {failure}")
        return error

    def close(self) -> None:
        """End the helpers."""
        self.closed.set()
        for helper in self.helpers:
            ray.kill(helper)


def _failure(run: Any) -> EngineError | str | None:
    """Return the error of a helper that has ended, how it died, or None."""
    try:
        error: EngineError | None = ray.get(run)
    except RayError as died:
        return how_it_died(died)
    return error


class RayReplica:
    """Runs the action of another worker's job, as one of its replicas."""

    def __init__(self, settings: Settings, job: Job, owner: str, seat: Seat) -> None:
        self._settings = settings
        self._job = job
        self._owner = owner
        self._seat = replace(seat, own_host=own_address())
        self._arrived = Event()
        self._group: Group | None = None

    def begin(self) -> None:
        """Answer when there is room."""
        start_logging(self._settings.log_level)

    def arrive(self) -> None:
        """Answer when the others are waited for."""
        self._arrived.wait()

    def run(self) -> EngineError | None:
        """Run the action and return its declared error, if it has one."""
        from server.wiring import helper_context, open_stores  # which names the runners

        stores = open_stores(self._settings)
        try:
            context = helper_context(self._settings, stores, self._job, self._owner)
            run_action(replace(context, gather=self._gather), self._job.action, self._job.params)
        except EngineError as error:
            return error
        finally:
            stores.close()
        return None

    @contextmanager
    def _gather(self, size: int) -> Iterator[Party]:
        del size
        yield self

    def meet(self, device: str) -> Replicas:
        """Return the way to the others; it is kept open until this process ends."""
        self._arrived.set()
        self._group = meet(self._seat, choose_device(device))
        return self._group
