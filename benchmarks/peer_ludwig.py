"""LeNet in Ludwig, with batches, optimizer and data as the others have; images as NumPy files.

Ludwig imports torchvision and torchaudio, whose builds on PyPI are for a torch with CUDA and do
not load their own operators beside one without. LeNet needs none of them; so they are declared
here, and torchaudio, which is for sounds, is left out.
"""

import logging
import sys
import tempfile
import time
from contextlib import chdir
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import torch
from turns import Answer, serve_turns, settings

_OPERATORS = torch.library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    _OPERATORS.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
_SOUNDS = ModuleType("torchaudio")
_SOUNDS.__spec__ = ModuleSpec("torchaudio", None)
_SOUNDS.__version__ = version("torchaudio")  # type: ignore[attr-defined]
sys.modules["torchaudio"] = _SOUNDS

from ludwig.api import LudwigModel  # noqa: E402
from ludwig.callbacks import Callback  # noqa: E402


class Clock(Callback):  # type: ignore[misc]
    """The seconds and the loss of each epoch."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_epoch_start(self, trainer: object, progress: object, path: object) -> None:
        self.begin = time.perf_counter()

    def on_epoch_end(self, trainer: object, progress: object, path: object) -> None:
        self.seconds.append(time.perf_counter() - self.begin)


def configuration(batch: int, epochs: int) -> dict[str, object]:
    """Return LeNet as Ludwig declares it."""
    convolution = {"kernel_size": 5, "padding": "valid", "pool_kernel_size": 2, "activation": None}
    return {
        "input_features": [{
            "name": "image", "type": "image",
            "preprocessing": {"num_channels": 1, "height": 28, "width": 28},
            "encoder": {
                "type": "stacked_cnn",
                "conv_layers": [
                    {**convolution, "out_channels": 20}, {**convolution, "out_channels": 50},
                ],
                "fc_layers": [{"output_size": 500, "activation": "tanh"}],
            },
        }],
        "output_features": [{"name": "label", "type": "category"}],
        "preprocessing": {"split": {"type": "fixed"}},
        "trainer": {
            "batch_size": batch, "epochs": epochs, "learning_rate": 0.01, "early_stop": -1,
            "optimizer": {"type": "sgd", "momentum": 0.9},
            "gradient_clipping": {"clipglobalnorm": None}, "should_shuffle": False,
        },
    }  # fmt: skip


def main() -> None:
    options = settings()
    torch.set_num_threads(options["threads"])
    pixels, labels = np.load(options["pixels"]), np.load(options["labels"])
    with tempfile.TemporaryDirectory() as temporary, chdir(temporary):  # it leaves a lock behind
        paths = []
        for row, image in enumerate(pixels):
            path = Path(temporary) / f"{row}.npy"
            np.save(path, image)
            paths.append(str(path))
        frame = pd.DataFrame({"image": paths, "label": labels.astype(str), "split": 0})
        clock = Clock()

        def turn(epochs: int = options["epochs"]) -> Answer:
            clock.seconds = []
            model = LudwigModel(
                configuration(options["batch"], 1 + epochs), logging_level=logging.ERROR,
                callbacks=[clock], backend="local",
            )  # fmt: skip
            statistics, *_ = model.train(
                frame, output_directory=f"{temporary}/out", skip_save_training_description=True,
                skip_save_training_statistics=True, skip_save_model=True, skip_save_progress=True,
                skip_save_log=True, skip_save_processed_input=True,
            )  # fmt: skip
            turn.parameters = sum(  # type: ignore[attr-defined]
                each.numel() for each in model.model.parameters()
            )
            losses = statistics.training["combined"]["loss"]
            return {"seconds": clock.seconds[1:], "losses": losses}

        ready = turn(1)
        serve_turns({"losses": ready["losses"], "parameters": turn.parameters}, turn)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
