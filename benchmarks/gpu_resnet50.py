"""ResNet-50 on 224x224 images in bf16 on a graphics processor: training and scoring.

Images a second of ours, through the service, beside the tuned hand-written program
(``peer_gpu.py``), and as a share of the card's matrix product. Training is timed by its epochs,
scoring by its whole job: start, decoding and storing too. Without a CUDA device one line says so;
``--device cpu`` runs the same on a processor, to try the script out.

python benchmarks/gpu_resnet50.py [--rounds N] [--rows N] [--batch N] [--kind jpeg|ppm]
"""

import argparse
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from networks import DECLARED, IMAGES
from pictures import write_pictures
from service import running_server
from start import start_weights
from turns import Peer, report

import castorch

FORWARD_MULTIPLY_ADDS = {"resnet50_224": 4.09e9, "resnet18": 0.556e9}
"""Of an image. Source: He et al., "Deep Residual Learning for Image Recognition", table 1 (3.8e9,
without the projections), and the layers' own count."""
PASSES = {"train": 3, "score": 1}
"""Forward passes that a step costs: the backward pass is two."""
TOLERANCE = 0.05
"""How far the loss of the first epoch may be from the peer's, as a share of it."""


class Turn(NamedTuple):
    """What a window of ours gave: seconds of the pieces that count, and losses of a training."""

    seconds: list[float]
    losses: list[float]


def trained(session: castorch.Session, options: argparse.Namespace) -> Turn:
    """Train; the seconds are those of the epochs after the first."""
    answer = session.run(
        "deepLearn.dlTrain",
        table="pictures",
        model_table=options.network,
        init_weights="start",
        model_weights={"name": "trained", "replace": True},
        inputs=["_image_"],
        target=["_label_"],
        nominals=["_label_"],
        gpu={"precision": "FP16"},
        seed=1,
        optimizer={
            "totalMiniBatchSize": options.batch,
            "maxEpochs": 4,
            "algorithm": {"method": "MOMENTUM", "learningRate": 0.01, "momentum": 0.9},
        },
    )
    metrics = session.job(str(answer.job)).metrics()
    seconds, losses = ([float(each[key]) for each in metrics] for key in ("seconds", "loss"))
    return Turn(seconds[1:], losses)


def scored(session: castorch.Session, options: argparse.Namespace) -> Turn:
    """Score; the seconds are those of the job."""
    answer = session.run(
        "deepLearn.dlScore",
        table="pictures",
        model_table=options.network,
        init_weights="start",
        cas_out={"name": "scored", "replace": True},
        buffer_size=options.batch,
        gpu={"precision": "FP16"},
    )
    return Turn([session.job(str(answer.job)).seconds or 0.0], [])


def measure(options: argparse.Namespace) -> None:
    rows, network = options.rows, options.network
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = write_pictures(folder, rows, *IMAGES[network], kind=options.kind)
        with running_server(folder) as session:
            session.upload("pictures", files.table)
            declared = {"model": network, "type": "CNN", "layers": DECLARED[network]()}
            model = session.declare(declared)
            weights = start_weights(model, folder, batch=options.batch, gpu=True)
            for task, work in (("train", trained), ("score", scored)):
                settings = {
                    "name": "hand", "task": task, "network": network, "pixels": files.pixels,
                    "labels": files.labels, "weights": weights, "batch": options.batch,
                    "device": options.device, "threads": os.cpu_count() or 1,
                }  # fmt: skip
                first = work(session, options)
                with Peer("peer_gpu.py", settings) as peer:
                    if first.losses:
                        check(first.losses[0], peer.ready["first"][0])
                    mine, theirs = [], []
                    for _ in range(options.rounds):
                        mine.append(rows / median(work(session, options).seconds))
                        theirs.append(rows / peer.turn()["seconds"])
                    peak = peer.ready["peak_tflops"]
                flops = 2 * FORWARD_MULTIPLY_ADDS[network] * PASSES[task]
                share = median(mine) * flops / peak / 1e12
                print(f"  {share:.1%} of the matrix product's {peak:.1f} TFLOP/s")
                name = f"gpu_{task}_{network}"
                report(name, mine, {"hand": theirs}, peak=peak, share=share, options=vars(options))


def check(ours: float, theirs: float) -> None:
    """Hold the loss of the first epoch against the peer's, which starts from the same weights."""
    if not abs(ours - theirs) <= TOLERANCE * theirs:
        raise SystemExit(f"the first epoch's loss is {ours}, the peer's {theirs}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=2048, help="a multiple of the batch")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--kind", choices=("jpeg", "ppm"), default="jpeg", help="ppm: unpacked")
    parser.add_argument("--network", choices=FORWARD_MULTIPLY_ADDS, default="resnet50_224")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args()
    if arguments.rows % arguments.batch:
        parser.error("--rows must be a multiple of --batch: the peer is compiled for one size")
    if arguments.device == "cpu" or torch.cuda.is_available():
        measure(arguments)
    else:
        print("gpu_resnet50: no CUDA device here, nothing measured")
