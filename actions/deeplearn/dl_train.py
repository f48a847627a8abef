from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from actions.context import Context
from actions.deeplearn.data_roles import DataSpecParams, Sequence, SequenceOpts, TextParms
from actions.deeplearn.processors import GpuParameter, device_name, threads_of
from actions.deeplearn.routines import with_routine
from actions.deeplearn.training import Training
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult
from engine.devices import memory_told
from engine.layers.base import Aliases
from engine.train.config import Optimizer

Imputation = Literal["MAX", "MIN", "MEAN", "NONE"]


class ClassWeightParams(ActionParams):
    """The weight of a level of the target."""

    level: str | float
    """The level."""
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Weight of its observations."""


class DlTrainParams(ActionParams):
    """Parameters of deepLearn.dlTrain."""

    later: ClassVar[Mapping[str, str]] = {
        "attributes": "columns keep their own formats",
        "repeatWeightTable": "weights are kept once, where all workers read them",
        "ignoreTrainingError": "a row that cannot be read fails the action",
    }

    table: TableRef
    """The training data."""
    valid_table: TableRef | None = None
    """Validation data, with the same columns."""
    valid_freq: PositiveInt = 1
    """Epochs from one validation to the next; the last epoch always has one."""
    model_table: Annotated[TableRef, Aliases("model")]
    """The model to train."""
    model_weights: OutTable
    """The weights after the last epoch."""
    best_weights: OutTable | None = None
    """The weights of the epoch with the smallest loss; with validation, the smallest of that. They
    are stored also when training diverges after its first epoch, as snapshots are."""
    init_weights: TableRef | None = None
    """Weights to start from: a weight table, or one with its three columns; layers without any row
    in the latter, or in what a ``where`` leaves, start as if there were none."""
    inputs: Annotated[tuple[Variable, ...], Aliases("input")] = ()
    """Input variables; left out: ``_image_``."""
    target: Annotated[tuple[Variable, ...], Aliases("targets")] = ()
    """Variables to predict; left out: ``_label_``."""
    nominals: Annotated[tuple[Variable, ...], Aliases("nominal")] = ()
    """Numeric variables that are taken as categories; text always is."""
    texts: Annotated[tuple[Variable, ...], Aliases("text")] = ()
    """Inputs that are text, read token by token."""
    text_parms: TextParms | None = None
    """How texts are read."""
    sequence: Sequence | None = None
    """How the inputs make a sequence, and how long the sequences of a row are."""
    sequence_opts: SequenceOpts | None = None
    """The old form of ``sequence``."""
    target_sequence: tuple[Variable, ...] = ()
    """The target of every step of a sequence, in place of ``target``."""
    data_specs: Annotated[tuple[DataSpecParams, ...], Aliases("dataSpec")] = ()
    """What every input layer is fed with and every task layer is to predict, in place of
    ``inputs`` and ``target``."""
    missing: Imputation = "MEAN"
    """Replacement of missing interval inputs; NONE drops the row."""
    target_missing: Imputation = "MEAN"
    """Replacement of missing interval targets; NONE drops the row."""
    target_order: Literal["ASCENDING", "DESCENDING", "HASH"] = "ASCENDING"
    """Order of the levels of a nominal target; HASH is the order met in the data."""
    weight: Variable | None = None
    """Variable with the weight of every observation in training, 0 or more."""
    class_weights: tuple[ClassWeightParams, ...] = ()
    """Weights of levels of a nominal target in training; of those left out: 1."""
    seed: float = 0
    """Of starting weights, and of dropout unless the optimizer has its own; 0: from the clock."""
    record_seed: float | None = None
    """Of a new order of the rows in every epoch; left out or 0: the stored order; below 0: drawn
    from the clock."""
    force_equal_padding: bool = False
    """Raise the smaller side of an uneven automatic padding to the larger one."""
    gpu: GpuParameter = None
    """Graphics processor to use; left out or false: none. Without any in the machine the
    processor does the work, with a warning."""
    n_threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads of the work, by which ``miniBatchSize`` is multiplied; left out: all there are, and a
    mini-batch of ``miniBatchSize`` rows, so that results do not depend on the machine."""
    n_workers: Annotated[int, Field(ge=1, le=1024)] = 1
    """Workers that train together (ours): each takes its share of every mini-batch, whose size
    stays as it is. More than one needs the Ray runner."""
    optimizer: Optimizer = Optimizer()
    """How the weights are found."""


@action("deepLearn.dlTrain", runs="job", aliases=("deepLearn.train",), resumes=True)
def dl_train(ctx: Context, p: DlTrainParams) -> ActionResult:
    """Train a model on a table and store its weights, with all that is needed to score.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a variable does not exist.
        GraphError: the model is not complete or does not fit the data.
        DataError: the data is empty, or a row cannot be encoded.
        WeightsError: the starting weights belong to another model.
        TrainingError: training diverged, or there is nothing to train; of a run that diverged
            best weights and snapshots are stored.
        DeviceError: there are graphics processors, but not this one.
        MemoryExhausted: the work does not fit into memory.
        TableExists: a weight table exists and ``replace`` is false.
        NotSupportedError: several workers are asked for and the server has no Ray runner.
        Cancelled: the caller asked to stop; nothing but snapshots is stored.
    """
    device = device_name(ctx, p.gpu)
    p = p.model_copy(update={"optimizer": with_routine(ctx, p.optimizer)})
    with threads_of(ctx, p.n_threads), memory_told(ctx.memory_bytes):
        return Training(ctx, p, device).run()
