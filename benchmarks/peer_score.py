"""Scoring in memory: pixels that are floats already go in, probabilities stay in memory.

The setting ``form`` says how: eager, hand (batch normalisation folded, channels last, inference
mode), compiled, onnxruntime or openvino.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from networks import build
from torch import nn
from turns import Answer, serve_turns, settings

Batches = list[np.ndarray]
Forward = Callable[[Any], np.ndarray]


class Probabilities(nn.Module):
    """A network with the softmax that ours ends with."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.model(x), dim=1)


def eager(model: nn.Module, options: Answer) -> Forward:
    """Return the plain module, without gradients."""
    del options

    def forward(batch: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return model(batch).numpy()

    return forward


def hand(model: nn.Module, options: Answer) -> Forward:
    """Return the module folded and channels last, in inference mode."""
    from torch.fx.experimental.optimization import fuse

    del options
    fused = fuse(model).to(memory_format=torch.channels_last)

    def forward(batch: torch.Tensor) -> np.ndarray:
        with torch.inference_mode():
            return fused(batch).numpy()

    return forward


def compiled(model: nn.Module, options: Answer) -> Forward:
    """Return the module compiled with its weights frozen, channels last."""
    from torch._inductor import config

    del options
    config.freezing = True
    made = torch.compile(model.to(memory_format=torch.channels_last))

    def forward(batch: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return made(batch).numpy()

    return forward


def _exported(model: nn.Module, example: torch.Tensor) -> bytes:
    """Return the ONNX file of a module, with any number of rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            model, (example,), path, input_names=["x"], output_names=["p"],
            dynamo=True, external_data=False, verbose=False,
            dynamic_shapes=({0: torch.export.Dim("rows")},),
        )  # fmt: skip
        return path.read_bytes()


def onnxruntime(model: nn.Module, options: Answer) -> Forward:
    """Return an ONNX Runtime session with all its optimisations and our threads."""
    import onnxruntime as runtime

    chosen = runtime.SessionOptions()
    chosen.intra_op_num_threads = options["threads"]
    chosen.inter_op_num_threads = 1
    chosen.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = runtime.InferenceSession(
        _exported(model, options["example"]), chosen, providers=["CPUExecutionProvider"]
    )

    def forward(batch: np.ndarray) -> np.ndarray:
        found: np.ndarray = session.run(None, {"x": batch})[0]
        return found

    return forward


def openvino(model: nn.Module, options: Answer) -> Forward:
    """Return an OpenVINO request in float32 with the latency hint and our threads."""
    import openvino as ov

    core = ov.Core()
    read = core.read_model(_exported(model, options["example"]))
    rows = options["example"].shape
    read.reshape([-1, *rows[1:]])
    made = core.compile_model(
        read, "CPU",
        {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32",
         "INFERENCE_NUM_THREADS": options["threads"]},
    )  # fmt: skip
    request = made.create_infer_request()

    def forward(batch: np.ndarray) -> np.ndarray:
        return np.array(request.infer({0: batch}, share_inputs=True)[0])

    return forward


FORMS = {each.__name__: each for each in (eager, hand, compiled, onnxruntime, openvino)}
"""``hand`` and ``compiled`` are given their batches channels last, runtimes arrays."""


def main() -> None:
    options = settings()
    torch.set_num_threads(options["threads"])
    form = options["form"]
    model = Probabilities(build(options["network"], dict(np.load(options["weights"])))).eval()
    rows = options["rows"]
    images = torch.from_numpy(np.load(options["pixels"])[:rows]).float() / 255
    if form in ("hand", "compiled"):
        images = images.contiguous(memory_format=torch.channels_last)
    batches: list[Any] = list(images.split(options["batch"]))
    options["example"] = torch.from_numpy(batches[0].numpy().copy())
    if form in ("onnxruntime", "openvino"):
        batches = [np.ascontiguousarray(each.numpy()) for each in batches]
    forward = FORMS[form](model, options)

    def turn() -> Answer:
        begin = time.perf_counter()
        scores = np.concatenate([forward(batch) for batch in batches])
        seconds = time.perf_counter() - begin
        np.save(options["out"], scores)
        return {"seconds": seconds}

    serve_turns(turn(), turn)


if __name__ == "__main__":
    main()
