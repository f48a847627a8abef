from collections.abc import Mapping
from typing import ClassVar

from actions.context import Context
from actions.deeplearn.dl_train import DlTrainParams
from actions.deeplearn.processors import device_name, threads_of
from actions.deeplearn.routines import with_routine
from actions.deeplearn.tune_params import TuneOptimizer, Tuner
from actions.deeplearn.tuning import Tuning
from actions.registry import action
from actions.results import ActionResult
from engine.devices import memory_told


class DlTuneParams(DlTrainParams):
    """Parameters of deepLearn.dlTune: those of dlTrain, with ranges in the optimizer."""

    partly: ClassVar[Mapping[str, str]] = {
        "n_workers": "more than 1: trials run one after the other in one worker"
    }

    optimizer: TuneOptimizer
    """How the weights are found; options that may be a range are searched where they are one."""
    tuner: Tuner = Tuner()
    """How values are searched."""


@action("deepLearn.dlTune", runs="job", resumes=True)
def dl_tune(ctx: Context, p: DlTuneParams) -> ActionResult:
    """Search the options of training for those that give the smallest loss.

    Every trial is a training with other values, from the same starting weights. Stored are the
    weights that the best trial ended with and, with ``bestWeights``, those of its best epoch. A
    trial that diverges or does not fit into memory counts as failed, and the search goes on.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a variable does not exist.
        GraphError: the model is not complete or does not fit the data.
        DataError: the data is empty, or a row cannot be encoded.
        WeightsError: the starting weights belong to another model.
        TrainingError: no trial came to its end.
        InvalidParameters: there is no range, or one does not fit its option.
        DeviceError: there are graphics processors, but not this one.
        TableExists: a weight table exists and ``replace`` is false.
        NotSupportedError: several workers are asked for.
        Cancelled: the caller asked to stop; nothing is stored.
    """
    device = device_name(ctx, p.gpu)
    p = p.model_copy(update={"optimizer": with_routine(ctx, p.optimizer)})
    with threads_of(ctx, p.n_threads), memory_told(ctx.memory_bytes):
        return Tuning(ctx, p, device).run()
