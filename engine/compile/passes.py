"""Rewrites of a compiled model that keep its numbers and save time."""

from copy import deepcopy

import torch
from torch import Tensor, fx, nn

from engine.compile.lower import CompiledModel
from engine.modules.convolution import Convolution2d
from engine.modules.dense import Dense
from engine.modules.normalization import BatchNorm


def fold_batch_norm(model: CompiledModel) -> CompiledModel:
    """Return a model for scoring alone, batch normalisation folded into the weights before it.

    act(gamma (w x + b - mean) / s + beta) with s = √(std² + ε) is the layer of weights w gamma / s
    and bias (b - mean) gamma / s + beta. It is done where the layer before is a convolution or
    fully connected, has no activation and no dropout, and feeds nothing else. The rest shares its
    tensors with the given model; the result has no weight table.

    Source: the affine map of rule B1 with stored statistics, multiplied out.
    """
    root = nn.Module()
    for name, module in model.module.named_children():
        root.add_module(name, module)
    calls = deepcopy(model.module.graph)
    for node in list(calls.nodes):
        if node.op != "call_module":
            continue
        norm, source = root.get_submodule(str(node.target)), node.all_input_nodes[0]
        before = _foldable(root, source)
        if isinstance(norm, BatchNorm) and before is not None and len(source.users) == 1:
            setattr(root, str(source.target), _folded(before, norm))
            node.replace_all_uses_with(source)
            calls.erase_node(node)
    module = fx.GraphModule(root, calls, class_name="FoldedGraph")
    folded = CompiledModel(model.graph, model.options, module, model.outputs)
    folded.specs = ()
    folded.to(model.device, channels_last=model.channels_last)
    folded.eval()
    return folded


def _foldable(root: nn.Module, node: fx.Node) -> Convolution2d | Dense | None:
    """Return the module of a call that can take a scale and a shift into its weights."""
    if node.op != "call_module":
        return None
    module = root.get_submodule(str(node.target))
    if not isinstance(module, Convolution2d | Dense):
        return None
    return module if module.activation is None and module.dropout is None else None


@torch.no_grad()
def _folded(before: Convolution2d | Dense, norm: BatchNorm) -> Convolution2d | Dense:
    gamma, beta = norm.affine.unbind(1)
    mean, std = norm.statistics.unbind(1)
    scale = gamma / (std.square() + norm.epsilon).sqrt()
    bias: Tensor | float = 0.0 if before.bias is None else before.bias
    folded = deepcopy(before)
    trailing = [1] * (folded.weight.dim() - 1)
    is_matrix = isinstance(folded, Dense)  # whose outputs are its last axis
    folded.weight.mul_(scale if is_matrix else scale.view(-1, *trailing))
    folded.register_parameter("bias", nn.Parameter((bias - mean) * scale + beta))
    folded.activation = norm.activation
    return folded
