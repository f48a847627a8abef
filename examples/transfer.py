"""Teach a LeNet the digits 0 to 4, give it another head, and teach that 5 to 9 from 100 images.

    castorch serve                                   # in another window
    python examples/transfer.py --url http://127.0.0.1:8080 --mnist DIRECTORY

The layers that see keep what they learned; only the new head is trained. A network of the same
layers that begins afresh, with as many passes over the same 100 images, is worse. DIRECTORY holds
the four files of MNIST as they are distributed.
"""

import argparse
import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import castorch
from castorch import Model, Session, layers

ROWS = 100  # images of the digits 5 to 9 that are trained on
FIRST = {
    "algorithm": {"method": "ADAM", "learning_rate": 0.002},
    "mini_batch_size": 32,
    "max_epochs": 3,
}
SECOND = {
    "algorithm": {"method": "ADAM", "learning_rate": 0.002},
    "mini_batch_size": 10,
    "max_epochs": 20,
}
MOST_LOW = 6000  # images of the digits 0 to 4

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def read_idx(folder: Path, part: str) -> tuple[Images, Labels]:
    """Return the images and labels of a part of MNIST.

    Source: http://yann.lecun.com/exdb/mnist, "FILE FORMATS FOR THE MNIST DATABASE".
    """
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    return images, labels


def upload(session: Session, folder: Path) -> None:
    """Send the tables ``low``, ``high`` and ``high_test``."""
    images, labels = read_idx(folder, "train")
    test_images, test_labels = read_idx(folder, "t10k")
    for name, pixels, targets, rows in (
        ("low", images, labels, np.flatnonzero(labels <= 4)[:MOST_LOW]),
        ("high", images, labels, np.flatnonzero(labels > 4)[:ROWS]),
        ("high_test", test_images, test_labels, np.flatnonzero(test_labels > 4)),
    ):
        session.upload(name, {"_image_": pixels[rows], "label": targets[rows]}, replace=True)
        print(f"uploaded {name}: {len(rows):,} images")


def declare(session: Session, name: str) -> Model:
    """Declare a LeNet: two convolutions, each with a pool, and 64 neurons."""
    model = session.model(name, replace=True)
    model.add("data", layers.Input(n_channels=1, width=28, height=28, scale=1 / 255))
    source = "data"
    for number, maps in ((1, 16), (2, 32)):
        model.add(
            f"conv{number}",
            layers.Convo(n_filters=maps, width=5, padding=0, act="RECTIFIER"),
            source,
        )
        source = f"pool{number}"
        model.add(source, layers.Pool(width=2), f"conv{number}")
    model.add("hidden", layers.Fc(n=64, act="RECTIFIER"), source)
    model.add("out", layers.Output(), "hidden")
    return model


def train(model: Model, table: str, optimizer: dict[str, Any], **more: Any) -> None:
    """Train on a table of images."""
    model.train(
        table,
        target="label",
        inputs=["_image_"],
        nominals=["label"],
        optimizer=optimizer,
        seed=1,
        record_seed=1,
        **more,
    )


def error_of(model: Model) -> float:
    """Return the share of digits held out that a model gets wrong, in percent."""
    error = model.score("high_test").error
    return 100.0 if error is None else error


def parse_arguments() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="the server (CASTORCH_URL, else http://127.0.0.1:8080)")
    parser.add_argument("--mnist", type=Path, required=True, help="folder with the files of MNIST")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    with castorch.connect(args.url) as client:
        session = client.session()
        upload(session, args.mnist)
        lenet = declare(session, "lenet_low")
        train(lenet, "low", FIRST)
        head = lenet.replace_head("lenet_high", after="pool2", layers=HEAD)
        print(f"layers that stay as they are: {', '.join(head.freeze)}")
        frozen = {**SECOND, "freeze_layers": head.freeze}
        train(head.model, "high", frozen, init_weights=head.weights)
        fresh = declare(session, "lenet_fresh")
        train(fresh, "high", SECOND)
        moved, afresh = error_of(head.model), error_of(fresh)
    print(f"error on 5 to 9 with a new head: {moved:.2f} %   begun afresh: {afresh:.2f} %")
    return 0 if moved < afresh else 1


HEAD = [
    {"name": "hidden2", "layer": {"type": "fc", "n": 64, "act": "RECTIFIER"}},
    {"name": "out2", "layer": {"type": "output"}},
]

if __name__ == "__main__":
    sys.exit(main())
