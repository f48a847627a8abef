"""AlexNet and its sharpened successor."""

from engine.graph.spec import Graph
from engine.zoo.draft import Draft, best, convo, dense
from engine.zoo.registry import register

ALEXNET = "Krizhevsky, Sutskever and Hinton, ImageNet classification with deep CNNs, 2012"
ZFNET = "Zeiler and Fergus, Visualizing and understanding convolutional networks, 2014"
HIDDEN = 4096


def alexnet(*, classes: int = 1000, size: int = 227, channels: int = 3) -> Graph:
    """Return AlexNet, with the groups that two processors had for themselves.

    Local response normalisation, which has no weights, is left out.
    """
    draft = Draft("alexnet")
    draft.image(channels, size)
    draft.add("conv1", convo(96, 11, 4, padding=0))
    draft.add("pool1", best(3, 2))
    draft.add("conv2", convo(256, 5, groups=2))
    draft.add("pool2", best(3, 2))
    draft.add("conv3", convo(384))
    draft.add("conv4", convo(384, groups=2))
    draft.add("conv5", convo(256, groups=2))
    draft.add("pool5", best(3, 2))
    return _end(draft, classes)


def zfnet(*, classes: int = 1000, size: int = 224, channels: int = 3) -> Graph:
    """Return ZFNet: AlexNet with smaller first filters, smaller steps and no groups.

    Contrast normalisation, which has no weights, is left out.
    """
    draft = Draft("zfnet")
    draft.image(channels, size)
    draft.add("conv1", convo(96, 7, 2, padding=1))
    draft.add("pool1", best(3, 2, 1))
    draft.add("conv2", convo(256, 5, 2, padding=0))
    draft.add("pool2", best(3, 2, 1))
    for position, filters in ((3, 384), (4, 384), (5, 256)):
        draft.add(f"conv{position}", convo(filters))
    draft.add("pool5", best(3, 2))
    return _end(draft, classes)


def _end(draft: Draft, classes: int) -> Graph:
    for position in (6, 7):
        draft.add(f"fc{position}", dense(HIDDEN, 0.5))
    return draft.classes(classes)


register("alexnet", "AlexNet", alexnet, ALEXNET)
register("zfnet", "ZFNet", zfnet, ZFNET)
