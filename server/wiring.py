"""The composition root: opens the store and the runner, builds contexts for routes and workers."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from threading import Event, Thread

import actions
from actions.context import Context
from actions.errors import StoreUnavailable
from actions.job_ports import Job, JobStore
from actions.ports import Session
from engine.errors import NotSupportedError
from server.auth import Gate
from server.jobs.events import JobSignals
from server.jobs.guard import Limits
from server.jobs.leases import Leases
from server.jobs.local_runner import LocalRunner
from server.jobs.runner import Runner
from server.jobs.worker import Bell, MakeTeam, Reports, Worker
from server.settings import Settings
from server.spool import Spool
from server.store import SqlStores

LOG = logging.getLogger(__name__)

SWEEP_S = 5.0
"""Seconds between two looks for jobs whose worker is gone."""
SWEEPS_A_COLLECTION = 12
"""Sweeps between two collections of garbage, and of sessions nobody uses."""


@dataclass(frozen=True)
class Resources:
    """What the routes work with."""

    settings: Settings
    stores: SqlStores
    gate: Gate
    spool: Spool
    signals: JobSignals
    runner: Runner


def open_stores(settings: Settings) -> SqlStores:
    """Open the database, bring its tables up to date, and make every action known."""
    settings.data.mkdir(parents=True, exist_ok=True)
    for module in (actions.__name__, *settings.extensions):
        import_module(module)
    return SqlStores.open(settings.database, data=settings.data)


@contextmanager
def open_resources(settings: Settings) -> Iterator[Resources]:
    """Open everything a server needs, and close it at the block's end."""
    stores = open_stores(settings)
    signals = JobSignals()
    runner = runner_for(settings, stores.jobs, signals)
    spool = Spool.open(settings.spool_folder.absolute())
    sweeper = _Sweeper(settings, stores, signals)
    gate = Gate(stores.tokens, is_loopback=settings.is_loopback)
    try:
        sweeper.sweep()
        sweeper.start()
        runner.start()
        yield Resources(settings, stores, gate, spool, signals, runner)
    finally:
        signals.stop()
        runner.close()
        sweeper.stop()
        spool.close()
        stores.close()


def runner_for(settings: Settings, jobs: JobStore, signals: JobSignals) -> Runner:
    """Return the runner of the settings, which has not started yet.

    Raises:
        NotSupportedError: Ray is asked for and not installed.
    """
    if settings.runner == "local":
        return LocalRunner(settings, jobs, signals)
    try:
        from server.jobs.ray_runner import RayRunner  # an extra
    except ModuleNotFoundError as error:
        raise NotSupportedError(
            "setting 'runner' got 'ray', which is not installed; install castorch-server[ray]"
        ) from error
    return RayRunner(settings, jobs, signals)


def context_for(resources: Resources, session: Session, *, upload: Path | None = None) -> Context:
    """Return what an action may touch that runs inside a request."""
    stores = resources.stores
    bound = stores.for_session(session)
    return Context(
        session=session,
        sessions=stores.sessions,
        tables=bound.tables,
        models=bound.models,
        weights=bound.weights,
        caslibs=bound.caslibs,
        caslib_roots=resources.settings.caslib_roots,
        upload=upload,
    )


def worker_for(
    settings: Settings,
    stores: SqlStores,
    owner: str,
    bell: Bell,
    make_team: MakeTeam | None = None,
) -> Worker:
    """Return a worker that takes its jobs from the database of the settings.

    Args:
        settings: whose database and folders it works with.
        stores: over that database.
        owner: its name.
        bell: what it listens to.
        make_team: gives a job other workers; None: there are no others.
    """
    return Worker(
        jobs=stores.jobs,
        context_for=_contexts(settings, stores, make_team),
        owner=owner,
        heartbeat_s=settings.heartbeat_s,
        poll_s=settings.poll_s,
        takes_gpu_jobs=settings.takes_gpu_jobs,
        limits=Limits(settings.job_memory_bytes, settings.cancel_grace_s),
        bell=bell,
    )


def helper_context(settings: Settings, stores: SqlStores, job: Job, owner: str) -> Context:
    """Return what a job may touch in a worker that helps its own; it reports to nobody."""
    session = stores.sessions.find(job.session_id, job.user)
    bound = stores.for_session(session, job_id=job.id)
    return Context(
        session=session,
        sessions=stores.sessions,
        tables=bound.tables,
        models=bound.models,
        weights=bound.weights,
        caslibs=bound.caslibs,
        caslib_roots=settings.caslib_roots,
        threads=settings.threads,
        memory_bytes=settings.job_memory_bytes,
        job_id=job.id,
        checkpoint=stores.checkpoint_of(job.id, owner),
        attempt=job.attempt,
        frozen=settings.frozen_folder,
        without=frozenset(settings.without),
    )


def _contexts(
    settings: Settings, stores: SqlStores, make_team: MakeTeam | None
) -> Callable[[Job, Reports], Context]:
    def context_of(job: Job, reports: Reports) -> Context:
        helpers = None
        if make_team is not None:
            helpers = make_team(settings, job, reports.owner, reports.cancelled)
        return replace(
            helper_context(settings, stores, job, reports.owner),
            report=reports.add,
            cancelled=reports.cancelled,
            checkpoint_s=settings.checkpoint_s,
            interrupted=reports.bell.is_closing,
            gather=None if helpers is None else helpers.gather,
            deal=None if helpers is None else helpers.deal,
        )

    return context_of


class _Sweeper:
    """Sees to the jobs of dead workers, ends idle sessions, collects garbage; one thread."""

    def __init__(self, settings: Settings, stores: SqlStores, signals: JobSignals) -> None:
        self._settings = settings
        self._stores = stores
        self._signals = signals
        self._leases = Leases(
            stores.jobs, settings.job_lease_s, settings.heartbeat_s, stores.database.now
        )
        self._stopped = Event()
        self._thread = Thread(target=self._keep, name="castorch-sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def sweep(self) -> None:
        """Queue the running jobs whose worker is silent again, or fail them."""
        for job in self._leases.recover():
            LOG.error("the lease of a job ended", extra={"job_id": job.id, "state": job.state})
            self._signals.notify(job.id, state=True)

    def _keep(self) -> None:
        turn = 0
        while not self._stopped.wait(min(SWEEP_S, self._settings.job_lease_s)):
            turn += 1
            try:
                self.sweep()
                if turn % SWEEPS_A_COLLECTION == 0:
                    self._collect()
            except StoreUnavailable as error:
                LOG.warning("no sweep: %s", error)

    def _collect(self) -> None:
        now, idle_s = datetime.now(UTC), self._settings.session_idle_s
        for session in self._stores.sessions.expire(now, idle_s):
            LOG.info("session expired", extra={"session": session.id, "user": session.user})
        self._stores.collect_garbage()
        self._stores.call_keys.expire(self._settings.key_s)
