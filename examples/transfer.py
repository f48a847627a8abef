"""Teach a LeNet the digits 0 to 4, give it another head, and teach that 5 to 9 from 100 images.

    castorch serve                                   # in another window
    python examples/transfer.py --url http://127.0.0.1:8080

The layers that see keep what they learned; only the new head is trained. A network of the same
layers that begins afresh with the same 100 images is worse. The data are the 1,797 handwritten
digits of 8 x 8 pixels that come with scikit-learn; with ``--mnist`` they are those of a file in
NumPy's format .npz with the arrays x_train, y_train, x_test and y_test.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

import castorch
from castorch import Model, Session, layers

BRIGHTEST = 16  # of scikit-learn's pixels
ROWS = 100  # images of the digits 5 to 9 that are trained on
SPLIT_SEED = 7
FIRST = {"algorithm": {"method": "ADAM", "learning_rate": 0.002}, "mini_batch_size": 32}
SECOND = {"algorithm": {"method": "ADAM", "learning_rate": 0.005}, "mini_batch_size": 10}
EPOCHS = 12

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]


def read_digits(path: Path | None) -> tuple[Images, Labels, Images, Labels]:
    """Return images and labels to train on, and others to score."""
    if path is not None:
        with np.load(path) as found:
            names = ("x_train", "y_train", "x_test", "y_test")
            images, labels, test_images, test_labels = (found[name] for name in names)
        return images, labels, test_images, test_labels
    digits = load_digits()
    pixels = np.round(digits.images * (255 / BRIGHTEST)).astype(np.uint8)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(pixels))
    held_out, rest = order[: len(order) // 3], order[len(order) // 3 :]
    return pixels[rest], digits.target[rest], pixels[held_out], digits.target[held_out]


def upload(session: Session, path: Path | None) -> int:
    """Send the tables ``low``, ``high`` and ``high_test``; return the side of an image."""
    images, labels, test_images, test_labels = read_digits(path)
    few = np.flatnonzero(labels > 4)[:ROWS]
    for name, pixels, targets in (
        ("low", images[labels <= 4], labels[labels <= 4]),
        ("high", images[few], labels[few]),
        ("high_test", test_images[test_labels > 4], test_labels[test_labels > 4]),
    ):
        session.upload(name, {"_image_": pixels, "label": targets}, replace=True)
        print(f"uploaded {name}: {len(pixels):,} images")
    return int(images.shape[1])


def declare(session: Session, name: str, size: int) -> Model:
    """Declare a LeNet: two convolutions, each with a pool, and 64 neurons."""
    model = session.model(name, replace=True)
    model.add("data", layers.Input(n_channels=1, width=size, height=size, scale=1 / 255))
    source = "data"
    for number, maps in ((1, 16), (2, 32)):
        model.add(f"conv{number}", layers.Convo(n_filters=maps, width=3, act="RECTIFIER"), source)
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
        optimizer={**optimizer, "max_epochs": EPOCHS},
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
    parser.add_argument(
        "--mnist", type=Path, help="file mnist.npz; left out: scikit-learn's digits"
    )
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    with castorch.connect(args.url) as client:
        session = client.session()
        size = upload(session, args.mnist)
        lenet = declare(session, "lenet_low", size)
        train(lenet, "low", FIRST)
        head = lenet.replace_head("lenet_high", after="pool2", layers=HEAD)
        print(f"layers that stay as they are: {', '.join(head.freeze)}")
        frozen = {**SECOND, "freeze_layers": head.freeze}
        train(head.model, "high", frozen, init_weights=head.weights)
        fresh = declare(session, "lenet_fresh", size)
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
