"""The benchmark networks twice: as declarations for the service, as modules for the peers."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

Declaration = list[dict[str, Any]]


def _layer(name: str, sources: list[str], **options: Any) -> dict[str, Any]:
    return {"name": name, "layer": options, "srcLayers": sources}


def lenet_declared() -> Declaration:
    """LeNet of the Theano tutorial on 28x28 grey images."""
    return [
        _layer("data", [], type="input", nChannels=1, width=28, height=28, scale=1 / 255),
        _layer("c1", ["data"], type="convo", nFilters=20, width=5, padding=0, act="identity"),
        _layer("p1", ["c1"], type="pool", width=2, height=2),
        _layer("c2", ["p1"], type="convo", nFilters=50, width=5, padding=0, act="identity"),
        _layer("p2", ["c2"], type="pool", width=2, height=2),
        _layer("f1", ["p2"], type="fc", n=500, act="tanh"),
        _layer("out", ["f1"], type="output", n=10),
    ]


def resnet18_declared() -> Declaration:
    """ResNet-18 with a 3x3 stem on 32x32 colour images."""

    def convolve(name: str, source: str, filters: int, stride: int, kernel: int) -> Declaration:
        options = {"nFilters": filters, "width": kernel, "stride": stride}
        return [
            _layer(name, [source], type="convo", act="identity", includeBias=False, **options),
        ]

    def normalize(name: str, source: str, act: str) -> Declaration:
        return [_layer(name, [source], type="batchnorm", act=act)]

    layers = [_layer("data", [], type="input", nChannels=3, width=32, height=32, scale=1 / 255)]
    layers += convolve("stem", "data", 64, 1, 3) + normalize("stem_bn", "stem", "relu")
    last = "stem_bn"
    for stage, filters in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            name = f"s{stage}b{block}"
            layers += convolve(f"{name}_c1", last, filters, stride, 3)
            layers += normalize(f"{name}_n1", f"{name}_c1", "relu")
            layers += convolve(f"{name}_c2", f"{name}_n1", filters, 1, 3)
            layers += normalize(f"{name}_n2", f"{name}_c2", "identity")
            short = last
            if stride != 1:
                layers += convolve(f"{name}_c3", last, filters, stride, 1)
                layers += normalize(f"{name}_n3", f"{name}_c3", "identity")
                short = f"{name}_n3"
            layers.append(_layer(name, [f"{name}_n2", short], type="residual", act="relu"))
            last = name
    layers.append(_layer("pool", [last], type="pool", width=0, height=0, pool="mean"))
    layers.append(_layer("out", ["pool"], type="output", n=10))
    return layers


class Lenet(nn.Sequential):
    """The peer of :func:`lenet_declared`."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10),
        )  # fmt: skip


class _Block(nn.Module):
    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters),
            nn.ReLU(), nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters),
        )  # fmt: skip
        self.short: nn.Module = nn.Identity()
        if stride != 1:
            self.short = nn.Sequential(
                nn.Conv2d(inputs, filters, 1, stride, bias=False), nn.BatchNorm2d(filters)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.short(x))


class Resnet18(nn.Sequential):
    """The peer of :func:`resnet18_declared`."""

    def __init__(self) -> None:
        stem = (nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU())
        head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))
        super().__init__(*stem, *self._blocks(), *head)

    @staticmethod
    def _blocks() -> Iterator[_Block]:
        inputs = 64
        for stage, filters in enumerate((64, 128, 256, 512)):
            for block in range(2):
                yield _Block(inputs, filters, 2 if stage and not block else 1)
                inputs = filters


DECLARED = {"lenet": lenet_declared, "resnet18": resnet18_declared}
MODULES: dict[str, type[nn.Module]] = {"lenet": Lenet, "resnet18": Resnet18}
IMAGES = {"lenet": (1, 28), "resnet18": (3, 32)}
"""Channels and side of the images each network takes."""
