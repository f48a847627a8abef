"""Declare a LeNet with batch normalization layer by layer, train it on digits, score it.

    castorch serve                                   # in another window
    python examples/digits_lenet.py --url http://127.0.0.1:8080 --out demo

The data are the 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits

import castorch
from castorch import History, Model, Session, layers

HELD_OUT = 0.2  # of the digits, never trained on
SPLIT_SEED = 20
MOST_ERROR_PERCENT = 3.0
BRIGHTEST = 16  # of scikit-learn's pixels
OPTIMIZER = {
    "algorithm": {
        "method": "ADAM",
        "learning_rate": 0.002,
        "learning_rate_policy": "STEP",
        "gamma": 0.5,
        "step_size": 5,
    },
    "mini_batch_size": 32,
    "max_epochs": 15,
}


def upload_digits(session: Session) -> None:
    """Send two tables, ``digits`` and ``digits_test``, with an image and its label in each row."""
    digits = load_digits()
    pixels = np.round(digits.images * (255 / BRIGHTEST)).astype(np.uint8)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(pixels))
    held_out = round(len(pixels) * HELD_OUT)
    for name, rows in (("digits_test", order[:held_out]), ("digits", order[held_out:])):
        data = {"_image_": pixels[rows], "label": digits.target[rows]}
        table = session.upload(name, data, replace=True)
        print(f"uploaded {table.name}: {len(rows):,} images")


def declare_lenet(session: Session) -> Model:
    """Declare the network layer by layer; each call is one HTTP request.

    Batch normalization follows a convolution without bias and activation, and activates itself.
    """
    model = session.model("lenet_bn", replace=True)
    model.add("data", layers.Input(n_channels=1, width=8, height=8, scale=1 / 255))
    source = "data"
    for number, maps in ((1, 20), (2, 50)):
        bare = layers.Convo(n_filters=maps, width=3, act="IDENTITY", include_bias=False)
        model.add(f"conv{number}", bare, source)
        model.add(f"bn{number}", layers.BatchNorm(act="RECTIFIER"), f"conv{number}")
        model.add(f"pool{number}", layers.Pool(width=2, height=2, stride=2), f"bn{number}")
        source = f"pool{number}"
    model.add("fc1", layers.Fc(n=100, act="TANH"), source)
    model.add("out", layers.Output(n=10, act="SOFTMAX"), "fc1")
    return model


def draw_curves(history: History, path: Path) -> None:
    """Draw loss and error of every epoch, on the training data and on the digits held out."""
    mpl.use("Agg")
    figure, (losses, errors) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    epochs = range(1, len(history) + 1)
    for axis, name, fit, valid, factor in (
        (losses, "loss", "Loss", "ValidLoss", 1),
        (errors, "error (%)", "FitError", "ValidError", 100),
    ):
        axis.plot(epochs, [factor * value for value in history.column(fit)], label="training")
        axis.plot(epochs, [factor * value for value in history.column(valid)], label="held out")
        axis.set(xlabel="epoch", ylabel=name, ylim=(0, None))
        axis.grid(alpha=0.3)
        axis.legend()
    figure.suptitle("LeNet with batch normalization on 8 x 8 digits")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def parse_arguments() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="the server (CASTORCH_URL, else http://127.0.0.1:8080)")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for curves.png")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    with castorch.connect(args.url) as client:
        session = client.session()
        upload_digits(session)
        model = declare_lenet(session)
        print(f"\n{model.summary()}\n")
        history = model.train(
            "digits",
            target="label",
            inputs=["_image_"],
            nominals=["label"],
            valid="digits_test",
            optimizer=OPTIMIZER,
            seed=1,
            record_seed=1,
        )
        print(f"\n{history}\n")
        scored = model.score("digits_test", out="digits_scored", copy_vars=["label"])
        print(f"{scored}\n")
    curves = args.out / "curves.png"
    draw_curves(history, curves)
    error = scored.error
    if error is None or error > MOST_ERROR_PERCENT:
        print(f"the error on the digits held out is {error} %, expected {MOST_ERROR_PERCENT} %")
        return 1
    print(f"error on the digits held out: {error:.2f} %   curves: {curves}")
    print(
        "\nNext, with a server that goes on running (castorch serve):\n"
        "  python examples/digits_lenet.py  the same again, there\n"
        "  castorch models                  the models there\n"
        "  castorch summary lenet_bn        its layers\n"
        "  castorch fetch digits_scored     the digits with their predictions"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
