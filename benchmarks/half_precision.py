"""FP16 against FP32 on this processor, through the service, in turns.

Training is timed by the epochs after the first, scoring by the seconds of the job; freezing, which
is for FP32 alone, is left out. A table of unpacked images.

python benchmarks/half_precision.py [--rounds N] [--rows N] [--batch N] [--network NAME]
"""

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from networks import DECLARED, IMAGES
from pictures import write_pictures
from recipes import Workload
from service import running_server
from start import start_weights
from train_throughput import ours as train
from turns import report

import castorch

PRECISIONS = ("FP16", "FP32")
EPOCHS = 2
"""Those that are timed, after a first one."""


def scored(session: castorch.Session, network: str, precision: str) -> float:
    """Return the seconds of a scoring job."""
    answer = session.run(
        "deepLearn.dlScore",
        table="pictures",
        model_table=network,
        init_weights="trained",
        cas_out={"name": precision, "replace": True},
        gpu={"precision": precision},
    )
    return session.job(str(answer.job)).seconds or 0.0


def probabilities(session: castorch.Session, table: str) -> np.ndarray:
    frame = session.table(table).to_pandas()
    return frame[sorted(name for name in frame if name.startswith("P_"))].to_numpy()


def measure(options: argparse.Namespace) -> None:
    network, rows = options.network, options.rows
    threads = len(os.sched_getaffinity(0))
    work = Workload(network, rows, options.batch, EPOCHS, threads)
    rates: dict[str, dict[str, list[float]]] = {
        task: {name: [] for name in PRECISIONS} for task in ("train", "score")
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = write_pictures(folder, rows, *IMAGES[network], kind="ppm")
        os.environ["CASTORCH_WITHOUT"] = '["freezing"]'
        with running_server(folder) as session:
            session.upload("pictures", files.table)
            declared = {"model": network, "type": "CNN", "layers": DECLARED[network]()}
            start_weights(session.declare(declared), folder, batch=options.batch)
            for _ in range(options.rounds):
                for name in PRECISIONS:
                    seconds = median(train(session, work, gpu={"precision": name})["seconds"])
                    rates["train"][name].append(rows / seconds)
            for name in PRECISIONS * options.rounds:
                rates["score"][name].append(rows / scored(session, network, name))
            half, whole = (probabilities(session, name) for name in PRECISIONS)
            apart = float(np.abs(half - whole).max())
    for task, found in rates.items():
        more = {"options": vars(options), "apart": apart}
        report(f"half_{task}_{network}", found["FP16"], {"FP32": found["FP32"]}, **more)
    print(f"probabilities are at most {apart:.1g} apart")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--network", choices=list(DECLARED), default="resnet18")
    measure(parser.parse_args())
