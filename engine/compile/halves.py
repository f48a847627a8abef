"""The form of a network that scores in half precision."""

from copy import deepcopy

import torch

from engine.compile.lower import CompiledModel
from engine.modules.convolution import Convolution2d, ConvolutionTransposed2d
from engine.modules.dense import Dense, StepDense
from engine.precision import HALF

Products = Convolution2d | ConvolutionTransposed2d | Dense | StepDense
"""Modules that multiply their input with weights, in bfloat16 where that is asked for."""


@torch.no_grad()
def halved(model: CompiledModel) -> CompiledModel:
    """Return a model for scoring alone that forms products of bfloat16.

    Weights of convolutions and matrices are rounded here, once, and not for every part that is
    scored. The given model stays as it is; the result has no weight table.
    """
    made = CompiledModel(model.graph, model.options, deepcopy(model.module), model.outputs)
    made.specs = ()
    for module in made.module.modules():
        if isinstance(module, Products):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(HALF)
    made.to(model.device, channels_last=model.channels_last)
    made.precision = "FP16"
    made.eval()
    return made
