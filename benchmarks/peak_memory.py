"""Peak memory of training and scoring: our worker process beside the hand-written program's.

Each is the most that a fresh process has held (VmHWM) from its start to the end of its work. Ours
has its rows in a table of the store, of which it reads a chunk at a time; the hand-written program
has its pixels in memory. A second ratio leaves the chunk off. Beside it stands what a warm worker
and its server hold before any job, and how much of that are pages of library files, which all
workers of a machine share.

python benchmarks/peak_memory.py [NETWORK ...] [--threads N]
"""

import argparse
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from networks import DECLARED
from recipes import CANDIDATES, Workload, add_options, trained_by_hand, workload
from score_throughput import Workload as Scoring
from score_throughput import ours as score
from score_throughput import start_peer
from service import parent, running_server, wait_for_worker, worker_pid
from start import start_weights
from train_throughput import ours as train
from turns import keep, peak_mb, status_mb

import castorch
from server.store.chunks import CHUNK_BYTES


def measure(work: Workload) -> dict[str, float]:
    """Return peaks, what is held at rest, and the chunk, in MB of 10^6 bytes."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = work.pictures(folder)
        found["chunk"] = min(CHUNK_BYTES, pq.read_table(files.table).nbytes) / 1e6
        with running_server(folder / "training") as session:
            wait_for_worker(session._transport.url)
            for name, pid in (("worker", worker_pid()), ("server", parent(worker_pid()))):
                found[f"{name}_at_rest"] = status_mb("VmRSS", pid)
                found[f"{name}_at_rest_files"] = status_mb("RssFile", pid)
            weights = start_weights(declared(session, work, files.table), folder, batch=work.batch)
            train(session, work)
            found["train_ours"] = peak_mb(worker_pid())
        scoring = Scoring(work.network, work.rows, work.rows, work.batch, work.threads)
        with running_server(folder / "scoring") as session:
            declared(session, work, files.table)
            session.import_model(work.network, folder / "start.safetensors", weights="start")
            score(session, scoring)
            found["score_ours"] = peak_mb(worker_pid())
        with trained_by_hand(CANDIDATES[work.network][0], work, files, weights) as peer:
            found["train_hand"] = peer.turn()["peak_mb"]
        with start_peer("hand", scoring, files, weights, folder / "hand.npy") as peer:
            found["score_hand"] = peer.turn()["peak_mb"]
    return found


def declared(session: castorch.Session, work: Workload, table: Path) -> castorch.Model:
    session.upload("pictures", table)
    layers = DECLARED[work.network]()
    return session.declare({"model": work.network, "type": "CNN", "layers": layers})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, ["lenet", "resnet18"])
    arguments = parser.parse_args()
    for each in arguments.networks:
        found = measure(workload(each, arguments))
        ratios, without_chunk = (
            {
                kind: (found[f"{kind}_ours"] - chunk) / found[f"{kind}_hand"]
                for kind in ("train", "score")
            }
            for chunk in (0.0, found["chunk"])
        )
        print(f"memory_{each}: " + ", ".join(f"{k} {v:.1f} MB" for k, v in found.items()))
        keep(f"memory_{each}", {"mb": found, "ratio": ratios, "without_chunk": without_chunk})
        said = ", ".join(
            f"{kind} {ratio:.2f} ({without_chunk[kind]:.2f} without the chunk)"
            for kind, ratio in ratios.items()
        )
        print(f"memory_{each}: ours / hand-written = {said} (less is better)", flush=True)
