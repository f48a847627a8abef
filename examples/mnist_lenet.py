"""Train the LeNet of the Theano deep-learning tutorial on MNIST; the test error is at most 0.93 %.

    castorch serve                                   # in another window
    python examples/mnist_lenet.py --data DIRECTORY --url http://127.0.0.1:8080

DIRECTORY holds the four files of MNIST as they are distributed: train-images-idx3-ubyte.gz,
train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz.

The network: 20 filters of 5 x 5, pooled 2 x 2, 50 filters of 5 x 5, pooled 2 x 2, 500 neurons with
tanh, 10 outputs; 431,080 parameters. The tutorial reports a test error of 0.92 % after
380.28 minutes on a Core i7-2600K of 2011. Source: deeplearning.net, "Convolutional Neural Networks
(LeNet)". This program, on one processor thread, ends at 0.73 %.
"""

import argparse
import gzip
import sys
import time
from pathlib import Path
from struct import unpack
from typing import Any

import numpy as np

import castorch
from castorch import Model, Session, Table, layers

IMAGES, LABELS = 2051, 2049  # magic numbers of the idx format
PARAMETERS = 431_080
MOST_ERROR_PERCENT = 0.93
TUTORIAL_MINUTES = 380.28
MOST_EPOCHS = 20
OPTIMIZER = {
    "algorithm": {
        "method": "MOMENTUM",
        "momentum": 0.9,
        "learning_rate": 0.02,
        "learning_rate_policy": "STEP",
        "gamma": 0.3,
        "step_size": 3,
    },
    "total_mini_batch_size": 64,
}


def read_idx(path: Path, magic: int) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """Return the bytes of an idx file in their shape.

    Source: http://yann.lecun.com/exdb/mnist, "FILE FORMATS FOR THE MNIST DATABASE".

    Raises:
        ValueError: the file is not of the kind expected.
    """
    with gzip.open(path) as file:
        content = file.read()
    found, count = unpack(">II", content[:8])
    if found != magic:
        raise ValueError(f"{path.name} got the magic number {found}, expected {magic}")
    sides = unpack(">II", content[8:16]) if magic == IMAGES else ()
    return np.frombuffer(content, np.uint8, offset=8 + 4 * len(sides)).reshape(count, *sides)


def upload_mnist(session: Session, folder: Path, part: str, name: str) -> Table:
    """Send one part of MNIST as a table of PNG images and labels."""
    images = read_idx(folder / f"{part}-images-idx3-ubyte.gz", IMAGES)
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz", LABELS)
    return session.upload(name, {"_image_": images, "_label_": labels}, replace=True)


def declare_lenet(session: Session) -> Model:
    """Declare the network of the tutorial."""
    pool = layers.Pool(width=2, height=2, stride=2, padding=0)
    declaration = {
        "model": "lenet",
        "layers": [
            {
                "name": "data",
                "layer": layers.Input(n_channels=1, width=28, height=28, scale=1 / 255),
            },
            {"name": "conv1", "layer": layers.Convo(n_filters=20, width=5, padding=0, act="TANH")},
            {"name": "pool1", "layer": pool},
            {"name": "conv2", "layer": layers.Convo(n_filters=50, width=5, padding=0, act="TANH")},
            {"name": "pool2", "layer": pool},
            {"name": "fc1", "layer": layers.Fc(n=500, act="TANH")},
            {"name": "out", "layer": layers.Output(n=10, act="SOFTMAX")},
        ],
    }
    return session.declare(declaration, replace=True)


def parse_arguments() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the four idx files")
    parser.add_argument("--url", help="the server (CASTORCH_URL, else http://127.0.0.1:8080)")
    parser.add_argument("--epochs", type=int, default=8, choices=range(1, MOST_EPOCHS + 1))
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    start = time.monotonic()
    with castorch.connect(args.url) as client, client.session(name="mnist") as session:
        train = upload_mnist(session, args.data, "train", "mnist_train")
        test = upload_mnist(session, args.data, "t10k", "mnist_test")
        print(f"uploaded {train.rows:,} and {test.rows:,} images: {seconds_since(start)}")
        model = declare_lenet(session)
        summary = model.summary()
        print(f"\n{summary}\n")
        if summary.totals["Parameters"] != PARAMETERS:
            print(f"the network got other than the tutorial's {PARAMETERS:,} parameters")
            return 1
        start = time.monotonic()
        history = model.train(
            train,
            target="_label_",
            inputs=["_image_"],
            nominals=["_label_"],
            optimizer={**OPTIMIZER, "max_epochs": args.epochs},
            seed=23455,
            record_seed=23455,
        )
        print(f"\n{history}\n\ntrained: {seconds_since(start)}")
        minutes = (time.monotonic() - start) / 60
        print(f"{minutes:.2f} min, where the tutorial took {TUTORIAL_MINUTES} min in 2011")
        start = time.monotonic()
        scored = model.score(test)
        print(f"scored: {seconds_since(start)}\n\n{scored}")
    if scored.error is None or scored.error > MOST_ERROR_PERCENT:
        print(f"the test error is {scored.error} %, expected at most {MOST_ERROR_PERCENT} %")
        return 1
    return 0


def seconds_since(start: float) -> str:
    return f"{time.monotonic() - start:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
