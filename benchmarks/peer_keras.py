"""LeNet in Keras 3 on its torch backend, from our weights, with ``fit`` as its users call it."""

import os
import time
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
import torch
from turns import Answer, serve_turns, settings


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """The seconds of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.seconds.append(time.perf_counter() - self.begin)


def lenet(arrays: list[np.ndarray]) -> Any:
    """Return LeNet with the weights of ours; Keras keeps filters and flattens by channel last."""
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((28, 28, 1)), layers.Conv2D(20, 5), layers.MaxPooling2D(2),
        layers.Conv2D(50, 5), layers.MaxPooling2D(2), layers.Flatten(),
        layers.Dense(500, activation="tanh"), layers.Dense(10),
    ])  # fmt: skip
    c1, b1, c2, b2, f1, b3, out, b4 = arrays
    flat = f1.reshape(500, 50, 4, 4).transpose(2, 3, 1, 0).reshape(800, 500)
    filters = [each.transpose(2, 3, 1, 0) for each in (c1, c2)]
    model.set_weights([
        filters[0], b1.ravel(), filters[1], b2.ravel(), flat, b3.ravel(),
        out.reshape(10, 500).T, b4.ravel(),
    ])  # fmt: skip
    return model


def main() -> None:
    options = settings()
    torch.set_num_threads(options["threads"])
    with np.load(options["weights"]) as stored:
        model = lenet([stored[name] for name in stored.files])
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=0.01, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images = np.load(options["pixels"]).transpose(0, 2, 3, 1).astype(np.float32) / 255
    labels = np.load(options["labels"])

    def turn(epochs: int = options["epochs"]) -> Answer:
        clock = Clock()
        history = model.fit(
            images, labels, batch_size=options["batch"], epochs=epochs, shuffle=False, verbose=0,
            callbacks=[clock],
        )  # fmt: skip
        return {"seconds": clock.seconds, "losses": history.history["loss"]}

    first = turn(1)["losses"]
    serve_turns({"losses": first, "parameters": model.count_params()}, turn)


if __name__ == "__main__":
    main()
