"""Rewrites of a compiled model that keep its numbers and save time."""

from collections.abc import Callable
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn

from engine.compile.lower import CompiledModel
from engine.modules.convolution import Convolution2d
from engine.modules.dense import Dense
from engine.modules.looped_tiling import has_loops
from engine.modules.normalization import BatchNorm
from engine.modules.pooling import Pooling2d, SlicedMaximum
from engine.modules.scored_strips import OneMapConvolution2d, RowWinogradConvolution2d, strips
from engine.modules.strips import Strips, strip_width
from engine.modules.tiling import SIDE
from engine.modules.winograd import WinogradConvolution2d


class Least(NamedTuple):
    """Least maps and filters with which convolutions in tiles are the quicker ones; measured.

    Attributes:
        looped: where there are loops that turn tiles.
        otherwise: where products of matrices do.
    """

    looped: int
    otherwise: int


SCORED = Least(32, 96)
TRAINED = Least(48, 128)
"""In scoring, and in training, where filters are turned at every step."""

REGISTER_VALUES = 16
"""Numbers of float32 in the widest registers."""
STRIP_SIDES = (3, 5, 7)
"""Columns of filters with which images are cut in strips."""
SAVED_FOR_TURNED = 12
"""Multiplications that it must save for each of those that its transforms would take as products
of matrices: it gains with 48 maps and filters of 3 x 3, and loses with 32; measured."""
TRAINED_SIDE = 5
MANY_FILTERS = 40
"""Side and least number of filters with which strips gain in training; measured."""
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
    root, calls = _copied(model, lambda module: module)
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


def _copied(
    model: CompiledModel, change: Callable[[nn.Module], nn.Module]
) -> tuple[nn.Module, fx.Graph]:
    """Return the modules of the layers, each changed or itself, and the calls of them."""
    root = nn.Module()
    for name, module in model.module.named_children():
        root.add_module(name, change(module))
    return root, deepcopy(model.module.graph)


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


def quicken(model: CompiledModel, *, in_tiles: bool = True) -> CompiledModel:
    """Return a model for scoring alone, of modules that are quicker where nobody trains.

    Maxima of small windows are taken slice by slice, and convolutions of small filters over many
    maps are in Winograd's form. The rest shares its tensors with the given model; the result has no
    weight table.

    Args:
        model: the one that was compiled.
        in_tiles: convolutions may be in Winograd's form.
    """

    def quick(module: nn.Module) -> nn.Module:
        if isinstance(module, Pooling2d) and gains_by_slices(module):
            return SlicedMaximum(module)
        if in_tiles and isinstance(module, Convolution2d) and gains_by_tiles(module, SCORED):
            return WinogradConvolution2d(module)
        return module

    return _for_scoring(model, *_copied(model, quick))


def cut_in_strips(model: CompiledModel) -> CompiledModel:
    """Return a model whose convolutions are in strips where that is quicker as machine code.

    It shares nothing with the given model, which may be computing in other threads: to lay tensors
    out puts them elsewhere. The result has no weight table.
    """

    def quick(module: nn.Module) -> nn.Module:
        if isinstance(module, Convolution2d):
            if fits_one_map(module):
                return OneMapConvolution2d(module)
            if gains_by_rows(module):
                return RowWinogradConvolution2d(module)
        return deepcopy(module)

    return _for_scoring(model, *_copied(model, quick))


def gains_by_slices(module: Pooling2d) -> bool:
    """Return whether a pooling's maxima are quicker found slice by slice, not asking where."""
    is_plain = module.kind == "MAX" and module.dropout is None
    return is_plain and module.is_inside and max(module.kernel) <= SMALL


def gains_by_tiles(module: Convolution2d, least: Least) -> bool:
    """Return whether a convolution has Winograd's form, and enough maps and filters."""
    filters, maps, *side = module.weight.shape
    enough = least.looped if has_loops(maps, filters) else least.otherwise
    return slides(module) and side == [SIDE, SIDE] and min(maps, filters) >= enough


def has_wide_tiles(model: CompiledModel) -> bool:
    """Return whether a model has convolutions that are in tiles whatever turns these."""
    convolutions = (each for each in model.module.modules() if isinstance(each, Convolution2d))
    return any(
        gains_by_tiles(each, Least(SCORED.otherwise, SCORED.otherwise)) for each in convolutions
    )


def fits_one_map(module: Convolution2d) -> bool:
    """Return whether a convolution is over one map, with filters that fill no registers.

    The libraries have a way of their own for one map, which takes 16 filters at a time.
    """
    filters, maps, _, side = module.weight.shape
    fits = slides(module) and side in STRIP_SIDES
    return fits and maps == 1 and filters % REGISTER_VALUES > 0


def gains_by_rows(module: Convolution2d) -> bool:
    """Return whether Winograd's form along the width saves more than its transforms take."""
    filters, maps, height, side = module.weight.shape
    if not slides(module) or side not in STRIP_SIDES:
        return False
    gives = strip_width(side, module.columns)
    products = gives + side - 1
    saved = maps * filters * height * (side - products / gives)
    turned = (maps + filters) * products * products / gives
    return saved >= SAVED_FOR_TURNED * turned


def slides(module: Convolution2d) -> bool:
    """Return whether filters see all maps, side by side, at every pixel."""
    is_plain = (module.stride, module.dilation, module.groups) == ((1, 1), (1, 1), 1)
    return is_plain and not module.columns_as_maps


def train_with_fewer_products(model: CompiledModel) -> None:
    """Let the convolutions of a model that is trained use Winograd's forms where they gain."""
    for module in model.module.modules():
        if isinstance(module, Convolution2d):
            module.in_tiles = gains_by_tiles(module, TRAINED)
            module.in_strips = gaining_strips(module)


def gaining_strips(module: Convolution2d) -> Strips | None:
    """Return how images are cut where training in strips is the quicker way; None: it is not.

    The libraries take filters 16 at a time, and lose where there are 50. Columns that the last
    strip gives beyond the output take the gain away.
    """
    filters, _, height, side = module.weight.shape
    fits = height == side == TRAINED_SIDE and gains_by_rows(module)
    if not fits or filters < MANY_FILTERS or filters % REGISTER_VALUES == 0:
        return None
    cut = strips(module, strip_width(side, module.columns))
    return None if cut.beyond else cut
