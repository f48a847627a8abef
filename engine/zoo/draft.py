"""Writing a network down: layers in the words of papers, added one after another."""

from typing import TypedDict, Unpack

from engine.graph.spec import Graph
from engine.layers.base import Layer
from engine.layers.convolution import Convolution, GroupConvolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.layers.pooling import Pooling

START = "MSRA1"
"""Starting values behind rectifiers. Source: He et al., "Delving deep into rectifiers", 2015."""
BYTE_SCALE = 1 / 255
"""Pixels come as 0 to 255 and enter the network as 0 to 1."""


class Form(TypedDict, total=False):
    """How an activated layer ends."""

    act: str
    fcmp_act: str


RECTIFIER: Form = {"act": "RECTIFIER"}
IDENTITY: Form = {"act": "IDENTITY"}
RELU6: Form = {"act": "FCMP", "fcmp_act": "min(max(x, 0), 6)"}
"""Source: Howard et al., "MobileNets", 2017, as published; Sandler et al., "MobileNetV2", 2018."""
SWISH: Form = {"act": "FCMP", "fcmp_act": "x * sigmoid(x)"}
"""Source: Ramachandran, Zoph and Le, "Searching for activation functions", 2017."""

Sizes = int | tuple[int, int]
"""Pixels: both sides, or height and width."""


class Draft:
    """A network while it is written down.

    A layer follows the one written before it unless its sources are named.

    Attributes:
        graph: what is written so far.
        last: name of the layer written last.
    """

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self.last = ""

    def add(self, name: str, layer: Layer, *sources: str) -> str:
        """Add a layer and return its name."""
        before = (self.last,) if self.last else ()
        self.graph = self.graph.add(name, layer, sources or before)
        self.last = name
        return name

    def image(self, channels: int, size: int) -> str:
        """Begin with square images whose pixels run from 0 to 255."""
        return self.add(
            "data", Input(n_channels=channels, width=size, height=size, scale=BYTE_SCALE)
        )

    def normed(self, name: str, layer: Layer, *sources: str, **form: Unpack[Form]) -> str:
        """Add a layer of filters, and batch normalisation that takes over its activation."""
        self.add(name, _bare(layer), *sources)
        return self.add(f"{name}_bn", BatchNormalization.model_validate(form or RECTIFIER))

    def activated(self, name: str, layer: Layer, source: str) -> str:
        """Add batch normalisation with a rectifier, then a layer of filters without either."""
        self.add(f"{name}_bn", BatchNormalization(act="RECTIFIER"), source)
        return self.add(name, _bare(layer))

    def classes(self, count: int, *sources: str) -> Graph:
        """End with a layer that predicts one of so many classes, and return the graph."""
        self.add("out", Output(n=count), *sources)
        return self.graph


def _bare(layer: Layer) -> Layer:
    return layer.model_copy(update={"act": "IDENTITY", "fcmp_act": None, "include_bias": False})


def convo(
    filters: int,
    size: Sizes = 3,
    stride: int = 1,
    *,
    padding: int | None = None,
    groups: int = 1,
    **form: Unpack[Form],
) -> Convolution | GroupConvolution:
    """Return filters with a rectifier, unless ``form`` says another end.

    Args:
        filters: number of maps they make.
        size: of a filter.
        stride: step between windows.
        padding: zeros on every side; None: half the filter, so that stride 1 keeps the size.
        groups: runs of maps which do not see one another.
        form: activation.
    """
    height, width = (size, size) if isinstance(size, int) else size
    facts = {
        "n_filters": filters,
        "height": height,
        "width": width,
        "stride": stride,
        "padding_height": height // 2 if padding is None else padding,
        "padding_width": width // 2 if padding is None else padding,
        "init": START,
        **(form or RECTIFIER),
    }
    if groups == 1:
        return Convolution.model_validate(facts)
    return GroupConvolution.model_validate({**facts, "n_groups": groups})


def best(size: int, stride: int, padding: int | None = 0) -> Pooling:
    """Return pooling by the largest value; padding None lets the last windows shrink."""
    return Pooling(width=size, height=size, stride=stride, padding=padding)


def mean(size: int, stride: int, padding: int | None = 0) -> Pooling:
    """Return pooling by the mean of the pixels inside the image."""
    return Pooling(width=size, height=size, stride=stride, padding=padding, pool="MEAN")


def whole(dropout: float = 0.0) -> Pooling:
    """Return the mean of every map."""
    return Pooling(width=0, height=0, pool="MEAN", dropout=dropout)


def dense(n: int, dropout: float = 0.0, **form: Unpack[Form]) -> FullyConnected:
    """Return neurons with a rectifier, unless ``form`` says another end."""
    return FullyConnected.model_validate(
        {"n": n, "dropout": dropout, "init": START, **(form or RECTIFIER)}
    )
