"""Peak memory of training and scoring: our worker process beside the hand-written program's.

Each is the most that a fresh process has held (VmHWM) from its start to the end of its work. Ours
has its rows in a table of the store, the hand-written program its pixels in memory.

python benchmarks/peak_memory.py [NETWORK ...] [--threads N]
"""

import argparse
import tempfile
from pathlib import Path

from networks import DECLARED
from recipes import CANDIDATES, Workload, add_options, trained_by_hand, workload
from score_throughput import Workload as Scoring
from score_throughput import ours as score
from score_throughput import start_peer
from service import running_server, worker_pid
from start import start_weights
from train_throughput import ours as train
from turns import keep, peak_mb

import castorch


def measure(work: Workload) -> dict[str, float]:
    """Return peaks in MB of 10^6 bytes."""
    peaks: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = work.pictures(folder)
        with running_server(folder / "training") as session:
            weights = start_weights(declared(session, work, files.table), folder, batch=work.batch)
            train(session, work)
            peaks["train_ours"] = peak_mb(worker_pid())
        scoring = Scoring(work.network, work.rows, work.rows, work.batch, work.threads)
        with running_server(folder / "scoring") as session:
            declared(session, work, files.table)
            session.import_model(work.network, folder / "start.safetensors", weights="start")
            score(session, scoring)
            peaks["score_ours"] = peak_mb(worker_pid())
        with trained_by_hand(CANDIDATES[work.network][0], work, files, weights) as peer:
            peaks["train_hand"] = peer.turn()["peak_mb"]
        with start_peer("hand", scoring, files, weights, folder / "hand.npy") as peer:
            peaks["score_hand"] = peer.turn()["peak_mb"]
    return peaks


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
        ratios = {
            kind: found[f"{kind}_ours"] / found[f"{kind}_hand"] for kind in ("train", "score")
        }
        print(f"memory_{each}: " + ", ".join(f"{k} {v:.0f} MB" for k, v in found.items()))
        keep(f"memory_{each}", {"peak_mb": found, "ratio": ratios})
        said = ", ".join(f"{kind} {ratio:.2f}" for kind, ratio in ratios.items())
        print(f"memory_{each}: ours / hand-written = {said} (less is better)", flush=True)
