"""The benchmark networks twice: as declarations for the service, as modules for the peers.

Both list their tensors in the same order, so that one can start from the other's weights.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

Declaration = list[dict[str, Any]]
Arrays = Mapping[str, np.ndarray]

STAGES = (64, 128, 256, 512)
"""Filters of a residual network's four stages."""


def _layer(name: str, sources: list[str], **options: Any) -> dict[str, Any]:
    return {"name": name, "layer": options, "srcLayers": sources}


def _input(channels: int, side: int) -> dict[str, Any]:
    return _layer(
        "data", [], type="input", nChannels=channels, width=side, height=side, scale=1 / 255
    )


def mlp_declared() -> Declaration:
    """784-512-256-10 with ReLU, on 28x28 grey images."""
    return [
        _input(1, 28),
        _layer("f1", ["data"], type="fc", n=512, act="relu"),
        _layer("f2", ["f1"], type="fc", n=256, act="relu"),
        _layer("out", ["f2"], type="output", n=10),
    ]


def lenet_declared() -> Declaration:
    """LeNet of the Theano tutorial on 28x28 grey images."""
    return [
        _input(1, 28),
        _layer("c1", ["data"], type="convo", nFilters=20, width=5, padding=0, act="identity"),
        _layer("p1", ["c1"], type="pool", width=2, height=2),
        _layer("c2", ["p1"], type="convo", nFilters=50, width=5, padding=0, act="identity"),
        _layer("p2", ["c2"], type="pool", width=2, height=2),
        _layer("f1", ["p2"], type="fc", n=500, act="tanh"),
        _layer("out", ["f1"], type="output", n=10),
    ]


def _convolved(name: str, source: str, filters: int, kernel: int, **more: Any) -> Declaration:
    """Return a convolution without bias and its normalisation, ``<name>_n``."""
    act = more.pop("act", "identity")
    options = {
        "nFilters": filters, "width": kernel, "padding": kernel // 2, "act": "identity",
        "includeBias": False,
    }  # fmt: skip
    return [
        _layer(name, [source], type="convo", **options, **more),
        _layer(f"{name}_n", [name], type="batchnorm", act=act),
    ]


def _basic(name: str, source: str, filters: int, stride: int) -> Declaration:
    return [
        *_convolved(f"{name}_c1", source, filters, 3, stride=stride, act="relu"),
        *_convolved(f"{name}_c2", f"{name}_c1_n", filters, 3),
    ]


def _bottleneck(name: str, source: str, filters: int, stride: int) -> Declaration:
    return [
        *_convolved(f"{name}_c1", source, filters, 1, act="relu"),
        *_convolved(f"{name}_c2", f"{name}_c1_n", filters, 3, stride=stride, act="relu"),
        *_convolved(f"{name}_c3", f"{name}_c2_n", 4 * filters, 1),
    ]


def _residual_declared(side: int, depths: Iterable[int], *, is_deep: bool) -> Declaration:
    block = _bottleneck if is_deep else _basic
    layers = [_input(3, side)]
    if side < LARGE:
        layers += _convolved("stem", "data", 64, 3, act="relu")
        last = "stem_n"
    else:
        layers += _convolved("stem", "data", 64, 7, stride=2, act="relu")
        layers.append(_layer("stem_p", ["stem_n"], type="pool", width=3, stride=2, padding=1))
        last = "stem_p"
    for stage, (filters, depth) in enumerate(zip(STAGES, depths, strict=True)):
        for place in range(depth):
            stride = 2 if stage and not place else 1
            name = f"s{stage}b{place}"
            layers += block(name, last, filters, stride)
            ends = layers[-1]["name"]
            if not place and (stage or is_deep):
                width = 4 * filters if is_deep else filters
                layers += _convolved(f"{name}_s", last, width, 1, stride=stride)
                last = f"{name}_s_n"
            layers.append(_layer(name, [ends, last], type="residual", act="relu"))
            last = name
    layers.append(_layer("pool", [last], type="pool", width=0, height=0, pool="mean"))
    layers.append(_layer("out", ["pool"], type="output", n=CLASSES))
    return layers


LARGE = 224
"""Side from which a residual network begins with a 7x7 stem and a pool."""
CLASSES = 10


class Mlp(nn.Sequential):
    """The peer of :func:`mlp_declared`."""

    def __init__(self) -> None:
        super().__init__(
            nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(),
            nn.Linear(256, 10),
        )  # fmt: skip


class Lenet(nn.Sequential):
    """The peer of :func:`lenet_declared`."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(800, 500), nn.Tanh(), nn.Linear(500, 10),
        )  # fmt: skip


def _normalized(inputs: int, filters: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    padding = kernel // 2
    return [
        nn.Conv2d(inputs, filters, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(filters),
    ]


class _Block(nn.Module):
    """Two 3x3 convolutions, or a bottleneck of three; added to what came in."""

    def __init__(self, inputs: int, filters: int, stride: int, *, is_deep: bool) -> None:
        super().__init__()
        outputs = 4 * filters if is_deep else filters
        if is_deep:
            self.body = nn.Sequential(
                *_normalized(inputs, filters, 1), nn.ReLU(),
                *_normalized(filters, filters, 3, stride), nn.ReLU(),
                *_normalized(filters, outputs, 1),
            )  # fmt: skip
        else:
            self.body = nn.Sequential(
                *_normalized(inputs, filters, 3, stride), nn.ReLU(),
                *_normalized(filters, filters, 3),
            )  # fmt: skip
        self.short: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.short = nn.Sequential(*_normalized(inputs, outputs, 1, stride))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.short(x))


class _Residual(nn.Sequential):
    def __init__(self, side: int, depths: Iterable[int], *, is_deep: bool) -> None:
        stem = [*_normalized(3, 64, 3), nn.ReLU()]
        if side >= LARGE:
            stem = [*_normalized(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        last = STAGES[-1] * (4 if is_deep else 1)
        head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(last, CLASSES))
        super().__init__(*stem, *self._blocks(depths, is_deep=is_deep), *head)

    @staticmethod
    def _blocks(depths: Iterable[int], *, is_deep: bool) -> Iterator[_Block]:
        inputs = 64
        for stage, (filters, depth) in enumerate(zip(STAGES, depths, strict=True)):
            for place in range(depth):
                yield _Block(inputs, filters, 2 if stage and not place else 1, is_deep=is_deep)
                inputs = 4 * filters if is_deep else filters


RESNET18 = (2, 2, 2, 2)
RESNET50 = (3, 4, 6, 3)

DECLARED: dict[str, Callable[[], Declaration]] = {
    "mlp": mlp_declared,
    "lenet": lenet_declared,
    "resnet18": lambda: _residual_declared(32, RESNET18, is_deep=False),
    "resnet18_224": lambda: _residual_declared(224, RESNET18, is_deep=False),
    "resnet50_224": lambda: _residual_declared(224, RESNET50, is_deep=True),
}
"""ResNet-18 of 32x32 images has a 3x3 stem and no pool behind it; those of 224x224 are the usual
ones, with 10 classes."""

MODULES: dict[str, Callable[[], nn.Module]] = {
    "mlp": Mlp,
    "lenet": Lenet,
    "resnet18": lambda: _Residual(32, RESNET18, is_deep=False),
    "resnet18_224": lambda: _Residual(224, RESNET18, is_deep=False),
    "resnet50_224": lambda: _Residual(224, RESNET50, is_deep=True),
}

IMAGES = {
    "mlp": (1, 28),
    "lenet": (1, 28),
    "resnet18": (3, 32),
    "resnet18_224": (3, 224),
    "resnet50_224": (3, 224),
}
"""Channels and side of the images each network takes."""


def build(network: str, weights: Arrays | None = None) -> nn.Module:
    """Return a peer's module, with the weights of ours where they are given.

    Args:
        network: a name of ``MODULES``.
        weights: the arrays of a model file of ours, in its order.
    """
    model = MODULES[network]()
    if weights is not None:
        state = {k: v for k, v in model.state_dict().items() if not k.endswith("batches_tracked")}
        loaded = {
            key: torch.from_numpy(np.array(array)).reshape(old.shape)
            for (key, old), array in zip(state.items(), weights.values(), strict=True)
        }
        model.load_state_dict(loaded, strict=False)
    return model


def parameter_count(model: nn.Module) -> int:
    """Return the numbers that training changes."""
    return sum(each.numel() for each in model.parameters())
