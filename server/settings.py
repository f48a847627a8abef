"""Every setting of a server and its workers; the only module that reads the environment."""

import json
import os
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.fast_paths import FastPath

MEBIBYTE = 1 << 20

WORKER_COMMAND = (sys.executable, "-P", "-m", "server", "worker")
"""Starts a worker; ``-P`` keeps a folder named server in the working folder from being run."""

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Graphics processors that a process sees.

Source: CUDA C++ Programming Guide, "CUDA Environment Variables".
"""

MARK = "WORKER_OF_CASTORCH"
"""Tells a worker that its environment was made for it."""

KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 46),
    "MALLOC_TOP_PAD_": str(64 * MEBIBYTE),
    "MALLOC_ARENA_MAX": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


class Settings(BaseSettings):
    """Settings, each from ``CASTORCH_<NAME>`` in the environment or an option of the command."""

    model_config = SettingsConfigDict(
        env_prefix="CASTORCH_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    database: str = "sqlite:///castorch.db"
    """Address of the database: ``sqlite:///PATH`` or ``postgresql://USER:PASSWORD@HOST/NAME``."""
    data: Path = Path("castorch-data")
    """Folder that holds the caslibs; made when it is missing."""
    caslib_roots: tuple[Path, ...] = ()
    """Folders, as a JSON list, inside which callers may add caslibs; left out: they may not."""
    spool: Path | None = None
    """Folder for request bodies while they arrive; left out: ``castorch-spool`` in ``data``."""
    frozen: Path | None = None
    """Folder for networks that were frozen into machine code for scoring, at most 2 GiB of them;
    left out: ``castorch-frozen`` in ``data``."""
    without: tuple[FastPath, ...] = ()
    """Fast paths that are left out, as a JSON list, to find the one that is to blame for something:
    ``channels-last``, ``cuda-graphs``, ``folding``, ``freezing``, ``fused-updates``,
    ``kept-memory``, ``loops``, ``overlap``, ``tf32`` ([Speed](speed.md))."""
    host: str = "127.0.0.1"
    """Address to listen on. Without tokens only a loopback address is served."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    workers: int = Field(default=1, ge=0)
    """Worker processes of this server; 0 leaves all jobs to ``castorch worker`` elsewhere."""
    worker_threads: PositiveInt | None = None
    """Processor threads of a worker; left out: the processors divided by the workers."""
    gpus: tuple[str, ...] | None = None
    """Graphics processors, as a JSON list of what ``CUDA_VISIBLE_DEVICES`` takes: each worker has
    one for itself, further workers have none; left out: all that the server sees."""
    takes_gpu_jobs: bool = True
    """Whether a worker takes jobs that ask for a graphics processor."""
    job_memory_mb: PositiveInt | None = None
    """Memory a worker may hold while it runs a job, in MB of 2^20 bytes; left out: all there is."""
    cancel_grace_s: PositiveFloat = 60.0
    """Seconds a job has to stop when it was asked to; then it is ended with its worker."""
    runner: Literal["local", "ray"] = "local"
    """What runs the workers: processes of this machine, or a Ray cluster
    (``castorch-server[ray]``)."""
    ray_address: str | None = None
    """Address of the Ray cluster, ``HOST:6379``; left out: one of the server's own, on this
    machine."""
    ray_cpus: PositiveInt | None = None
    """Processors that a cluster of the server's own deals out; left out: those there are, at least
    what the workers take. A helper of a job takes as many as a worker."""
    ray_gpus: float = Field(default=0.0, ge=0)
    """Graphics processors that Ray reserves for each worker, and for each replica of a training."""
    max_json_bytes: PositiveInt = 32 * MEBIBYTE
    """Longest JSON body of a request, in bytes."""
    max_upload_bytes: PositiveInt = 64 * 1024 * MEBIBYTE
    """Longest file of an upload, in bytes."""
    session_idle_s: PositiveFloat = 7 * 24 * 3600.0
    """Seconds after which a session that nobody uses is ended; default sessions last."""
    job_lease_s: PositiveFloat = 30.0
    """Seconds without a heartbeat after which a job's worker counts as dead."""
    heartbeat_s: PositiveFloat = 1.0
    """Seconds between two heartbeats of a job, which also look for a cancel request."""
    key_s: PositiveFloat = 24 * 3600.0
    """Seconds an ``Idempotency-Key`` is remembered."""
    checkpoint_s: float = Field(default=30.0, ge=0)
    """Least seconds between two checkpoints of a job that can be taken up again."""
    poll_s: PositiveFloat = 1.0
    """Seconds between two looks at the database for what another machine did."""
    stop_grace_s: float = Field(default=5.0, ge=0)
    """Seconds running jobs may go on when the server is asked to stop; then they fail, or, if they
    can be taken up again, wait for the next server."""
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """Lowest level that is logged."""
    extensions: tuple[str, ...] = ()
    """Modules imported at start, which may register further actions."""

    @field_validator("ray_address")
    @classmethod
    def _fits(cls, address: str | None, others: ValidationInfo) -> str | None:
        if address is None:
            return None
        if others.data.get("runner") != "ray":
            raise ValueError("expected it with runner 'ray' alone")
        if str(others.data.get("database")).startswith("sqlite"):
            raise ValueError("expected it with a PostgreSQL database, which all its machines reach")
        return address

    @property
    def threads(self) -> int:
        """Processor threads of one worker."""
        return self.worker_threads or max(1, processors() // max(1, self.workers))

    @property
    def job_memory_bytes(self) -> int | None:
        """Memory a worker may hold while it runs a job."""
        return None if self.job_memory_mb is None else self.job_memory_mb * MEBIBYTE

    @property
    def visible_gpus(self) -> tuple[str, ...] | None:
        """The graphics processors to hand out, where somebody has named them."""
        named = os.environ.get(VISIBLE)
        if self.gpus is not None or named is None:
            return self.gpus
        return tuple(each for each in named.split(",") if each)

    @property
    def spool_folder(self) -> Path:
        """Where request bodies wait."""
        return self.spool or self.data / "castorch-spool"

    @property
    def frozen_folder(self) -> Path:
        """Where frozen networks lie."""
        return self.frozen or self.data / "castorch-frozen"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def shown_database(self) -> str:
        """The database's address without its password."""
        head, at, tail = self.database.rpartition("@")
        scheme, _, login = head.partition("://")
        return f"{scheme}://{login.partition(':')[0]}@{tail}" if at else self.database

    @property
    def absolute(self) -> Self:
        """These settings with every path made independent of the working folder."""
        return self.model_copy(
            update={
                "database": _absolute(self.database),
                "data": self.data.absolute(),
                "caslib_roots": tuple(root.absolute() for root in self.caslib_roots),
                "spool": self.spool_folder.absolute(),
                "frozen": self.frozen_folder.absolute(),
            }
        )


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_environment(settings: Settings, gpu: str | None = None) -> dict[str, str]:
    """Return the environment of a worker process: this one, the settings, threads and memory.

    The memory lines tell glibc to keep what it has: no blocks of their own from the kernel, never
    give the heap back, grow it in large steps. Training on a processor otherwise spends half its
    time on fresh pages. All threads share one heap, Arrow's data among them; each would keep its
    own otherwise. They are read before the process's first allocation, so they cannot be set by the
    worker itself; where the variables are set already they are left alone.

    Args:
        settings: of the server.
        gpu: the graphics processor the worker has for itself; empty: none; None: as this process.
    """
    threads = {"OMP_NUM_THREADS": str(settings.threads), "MKL_NUM_THREADS": str(settings.threads)}
    devices = {} if gpu is None else {VISIBLE: gpu}
    memory = {} if "kept-memory" in settings.without else KEEP_MEMORY
    return {**memory, MARK: "1", **os.environ, **threads, **devices, **_exported(settings)}


def is_worker_environment() -> bool:
    """Return whether this process was started with the settings of a worker in its environment."""
    return MARK in os.environ


def _absolute(database: str) -> str:
    scheme = "sqlite:///"
    if not database.startswith(scheme):
        return database
    return scheme + str(Path(database.removeprefix(scheme)).absolute())


def _exported(settings: Settings) -> dict[str, str]:
    values = settings.absolute.model_dump(mode="json", exclude_none=True)
    return {
        f"CASTORCH_{name.upper()}": json.dumps(value) if isinstance(value, list) else str(value)
        for name, value in values.items()
    }
