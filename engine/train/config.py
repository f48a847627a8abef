"""All options of a training run: the optimizer dictionary of the deepLearn reference.

Options that are known and not built are declared too, and refused when they ask for anything but
what happens without them.
"""

from collections.abc import Mapping
from time import time_ns
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from engine.errors import TrainingError
from engine.layers.base import BuildOptions
from engine.train.algorithms import Lbfg, Options, Solver, Vanilla

Metric = Literal["LOSS", "FITERROR", "VALIDLOSS", "VALIDERROR"]

LIMIT_SEED = 2**53
"""Seeds are taken below this, so that a double and JSON hold them exactly."""


class Mode(Options):
    """How several workers exchange weights; only the synchronous way is built."""

    not_built: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("type", "sync_freq", "alpha", "damping"),
        "all workers exchange their gradients in every mini-batch",
    )
    path: ClassVar[str] = "mode."

    type: Literal["SYNCHRONOUS", "DOWNPOUR", "ELASTIC"] = "SYNCHRONOUS"
    """SYNCHRONOUS: every update uses the gradients of all threads."""
    sync_freq: int = Field(default=1, ge=0)
    """Mini-batches between two exchanges of weights."""
    alpha: float = 0.0
    """Share of the difference exchanged by ELASTIC."""
    damping: float = 0.1
    """Damping of ELASTIC."""


class Optimizer(Options):
    """How a network is trained."""

    not_built: ClassVar[Mapping[str, str]] = {
        "flush_weights": "weights are stored when they are done",
        "mini_batch_buf_size": "a mini-batch is computed as a whole; take a smaller one",
    }

    algorithm: Solver = Vanilla()
    """The solver and its rate."""
    mini_batch_size: int = Field(default=1, ge=1)
    """Observations of a mini-batch per thread; the whole is this times the threads."""
    total_mini_batch_size: int | None = Field(default=None, ge=1)
    """Observations of a mini-batch over all threads; None: from mini_batch_size."""
    round: bool = False
    """Raise total_mini_batch_size to the next multiple of the threads."""
    max_epochs: int = Field(default=1, ge=1)
    """Passes over the training table."""
    seed: float = 0
    """Of starting weights and dropout; 0 or less: from the clock."""
    reg_l1: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Weight of sum |w| in what is minimised; weights only, no biases."""
    reg_l2: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Weight of 1/2 sum w^2 in what is minimised; weights only, no biases."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Rate for fully connected layers that set none themselves."""
    dropout_input: float = Field(default=0.0, ge=0, lt=1)
    """Rate for input layers that set none themselves."""
    dropout_type: Literal["STANDARD", "INVERTED"] = "STANDARD"
    """STANDARD scales when scoring, INVERTED when training."""
    stagnation: int = Field(default=0, ge=0)
    """Stop after this many epochs in a row without improvement; 0: never."""
    threshold: float = Field(default=1e-8, ge=0, allow_inf_nan=False)
    """Relative fall of the watched loss below which an epoch is no improvement."""
    f_conv: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """Stop when the watched loss changes relatively by less than this; 0: never."""
    log_level: int = Field(default=0, ge=0, le=3)
    """0 nothing, 1 start and end, 2 epochs, 3 mini-batches."""
    bn_src_layer_warnings: bool = True
    """Warn of batch normalisation after a layer with a bias or an activation."""
    freeze_layers_to: str | None = None
    """Train neither this layer nor any declared before it."""
    freeze_layers: tuple[str, ...] = ()
    """Layers not to train."""
    freeze_batch_norm_stats: bool = False
    """Normalise by the stored statistics and keep them."""
    snapshot_freq: int = Field(default=0, ge=0)
    """Epochs between two intermediate weight tables, named after the last one with _<epochs>
    behind; 0: none."""
    early_stopping: int = Field(default=0, ge=0)
    """Stop after this many epochs without a new best ``stopMetric`` (ours); 0: never."""
    stop_metric: Metric | None = None
    """What ``earlyStopping`` and the best weights watch (ours); None: the validation loss where
    there is a validation table, else the loss."""
    restore_best: bool = True
    """With ``earlyStopping``, end with the weights of the best epoch (ours)."""
    flush_weights: bool = False
    """Write weights to disk; not supported yet."""
    mini_batch_buf_size: int | None = Field(default=None, ge=1)
    """Trade of memory for time; not supported yet."""
    mode: Mode = Mode()
    """Exchange of weights between workers."""

    @field_validator("algorithm", mode="before")
    @classmethod
    def _default_method(cls, value: object) -> object:
        if isinstance(value, Mapping) and "method" not in value:
            return {"method": "VANILLA", **value}
        return value

    @property
    def is_full_batch(self) -> bool:
        """Whether every update uses the whole table: LBFG without a mini-batch size."""
        sized = {"mini_batch_size", "total_mini_batch_size"} & self.model_fields_set
        return isinstance(self.algorithm, Lbfg) and not sized

    def batch_rows(self, threads: int) -> int:
        """Return the observations of a mini-batch over all threads.

        Raises:
            TrainingError: totalMiniBatchSize is no multiple of the threads and round is false.
        """
        total = self.total_mini_batch_size
        if total is None:
            return self.mini_batch_size * threads
        rounded = -(-total // threads) * threads
        if rounded != total and not self.round:
            raise TrainingError(
                f"optimizer option totalMiniBatchSize got {total}, expected a multiple of the "
                f"{threads} threads, such as {rounded}, or round = true",
                got=total,
                threads=threads,
                nearest=rounded,
            )
        return rounded

    def build_options(self, *, force_equal_padding: bool = False) -> BuildOptions:
        """Return the choices that change the network itself."""
        return BuildOptions(
            force_equal_padding=force_equal_padding,
            dropout_type=self.dropout_type,
            dropout=self.dropout,
            dropout_input=self.dropout_input,
        )


def resolved_seed(seed: float) -> int:
    """Return the seed of a run: the whole part of a positive one, else one from the clock."""
    return max(1, int(seed) % LIMIT_SEED) if seed > 0 else time_ns() % LIMIT_SEED
