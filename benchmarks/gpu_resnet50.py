"""ResNet-50 on 224x224 images in bf16 on a graphics processor: training and scoring.

Images a second of ours, through the service, beside the tuned hand-written program
(``peer_gpu.py``), and as a share of the card's matrix product. Without a CUDA device one line says
so.

python benchmarks/gpu_resnet50.py [--rounds N] [--rows N] [--batch N]
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

import torch
from networks import DECLARED, IMAGES
from pictures import write_pictures
from service import running_server
from start import start_weights
from turns import Peer, report

import castorch

NETWORK = "resnet50_224"
FORWARD_MULTIPLY_ADDS = 4.09e9
"""Of an image. Source: He et al., "Deep Residual Learning for Image Recognition", table 1 (3.8e9,
without the projections), and the layers' own count."""
PASSES = {"train": 3, "score": 1}
"""Forward passes that a step costs: the backward pass is two."""


def trained(session: castorch.Session, batch: int) -> list[float]:
    """Return the seconds of the epochs after the first."""
    answer = session.run(
        "deepLearn.dlTrain",
        table="pictures",
        model_table=NETWORK,
        init_weights="start",
        model_weights={"name": "trained", "replace": True},
        inputs=["_image_"],
        target=["_label_"],
        nominals=["_label_"],
        gpu=True,
        seed=1,
        optimizer={
            "totalMiniBatchSize": batch,
            "maxEpochs": 4,
            "algorithm": {"method": "MOMENTUM", "learningRate": 0.01, "momentum": 0.9},
        },
    )
    return [float(each["seconds"]) for each in session.job(str(answer.job)).metrics()][1:]


def scored(session: castorch.Session, batch: int) -> list[float]:
    """Return the seconds of a scoring job."""
    answer = session.run(
        "deepLearn.dlScore",
        table="pictures",
        model_table=NETWORK,
        init_weights="start",
        cas_out={"name": "scored", "replace": True},
        buffer_size=batch,
        gpu=True,
    )
    return [session.job(str(answer.job)).seconds or 0.0]


def measure(rows: int, batch: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = write_pictures(folder, rows, *IMAGES[NETWORK], kind="jpeg")
        with running_server(folder) as session:
            session.upload("pictures", files.table)
            declared = {"model": NETWORK, "type": "CNN", "layers": DECLARED[NETWORK]()}
            model = session.declare(declared)
            weights = start_weights(model, folder, batch=batch, gpu=True)
            for task, work in (("train", trained), ("score", scored)):
                options = {
                    "name": "hand", "task": task, "network": NETWORK, "pixels": files.pixels,
                    "labels": files.labels, "weights": weights, "batch": batch, "threads": 2,
                }  # fmt: skip
                work(session, batch)
                with Peer("peer_gpu.py", options) as peer:
                    mine, theirs = [], []
                    for _ in range(rounds):
                        mine.append(rows / median(work(session, batch)))
                        theirs.append(rows / peer.turn()["seconds"])
                    peak = peer.ready["peak_tflops"]
                flops = 2 * FORWARD_MULTIPLY_ADDS * PASSES[task]
                share = median(mine) * flops / peak / 1e12
                print(f"  {share:.1%} of the matrix product's {peak:.0f} TFLOP/s")
                report(f"gpu_{task}_resnet50", mine, {"hand": theirs}, peak=peak, share=share)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=2048)
    parser.add_argument("--batch", type=int, default=256)
    arguments = parser.parse_args()
    if torch.cuda.is_available():
        measure(arguments.rows, arguments.batch, arguments.rounds)
    else:
        print("gpu_resnet50: no CUDA device here, nothing measured")
