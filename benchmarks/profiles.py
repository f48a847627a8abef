"""Where the time goes while LeNet is trained and scored through the service, as tables of text.

The worker runs the jobs as always, with the extension ``profiled.py`` round them. The tables go to
``benchmarks/results/profile_train.txt`` and ``profile_score.txt``; profiling slows what it watches.

python benchmarks/profiles.py [--threads N] [--batches N]
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

from networks import DECLARED
from recipes import Workload, add_options, workload
from score_throughput import KIND
from score_throughput import Workload as Scoring
from score_throughput import ours as score
from service import running_server
from start import start_weights
from train_throughput import ours as train
from turns import HERE


def measure(work: Workload) -> None:
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ |= {
            "PYTHONPATH": str(HERE),
            "CASTORCH_EXTENSIONS": json.dumps(["profiled"]),
            "BENCH_PROFILES": temporary,
        }
        files = work.pictures(folder, KIND)
        with running_server(folder) as session:
            session.upload("pictures", files.table)
            declared = {"model": work.network, "type": "CNN", "layers": DECLARED[work.network]()}
            start_weights(session.declare(declared), folder, batch=work.batch)
            train(session, work)
            for _ in range(2):  # the first also chooses the form
                score(session, Scoring(work.network, work.rows, 0, work.batch, work.threads))
        for kind in ("train", "score"):
            text = (folder / f"{kind}.txt").read_text()
            (results / f"profile_{kind}.txt").write_text(text)
            print(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser, ["lenet"])
    arguments = parser.parse_args()
    for each in arguments.networks:
        measure(workload(each, arguments))
    print("profiles: in benchmarks/results/profile_train.txt and profile_score.txt")
