"""All options of a training run: the optimizer dictionary of the deepLearn reference.

Options that are known and not built are declared too, and refused when they ask for anything but
what happens without them.
"""

from collections.abc import Mapping
from time import time_ns
from typing import Annotated, ClassVar, Literal, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from engine.errors import NotSupportedError, TrainingError
from engine.layers.base import Aliases, BuildOptions

Policy = Literal["FIXED", "STEP", "MULTISTEP", "POLY", "INV", "FCMP"]

LIMIT_SEED = 2**53
"""Seeds are taken below this, so that a double and JSON hold them exactly."""


class Options(BaseModel):
    """Base of a dictionary of options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    not_built: ClassVar[tuple[str, ...]] = ()
    """Fields that must keep their default."""
    path: ClassVar[str] = ""
    """Where the dictionary lies, put before a field's name in messages."""

    @model_validator(mode="after")
    def _refuse_not_built(self) -> Self:
        for name in self.not_built:
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                refuse(self.path + _camel(name), value)
        return self


def refuse(option: str, value: object) -> NoReturn:
    """Refuse an option's value.

    Raises:
        NotSupportedError: always.
    """
    shown = dict(value) if isinstance(value, BaseModel) else value
    raise NotSupportedError(f"optimizer option {option} = {shown!r} is not supported yet")


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


class Algorithm(Options):
    """Options every solver has."""

    not_built: ClassVar[tuple[str, ...]] = ("fcmp_learning_rate", "use_locking")
    path: ClassVar[str] = "algorithm."

    method: str
    learning_rate: float = Field(default=0.001, gt=0, allow_inf_nan=False)
    """Rate at the start."""
    learning_rate_policy: Annotated[Policy, Aliases("lrPolicy")] = "FIXED"
    """How the rate falls: see engine.train.schedules."""
    gamma: float = Field(default=0.1, gt=0, allow_inf_nan=False)
    """Factor of STEP and MULTISTEP; growth per weight update of INV."""
    step_size: int = Field(default=10, ge=1)
    """Epochs between two falls of STEP."""
    power: float = Field(default=0.75, ge=0, allow_inf_nan=False)
    """Exponent of POLY and INV."""
    steps: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Epochs, counted from 0, at which MULTISTEP falls."""
    clip_grad_max: float | None = Field(default=None, allow_inf_nan=False)
    """Upper bound of every element of a gradient; None: none."""
    clip_grad_min: float | None = Field(default=None, allow_inf_nan=False)
    """Lower bound of every element of a gradient; None: none."""
    use_locking: bool = True
    """False would let threads update weights without waiting; not supported yet."""
    fcmp_learning_rate: str | None = None
    """Name of a rate function of the caller's; not supported yet."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.learning_rate_policy == "FCMP":
            refuse("algorithm.learningRatePolicy", "FCMP")
        low, high = self.clip_grad_min, self.clip_grad_max
        if low is not None and high is not None and low > high:
            raise ValueError(f"clipGradMin got {low!r}, expected at most clipGradMax = {high!r}")
        return self


class Vanilla(Algorithm):
    """Stochastic gradient descent: w -= rate * g."""

    method: Literal["VANILLA"] = "VANILLA"


class Momentum(Algorithm):
    """Gradient descent with momentum: v = momentum * v - rate * g; w += v."""

    method: Literal["MOMENTUM"] = "MOMENTUM"
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Share of the last step that is kept."""


class Adam(Algorithm):
    """Adam with eps 1e-8.

    Source: Kingma, Ba (2015), algorithm 1.
    """

    method: Literal["ADAM"] = "ADAM"
    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the mean of gradients."""
    beta2: float = Field(default=0.999, ge=0, lt=1)
    """Decay of the mean of squared gradients."""


class Refused(Algorithm):
    """Base of solvers the dialect knows and this version does not run."""

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, values: object) -> NoReturn:
        del values
        refuse("algorithm.method", cls.model_fields["method"].default)


class Lbfg(Refused):
    """L-BFGS with backtracking; not supported yet."""

    method: Literal["LBFG"] = "LBFG"
    m: int | None = None
    """Pairs of steps and gradient changes that are kept."""
    max_line_search_iters: int | None = None
    """Evaluations of one line search."""
    max_iters: int | None = None
    """Iterations of the solver."""
    backtrack_ratio: float | None = None
    """Factor by which a line search shortens the step."""


class NaturalGradient(Refused):
    """Approximate natural gradient; not supported yet."""

    method: Literal["NATGRAD"] = "NATGRAD"
    approximation_type: int = 1
    """Approximation of the Fisher matrix."""


Solver = Annotated[
    Vanilla | Momentum | Adam | Lbfg | NaturalGradient, Field(discriminator="method")
]
"""A solver with its options, told apart by ``method``."""


class Mode(Options):
    """How several workers exchange weights; only the synchronous way is built."""

    not_built: ClassVar[tuple[str, ...]] = ("type", "sync_freq", "alpha", "damping")
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

    not_built: ClassVar[tuple[str, ...]] = (
        "snapshot_freq",
        "flush_weights",
        "mini_batch_buf_size",
    )

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
    """Epochs between two intermediate weight tables; not supported yet."""
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
