"""Training through the service against a plain hand-written PyTorch loop on the same images.

Epoch seconds as each side measures them, job start and decoding excluded on both; the first epoch
of every run is a warm-up. Ours and the peer take turns.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

from networks import DECLARED, IMAGES
from pictures import write_pictures
from service import peer, report, running_server

import castorch

WORKLOADS = {"lenet": (5000, 500, 4), "resnet18": (384, 128, 2)}
"""Rows, batch, epochs of each network."""


def ours(session: castorch.Session, network: str, batch: int, epochs: int) -> list[float]:
    """Train once through the service and return the seconds of each epoch."""
    answer = session.run(
        "deepLearn.dlTrain",
        table="pictures",
        model_table=network,
        model_weights={"name": f"{network}_weights", "replace": True},
        inputs=["_image_"],
        target=["_label_"],
        nominals=["_label_"],
        seed=1,
        optimizer={
            "totalMiniBatchSize": batch,
            "maxEpochs": epochs,
            "algorithm": {"method": "MOMENTUM", "learningRate": 0.01, "momentum": 0.9},
        },
    )
    return [float(epoch["seconds"]) for epoch in session.job(answer.job).metrics()]


def measure(network: str, rounds: int) -> None:
    rows, batch, epochs = WORKLOADS[network]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = write_pictures(folder / "pictures.parquet", rows, *IMAGES[network])
        with running_server(folder) as session:
            session.upload("pictures", file)
            session.declare({"model": network, "type": "CNN", "layers": DECLARED[network]()})
            mine, theirs = [], []
            for _ in range(rounds):
                mine.append(median(ours(session, network, batch, epochs)[1:]))
                theirs.append(median(peer("train", network, file, batch, epochs)[1:]))
    report(f"train_{network}", mine, theirs, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for each in arguments.networks:
        measure(each, arguments.rounds)
