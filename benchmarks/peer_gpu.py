"""The tuned hand-written program on a graphics processor: ResNet-50, bf16, training or scoring.

Channels last, products of bfloat16, a fused optimizer, the network compiled with CUDA graphs;
pixels lie on the device as bytes. Trained is under autocast; what scores is bfloat16 as a whole.
The setting ``task`` is train or score; on the device ``cpu``, for trying it out, nothing is
compiled.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from networks import build, parameter_count
from torch import Tensor
from torch.nn import functional
from turns import Answer, serve_turns, settings

PEAK = {"cuda": (8192, 50), "cpu": (1024, 5)}
"""Side of the matrices whose product is timed, and how often."""


class Device:
    """What computes.

    Attributes:
        name: cuda or cpu.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def wait(self) -> None:
        """Wait until it has done all it was given."""
        if self.name == "cuda":
            torch.cuda.synchronize()

    def compiled(self, model: torch.nn.Module) -> Callable[[Tensor], Tensor]:
        """Return the network as it is quickest here."""
        return torch.compile(model, mode="max-autotune") if self.name == "cuda" else model

    def matrix_peak(self) -> float:
        """Return the TFLOP/s of a bf16 matrix product of random numbers."""
        side, times = PEAK[self.name]
        a, b = (torch.randn(side, side, device=self.name).bfloat16() for _ in range(2))
        for _ in range(3):
            a @ b
        self.wait()
        begin = time.perf_counter()
        for _ in range(times):
            a @ b
        self.wait()
        return 2 * side**3 * times / (time.perf_counter() - begin) / 1e12


class Program:
    """Model, optimizer and data."""

    def __init__(self, options: Answer, device: Device) -> None:
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        self.device = device
        weights = dict(np.load(options["weights"]))
        model = build(options["network"], weights).to(device.name)
        self.model = model.to(memory_format=torch.channels_last)
        if options["task"] == "score":
            self.model.eval().bfloat16()
        self.forward = device.compiled(self.model)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9, fused=True)
        pixels = torch.from_numpy(np.load(options["pixels"])).to(device.name)
        self.images = pixels.contiguous(memory_format=torch.channels_last)
        self.labels = torch.from_numpy(np.load(options["labels"])).to(device.name)
        self.batch: int = options["batch"]

    def batches(self, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the mini-batches in their order; pixels from 0 to 1."""
        parts = (self.images.split(self.batch), self.labels.split(self.batch))
        for images, labels in zip(*parts, strict=True):
            torch.compiler.cudagraph_mark_step_begin()
            yield images.to(dtype).div_(255), labels

    def train(self) -> float:
        """Return the mean loss of an epoch."""
        total = torch.zeros((), device=self.device.name)
        for images, labels in self.batches(torch.float32):
            self.optimizer.zero_grad()
            with torch.autocast(self.device.name, torch.bfloat16):
                loss = functional.cross_entropy(self.forward(images), labels)
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(labels)
        return float(total) / len(self.labels)

    def score(self) -> float:
        """Return the mean probability of the likeliest class."""
        best = torch.zeros((), device=self.device.name)
        with torch.inference_mode():
            for images, _ in self.batches(torch.bfloat16):
                best += torch.softmax(self.forward(images).float(), dim=1).amax(dim=1).sum()
        return float(best) / len(self.labels)


def main() -> None:
    options = settings()
    device = Device(options["device"])
    program = Program(options, device)
    tasks: dict[str, Callable[[], float]] = {"train": program.train, "score": program.score}
    work = tasks[options["task"]]

    def turn() -> Answer:
        device.wait()
        begin = time.perf_counter()
        found = work()  # reads a number, so it waits for the device
        return {"seconds": time.perf_counter() - begin, "found": found}

    first = [work() for _ in range(3)]
    ready = {"first": first, "peak_tflops": device.matrix_peak()}
    serve_turns({**ready, "parameters": parameter_count(program.model)}, turn)


if __name__ == "__main__":
    main()
