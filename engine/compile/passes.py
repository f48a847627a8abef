"""Rewrites of a compiled model that keep its numbers and save time."""

from copy import deepcopy

import torch
from torch import Tensor, fx, nn

from engine.compile.lower import CompiledModel
from engine.modules.convolution import Convolution2d
from engine.modules.dense import Dense
from engine.modules.normalization import BatchNorm
from engine.modules.pooling import Pooling2d, SlicedMaximum
from engine.modules.scored_convolution import ScoredConvolution2d
from engine.modules.winograd import loops

MANY_MAPS = 16
"""Least maps and filters with which Winograd's form is the quicker one; measured."""
SMALL = 3
"""Longest side of a window whose maximum is taken slice by slice; measured."""


def fold_batch_norm(model: CompiledModel) -> CompiledModel:
    """Return a model for scoring alone, batch normalisation folded into the weights before it.

    act(gamma (w x + b - mean) / s + beta) with s = √(std² + ε) is the layer of weights w gamma / s
    and bias (b - mean) gamma / s + beta. It is done where the layer before is a convolution or
    fully connected, has no activation and no dropout, and feeds nothing else. The rest shares its
    tensors with the given model; the result has no weight table.

    Source: the affine map of rule B1 with stored statistics, multiplied out.
    """
    root, calls = nn.Module(), deepcopy(model.module.graph)
    for name, module in model.module.named_children():
        root.add_module(name, module)
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


def quicken(model: CompiledModel, *, winograd: bool = True) -> CompiledModel:
    """Give a model for scoring alone modules that are quicker where nobody trains; return it.

    Maxima of small windows are taken slice by slice, and convolutions of small filters are in
    Winograd's form. What a module is replaced by has tensors of its own, and the module is let go
    before the next one is looked at.

    Args:
        model: what ``fold_batch_norm`` returned.
        winograd: convolutions may be in Winograd's form.
    """

    def quick(module: nn.Module) -> nn.Module:
        if isinstance(module, Pooling2d) and gains_by_slices(module):
            return SlicedMaximum(module)
        if winograd and isinstance(module, Convolution2d) and gains_by_loops(module):
            return ScoredConvolution2d(module)
        return module

    for name in [name for name, _ in model.module.named_children()]:
        setattr(model.module, name, quick(model.module.get_submodule(name)).eval())
    return model


def gains_by_slices(module: Pooling2d) -> bool:
    """Return whether a pooling's maxima are quicker found slice by slice, not asking where."""
    is_plain = module.kind == "MAX" and module.dropout is None
    return is_plain and module.is_inside and max(module.kernel) <= SMALL


def gains_by_loops(module: Convolution2d) -> bool:
    """Return whether a convolution is quicker in Winograd's form, by the loops there are."""
    filters, maps, height, width = module.weight.shape
    fits = slides(module) and height == width and min(maps, filters) >= MANY_MAPS
    return fits and loops(width) is not None


def slides(module: Convolution2d) -> bool:
    """Return whether filters see all maps, side by side, at every pixel."""
    is_plain = (module.stride, module.dilation, module.groups) == ((1, 1), (1, 1), 1)
    return is_plain and not module.columns_as_maps


def has_convolutions_by_loops(model: CompiledModel) -> bool:
    """Return whether Winograd's form has a part in the quick form of a model."""
    modules = model.module.modules()
    return any(isinstance(each, Convolution2d) and gains_by_loops(each) for each in modules)


def train_with_fewer_products(model: CompiledModel) -> None:
    """Let the convolutions of a model that is trained use Winograd's form where it gains."""
    for module in model.module.modules():
        if isinstance(module, Convolution2d):
            module.in_loops = gains_by_loops(module)
