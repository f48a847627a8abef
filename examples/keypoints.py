"""Find the corners of a handwritten digit on a larger canvas: a network with several targets.

    castorch serve                                   # in another window
    python examples/keypoints.py --out keypoints

The data are the 1,797 digits of 8 x 8 pixels that come with scikit-learn. Each is drawn two or
three times as large at a random place of a canvas of 32 x 32 pixels; the network is to tell the
left upper and the right lower corner of its square, four numbers.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits

import castorch
from castorch import Model, Session, layers

CANVAS = 32  # pixels
SIDE = 8  # pixels of scikit-learn's digits
SIZES = (2, 3)  # how many times as large they are drawn
BRIGHTEST = 16  # of scikit-learn's pixels
HELD_OUT = 0.2
SEED = 7
MOST_ERROR_PIXELS = 1.5
CORNERS = ("left", "top", "right", "bottom")
OPTIMIZER = {
    "algorithm": {
        "method": "ADAM",
        "learning_rate": 0.002,
        "learning_rate_policy": "STEP",
        "gamma": 0.5,
        "step_size": 6,
    },
    "mini_batch_size": 32,
    "max_epochs": 24,
    "log_level": 2,
}

Pixels = npt.NDArray[np.uint8]
Corners = npt.NDArray[np.float64]


def draw_digits() -> tuple[Pixels, Corners]:
    """Return canvases (N, CANVAS, CANVAS) and the corners of the digit on each, (N, 4)."""
    digits = np.round(load_digits().images * (255 / BRIGHTEST)).astype(np.uint8)
    random = np.random.default_rng(SEED)
    canvases = np.zeros((len(digits), CANVAS, CANVAS), dtype=np.uint8)
    corners = np.empty((len(digits), len(CORNERS)))
    for place, digit in enumerate(digits):
        size = SIDE * (times := int(random.choice(SIZES)))
        left, top = random.integers(0, CANVAS - size + 1, 2)
        large = digit.repeat(times, axis=0).repeat(times, axis=1)
        canvases[place, top : top + size, left : left + size] = large
        corners[place] = left, top, left + size, top + size
    return canvases, corners


def upload(session: Session, name: str, canvases: Pixels, corners: Corners) -> None:
    columns = {corner: corners[:, axis] for axis, corner in enumerate(CORNERS)}
    table = session.upload(name, {"_image_": canvases, **columns}, replace=True)
    print(f"uploaded {table.name}: {len(canvases):,} images")


def declare(session: Session) -> Model:
    """Declare three convolutions, each with batch normalization, and a layer of four numbers."""
    model = session.model("corners", replace=True)
    source = "data"
    model.add("data", layers.Input(n_channels=1, width=CANVAS, height=CANVAS, scale=1 / 255))
    for number, maps in enumerate((16, 32, 32), start=1):
        bare = layers.Convo(n_filters=maps, width=3, act="IDENTITY", include_bias=False)
        model.add(f"conv{number}", bare, source)
        model.add(f"bn{number}", layers.BatchNorm(act="RECTIFIER"), f"conv{number}")
        source = f"pool{number}"
        model.add(source, layers.Pool(width=2, height=2, stride=2), f"bn{number}")
    model.add("fc1", layers.Fc(n=64, act="TANH"), source)
    model.add("points", layers.Keypoints(n=len(CORNERS), target_std="STD"), "fc1")
    return model


def draw(canvases: Pixels, true: Corners, predicted: Corners, path: Path) -> None:
    """Draw twelve canvases with their true corners (circles) and those predicted (crosses)."""
    mpl.use("Agg")
    figure, axes = plt.subplots(3, 4, figsize=(10, 8), layout="constrained")
    for place, axis in enumerate(axes.ravel()):
        axis.imshow(canvases[place], cmap="gray", extent=(0, CANVAS, CANVAS, 0))
        for points, mark, colour in (
            (true[place], "o", "tab:green"),
            (predicted[place], "x", "tab:red"),
        ):
            axis.plot(points[::2], points[1::2], mark, color=colour, fillstyle="none", markersize=9)
        axis.set(xlim=(-1, CANVAS + 1), ylim=(CANVAS + 1, -1))
        axis.axis("off")
    figure.suptitle("corners: circles true, crosses predicted")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def parse_arguments() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", help="the server (CASTORCH_URL, else http://127.0.0.1:8080)")
    parser.add_argument(
        "--out", type=Path, default=Path("keypoints"), help="folder for the picture"
    )
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    canvases, corners = draw_digits()
    held_out = round(len(canvases) * HELD_OUT)
    with castorch.connect(args.url) as client:
        session = client.session()
        upload(session, "corners_test", canvases[:held_out], corners[:held_out])
        upload(session, "corners_train", canvases[held_out:], corners[held_out:])
        model = declare(session)
        print(f"\n{model.summary()}\n")
        history = model.train(
            "corners_train",
            target=list(CORNERS),
            inputs=["_image_"],
            valid="corners_test",
            optimizer=OPTIMIZER,
            seed=1,
            record_seed=1,
        )
        print(f"\n{history}\n")
        scored = model.score("corners_test", out="corners_scored")
        print(f"{scored}\n")
        table = session.table("corners_scored").to_arrow()
    predicted = np.stack([table[f"P_{corner}"].to_numpy() for corner in CORNERS], axis=1)
    true = corners[:held_out]
    error = float(np.hypot(*(predicted - true).reshape(-1, 2).T).mean())
    picture = args.out / "keypoints.png"
    draw(canvases, true, predicted, picture)
    print(f"mean error of a corner: {error:.2f} pixels   picture: {picture}")
    if error > MOST_ERROR_PIXELS:
        print(f"expected at most {MOST_ERROR_PIXELS} pixels")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
