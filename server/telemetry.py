"""Numbers for Prometheus: requests, actions, jobs, workers, bytes, the process itself.

Every application has a registry of its own. Labels take their values from the program (route
templates, methods, action names, states), never from what a caller wrote, so their number is
bounded.
"""

import logging
import time
from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actions.errors import StoreUnavailable
from server.wiring import Resources

LOG = logging.getLogger(__name__)

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
"""Upper bounds of the latency histogram, in seconds; a call may wait for a training."""

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

UNMATCHED = "unmatched"
"""The route of a request that no route fits."""

ACCEPTED, BAD_REQUEST, SERVER_FAULT = 202, 400, 500


class Telemetry:
    """What one application counts."""

    def __init__(self, resources: Resources) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "castorch_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.latency = Histogram(
            "castorch_request_duration_seconds",
            "Time from a request to the beginning of its answer.",
            ("method", "route"),
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.received = Counter(
            "castorch_received_bytes",
            "Bytes of request bodies; of PUT /v1/tables/{name} they are uploads.",
            ("method", "route"),
            registry=self.registry,
        )
        self.actions = Counter(
            "castorch_actions",
            "Actions called: done, accepted as a job, refused (4xx) or failed (5xx).",
            ("action", "outcome"),
            registry=self.registry,
        )
        self.registry.register(_Work(resources))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def page(self) -> bytes:
        """Return all numbers in the text format of Prometheus."""
        return generate_latest(self.registry)


class Measured:
    """Counts every request, its bytes, its time, and the action that it called."""

    def __init__(self, app: ASGIApp, telemetry: Telemetry) -> None:
        self.app = app
        self.telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, seconds, size = time.monotonic(), SERVER_FAULT, 0.0, 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            return message

        async def timed(message: Message) -> None:
            nonlocal status, seconds
            if message["type"] == "http.response.start":
                status, seconds = message["status"], time.monotonic() - started
            await send(message)

        try:
            await self.app(scope, counted, timed)
        finally:
            method = scope["method"] if scope["method"] in METHODS else "other"
            where = (method, _route(scope))
            self.telemetry.requests.labels(*where, str(status)).inc()
            self.telemetry.latency.labels(*where).observe(seconds or time.monotonic() - started)
            if size:
                self.telemetry.received.labels(*where).inc(size)
            self._count_action(scope, status)

    def _count_action(self, scope: Scope, status: int) -> None:
        state = scope.get("state") or {}
        if "action" in state:
            outcome = state.get("outcome") or _outcome(status)
            self.telemetry.actions.labels(state["action"], outcome).inc()


def called(state: State, action: str, outcome: str | None = None) -> None:
    """Note which action a request calls, for the numbers.

    Args:
        state: the state of the request.
        action: the registered name.
        outcome: how it ended, where the status of the answer does not tell.
    """
    state.action = action
    state.outcome = outcome


class _Work:
    """Jobs and workers, looked up when they are asked for."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name no metrics beforehand: that would ask the database when the server starts."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; without a database those of jobs are left out."""
        ready = GaugeMetricFamily("castorch_workers_ready", "Workers that are warm.")
        ready.add_metric((), self._resources.runner.ready)
        yield ready
        wanted = GaugeMetricFamily("castorch_workers", "Workers this server keeps.")
        wanted.add_metric((), self._resources.settings.workers)
        yield wanted
        yield from self._jobs()

    def _jobs(self) -> Iterator[GaugeMetricFamily]:
        reached = GaugeMetricFamily("castorch_database_up", "1 where the database answers.")
        try:
            counts = self._resources.stores.count_jobs()
        except StoreUnavailable as error:
            LOG.warning("no numbers of jobs: %s", error)
            reached.add_metric((), 0)
            yield reached
            return
        reached.add_metric((), 1)
        yield reached
        states = GaugeMetricFamily("castorch_jobs", "Jobs in the database.", labels=("state",))
        for state, count in counts.items():
            states.add_metric((state,), count)
        yield states
        queue = GaugeMetricFamily("castorch_queue_length", "Jobs that wait for a worker.")
        queue.add_metric((), counts["queued"])
        yield queue


def _route(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", UNMATCHED))


def _outcome(status: int) -> str:
    if status >= SERVER_FAULT:
        return "failed"
    if status >= BAD_REQUEST:
        return "refused"
    return "accepted" if status == ACCEPTED else "done"
