"""The tuned hand-written program on a graphics processor: ResNet-50, bf16, training or scoring.

Channels last, bf16 autocast, a fused optimizer, the whole step compiled with CUDA graphs; pixels
lie on the device as bytes. The setting ``task`` is train or score.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from networks import build, parameter_count
from torch import Tensor
from torch.nn import functional
from turns import Answer, serve_turns, settings

PEAK_SIDE, PEAK_TIMES = 8192, 50


def matrix_peak() -> float:
    """Return the TFLOP/s of a bf16 matrix product of random numbers."""
    a, b = (torch.randn(PEAK_SIDE, PEAK_SIDE, device="cuda").bfloat16() for _ in range(2))
    for _ in range(3):
        a @ b
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(PEAK_TIMES):
        a @ b
    torch.cuda.synchronize()
    return 2 * PEAK_SIDE**3 * PEAK_TIMES / (time.perf_counter() - begin) / 1e12


class Program:
    """Model, optimizer and data."""

    def __init__(self, options: Answer) -> None:
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        weights = dict(np.load(options["weights"]))
        model = build(options["network"], weights).cuda()
        self.model = model.to(memory_format=torch.channels_last)
        self.forward = torch.compile(self.model, mode="max-autotune")
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9, fused=True)
        pixels = torch.from_numpy(np.load(options["pixels"])).cuda()
        self.images = pixels.contiguous(memory_format=torch.channels_last)
        self.labels = torch.from_numpy(np.load(options["labels"])).cuda()
        self.order = torch.arange(len(self.labels), device="cuda")
        self.batch: int = options["batch"]

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in self.order.split(self.batch):
            yield self.images[rows].float().div_(255), self.labels[rows]

    def train(self) -> float:
        """Return the mean loss of an epoch."""
        total = torch.zeros((), device="cuda")
        for images, labels in self.batches():
            torch.compiler.cudagraph_mark_step_begin()
            self.optimizer.zero_grad()
            with torch.autocast("cuda", torch.bfloat16):
                loss = functional.cross_entropy(self.forward(images), labels)
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(labels)
        return float(total) / len(self.labels)

    def score(self) -> float:
        """Return the mean probability of the likeliest class."""
        self.model.eval()
        best = torch.zeros((), device="cuda")
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16):
            for images, _ in self.batches():
                torch.compiler.cudagraph_mark_step_begin()
                best += torch.softmax(self.forward(images).float(), dim=1).amax(dim=1).sum()
        return float(best) / len(self.labels)


def main() -> None:
    options = settings()
    program = Program(options)
    tasks: dict[str, Callable[[], float]] = {"train": program.train, "score": program.score}
    work = tasks[options["task"]]

    def turn() -> Answer:
        torch.cuda.synchronize()
        begin = time.perf_counter()
        found = work()  # reads a number, so it waits for the device
        return {"seconds": time.perf_counter() - begin, "found": found}

    first = [work() for _ in range(3)]
    ready = {"first": first, "peak_tflops": matrix_peak()}
    serve_turns({**ready, "parameters": parameter_count(program.model)}, turn)


if __name__ == "__main__":
    main()
