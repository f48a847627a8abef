"""The weights that all sides start from: made by ours, exported, and read by the peers."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import castorch


def start_weights(model: castorch.Model, folder: Path, *, batch: int) -> Path:
    """Make the weight table ``start`` of a model and return its arrays as a file of NumPy's.

    One epoch with a rate near zero leaves the initial weights as good as they were.

    Args:
        model: of images and the table ``pictures``, which is in the session already.
        folder: where the file goes.
        batch: rows of a mini-batch.
    """
    model.train(
        "pictures",
        inputs=["_image_"],
        nominals=["_label_"],
        weights="start",
        seed=1,
        optimizer={
            "total_mini_batch_size": batch,
            "max_epochs": 1,
            "algorithm": {"method": "MOMENTUM", "learning_rate": 1e-6, "momentum": 0.0},
        },
        progress=False,
    )
    exported = model.export(folder / "start.safetensors", weights="start")
    weights = folder / "start.npz"
    np.savez(weights, **_in_order(exported))
    return weights


def _in_order(file: Path) -> dict[str, np.ndarray]:
    """Return a model file's arrays in the order they lie in, which is that of the layers."""
    content = file.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    arrays = load_file(file)
    return {name: arrays[name] for name in sorted(arrays, key=lambda n: header[n]["data_offsets"])}
