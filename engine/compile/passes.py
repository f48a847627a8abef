"""Rewrites of a compiled model that keep its numbers and save time."""

from copy import deepcopy

import torch
from torch import Tensor, fx, nn

from engine.compile.lower import CompiledModel
from engine.modules.convolution import Convolution2d
from engine.modules.dense import Dense
from engine.modules.normalization import BatchNorm
from engine.modules.quick_convolution import ColumnConvolution2d, WinogradConvolution2d

WINOGRAD = (3, 3)
"""Filters that Winograd's form is for."""
MANY_MAPS = 128
"""Least maps and filters with which Winograd's form is the quicker one; measured with ResNet-18."""
MOST_VALUES = 1 << 16
"""Most values of its input for one row: tiles take four times their memory."""
FEW_CELLS = 64
"""Most cells of a filter with which one product of matrices is; measured with ResNet-18's stem."""


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
    return _for_scoring(model, root, calls)


def _for_scoring(model: CompiledModel, root: nn.Module, calls: fx.Graph) -> CompiledModel:
    """Return a model of other modules and calls with the declaration of a given one."""
    module = fx.GraphModule(root, calls, class_name="ScoringGraph")
    made = CompiledModel(model.graph, model.options, module, model.outputs)
    made.specs = ()
    made.to(model.device, channels_last=model.channels_last)
    made.eval()
    return made


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


def quicken_convolutions(model: CompiledModel) -> CompiledModel:
    """Return a model for scoring alone, its convolutions in forms that a compiler makes quick.

    Filters of 3 x 3 over many maps become Winograd's, those of few cells one product of matrices.
    The rest shares its tensors with the given model; the result has no weight table.
    """
    root = nn.Module()
    for name, module in model.module.named_children():
        root.add_module(name, _quickened(module) if isinstance(module, Convolution2d) else module)
    return _for_scoring(model, root, deepcopy(model.module.graph))


def _quickened(module: Convolution2d) -> nn.Module:
    quick = quick_form(module)
    return module if quick is None else quick(module)


def quick_form(module: Convolution2d) -> type[WinogradConvolution2d | ColumnConvolution2d] | None:
    """Return the form a convolution is quicker in once it is compiled, or None."""
    filters, maps, height, width = module.weight.shape
    if module.columns_as_maps or module.groups > 1 or module.dilation != (1, 1):
        return None
    is_small = maps * module.image[0] * module.image[1] <= MOST_VALUES
    is_dense = (height, width) == WINOGRAD and module.stride == (1, 1)
    if is_dense and is_small and min(filters, maps) >= MANY_MAPS:
        return WinogradConvolution2d
    return ColumnConvolution2d if maps * height * width <= FEW_CELLS else None
