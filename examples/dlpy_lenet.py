"""Declare a LeNet with batch normalization in DLPy, train it on digits, evaluate it.

    castorch serve                                   # in another window
    python examples/dlpy_lenet.py                    # with swat and sas-dlpy installed

The program is what one would write for CAS; where the server is comes from CASHOST, CASPORT and
CASPROTOCOL, or from the first argument. The digits are drawn here: 5 x 7 dots, shifted and noisy.
"""

import csv
import os
import random
import sys
import tempfile
from pathlib import Path

import swat
from dlpy import Sequential
from dlpy.layers import BN, Conv2d, Dense, InputLayer, OutputLayer, Pooling
from dlpy.model import AdamSolver, Optimizer

URL = "http://127.0.0.1:8080"
SIDE = 12
PIXELS = [f"p{place}" for place in range(SIDE * SIDE)]
NOISE = 25  # standard deviation, of 255
DIGITS = (  # seven rows of five dots for each digit
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00010 00100 01000 11111",
    "11111 00010 00100 00010 00001 10001 01110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)


def draw(digit, chance):
    """Return the pixels of a digit somewhere in the image, row by row, and what it is."""
    pixels = [chance.gauss(40, NOISE) for _ in PIXELS]
    down, across = chance.randint(1, 4), chance.randint(2, 5)
    for y, row in enumerate(DIGITS[digit].split()):
        for x, dot in enumerate(row):
            pixels[(y + down) * SIDE + x + across] += 170 * int(dot)
    return [*(min(255, max(0, round(value))) for value in pixels), f"digit {digit}"]


def upload(conn, name, count, seed):
    """Write so many digits to a file and send it as a table."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*PIXELS, "digit"])
            writer.writerows(draw(place % len(DIGITS), chance) for place in range(count))
        return conn.upload_file(str(path), casout={"name": name, "replace": True})


def declare(conn):
    """Batch normalization follows a convolution without bias and activation."""
    model = Sequential(conn, model_table="LeNet_BN")
    model.add(InputLayer(1, SIDE, SIDE, scale=1 / 255))
    for filters in (8, 16):
        model.add(Conv2d(filters, 3, act="identity", include_bias=False))
        model.add(BN(act="relu"))
        model.add(Pooling(2))
    model.add(Dense(32))
    model.add(OutputLayer(act="softmax", n=len(DIGITS)))
    return model


def main():
    conn = swat.CAS(
        *(sys.argv[1:2] or ([] if "CASHOST" in os.environ else [URL])),
        username=os.environ.get("CASUSER", "ann"),
        password=os.environ.get("CASTOKEN", "any"),
    )
    conn.loadactionset("deepLearn")
    train = upload(conn, "digits", 800, seed=1)
    test = upload(conn, "digits_test", 300, seed=2)

    model = declare(conn)
    model.print_summary()

    solver = AdamSolver(learning_rate=0.01, learning_rate_policy="step", gamma=0.5, step_size=3)
    model.fit(
        train,
        inputs=PIXELS,
        target="digit",
        nominals="digit",
        seed=1,
        optimizer=Optimizer(algorithm=solver, mini_batch_size=50, max_epochs=8, seed=1),
    )
    print(model.training_history)

    judged = model.evaluate(test)
    print(judged["ScoreInfo"])
    print(model.valid_conf_mat["Crosstab"])
    error = judged["ScoreInfo"].set_index("Descr")["Value"]["Misclassification Error (%)"]
    print(f"misclassification of digits held out: {float(error):.2f} %")
    conn.endsession()
    conn.close()


if __name__ == "__main__":
    main()
