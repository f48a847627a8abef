"""The layer types and their options; every option left out takes the server's default.

    layers.Convo(n_filters=20, width=5, act="TANH")

Written by ``scripts/generate_wire.py`` from the server's layer types; not to be edited.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from castorch._layer import Layer

InitChoice = Literal[
    "XAVIER", "XAVIER1", "XAVIER2", "MSRA", "MSRA1", "MSRA2", "UNIFORM", "NORMAL", "CAUCHY"
]
ActChoice = Literal[
    "AUTO",
    "IDENTITY",
    "LOGISTIC",
    "EXP",
    "TANH",
    "RECTIFIER",
    "GELU",
    "RELU",
    "SIGMOID",
    "SOFPLUS",
    "AUTOMATIC",
    "HYPERBOLIC TANGENT",
    "LEAKY ACTIVATION FUNCTION",
    "EXPONENTIAL",
    "SINE",
    "COSINE",
]
ConvoActChoice = Literal[
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
    "SOFPLUS",
    "AUTOMATIC",
    "HYPERBOLIC TANGENT",
    "LEAKY ACTIVATION FUNCTION",
    "EXPONENTIAL",
    "SINE",
    "COSINE",
]
OutputActChoice = Literal[
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
    "SOFTMAX",
    "RELU",
    "SIGMOID",
    "SOFPLUS",
    "AUTOMATIC",
    "HYPERBOLIC TANGENT",
    "LEAKY ACTIVATION FUNCTION",
    "EXPONENTIAL",
    "SINE",
    "COSINE",
]
ErrorChoice = Literal["AUTO", "NORMAL", "POISSON", "GAMMA", "ENTROPY", "CTC", "CTC_ALT", "FCMPERR"]
PoolChoice = Literal["MAX", "MIN", "MEAN", "MEDIAN", "FIXED", "RANDOM", "L2NORM", "AVERAGE", "L2"]


@dataclass(frozen=True, kw_only=True)
class Mhattention(Layer):
    """Let every step of a sequence look at all steps, with several heads side by side.

    Attributes:
        n: Values of a step, in and out.
        n_attn_heads: Number of heads; divides ``n``.
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations; None
            or 0: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        act: Activation (default AUTO).
        mask: CAUSAL: a step looks at itself and at those before it only; an extension (default
            NONE).
        dropout: Rate of dropped outputs (default 0.0).
        attn_dropout: Rate of dropped weights between steps, the values of the softmax (default
            0.0).
    """

    type: ClassVar[str] = "mhattention"

    n: int
    n_attn_heads: int
    init: InitChoice | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    act: ActChoice | None = None
    mask: Literal["NONE", "CAUSAL"] | None = None
    dropout: float | None = None
    attn_dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class Split(Layer):
    """Deal the maps, or the values of a vector, out to the layers that follow.

    Attributes:
        n_destination_layers: Number of layers that follow; divides the maps of the source.
    """

    type: ClassVar[str] = "split"

    n_destination_layers: int


@dataclass(frozen=True, kw_only=True)
class ChannelShuffle(Layer):
    """Take a map from every group in turn.

    Attributes:
        n_groups: Number of groups; divides the maps of the source (default 1).
        scale: Factor on the number of maps; only 1 is built (default 1.0).
    """

    type: ClassVar[str] = "channelshuffle"

    n_groups: int | None = None
    scale: float | None = None


@dataclass(frozen=True, kw_only=True)
class Cluster(Layer):
    """Group rows by how near they are to centres that are learned: deep embedded clustering.

    Attributes:
        n_clusters: Number of clusters.
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations; None
            or 0: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: There are no biases (default false).
        alpha: Degrees of freedom of Student's t distribution (default 1.0).
    """

    type: ClassVar[str] = "cluster"

    n_clusters: int
    init: InitChoice | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: Literal[False] | None = None
    alpha: float | None = None


@dataclass(frozen=True, kw_only=True)
class Convo(Layer):
    """Slide filters over an image and activate; lengths are in pixels.

    Attributes:
        n_filters: Number of output maps.
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations; None
            or 0: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        padding: Cells on every side; None: see the two below.
        padding_width: Cells left and right; None is automatic.
        padding_height: Cells above and below; None is automatic.
        padding_left: Cells left of the image; an extension.
        padding_right: Cells right of the image; an extension.
        padding_top: Cells above the image; an extension.
        padding_bottom: Cells below the image; an extension.
        act: Activation (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        width: Width of the filter; that of the height when only it is given, else 3.
        height: Height of the filter; that of the width when only it is given, else 3.
        stride: Step between windows on both axes (default 1).
        stride_horizontal: Step along the width; None takes ``stride``.
        stride_vertical: Step along the height; None takes ``stride``.
        dilation: Step between the cells of the filter on both axes, 1 for neighbours; an extension
            (default 1).
        dilation_horizontal: Step between cells along the width; None takes ``dilation``; an
            extension.
        dilation_vertical: Step between cells along the height; None takes ``dilation``; an
            extension.
        dropout: Rate of dropped outputs (default 0.0).
    """

    type: ClassVar[str] = "convo"

    n_filters: int
    init: InitChoice | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    padding: int | None = None
    padding_width: int | None = None
    padding_height: int | None = None
    padding_left: int | None = None
    padding_right: int | None = None
    padding_top: int | None = None
    padding_bottom: int | None = None
    act: ConvoActChoice | None = None
    fcmp_act: str | None = None
    width: int | None = None
    height: int | None = None
    stride: int | None = None
    stride_horizontal: int | None = None
    stride_vertical: int | None = None
    dilation: int | None = None
    dilation_horizontal: int | None = None
    dilation_vertical: int | None = None
    dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class GroupConvo(Layer):
    """Slide filters over groups of maps, which do not see one another, and activate.

    Attributes:
        n_filters: Number of output maps.
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations; None
            or 0: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        padding: Cells on every side; None: see the two below.
        padding_width: Cells left and right; None is automatic.
        padding_height: Cells above and below; None is automatic.
        padding_left: Cells left of the image; an extension.
        padding_right: Cells right of the image; an extension.
        padding_top: Cells above the image; an extension.
        padding_bottom: Cells below the image; an extension.
        act: Activation (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        width: Width of the filter; that of the height when only it is given, else 3.
        height: Height of the filter; that of the width when only it is given, else 3.
        stride: Step between windows on both axes (default 1).
        stride_horizontal: Step along the width; None takes ``stride``.
        stride_vertical: Step along the height; None takes ``stride``.
        dilation: Step between the cells of the filter on both axes, 1 for neighbours; an extension
            (default 1).
        dilation_horizontal: Step between cells along the width; None takes ``dilation``; an
            extension.
        dilation_vertical: Step between cells along the height; None takes ``dilation``; an
            extension.
        dropout: Rate of dropped outputs (default 0.0).
        n_groups: Number of groups; divides the maps of the source and ``nFilters`` (default 1).
    """

    type: ClassVar[str] = "groupconvo"

    n_filters: int
    init: InitChoice | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    padding: int | None = None
    padding_width: int | None = None
    padding_height: int | None = None
    padding_left: int | None = None
    padding_right: int | None = None
    padding_top: int | None = None
    padding_bottom: int | None = None
    act: ConvoActChoice | None = None
    fcmp_act: str | None = None
    width: int | None = None
    height: int | None = None
    stride: int | None = None
    stride_horizontal: int | None = None
    stride_vertical: int | None = None
    dilation: int | None = None
    dilation_horizontal: int | None = None
    dilation_vertical: int | None = None
    dropout: float | None = None
    n_groups: int | None = None


@dataclass(frozen=True, kw_only=True)
class Fc(Layer):
    """Multiply all values of the sources by a matrix and activate.

    Attributes:
        n: Number of neurons.
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations; None
            or 0: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        act: Activation; AUTO is TANH (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        dropout: Rate of dropped outputs; None takes the rate of the training run.
        per_step: Whether the steps of a sequence are multiplied one by one, and kept; an extension.
            Left out: regions are, behind a ``roipooling`` layer (default false).
    """

    type: ClassVar[str] = "fc"

    n: int
    init: InitChoice | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    act: ConvoActChoice | None = None
    fcmp_act: str | None = None
    dropout: float | None = None
    per_step: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Detection(Layer):
    """Find objects: their classes and their boxes, by the methods YOLO 1 and YOLO 2.

    Attributes:
        detection_model_type: The method (default YOLOV2).
        class_number: Number of classes; None takes those of the training data.
        grid_number: Cells on a side; None takes 13, and 7 for YOLOV1.
        predictions_per_grid: Predictions in a cell; None takes 2 for YOLOV1, else one per anchor.
        anchors: Width and height of one box after the other, in cells; needed for YOLOV2.
        softmax_for_class_prob: Whether the classes of a prediction exclude each other (default
            true).
        coord_type: Boxes in tables: RECT left, top, width, height and COCO left, top, right,
            bottom, both in pixels; YOLO centre, width, height as fractions of the image (default
            RECT).
        do_sqrt: Compare roots of widths and heights, so that small boxes count as much as large
            ones (default true).
        coord_scale: Weight of the error of centre and size (default 1.0).
        object_scale: Weight of the error of the confidence where there is an object (default 5.0).
        prediction_not_a_object_scale: Weight of the confidence where there is none (default 1.0).
        class_scale: Weight of the error of the class (default 1.0).
        detection_threshold: Least confidence, times the class probability, of an object that is
            told (default 0.2).
        iou_threshold: Most overlap of two objects of a class; of those that overlap more the best
            is told (default 0.2).
        max_boxes: Most objects of an image that are told (default 30).
        max_label_per_image: Most true objects of an image that are learned from; the first ones of
            the table (default 30).
        match_anchor_size: YOLOV2: the prediction whose anchor suits an object's size is to find it,
            else the one whose predicted box does (default true).
        num_to_force_coord: YOLOV2: images of the start of a training run during which all
            predictions are also drawn to the centre of their cell and the size of their anchor
            (default 0).
        force_coord_scale: Weight of that (default 0.01).
        random_boxes: Shuffle the true objects of every image in training; a loss that is a sum over
            them stays the same (default false).
        act: Activation of centres and confidences, of YOLOV1 of sizes too; AUTO is LOGISTIC
            (default AUTO).
    """

    type: ClassVar[str] = "detection"

    detection_model_type: Literal["YOLOV2", "YOLOV1", "1", "2"] | None = None
    class_number: int | None = None
    grid_number: int | None = None
    predictions_per_grid: int | None = None
    anchors: Sequence[float] | None = None
    softmax_for_class_prob: bool | None = None
    coord_type: Literal["RECT", "COCO", "YOLO", "0", "1", "2"] | None = None
    do_sqrt: bool | None = None
    coord_scale: float | None = None
    object_scale: float | None = None
    prediction_not_a_object_scale: float | None = None
    class_scale: float | None = None
    detection_threshold: float | None = None
    iou_threshold: float | None = None
    max_boxes: int | None = None
    max_label_per_image: int | None = None
    match_anchor_size: bool | None = None
    num_to_force_coord: int | None = None
    force_coord_scale: float | None = None
    random_boxes: bool | None = None
    act: Literal["AUTO", "LOGISTIC", "IDENTITY"] | None = None


@dataclass(frozen=True, kw_only=True)
class Closs(Layer):
    """Learn embeddings by comparing those of two, three or four branches of a network.

    Attributes:
        margin: How far apart what is not similar is to be, or how much farther than what is; below
            0 it may be nearer (default 2.0).
    """

    type: ClassVar[str] = "closs"

    margin: float | None = None


@dataclass(frozen=True, kw_only=True)
class Input(Layer):
    """Images, or rows of numbers, scaled: (scale * x - offset) / normStd.

    Attributes:
        n_channels: Channels of an image; None with width and height for rows of numbers.
        width: Width in pixels; as wide as high when only the height is given.
        height: Height in pixels; as high as wide when only the width is given.
        features: Number of encoded numeric columns, in a sequence those of a step; None until data
            is seen.
        steps: Steps of a sequence; None for single rows, or until data is seen.
        scale: Factor on values, applied first (default 1.0).
        offsets: Subtracted after scaling; one for all channels or one per channel.
        norm_stds: Divides after offsets; one for all channels or one per channel.
        std: Standardise interval columns: STD to (x - mean) / std, MIDRANGE to [-1, 1] (default
            NONE).
        nominals: Columns of this layer that are taken as categories.
        dropout: Rate of dropped inputs; None takes the rate of the training run.
        channel_order: Order in which the channels of a colour image are laid out (default BGR).
        random_flip: Flip half of the images in training: H left to right, V upside down, HV each by
            itself. The true boxes of detection and the label images of segmentation turn with them
            (default NONE).
        random_crop: Cut images down to the layer's size in training, at random; see above (default
            NONE).
        random_mutation: RANDOM: change saturation, contrast and brightness in training, by a fifth
            at most (default NONE).
    """

    type: ClassVar[str] = "input"

    n_channels: int | None = None
    width: int | None = None
    height: int | None = None
    features: int | None = None
    steps: int | None = None
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
class Keypoints(Layer):
    """Predict the coordinates of points: a fully connected layer with the squared error.

    Attributes:
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations; None
            or 0: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        n: Number of coordinates; 0 takes the number of target variables (default 0).
        act: Activation; AUTO is IDENTITY (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        error: Loss; AUTO is NORMAL, half the squared error (default AUTO).
        target_std: Standardise targets: STD to (y - mean) / std, MIDRANGE to [-1, 1] (default
            NONE).
    """

    type: ClassVar[str] = "keypoints"

    init: InitChoice | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    n: int | None = None
    act: ConvoActChoice | None = None
    fcmp_act: str | None = None
    error: Literal["AUTO", "NORMAL"] | None = None
    target_std: Literal["NONE", "STD", "MIDRANGE"] | None = None


@dataclass(frozen=True, kw_only=True)
class LocalConvo(Layer):
    """Slide filters over an image, with weights and a bias of their own at every place.

    Attributes:
        n_filters: Number of output maps.
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations; None
            or 0: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        padding: Cells on every side; None: see the two below.
        padding_width: Cells left and right; None is automatic.
        padding_height: Cells above and below; None is automatic.
        padding_left: Cells left of the image; an extension.
        padding_right: Cells right of the image; an extension.
        padding_top: Cells above the image; an extension.
        padding_bottom: Cells below the image; an extension.
        act: Activation (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        width: Width of the filter; that of the height when only it is given, else 3.
        height: Height of the filter; that of the width when only it is given, else 3.
        stride: Step between windows on both axes (default 1).
        stride_horizontal: Step along the width; None takes ``stride``.
        stride_vertical: Step along the height; None takes ``stride``.
        dilation: Step between the cells of the filter on both axes, 1 for neighbours; an extension
            (default 1).
        dilation_horizontal: Step between cells along the width; None takes ``dilation``; an
            extension.
        dilation_vertical: Step between cells along the height; None takes ``dilation``; an
            extension.
        dropout: Rate of dropped outputs (default 0.0).
    """

    type: ClassVar[str] = "localconvo"

    n_filters: int
    init: InitChoice | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    padding: int | None = None
    padding_width: int | None = None
    padding_height: int | None = None
    padding_left: int | None = None
    padding_right: int | None = None
    padding_top: int | None = None
    padding_bottom: int | None = None
    act: ConvoActChoice | None = None
    fcmp_act: str | None = None
    width: int | None = None
    height: int | None = None
    stride: int | None = None
    stride_horizontal: int | None = None
    stride_vertical: int | None = None
    dilation: int | None = None
    dilation_horizontal: int | None = None
    dilation_vertical: int | None = None
    dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class Residual(Layer):
    """Add the sources element by element and activate; a source named twice counts twice.

    Attributes:
        act: Activation; AUTO is IDENTITY (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
    """

    type: ClassVar[str] = "residual"

    act: ConvoActChoice | None = None
    fcmp_act: str | None = None


@dataclass(frozen=True, kw_only=True)
class Concat(Layer):
    """Lay maps, or vectors, behind one another in the order of the sources and activate.

    Attributes:
        act: Activation; AUTO is IDENTITY (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
    """

    type: ClassVar[str] = "concat"

    act: ConvoActChoice | None = None
    fcmp_act: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scale(Layer):
    """Multiply every map of the first source by its factor from the second, and activate.

    Attributes:
        act: Activation; AUTO is IDENTITY (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
    """

    type: ClassVar[str] = "scale"

    act: ConvoActChoice | None = None
    fcmp_act: str | None = None


@dataclass(frozen=True, kw_only=True)
class BatchNorm(Layer):
    """Normalise each map, or each neuron of a vector: act(gamma (x - mean) / √(std² + ε) + beta).

    Attributes:
        act: Activation; AUTO is IDENTITY (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        epsilon: Added to the variance (default 1e-05).
    """

    type: ClassVar[str] = "batchnorm"

    act: ConvoActChoice | None = None
    fcmp_act: str | None = None
    epsilon: float | None = None


@dataclass(frozen=True, kw_only=True)
class LayerNorm(Layer):
    """Normalise every step by itself: act(gamma (x - mean) / √(variance + ε) + beta).

    Attributes:
        act: Activation (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        epsilon: Added to the variance (default 1e-12).
        token_size: Values of a step; None takes the last axis of the source.
        dropout: Rate of dropped outputs (default 0.0).
    """

    type: ClassVar[str] = "layernorm"

    act: ConvoActChoice | None = None
    fcmp_act: str | None = None
    epsilon: float | None = None
    token_size: int | None = None
    dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class Output(Layer):
    """Predict the levels of a nominal target, or the values of interval targets.

    Attributes:
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations; None
            or 0: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        n: Number of neurons; None or 0 takes the number of levels (and one more with CTC), or of
            target variables.
        act: Activation; AUTO is SOFTMAX for nominal targets, EXP for POISSON and GAMMA, else
            IDENTITY (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        error: Loss; AUTO is ENTROPY for nominal targets, NORMAL for interval ones (default AUTO).
        fcmp_err: With ``error`` FCMPERR: the text of the function of y and yhat.
        target_std: Standardise interval targets: STD to (y - mean) / std, MIDRANGE to [-1, 1]
            (default NONE).
        n_softmax_samples: With ENTROPY: levels, drawn for every mini-batch, that the true one is
            compared with in training; None compares it with all, as validation and scoring always
            do.
        full_connect: Whether the layer has weights; without, its source has as many values as it
            has neurons (default true).
    """

    type: ClassVar[str] = "output"

    init: InitChoice | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    n: int | None = None
    act: OutputActChoice | None = None
    fcmp_act: str | None = None
    error: ErrorChoice | None = None
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
        pool: What a window becomes; L2NORM is an extension (default MAX).
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
    pool: PoolChoice | None = None
    dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class Recurrent(Layer):
    """Read a sequence step by step and keep a state of n values.

    Attributes:
        n: Number of neurons: values of the state.
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations; None
            or 0: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        rnn_type: How the state is carried on (default RNN).
        output_type: The last state, the states of all steps, or the states of ``maxOutputLength``
            steps (default ENCODING).
        max_output_length: Steps of the output with ARBITRARYLENGTH; 0 is as good as None.
        reversed: Whether to read from the last step to the first (default false).
        act: Activation of the state (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        dropout: Rate of dropped outputs (default 0.0).
    """

    type: ClassVar[str] = "recurrent"

    n: int
    init: InitChoice | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    rnn_type: Literal["RNN", "LSTM", "GRU"] | None = None
    output_type: Literal["ENCODING", "SAMELENGTH", "ARBITRARYLENGTH"] | None = None
    max_output_length: int | None = None
    reversed: bool | None = None
    act: ConvoActChoice | None = None
    fcmp_act: str | None = None
    dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class Projection(Layer):
    """Give every token of a sequence its vector; the vectors are the weights of the layer.

    Attributes:
        embedding_size: Values of a token's vector.
        alphabet_size: Number of tokens.
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations; None
            or 0: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        dropout: Rate of dropped outputs (default 0.0).
    """

    type: ClassVar[str] = "projection"

    embedding_size: int
    alphabet_size: int
    init: InitChoice | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class RegionProposal(Layer):
    """Propose regions that may hold an object, from anchors at every place of the maps.

    Attributes:
        anchor_ratio: Heights of anchors to their widths.
        anchor_scale: Roots of the areas of anchors, in ``baseAnchorSize``.
        base_anchor_size: Side of the anchor of scale 1, in pixels (default 16).
        anchor_num_to_sample: Anchors of an image the loss is made of, at most half of them objects
            (default 256).
        coord_type: Boxes in tables, as in the detection layer (default COCO).
        do_rpn_only: Accepted; where no layer follows, the regions are what is predicted (default
            false).
        max_label_per_image: Most true objects of an image that are learned from (default 200).
        proposed_roi_num_train: Training: likeliest regions that are compared with each other
            (default 2000).
        proposed_roi_num_score: Scoring: likeliest regions that are compared with each other
            (default 300).
        roi_train_sample_num: Regions that are handed on (default 128).
        act: Of background and object; any of them is SOFTMAX (default AUTO).
    """

    type: ClassVar[str] = "regionproposal"

    anchor_ratio: Sequence[float]
    anchor_scale: Sequence[float]
    base_anchor_size: int | None = None
    anchor_num_to_sample: int | None = None
    coord_type: Literal["RECT", "COCO", "YOLO"] | None = None
    do_rpn_only: bool | None = None
    max_label_per_image: int | None = None
    proposed_roi_num_train: int | None = None
    proposed_roi_num_score: int | None = None
    roi_train_sample_num: int | None = None
    act: Literal["AUTO", "IDENTITY", "LOGISTIC", "SOFTMAX"] | None = None


@dataclass(frozen=True, kw_only=True)
class Roipooling(Layer):
    """Cut regions out of maps and make them equally large, by the largest value of each part.

    Attributes:
        output_height: Parts of a region, one below the other (default 7).
        output_width: Parts of a region, side by side (default 7).
        spatial_scale: Cells of the maps to pixels of the image (default 0.0625).
        act: There is none (default AUTO).
    """

    type: ClassVar[str] = "roipooling"

    output_height: int | None = None
    output_width: int | None = None
    spatial_scale: float | None = None
    act: Literal["AUTO", "IDENTITY"] | None = None


@dataclass(frozen=True, kw_only=True)
class Fastrcnn(Layer):
    """Tell what is in regions and where exactly: the second step of Faster R-CNN.

    Attributes:
        class_number: Number of classes, background not counted (default 20).
        detection_threshold: Least probability of an object that is told (default 0.5).
        max_label_per_image: Most true objects of an image that are learned from (default 200).
        max_object_num: Most objects of an image that are told (default 50).
        nms_iou_threshold: Most overlap of two objects of a class; of those that overlap more the
            best is told (default 0.3).
        coord_type: Boxes in tables, as in the detection layer; an extension (default COCO).
        act: Scores become probabilities by softmax (default AUTO).
    """

    type: ClassVar[str] = "fastrcnn"

    class_number: int | None = None
    detection_threshold: float | None = None
    max_label_per_image: int | None = None
    max_object_num: int | None = None
    nms_iou_threshold: float | None = None
    coord_type: Literal["RECT", "COCO", "YOLO"] | None = None
    act: Literal["AUTO", "IDENTITY"] | None = None


@dataclass(frozen=True, kw_only=True)
class Reshape(Layer):
    """Lay the values of the source out as an image of another size and activate.

    Attributes:
        act: Activation (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        width: Width of the output; one of the three may be left out, the number of values tells it.
        height: Height of the output; None likewise.
        depth: Maps of the output; None likewise.
        order: Axes from the fastest to the slowest (default AUTO).
    """

    type: ClassVar[str] = "reshape"

    act: ConvoActChoice | None = None
    fcmp_act: str | None = None
    width: int | None = None
    height: int | None = None
    depth: int | None = None
    order: Literal["AUTO", "WHD", "WDH", "DWH", "HWD", "DHW", "HDW"] | None = None


@dataclass(frozen=True, kw_only=True)
class Segmentation(Layer):
    """Predict the class of every pixel from one map per class, or its values from maps of them.

    Attributes:
        act: Activation; AUTO is SOFTMAX, and IDENTITY with ``error`` NORMAL (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        error: Loss of a pixel; AUTO is ENTROPY with SOFTMAX, else NORMAL, half the squared error
            (default AUTO).
        target_scale: Factor on target pixels that are numbers, for example 1/255 (default 1.0).
        output_image_type: In scored tables WIDE gives a column per pixel, PNG a label image, BASE64
            its text (default WIDE).
        output_image_prob: Also give the probability of every pixel's class, a column per pixel,
            beside a label image too (default false).
    """

    type: ClassVar[str] = "segmentation"

    act: OutputActChoice | None = None
    fcmp_act: str | None = None
    error: Literal["AUTO", "ENTROPY", "NORMAL"] | None = None
    target_scale: float | None = None
    output_image_type: Literal["WIDE", "PNG", "BASE64"] | None = None
    output_image_prob: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Survival(Layer):
    """Predict the logarithm of a hazard ratio from times of events: Cox's model with a network."""

    type: ClassVar[str] = "survival"


@dataclass(frozen=True, kw_only=True)
class TransConvo(Layer):
    """Lay a filter, times its value, around every pixel, add up, and activate.

    Attributes:
        n_filters: Number of output maps.
        init: Distribution the weights start from (default XAVIER).
        std: Standard deviation of ``init`` NORMAL; 1 unless said.
        mean: Mean of ``init`` NORMAL; 0 unless said.
        truncation_factor: ``init`` NORMAL is drawn again beyond this many standard deviations; None
            or 0: never.
        init_bias: Value every bias starts from (default 0.0).
        include_bias: Whether a bias is added (default true).
        padding: Cells on every side; None: see the two below.
        padding_width: Cells left and right; None is automatic.
        padding_height: Cells above and below; None is automatic.
        act: Activation (default AUTO).
        fcmp_act: With ``act`` FCMP: the text of the function of x.
        width: Width of the filter; that of the height when only it is given, else 3.
        height: Height of the filter; that of the width when only it is given, else 3.
        stride: Distance at which pixels are laid out, on both axes (default 1).
        stride_horizontal: Distance along the width; None takes ``stride``.
        stride_vertical: Distance along the height; None takes ``stride``.
        output_padding: Pixels more at the right and the bottom; less than the stride (default 0).
        output_padding_width: Pixels more at the right; None takes ``outputPadding``.
        output_padding_height: Pixels more at the bottom; None takes ``outputPadding``.
        dropout: Rate of dropped outputs (default 0.0).
    """

    type: ClassVar[str] = "transconvo"

    n_filters: int
    init: InitChoice | None = None
    std: float | None = None
    mean: float | None = None
    truncation_factor: float | None = None
    init_bias: float | None = None
    include_bias: bool | None = None
    padding: int | None = None
    padding_width: int | None = None
    padding_height: int | None = None
    act: ConvoActChoice | None = None
    fcmp_act: str | None = None
    width: int | None = None
    height: int | None = None
    stride: int | None = None
    stride_horizontal: int | None = None
    stride_vertical: int | None = None
    output_padding: int | None = None
    output_padding_width: int | None = None
    output_padding_height: int | None = None
    dropout: float | None = None


@dataclass(frozen=True, kw_only=True)
class Fcmp(Layer):
    """Compute what a function of the caller's says, of inputs x and weights w.

    Attributes:
        width: Width of the output.
        forward_func: The text of the function of x and w.
        height: Height of the output (default 1).
        depth: Maps of the output (default 1).
        n_weights: Number of weights (default 0).
        backward_func: Not supported: slopes are found by differentiation.
    """

    type: ClassVar[str] = "fcmp"

    width: int
    forward_func: str
    height: int | None = None
    depth: int | None = None
    n_weights: int | None = None
    backward_func: str | None = None
