"""Scoring a stored table into a stored table against peers that are fed from memory.

Ours reads a table of images, unpacked ones unless --kind says png, scores them and writes the
probabilities into a table of the store; timed from the job's start to its end, as the job records
them. Peers get floats that lie in memory and keep their probabilities there. All use the same
weights and must give the same probabilities.

python benchmarks/score_throughput.py [NETWORK ...] [--peers NAME ...] [--rounds N] [--threads N]
"""

import argparse
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from networks import DECLARED, IMAGES
from pictures import Pictures, write_pictures
from service import running_server
from start import start_weights
from turns import KEEP, Peer, is_installed, opened, report

import castorch

PEERS = ("eager", "hand", "compiled", "onnxruntime", "openvino")
DEFAULT = ("eager", "hand", "onnxruntime", "openvino")
RUNTIMES = {"onnxruntime": "onnxruntime", "openvino": "openvino"}
"""Peers of an environment of their own, and their packages."""

KIND = "ppm"
"""How images lie in our table: unpacked (PGM, PPM), or PNG."""

TOLERANCE = 1e-4
"""How far a peer's probability may be from ours."""


class Workload(NamedTuple):
    """What is scored.

    Attributes:
        rows: of our table.
        peer_rows: those a peer scores in a window; their rate is compared.
    """

    network: str
    rows: int
    peer_rows: int
    batch: int
    threads: int


SIZES = {"lenet": (30000, 10000, 500), "resnet18": (1536, 512, 64)}
"""Rows of ours, of the peers, and batch."""


def ours(session: castorch.Session, work: Workload) -> float:
    """Score once through the service and return the seconds of the job."""
    answer = session.run(
        "deepLearn.dlScore",
        table="pictures",
        model_table=work.network,
        init_weights="start",
        cas_out={"name": "scored", "replace": True},
        buffer_size=work.batch,
    )
    return session.job(str(answer.job)).seconds or 0.0


def start_peer(name: str, work: Workload, files: Pictures, weights: Path, out: Path) -> Peer:
    options = {
        "name": name, "form": name, "network": work.network, "pixels": files.pixels,
        "weights": weights, "rows": work.peer_rows, "batch": work.batch, "out": out,
        "threads": work.threads,
    }  # fmt: skip
    environment = KEEP if name in ("hand", "compiled") else {}
    venv = ".venv-bench" if name in RUNTIMES else None
    return Peer("peer_score.py", options, environment=environment, venv=venv)


def probabilities(session: castorch.Session) -> np.ndarray:
    """Return what ours wrote, (N, 10), levels in order."""
    frame = session.table("scored").to_pandas()
    return frame[sorted(name for name in frame if name.startswith("P_"))].to_numpy()


def check(name: str, mine: np.ndarray, out: Path) -> float:
    """Return how far a peer's probabilities are from ours."""
    theirs = np.load(out)
    apart = float(np.abs(theirs - mine[: len(theirs)]).max())
    if not apart <= TOLERANCE:
        raise SystemExit(f"{name}: its probabilities are {apart} from ours")
    return apart


def measure(work: Workload, names: list[str], rounds: int, kind: str) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = write_pictures(folder, work.rows, *IMAGES[work.network], kind)
        with running_server(folder) as session:
            session.upload("pictures", files.table)
            declared = {"model": work.network, "type": "CNN", "layers": DECLARED[work.network]()}
            weights = start_weights(session.declare(declared), folder, batch=work.batch)
            first_s = ours(session, work)
            outs = {name: folder / f"{name}.npy" for name in names}
            makers = {
                name: partial(start_peer, name, work, files, weights, outs[name]) for name in names
            }
            seconds: dict[str, list[float]] = {name: [] for name in ("ours", *names)}
            with opened(makers) as peers:
                for _ in range(rounds):
                    seconds["ours"].append(ours(session, work))
                    for name, peer in peers.items():
                        seconds[name].append(peer.turn()["seconds"])
            mine = probabilities(session)
            apart = {name: check(name, mine, outs[name]) for name in names}
    rates = {name: [work.peer_rows / each for each in seconds[name]] for name in names}
    more: dict[str, Any] = {
        "workload": work._asdict(),
        "kind": kind,
        "first_s": first_s,
        "apart": apart,
    }
    report(f"score_{work.network}", [work.rows / each for each in seconds["ours"]], rates, **more)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(SIZES))
    parser.add_argument("--peers", nargs="+", default=list(DEFAULT), choices=PEERS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--kind", choices=("ppm", "png"), default=KIND, help="of our images")
    parser.add_argument("--rows", type=int, help="rows of ours and of the peers")
    arguments = parser.parse_args()
    chosen = []
    for each in arguments.peers:
        if each in RUNTIMES and not is_installed(".venv-bench", RUNTIMES[each]):
            print(f"{each}: left out, it is not installed; `make bench` installs it")
        else:
            chosen.append(each)
    for each in arguments.networks:
        sizes = SIZES[each]
        if arguments.rows:
            sizes = (arguments.rows, arguments.rows, sizes[2])
        measure(Workload(each, *sizes, arguments.threads), chosen, arguments.rounds, arguments.kind)
