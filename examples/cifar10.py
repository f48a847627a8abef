"""Train a residual network on CIFAR-10; on a graphics processor it should reach 90 %.

    castorch serve                                   # in another window
    python examples/cifar10.py --data cifar10.zip
    python examples/cifar10.py --data cifar10.zip --rows 5000 --epochs 3     # on a processor

The archive holds the images as files and ``index.csv`` with the columns file, split (train or test)
and label (0 to 9). The network is the ResNet-20 of He et al. (2016), section 4.2, by name; images
are flipped and cut at random in training. The exit status is 0 when the test error is at most 10 %;
with ``--rows``, when the loss fell.
"""

import argparse
import csv
import io
import sys
import time
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import castorch
from castorch import Session, Table, layers

MEANS = (0.4914, 0.4822, 0.4465)
STANDARD_DEVIATIONS = (0.2470, 0.2435, 0.2616)
"""Of the training images' red, green and blue, from 0 to 1."""
MOST_ERROR_PERCENT = 10.0


def upload_split(session: Session, archive: ZipFile, split: str, rows: int | None) -> Table:
    """Send the first images of a split with their labels."""
    with io.TextIOWrapper(archive.open("index.csv"), encoding="utf-8", newline="") as file:
        chosen = [row for row in csv.DictReader(file) if row["split"] == split][:rows]
    images = [archive.read(row["file"]) for row in chosen]
    labels = [int(row["label"]) for row in chosen]
    return session.upload(split, {"_image_": images, "_label_": labels}, replace=True)


def optimizer(epochs: int) -> dict[str, Any]:
    """Return the recipe: one cosine from a learning rate of 0.1 down to 0."""
    return {
        "algorithm": {
            "method": "MOMENTUM",
            "momentum": 0.9,
            "learning_rate": 0.1,
            "learning_rate_policy": "COSINE",
        },
        "reg_l2": 1e-4,
        "total_mini_batch_size": 128,
        "max_epochs": epochs,
    }


def parse_arguments() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the archive")
    parser.add_argument("--rows", type=int, help="images to train on; all unless said")
    parser.add_argument("--epochs", type=int, default=60, choices=range(2, 301), metavar="N")
    parser.add_argument("--url", help="the server (CASTORCH_URL, else http://127.0.0.1:8080)")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    with castorch.connect(args.url) as client, client.session(name="cifar10") as session:
        with ZipFile(args.data) as archive:
            train = upload_split(session, archive, "train", args.rows)
            test = upload_split(session, archive, "test", args.rows)
        model = session.build("resnet20", replace=True)
        data = layers.Input(
            n_channels=3,
            width=32,
            height=32,
            scale=1 / 255,
            channel_order="RGB",
            offsets=MEANS,
            norm_stds=STANDARD_DEVIATIONS,
            random_flip="H",
            random_crop="RESIZETHENCROP",
        )
        model.add("data", data, replace=True)
        started = time.monotonic()
        history = model.train(
            train,
            target="_label_",
            inputs=["_image_"],
            nominals=["_label_"],
            optimizer=optimizer(args.epochs),
            seed=1,
            record_seed=1,
        )
        print(f"\n{history}\n\ntrained in {(time.monotonic() - started) / 60:.1f} min")
        scored = model.score(test)
        print(scored)
    first, *_, last = history.column("loss")
    print(f"loss of the first epoch {first:.4f}, of the last {last:.4f}")
    if args.rows is not None:
        return 0 if last < first else 1
    return 0 if scored.error is not None and scored.error <= MOST_ERROR_PERCENT else 1


if __name__ == "__main__":
    sys.exit(main())
