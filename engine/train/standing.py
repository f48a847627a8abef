"""Where a run stands, as a checkpoint, and back."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from engine.compile.moments import Pooled
from engine.train.checkpoint import Array, Checkpoint
from engine.train.history import EpochRecord
from engine.train.replicas import gathered_moments
from engine.train.resume import (
    moment_arrays,
    pooled_moments,
    restore_solver,
    solver_state,
    to_array,
    weight_arrays,
    weight_chunks,
)
from engine.train.step import Meter
from engine.weights import load_weights, read_weights

if TYPE_CHECKING:
    from engine.train.loop import Run


def standing(run: "Run") -> Checkpoint:
    """Return all that ``stand`` needs; every replica takes part and all get the same.

    What each replica has of its own are the state of its noise and the sums of its batch
    normalisation.
    """
    pooled = gathered_moments(run.replicas, run.model.moments)
    noises = run.replicas.gather(run.noise.get_state())
    solver, solver_arrays = solver_state(run.update)
    state: dict[str, Any] = {
        "epoch": run.epoch,
        "batch": run.batch,
        "updates": run.updates,
        "seconds": run.seconds,
        "precision": run.model.precision,
        "meter": run.meter.state(),
        "history": [asdict(record) for record in run.history],
        "stopping": run.stopping.state(),
        "watch": run.watch.state(),
        "pooled_rows": [each.rows for each in pooled],
        "solver": solver,
    }
    arrays: dict[str, Array] = {}
    for rank, (each, noise) in enumerate(zip(pooled, noises, strict=True)):
        arrays |= {f"noise.{rank}": to_array(noise), **moment_arrays(each, rank)}
    if run.order_state is not None:
        arrays["order"] = run.order_state
    arrays |= {**solver_arrays, **weight_arrays("weights", read_weights(run.model))}
    if run.best is not None:
        arrays |= weight_arrays("best", run.best)
    return Checkpoint(state, arrays)


def stand(run: "Run", checkpoint: Checkpoint) -> None:
    """Bring a new run to where another stood."""
    state, arrays = checkpoint.state, checkpoint.arrays
    run.epoch, run.batch = state["epoch"], state["batch"]
    run.updates, run.seconds = state["updates"], state["seconds"]
    run.model.precision = state["precision"]
    run.meter = Meter(run.epoch, **state["meter"])
    run.history = [EpochRecord(**record) for record in state["history"]]
    run.stopping.restore(state["stopping"])
    run.watch.restore(state["watch"])
    load_weights(run.model, weight_chunks("weights", run.model, arrays))
    if any(name.startswith("best.") for name in arrays):
        run.best = list(weight_chunks("best", run.model, arrays))
    restore_solver(run.update, state["solver"], arrays)
    rank = run.replicas.rank
    pooled: Pooled = pooled_moments(state["pooled_rows"][rank], arrays, rank, run.model.device)
    run.model.moments.restore(pooled)
    run.noise.set_state(torch.from_numpy(arrays[f"noise.{rank}"].copy()))
    if run.order is not None:
        run.order_state = arrays["order"]
        run.order.set_state(torch.from_numpy(arrays["order"].copy()))
