"""The layer types and their options; every option left out takes the server's default.

    layers.Convo(n_filters=20, width=5, act="TANH")

Written by ``scripts/generate_wire.py`` from the server's layer types; not to be edited.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from castorch._layer import Layer

Init = Literal[
    "XAVIER", "XAVIER1", "XAVIER2", "MSRA", "MSRA1", "MSRA2", "UNIFORM", "NORMAL", "CAUCHY"
]
Act = Literal[
    "AUTO",
    "IDENTITY",
    "LOGISTIC",
    "TANH",
    "RECTIFIER",
    "SOFTPLUS",
    "ELU",
    "LEAKY",
    "GELU",
    "EXP",
    "SIN",
    "COS",
    "FCMP",
    "RELU",
    "SIGMOID",
]
OutputAct = Literal[
    "AUTO",
    "IDENTITY",
    "LOGISTIC",
    "TANH",
    "RECTIFIER",
    "SOFTPLUS",
    "ELU",
    "LEAKY",
    "GELU",
    "EXP",
    "SIN",
    "COS",
    "FCMP",
    "RELU",
    "SIGMOID",
    "SOFTMAX",
]
Error = Literal["AUTO", "NORMAL", "POISSON", "GAMMA", "ENTROPY", "CTC", "CTC_ALT", "FCMPERR"]


@dataclass(frozen=True, kw_only=True)
class Convo(Layer):
    """Slide filters over an image and activate; lengths are in pixels.

    Attributes:
        n_filters: Number of output maps.
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations;
            None: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        padding: Cells on every side; None: see the two below.
        padding_width: Cells left and right; None is automatic.
        padding_height: Cells above and below; None is automatic.
        width: Width of the filter; that of the height when only it is given, else 3.
        height: Height of the filter; that of the width when only it is given, else 3.
        stride: Step between windows on both axes (default 1).
        stride_horizontal: Step along the width; None takes ``stride``.
        stride_vertical: Step along the height; None takes ``stride``.
        act: Activation; AUTO is RECTIFIER (default AUTO).
        fcmp_act: see the server's documentation.
        dropout: Rate of dropped outputs (default 0.0).
    """

    type: ClassVar[str] = "convo"

    n_filters: int
    init: Init | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    padding: int | None = None
    padding_width: int | None = None
    padding_height: int | None = None
    width: int | None = None
    height: int | None = None
    stride: int | None = None
    stride_horizontal: int | None = None
    stride_vertical: int | None = None
    act: Act | None = None
    fcmp_act: str | None = None
    dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class Fc(Layer):
    """Multiply all values of the sources by a matrix and activate.

    Attributes:
        n: Number of neurons.
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations;
            None: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        act: Activation; AUTO is TANH (default AUTO).
        fcmp_act: see the server's documentation.
        dropout: Rate of dropped outputs; None takes the rate of the training run.
    """

    type: ClassVar[str] = "fc"

    n: int
    init: Init | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    act: Act | None = None
    fcmp_act: str | None = None
    dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class Input(Layer):
    """Images, or rows of numbers, scaled: (scale * x - offset) / normStd.

    Attributes:
        n_channels: Channels of an image; None with width and height for rows of numbers.
        width: Width in pixels; as wide as high when only the height is given.
        height: Height in pixels; as high as wide when only the width is given.
        features: Number of encoded numeric columns; None until data is seen.
        scale: Factor on values, applied first (default 1.0).
        offsets: Subtracted after scaling; one for all channels or one per channel.
        norm_stds: Divides after offsets; one for all channels or one per channel.
        std: Standardise interval columns: STD to (x - mean) / std, MIDRANGE to [-1, 1] (default
            NONE).
        nominals: Columns of this layer that are taken as categories.
        dropout: Rate of dropped inputs; None takes the rate of the training run.
        channel_order: Order in which the channels of a colour image are laid out (default BGR).
        random_flip: (default NONE).
        random_crop: (default NONE).
        random_mutation: (default NONE).
    """

    type: ClassVar[str] = "input"

    n_channels: int | None = None
    width: int | None = None
    height: int | None = None
    features: int | None = None
    scale: float | None = None
    offsets: Sequence[float] | None = None
    norm_stds: Sequence[float] | None = None
    std: Literal["NONE", "STD", "MIDRANGE"] | None = None
    nominals: Sequence[str] | None = None
    dropout: float | None = None
    channel_order: Literal["BGR", "RGB"] | None = None
    random_flip: Literal["NONE", "H", "V", "HV"] | None = None
    random_crop: Literal["NONE", "UNIQUE", "RANDOMRESIZED", "RESIZETHENCROP"] | None = None
    random_mutation: Literal["NONE", "RANDOM"] | None = None


@dataclass(frozen=True, kw_only=True)
class Residual(Layer):
    """Add the sources element by element and activate; a source named twice counts twice.

    Attributes:
        act: Activation; AUTO is IDENTITY (default AUTO).
        fcmp_act: see the server's documentation.
    """

    type: ClassVar[str] = "residual"

    act: Act | None = None
    fcmp_act: str | None = None


@dataclass(frozen=True, kw_only=True)
class Concat(Layer):
    """Lay maps, or vectors, behind one another in the order of the sources and activate.

    Attributes:
        act: Activation; AUTO is IDENTITY (default AUTO).
        fcmp_act: see the server's documentation.
    """

    type: ClassVar[str] = "concat"

    act: Act | None = None
    fcmp_act: str | None = None


@dataclass(frozen=True, kw_only=True)
class Batchnorm(Layer):
    """Normalise each map, or each neuron of a vector: act(gamma (x - mean) / √(std² + ε) + beta).

    Attributes:
        act: Activation; AUTO is IDENTITY (default AUTO).
        fcmp_act: see the server's documentation.
        epsilon: Added to the variance (default 1e-05).
    """

    type: ClassVar[str] = "batchnorm"

    act: Act | None = None
    fcmp_act: str | None = None
    epsilon: float | None = None


@dataclass(frozen=True, kw_only=True)
class Output(Layer):
    """Predict the levels of a nominal target, or the values of interval targets.

    Attributes:
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations;
            None: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        n: Number of neurons; None takes the number of levels, or of target variables.
        act: Activation; AUTO is SOFTMAX for nominal targets, EXP for POISSON and GAMMA, else
            IDENTITY (default AUTO).
        fcmp_act: see the server's documentation.
        error: Loss; AUTO is ENTROPY for nominal targets, NORMAL for interval ones (default AUTO).
        fcmp_err: see the server's documentation.
        target_std: Standardise interval targets: STD to (y - mean) / std, MIDRANGE to [-1, 1]
            (default NONE).
        n_softmax_samples: see the server's documentation.
        full_connect: Whether the layer has weights; without, its source has as many values as it
            has neurons (default true).
    """

    type: ClassVar[str] = "output"

    init: Init | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    n: int | None = None
    act: OutputAct | None = None
    fcmp_act: str | None = None
    error: Error | None = None
    fcmp_err: str | None = None
    target_std: Literal["NONE", "STD", "MIDRANGE"] | None = None
    n_softmax_samples: int | None = None
    full_connect: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Pool(Layer):
    """Reduce each window of each map to one number; lengths are in pixels.

    Attributes:
        padding: Cells on every side; None: see the two below.
        padding_width: Cells left and right; None is automatic.
        padding_height: Cells above and below; None is automatic.
        width: Width of the window; that of the height when only it is given, else 2; 0: the whole
            map.
        height: Height of the window; that of the width when only it is given, else 2; 0: the whole
            map.
        stride: Step between windows on both axes; None takes the size of the window.
        stride_horizontal: Step along the width; None takes ``stride``.
        stride_vertical: Step along the height; None takes ``stride``.
        pool: What a window becomes; MEDIAN of an even count is the mean of the middle two (default
            MAX).
        dropout: Rate of dropped outputs (default 0.0).
    """

    type: ClassVar[str] = "pool"

    padding: int | None = None
    padding_width: int | None = None
    padding_height: int | None = None
    width: int | None = None
    height: int | None = None
    stride: int | None = None
    stride_horizontal: int | None = None
    stride_vertical: int | None = None
    pool: Literal["MAX", "MIN", "MEAN", "MEDIAN", "FIXED", "RANDOM", "AVERAGE"] | None = None
    dropout: float | None = None
