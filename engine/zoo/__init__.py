"""Architectures of the literature, each a function that returns a graph."""

from engine.zoo import (
    alexnet,
    cifar_resnet,
    densenet,
    efficientnet,
    inception,
    inception_v3,
    lenet,
    mobilenet,
    resnet,
    shufflenet,
    text_cnn,
    unet,
    vgg,
    yolo,
)
from engine.zoo.registry import ZOO as ZOO
from engine.zoo.registry import Architecture as Architecture

__all__ = [
    "ZOO",
    "Architecture",
    "alexnet",
    "cifar_resnet",
    "densenet",
    "efficientnet",
    "inception",
    "inception_v3",
    "lenet",
    "mobilenet",
    "resnet",
    "shufflenet",
    "text_cnn",
    "unet",
    "vgg",
    "yolo",
]
