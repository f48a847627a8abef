"""The weights that all sides start from: made by ours, exported, and read by the peers."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

import castorch


def start_weights(
    model: castorch.Model, folder: Path, *, batch: int, table: str = "pictures", gpu: bool = False
) -> Path:
    """Make the weight table ``start`` of a model and return its arrays as a file of NumPy's.

    One epoch with a rate near zero leaves the initial weights as good as they were.

    Args:
        model: of images.
        folder: where the file goes.
        batch: rows of a mini-batch.
        table: of the session; has images and labels of all classes.
        gpu: whether to use the graphics processor.
    """
    model.train(
        table,
        inputs=["_image_"],
        nominals=["_label_"],
        weights="start",
        gpu=gpu,
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
    """Return a model file's arrays as torch's modules have them, layer by layer.

    Fully connected weights lie in the file by input, in torch by output; of batch normalisation the
    pairs gamma and beta are one array, mean and standard deviation another.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    content = file.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    arrays = load_file(file)
    for name in sorted(arrays, key=lambda each: header[each]["data_offsets"]):
        layer, _, tensor = name.rpartition(".")
        found.setdefault(layer, {}).update(_of_torch(tensor, arrays[name]))
    return {f"{layer}.{name}": each for layer, have in found.items() for name, each in have.items()}


def _of_torch(name: str, array: np.ndarray) -> dict[str, np.ndarray]:
    if name == "affine":
        return {"weight": array[:, 0], "bias": array[:, 1]}
    if name == "statistics":
        return {"running_mean": array[:, 0], "running_var": array[:, 1] ** 2}
    return {name: array.T if array.ndim == 2 else array}
