"""Several threads and several processes at one database, and processes that are killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Barrier

import pyarrow as pa
import pytest

from actions.errors import Conflict, TableExists
from actions.ports import Name, Output, Session
from engine.graph.spec import Graph
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from server.store import SessionStores, SqlStores
from tests.conftest import OpenStores

WRITERS = 4
NUMBERS = pa.schema([("n", pa.int64())])


def network() -> Graph:
    return Graph("net").add("data", Input(n_channels=1, width=4, height=4))


def in_threads(work: Callable[[int], object]) -> list[object]:
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(work, range(WRITERS)))


def test_one_of_several_threads_changes_a_model_and_the_others_are_told(
    stores: SqlStores, session: Session, mine: SessionStores
) -> None:
    mine.models.create(Output(Name("net")), network())
    ready = Barrier(WRITERS)

    def add_layer(number: int) -> str:
        bound = stores.for_session(session)
        loaded = bound.models.load(Name("net"))
        ready.wait()
        graph = loaded.graph.add(f"fc{number}", FullyConnected(n=1), ["data"])
        try:
            bound.models.save(loaded, graph)
        except Conflict as error:
            return error.message
        return f"fc{number}"

    told = in_threads(add_layer)

    conflict = "model 'net' was changed by another session; load it again"
    (winner,) = [each for each in told if each != conflict]
    names = [node.name for node in mine.models.load(Name("net")).graph.nodes]
    assert names == ["data", winner]


def test_one_of_several_threads_takes_a_name(
    stores: SqlStores, session: Session, mine: SessionStores
) -> None:
    ready = Barrier(WRITERS)

    def publish(number: int) -> int | None:
        bound = stores.for_session(session)
        with bound.tables.stage(NUMBERS) as staged:
            staged.write(pa.RecordBatch.from_pydict({"n": [number]}, schema=NUMBERS))
            ready.wait()
            try:
                bound.tables.publish((staged, Output(Name("t"))))
            except TableExists:
                return None
        return number

    told = in_threads(publish)

    (winner,) = [each for each in told if each is not None]
    (batch,) = mine.tables.scan(mine.tables.find(Name("t")))
    assert batch.column("n").to_pylist() == [winner]
    assert stores.collect_garbage(lease_s=-1, grace_s=-1) == 0


def test_all_of_several_threads_may_replace_a_table(
    stores: SqlStores, session: Session, mine: SessionStores
) -> None:
    ready = Barrier(WRITERS)

    def publish(_: int) -> None:
        bound = stores.for_session(session)
        with bound.tables.stage(NUMBERS) as staged:
            ready.wait()
            bound.tables.publish((staged, Output(Name("t"), replace=True)))

    in_threads(publish)

    assert len(mine.tables.list()) == 1
    assert stores.collect_garbage(grace_s=-1) == WRITERS - 1


def test_outputs_published_crosswise_do_not_block_each_other(
    stores: SqlStores, session: Session
) -> None:
    ready = Barrier(WRITERS)

    def publish(number: int) -> int:
        bound = stores.for_session(session)
        homes = ["casuser", "public"] if number % 2 else ["public", "casuser"]
        for _ in range(5):
            with bound.tables.stage(NUMBERS) as first, bound.tables.stage(NUMBERS) as second:
                ready.wait()
                bound.tables.publish(
                    (first, Output(Name("t", homes[0]), replace=True)),
                    (second, Output(Name("t", homes[1]), replace=True)),
                )
        return number

    assert in_threads(publish) == [0, 1, 2, 3]


def test_the_default_session_of_a_user_is_one_for_several_threads(stores: SqlStores) -> None:
    assert len(set(in_threads(lambda _: stores.sessions.default("new").id))) == 1


def test_threads_never_claim_the_same_job(stores: SqlStores, session: Session) -> None:
    submitted = {stores.jobs.submit("a.b", {}, session).id for _ in range(20)}

    def claim_all(number: int) -> list[str]:
        claimed = []
        while job := stores.jobs.claim(f"worker-{number}"):
            claimed.append(job.id)
        return claimed

    claimed = [
        job_id for each in in_threads(claim_all) if isinstance(each, list) for job_id in each
    ]

    assert sorted(claimed) == sorted(submitted)


def test_events_of_several_threads_are_numbered_without_gaps(
    stores: SqlStores, session: Session
) -> None:
    job = stores.jobs.submit("a.b", {}, session)

    def report(number: int) -> None:
        for n in range(10):
            stores.jobs.append(job.id, [("note", {"n": n}), ("note", {"by": number})])

    in_threads(report)

    seqs = [event.seq for event in stores.jobs.events(job.id)]
    assert seqs == list(range(1, 2 + 2 * 10 * WRITERS))


def test_a_session_is_ended_before_or_after_a_publication(
    stores: SqlStores, session: Session
) -> None:
    bound = stores.for_session(session)
    ready = Barrier(2)

    def publish() -> None:
        with bound.tables.stage(NUMBERS) as staged:
            ready.wait()
            bound.tables.publish((staged, Output(Name("t"))))

    def end() -> None:
        ready.wait()
        stores.sessions.end(session.id, "ann")

    with ThreadPoolExecutor(2) as pool:
        published = pool.submit(publish)
        pool.submit(end).result()
        late = published.exception()

    assert late is None or getattr(late, "code", "") == "session.not_found"
    assert stores.for_session(stores.sessions.create("ann", "x")).tables.list() == []
    stores.collect_garbage(lease_s=-1, grace_s=-1)
    assert stores.collect_garbage(lease_s=-1, grace_s=-1) == 0


# Processes: the pool's parent imports the store once, and its children inherit it.


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.contract.test_store_races"])
    with ProcessPoolExecutor(WRITERS, mp_context=context) as pool:
        yield pool


def process_adds_layers(url: str, data: str, session: Session, number: int) -> list[str]:
    stores = SqlStores.open(url, data=Path(data))
    models = stores.for_session(session).models
    added = []
    for n in range(10):
        loaded = models.load(Name("net"))
        name = f"fc{number}_{n}"
        try:
            models.save(loaded, loaded.graph.add(name, FullyConnected(n=1), ["data"]))
        except Conflict:
            continue
        added.append(name)
    stores.close()
    return added


def process_claims(url: str, data: str, number: int) -> list[str]:
    stores = SqlStores.open(url, data=Path(data))
    claimed = []
    while job := stores.jobs.claim(f"worker-{number}"):
        claimed.append(job.id)
    stores.close()
    return claimed


@pytest.mark.slow
def test_processes_lose_no_layer(
    processes: ProcessPoolExecutor,
    stores: SqlStores,
    session: Session,
    mine: SessionStores,
    database_url: str,
) -> None:
    mine.models.create(Output(Name("net")), network())

    work = [
        processes.submit(process_adds_layers, database_url, str(stores.data), session, number)
        for number in range(WRITERS)
    ]
    added = [name for each in work for name in each.result()]

    loaded = mine.models.load(Name("net"))
    assert sorted(node.name for node in loaded.graph.nodes) == sorted(["data", *added])
    assert loaded.info.version == len(added) >= 10


@pytest.mark.slow
def test_processes_never_claim_the_same_job(
    processes: ProcessPoolExecutor, stores: SqlStores, session: Session, database_url: str
) -> None:
    submitted = {stores.jobs.submit("a.b", {}, session).id for _ in range(60)}

    work = [
        processes.submit(process_claims, database_url, str(stores.data), number)
        for number in range(WRITERS)
    ]
    claimed = [job_id for each in work for job_id in each.result()]

    assert sorted(claimed) == sorted(submitted)


KILLED = """
import sys
from pathlib import Path
import numpy as np, pyarrow as pa
from actions.ports import Name, Output, WeightsHeader
from engine.weights import CHUNK_VALUES, Chunk, SegmentSpec
from server.store import SqlStores

stores = SqlStores.open(sys.argv[1], data=Path(sys.argv[2]))
mine = stores.for_session(stores.sessions.default("ann"))
schema = pa.schema([("n", pa.int64())])
with mine.tables.stage(schema) as staged:
    staged.write(pa.record_batch([[1, 2, 3]], schema=schema))
    mine.tables.publish((staged, Output(Name("kept"))))
spec = SegmentSpec(0, "weights", "w", (8 * CHUNK_VALUES,), 0, 0)

def chunks():
    for n in range(8):
        if n == 5:
            print("in the middle", flush=True)
            sys.stdin.read()
        yield Chunk(spec, n * CHUNK_VALUES, np.zeros(CHUNK_VALUES, np.float32))

with mine.weights.stage(WeightsHeader([spec]), chunks()) as staged:
    mine.tables.publish((staged, Output(Name("lost"))))
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_loses_nothing_committed_and_its_rest_is_collected(
    open_stores: OpenStores, database_url: str, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", KILLED, database_url, str(tmp_path)]
    with subprocess.Popen(  # noqa: S603 - our own program
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"in the middle\n"
        os.kill(writer.pid, signal.SIGKILL)

    stores = open_stores()
    mine = stores.for_session(stores.sessions.default("ann"))

    (batch,) = mine.tables.scan(mine.tables.find(Name("kept")))
    assert batch.column("n").to_pylist() == [1, 2, 3]
    assert [table.name for table in mine.tables.list()] == ["kept"]
    assert stores.collect_garbage(lease_s=86400 * 365 * 100) == 0
    assert stores.collect_garbage(lease_s=-86400 * 365 * 100) == 1


MEASURED = """
import sys
from pathlib import Path
import numpy as np
from actions.ports import Name, Output, WeightsHeader
from engine.weights import CHUNK_VALUES, Chunk, SegmentSpec
from server.store import SqlStores

def peak():
    # of this program alone: ru_maxrss would begin with the peak of the process that forked it
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

stores = SqlStores.open(sys.argv[1], data=Path(sys.argv[2]))
mine = stores.for_session(stores.sessions.default("ann"))
spec = SegmentSpec(0, "weights", "w", (50 * CHUNK_VALUES,), 0, 0)
values = np.ones(CHUNK_VALUES, np.float32)
before = peak()
chunks = (Chunk(spec, n * CHUNK_VALUES, values) for n in range(50))
with mine.weights.stage(WeightsHeader([spec]), chunks) as staged:
    table = mine.tables.publish((staged, Output(Name("w"))))[0]
total = sum(float(chunk.values.sum()) for chunk in mine.weights.chunks(table))
assert total == 50 * CHUNK_VALUES, total
print(peak() - before)
"""


@pytest.mark.slow
def test_200_mb_of_weights_take_little_memory(database_url: str, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", MEASURED, database_url, str(tmp_path)]

    done = subprocess.run(  # noqa: S603 - our own program
        arguments, check=True, capture_output=True, text=True
    )

    assert float(done.stdout) < 64  # MiB: SQLite's cache is 16, a chunk is 4
