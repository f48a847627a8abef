"""A convolutional network for sentences."""

from collections.abc import Sequence

from engine.graph.spec import Graph
from engine.layers.input import Input
from engine.layers.merge import Concatenation
from engine.layers.pooling import Pooling
from engine.layers.recurrent import Projection
from engine.layers.reshape import Reshape
from engine.zoo.draft import Draft, convo
from engine.zoo.registry import register

SOURCE = (
    "Kim, Convolutional neural networks for sentence classification, 2014; Zhang and Wallace, "
    "A sensitivity analysis of convolutional networks for sentences, 2015"
)


def text_cnn(
    *,
    classes: int = 2,
    words: int = 56,
    features: int = 300,
    vocabulary: int | None = None,
    regions: Sequence[int] = (3, 4, 5),
    filters: int = 100,
) -> Graph:
    """Return filters over runs of words, the largest value of each, and an output.

    A sentence comes as ``words`` vectors of ``features`` values; with ``vocabulary`` as so many
    ids, whose vectors are trained. ``regions`` are the words that filters see at once, ``filters``
    the number of those for each. Half of the features are dropped in training.
    """
    draft = Draft("textcnn")
    draft.add("words", Input(steps=words, features=features if vocabulary is None else 1))
    if vocabulary is not None:
        draft.add("vectors", Projection(embedding_size=features, alphabet_size=vocabulary))
    page = draft.add("page", Reshape(width=features, height=words, depth=1))
    largest = []
    for at, region in enumerate(regions, 1):
        draft.add(f"region{at}", convo(filters, (region, features), padding=0), page)
        pool = Pooling(width=0, height=0, dropout=0.5)
        largest.append(draft.add(f"best{at}", pool))
    draft.add("features", Concatenation(), *largest)
    return draft.classes(classes)


register("textcnn", "Text CNN", text_cnn, SOURCE)
