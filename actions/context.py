"""What an action may touch while it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from actions.job_ports import JobCheckpoint
from actions.ports import CaslibStore, ModelStore, Session, SessionStore, TableStore, WeightStore
from actions.results import Json, Message
from actions.team import Deal, Gather
from engine.fast_paths import NONE, FastPaths

Reporter = Callable[[str, Mapping[str, Json]], None]


def _nobody_listens(kind: str, data: Mapping[str, Json]) -> None:
    del kind, data


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Context:
    """The stores as the caller's session sees them, and the way to whoever watches.

    Attributes:
        upload: a spooled request body, for the actions that take one.
        report: sends an event to the job's followers; outside a job nobody listens.
        cancelled: whether the caller has asked the work to stop.
        threads: processor threads the action may use.
        memory_bytes: memory the process may hold; None: all there is.
        caslib_roots: folders inside which caslibs may be added.
        job_id: the job this action runs as, or None.
        checkpoint: where the job leaves checkpoints, and finds the last one of an earlier attempt;
            None outside of jobs.
        checkpoint_s: least time between two checkpoints.
        interrupted: whether the work should leave a checkpoint and raise ``Interrupted``.
        attempt: how often a worker has taken the job.
        gather: lets several workers run the job together; None: it has no others.
        deal: deals parts of the job to other workers; likewise.
        frozen: folder where networks are kept that were frozen into machine code; None: nowhere.
        without: the fast paths that are left out.
        messages: the log lines of the answer, in order; append with :meth:`note` and :meth:`warn`.
    """

    session: Session
    sessions: SessionStore
    tables: TableStore
    models: ModelStore
    weights: WeightStore
    caslibs: CaslibStore
    threads: int = 1
    memory_bytes: int | None = None
    upload: Path | None = None
    caslib_roots: tuple[Path, ...] = ()
    job_id: str | None = None
    report: Reporter = _nobody_listens
    cancelled: Callable[[], bool] = _never
    checkpoint: JobCheckpoint | None = None
    checkpoint_s: float = 30.0
    interrupted: Callable[[], bool] = _never
    attempt: int = 1
    gather: Gather | None = None
    deal: Deal | None = None
    frozen: Path | None = None
    without: FastPaths = NONE
    messages: list[Message] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a note to the log of the answer and tell the job's followers."""
        self.messages.append(Message(text))
        self.report("note", {"text": text})

    def record(self, text: str) -> None:
        """Add a note to the log of the answer alone, of what an event tells the followers."""
        self.messages.append(Message(text))

    def warn(self, text: str) -> None:
        """Add a warning to the log of the answer and tell the job's followers."""
        self.messages.append(Message(text, "warning"))
        self.report("note", {"text": text, "level": "warning"})
