"""The hand-written PyTorch training program; see ``recipes.py`` for what its options can be.

Every epoch takes the rows in the order of the file, as ours does without a record seed, so that
the losses of both can be compared.
"""

import time
from collections.abc import Iterator

import numpy as np
import torch
from networks import build, parameter_count
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from turns import Answer, serve_turns, settings

RATE, MOMENTUM = 0.01, 0.9


class Program:
    """Model, optimizer and data of a recipe."""

    def __init__(self, options: Answer) -> None:
        torch.set_num_threads(options["threads"])
        torch.manual_seed(1)
        last = options.get("channels_last", False)
        self.layout = torch.channels_last if last else torch.contiguous_format
        weights = options.get("weights")
        arrays = None if weights is None else dict(np.load(weights))
        self.model = build(options["network"], arrays).to(memory_format=self.layout)
        self.parameters = parameter_count(self.model)
        self.forward = torch.compile(self.model) if options.get("compile") else self.model
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=RATE, momentum=MOMENTUM, fused=options.get("fused", False)
        )
        self.batch: int = options["batch"]
        images = torch.from_numpy(np.load(options["pixels"])).float() / 255
        self.images = images.to(memory_format=self.layout)
        self.labels = torch.from_numpy(np.load(options["labels"]))
        self.order = torch.arange(len(self.labels))
        self.loader: DataLoader[tuple[Tensor, ...]] | None = None
        if options.get("loader"):
            dataset = TensorDataset(self.images, self.labels)
            self.loader = DataLoader(dataset, batch_size=self.batch)

    def batches(self) -> Iterator[tuple[Tensor, ...]]:
        if self.loader is not None:
            yield from self.loader
            return
        for rows in self.order.split(self.batch):
            yield self.images[rows], self.labels[rows]

    def epoch(self) -> tuple[float, float]:
        """Return the seconds and the mean loss of an epoch."""
        begin = time.perf_counter()
        total = torch.zeros(())
        for images, labels in self.batches():
            self.optimizer.zero_grad()
            loss = functional.cross_entropy(self.forward(images), labels)
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(labels)
        return time.perf_counter() - begin, float(total) / len(self.labels)


def main() -> None:
    options = settings()
    program = Program(options)

    def turn() -> Answer:
        seconds, losses = zip(*(program.epoch() for _ in range(options["epochs"])), strict=True)
        return {"seconds": seconds, "losses": losses}

    first = [program.epoch()[1]]
    serve_turns({"losses": first, "parameters": program.parameters}, turn)


if __name__ == "__main__":
    main()
