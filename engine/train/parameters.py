"""Which parameters of a model are trained."""

from torch.nn import Parameter

from engine.compile.lower import CompiledModel
from engine.errors import TrainingError
from engine.modules.normalization import BatchNorm
from engine.train.config import Optimizer


def hold_statistics(model: CompiledModel) -> None:
    """Let batch normalisation layers use their stored statistics and keep them."""
    for module in model.module.modules():
        if isinstance(module, BatchNorm):
            module.eval()
            module.batch_mean = module.batch_invstd = None


def trained(model: CompiledModel, options: Optimizer) -> tuple[list[Parameter], list[Parameter]]:
    """Return the parameters to train, those with penalties first; the others need no gradient."""
    frozen = _frozen_layers(model, options)
    chosen: dict[bool, list[Parameter]] = {True: [], False: []}
    for spec in model.specs:
        tensor = model.tensor(spec)
        if not isinstance(tensor, Parameter):
            continue
        tensor.requires_grad_(spec.layer_id not in frozen)
        if tensor.requires_grad:
            chosen[spec.part == "weights"].append(tensor)
    if not chosen[True] and not chosen[False]:
        raise TrainingError("the model has no parameters to train, expected at least one")
    return chosen[True], chosen[False]


def _frozen_layers(model: CompiledModel, options: Optimizer) -> set[int]:
    frozen = {model.graph.node(name).id for name in options.freeze_layers}
    if options.freeze_layers_to is not None:
        last = model.graph.node(options.freeze_layers_to).id
        frozen |= {node.id for node in model.graph.nodes if node.id <= last}
    return frozen
