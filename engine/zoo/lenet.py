"""LeNet, as LeCun printed it and as the Theano tutorial has it."""

from engine.graph.spec import Graph
from engine.layers.channels import Split
from engine.layers.convolution import Convolution, GroupConvolution
from engine.layers.dense import FullyConnected
from engine.layers.merge import Concatenation
from engine.layers.pooling import Pooling
from engine.zoo.draft import Draft
from engine.zoo.registry import register

PAPER = "LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to documents, 1998"
TUTORIAL = "Deep Learning Tutorials (Theano), Convolutional neural networks (LeNet), 2010"

FILTERS = (20, 50)
FIRST_MAPS = 6
CONNECTIONS: tuple[tuple[int, ...], ...] = (
    *((at, (at + 1) % 6, (at + 2) % 6) for at in range(6)),
    *(tuple((at + step) % 6 for step in range(4)) for at in range(6)),
    (0, 1, 3, 4),
    (1, 2, 4, 5),
    (0, 2, 3, 5),
    (0, 1, 2, 3, 4, 5),
)
"""Maps of S2 that each map of C3 sees. Source: LeCun et al., 1998, table I."""


def lenet(*, classes: int = 10, size: int = 28, channels: int = 1) -> Graph:
    """Return the LeNet of the tutorial: two convolutions, each with pooling, and 500 neurons."""
    draft = Draft("lenet")
    draft.image(channels, size)
    for position, count in enumerate(FILTERS, 1):
        layer = Convolution(n_filters=count, width=5, padding=0, act="TANH")
        draft.add(f"conv{position}", layer)
        draft.add(f"pool{position}", Pooling(padding=0))
    draft.add("hidden", FullyConnected(n=500, act="TANH"))
    return draft.classes(classes)


def lenet5(*, classes: int = 10) -> Graph:
    """Return LeNet-5 with its trained pooling and its table of which maps see which.

    A softmax stands in place of the distances to drawn figures of the last layer; tanh lacks the
    factors of the paper. Up to layer F6 there are the 60,000 parameters of the paper.
    """
    draft = Draft("lenet5")
    draft.image(1, 32)
    draft.add("c1", Convolution(n_filters=FIRST_MAPS, width=5, padding=0, act="TANH"))
    _subsample(draft, "s2", FIRST_MAPS)
    draft.add("maps", Split(n_destination_layers=FIRST_MAPS), "s2")
    seen = [draft.add(f"map{at}", Concatenation(), "maps") for at in range(FIRST_MAPS)]
    made = []
    for at, maps in enumerate(CONNECTIONS):
        draft.add(f"c3_{at}_sees", Concatenation(), *(seen[each] for each in maps))
        layer = Convolution(n_filters=1, width=5, padding=0, act="TANH")
        made.append(draft.add(f"c3_{at}", layer))
    draft.add("c3", Concatenation(), *made)
    _subsample(draft, "s4", len(CONNECTIONS))
    draft.add("c5", Convolution(n_filters=120, width=5, padding=0, act="TANH"))
    draft.add("f6", FullyConnected(n=84, act="TANH"))
    return draft.classes(classes)


def _subsample(draft: Draft, name: str, maps: int) -> None:
    """Add the mean of 2x2 pixels, with a factor and a bias for each map."""
    draft.add(f"{name}_mean", Pooling(padding=0, pool="MEAN"))
    draft.add(name, GroupConvolution(n_filters=maps, n_groups=maps, width=1, act="TANH"))


register("lenet", "LeNet (tutorial)", lenet, TUTORIAL)
register("lenet5", "LeNet-5", lenet5, PAPER)
