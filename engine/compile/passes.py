"""Rewrites of a compiled model that keep its numbers and save time."""

from collections.abc import Iterator
from copy import deepcopy
from typing import TypeGuard

import torch
from torch import Tensor, fx, nn

from engine.compile.lower import CompiledModel
from engine.layers.activations import never_falls
from engine.loops.arguments import WINDOW
from engine.modules.convolution import Convolution2d
from engine.modules.dense import Dense
from engine.modules.normalization import BatchNorm
from engine.modules.pooled_convolution import PooledConvolution2d, pooled_loops
from engine.modules.pooling import Pooling2d, SlicedMaximum
from engine.modules.scaling import Scaling
from engine.modules.scored_convolution import ScoredConvolution2d
from engine.modules.winograd import loops as winograd_loops

MANY_MAPS = 16
"""Least maps and filters with which Winograd's form is the quicker one; measured."""
FEW_MAPS = 8
"""Most maps with which the loops that take maxima on the way are the quicker ones; measured."""
SMALL = 3
"""Longest side of a window whose maximum is taken slice by slice; measured."""

Neighbours = tuple[fx.Node, nn.Module, nn.Module]
"""A call of a module, the module of its source, and its own."""


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
    for node, before, norm in _neighbours(root, calls):
        if isinstance(norm, BatchNorm) and _is_foldable(before):
            _replace(root, node, _folded(before, norm))
    return _for_scoring(model, root, calls)


def _neighbours(root: nn.Module, calls: fx.Graph) -> Iterator[Neighbours]:
    """Yield the calls of modules whose source has no other use, with the modules of both."""
    for node in list(calls.nodes):
        source = node.all_input_nodes[0] if node.op == "call_module" else node
        if source.op == "call_module" and len(source.users) == 1:
            yield node, root.get_submodule(str(source.target)), root.get_submodule(str(node.target))


def _replace(root: nn.Module, node: fx.Node, module: nn.Module) -> None:
    """Let one module do what that of a call and that of its source do."""
    source = node.all_input_nodes[0]
    setattr(root, str(source.target), module)
    node.replace_all_uses_with(source)
    node.graph.erase_node(node)


def _for_scoring(model: CompiledModel, root: nn.Module, calls: fx.Graph) -> CompiledModel:
    """Return a model of other modules and calls with the declaration of a given one."""
    module = fx.GraphModule(root, calls, class_name="ScoringGraph")
    made = CompiledModel(model.graph, model.options, module, model.outputs)
    made.specs = ()
    made.to(model.device, channels_last=model.channels_last)
    made.eval()
    return made


def _is_foldable(module: nn.Module) -> TypeGuard[Convolution2d | Dense]:
    """Return whether a module can take a scale and a shift into its weights."""
    takes = isinstance(module, Convolution2d | Dense)
    return takes and module.activation is None and module.dropout is None


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


def quicken(model: CompiledModel, *, loops: bool = True) -> CompiledModel:
    """Give a model for scoring alone modules that are quicker where nobody trains; return it.

    Convolutions of small filters are in Winograd's form. They, and those of few maps, write the
    maxima of 2 x 2 neighbours where nothing else is asked of them; other maxima of small windows
    are taken slice by slice. Filters that are turned are tensors of their own, and the module that
    had them is let go before the next one is looked at.

    Args:
        model: what ``fold_batch_norm`` returned.
        loops: convolutions may be computed by loops in C.
    """

    def quick(module: nn.Module) -> nn.Module:
        if isinstance(module, Pooling2d) and gains_by_slices(module):
            return SlicedMaximum(module)
        if loops and isinstance(module, Convolution2d) and gains_by_loops(module):
            return ScoredConvolution2d(module)
        return module

    for node, convolution in _poolable(model.module) if loops else ():
        if gains_by_pooled_loops(convolution):
            _merge(model.module, node, PooledConvolution2d(convolution))
        elif gains_by_loops(convolution):
            _merge(model.module, node, ScoredConvolution2d(convolution, pools=True))
    for name in [name for name, _ in model.module.named_children()]:
        setattr(model.module, name, quick(model.module.get_submodule(name)).eval())
    return model


def gains_by_slices(module: Pooling2d) -> bool:
    """Return whether a pooling's maxima are quicker found slice by slice, not asking where."""
    is_plain = module.kind == "MAX" and module.dropout is None
    return is_plain and module.is_inside and max(module.kernel) <= SMALL


def _poolable(module: fx.GraphModule) -> Iterator[tuple[fx.Node, Convolution2d]]:
    """Yield calls of poolings whose maxima the convolution before them may take, and that."""
    for node, convolution, pooling in _neighbours(module, module.graph):
        if not (isinstance(convolution, Convolution2d) and isinstance(pooling, Pooling2d)):
            continue
        halves = pooling.kernel == pooling.stride == (WINDOW, WINDOW) and gains_by_slices(pooling)
        if halves and slides(convolution) and never_falls(convolution.activation):
            yield node, convolution


def _merge(module: fx.GraphModule, node: fx.Node, both: nn.Module) -> None:
    """Replace the module of a call and that of its source by one that does the work of both."""
    _replace(module, node, both)
    module.delete_submodule(str(node.target))
    module.recompile()


def gains_by_pooled_loops(module: Convolution2d) -> bool:
    """Return whether a convolution and its maxima are quicker by loops for few maps."""
    return module.weight.shape[1] <= FEW_MAPS and pooled_loops() is not None


def gains_by_loops(module: Convolution2d) -> bool:
    """Return whether a convolution is quicker in Winograd's form, by the loops there are."""
    filters, maps, height, width = module.weight.shape
    fits = slides(module) and height == width and min(maps, filters) >= MANY_MAPS
    return fits and winograd_loops(width) is not None


def slides(module: Convolution2d) -> bool:
    """Return whether filters see all maps, side by side, at every pixel."""
    is_plain = (module.stride, module.dilation, module.groups) == ((1, 1), (1, 1), 1)
    return is_plain and not module.columns_as_maps


def has_loops(model: CompiledModel) -> bool:
    """Return whether loops in C have a part in what ``quicken`` returned."""
    by_loops = (PooledConvolution2d, ScoredConvolution2d)
    return any(isinstance(each, by_loops) for each in model.module.modules())


def train_by_loops(model: CompiledModel) -> None:
    """Let the convolutions of a model that is trained be computed by loops where these gain.

    Those of few maps take the maxima after them, if they are the first of the network: their loops
    give no gradients of images.
    """
    root = model.module
    for node, convolution in _poolable(root):
        (images,) = node.all_input_nodes[0].all_input_nodes
        is_first = images.op == "call_module" and isinstance(
            root.get_submodule(str(images.target)), Scaling
        )
        if is_first and convolution.dropout is None and gains_by_pooled_loops(convolution):
            _merge(root, node, PooledConvolution2d(convolution))
    for module in root.modules():
        if isinstance(module, Convolution2d):
            module.in_loops = gains_by_loops(module)
