"""Tensors, generators and optimizers as the arrays of a checkpoint, and back."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter

from engine.compile.lower import CompiledModel
from engine.compile.moments import Pooled
from engine.train.checkpoint import Array
from engine.train.lbfgs import Lbfgs
from engine.train.optimizers import Update
from engine.weights import Chunk, read_weights

Arrays = dict[str, Array]


def to_array(tensor: Tensor) -> Array:
    """Return a copy of a tensor's values in logical order."""
    return np.array(tensor.detach().cpu().contiguous().numpy())


def weight_arrays(prefix: str, chunks: Iterable[Chunk]) -> Arrays:
    """Return copies of weights, one array a chunk."""
    return {
        f"{prefix}.{chunk.spec.layer_id}.{chunk.spec.name}.{chunk.offset}": np.array(chunk.values)
        for chunk in chunks
    }


def weight_chunks(
    prefix: str, model: CompiledModel, arrays: Mapping[str, Array]
) -> Iterator[Chunk]:
    """Yield the weights again, in the order of the table."""
    for chunk in read_weights(model):
        name = f"{prefix}.{chunk.spec.layer_id}.{chunk.spec.name}.{chunk.offset}"
        yield Chunk(chunk.spec, chunk.offset, np.array(arrays[name]))


def moment_arrays(pooled: Pooled, rank: int) -> Arrays:
    """Return a replica's sums of batch normalisation."""
    if pooled.mean is None or pooled.variance is None:
        return {}
    both = {"mean": pooled.mean, "variance": pooled.variance}
    return {f"moments.{rank}.{name}": to_array(values) for name, values in both.items()}


def pooled_moments(
    rows: int, arrays: Mapping[str, Array], rank: int, device: torch.device
) -> Pooled:
    """Return a replica's sums of batch normalisation again."""
    if f"moments.{rank}.mean" not in arrays:
        return Pooled(rows)
    mean, variance = (
        torch.from_numpy(np.array(arrays[f"moments.{rank}.{name}"])).to(device)
        for name in ("mean", "variance")
    )
    return Pooled(rows, mean, variance)


def solver_state(solver: Update | Lbfgs) -> tuple[dict[str, Any], Arrays]:
    """Return what a solver remembers, numbers and arrays."""
    if isinstance(solver, Lbfgs):
        arrays = {
            f"solver.{at}.{name}": to_array(value)
            for at, pair in enumerate(solver.pairs)
            for name, value in zip("sy", pair, strict=True)
        }
        return {"iterations": solver.iterations, "pairs": len(solver.pairs)}, arrays
    numbers: dict[str, Any] = {}
    arrays = {}
    for at, values in solver.solver.state_dict()["state"].items():
        for name, value in values.items():
            if isinstance(value, Tensor):
                arrays[f"solver.{at}.{name}"] = to_array(value)
            elif value is not None:
                numbers[f"{at}.{name}"] = value
    return {"rate": solver.rate, "numbers": numbers}, arrays


def restore_solver(
    solver: Update | Lbfgs, state: Mapping[str, Any], arrays: Mapping[str, Array]
) -> None:
    """Give a new solver what another remembered."""
    own = {name.removeprefix("solver."): a for name, a in arrays.items() if _is_solver(name)}
    device = solver.parameters[0].device
    if isinstance(solver, Lbfgs):
        solver.iterations = state["iterations"]
        found = {name: torch.from_numpy(np.array(a)).to(device) for name, a in own.items()}
        solver.pairs = [(found[f"{at}.s"], found[f"{at}.y"]) for at in range(state["pairs"])]
        return
    restored: dict[int, dict[str, object]] = {}
    ordered = [each for group in solver.solver.param_groups for each in group["params"]]
    for place, array in own.items():
        at, _, name = place.partition(".")
        restored.setdefault(int(at), {})[name] = _like(ordered[int(at)], array)
    for place, number in state["numbers"].items():
        at, _, name = place.partition(".")
        restored.setdefault(int(at), {})[name] = number
    groups = solver.solver.state_dict()["param_groups"]
    solver.solver.load_state_dict({"state": restored, "param_groups": groups})
    solver.hold_rate(state["rate"])


def _is_solver(name: str) -> bool:
    return name.startswith("solver.")


def _like(parameter: Parameter, array: Array) -> Tensor:
    """Return a tensor that lies in memory as the parameter does, which fused solvers rely on."""
    values = torch.from_numpy(np.array(array))
    if values.shape != parameter.shape:
        return values
    return torch.empty_like(parameter, requires_grad=False).copy_(values)
