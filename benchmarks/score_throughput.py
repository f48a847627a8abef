"""Scoring a stored table into a stored table against a hand-written program from file to file.

Both decode the same PNG images and write the probabilities. Ours is timed from the job's start to
its end, as the job records them; the peer inside its process, imports excluded.
"""

import argparse
import tempfile
from pathlib import Path

from networks import DECLARED, IMAGES
from pictures import write_pictures
from service import peer, report, running_server

import castorch

WORKLOADS = {"lenet": (10000, 500), "resnet18": (1000, 64)}
"""Rows and batch of each network."""


def ours(session: castorch.Session, network: str, batch: int) -> float:
    """Score once through the service and return the seconds of the job."""
    answer = session.run(
        "deepLearn.dlScore",
        table="pictures",
        model_table=network,
        init_weights=f"{network}_weights",
        cas_out={"name": "scored", "replace": True},
        buffer_size=batch,
    )
    return session.job(str(answer.job)).seconds or 0.0


def measure(network: str, rounds: int) -> None:
    rows, batch = WORKLOADS[network]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = write_pictures(folder / "pictures.parquet", rows, *IMAGES[network])
        with running_server(folder) as session:
            session.upload("pictures", file)
            session.declare({"model": network, "type": "CNN", "layers": DECLARED[network]()})
            session.run(
                "deepLearn.dlTrain",
                table={"name": "pictures", "where": "_label_ in ('0', '1')"},
                model_table=network,
                model_weights=f"{network}_weights",
                inputs=["_image_"],
                target=["_label_"],
                seed=1,
                optimizer={"totalMiniBatchSize": batch, "maxEpochs": 1},
            )
            mine, theirs = [], []
            for _ in range(rounds):
                mine.append(ours(session, network, batch))
                theirs += peer("score", network, file, batch, folder / "scores.parquet")
    report(f"score_{network}", mine, theirs, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for each in arguments.networks:
        measure(each, arguments.rounds)
