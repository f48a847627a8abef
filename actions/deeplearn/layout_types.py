"""The keys of every layer type in a model table, in the order of their rows.

A client that rebuilds a model from its table looks for exactly these keys, trips over some that its
own classes do not know, and takes sizes from them, so they hold resolved values.

Source: CAS REST dialect, keys per layer type and traps 11 and 12.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from actions.deeplearn.layout_keys import (
    Choice,
    Code,
    Entry,
    Flag,
    Found,
    Ignored,
    Items,
    Number,
    Text,
    Told,
)
from actions.deeplearn.layout_words import (
    ACTIVATIONS,
    COORDINATES,
    CROPS,
    ERRORS,
    FLIPS,
    INITIALIZERS,
    MASKS,
    MUTATIONS,
    ORDERS,
    POOLS,
    RNN_OUTPUTS,
    RNN_TYPES,
    STANDARDIZATIONS,
    TARGET_STANDARDIZATIONS,
    YOLO_VERSIONS,
)
from engine.layers.base import Layer
from engine.layers.detection import Detection
from engine.layers.filters import Filters
from engine.layers.pooling import Pooling
from engine.layers.transposed import TransposedConvolution
from engine.layers.windows import Padded, Sided

Finish = Callable[[Found], Found]

AUTOMATIC = -1
"""Padding that is automatic."""


def _as_it_is(found: Found) -> Found:
    return found


@dataclass(frozen=True)
class Layout:
    """The rows of a layer type.

    Attributes:
        finish: turns what the entries read into options, where several of them make one.
    """

    entries: tuple[Entry, ...]
    finish: Finish = _as_it_is

    @cached_property
    def fields(self) -> frozenset[str]:
        """The options the entries stand for."""
        return frozenset(name for entry in self.entries for name in entry.fields)


def _strides(layer: Layer) -> tuple[int, int]:
    """Return the steps along width and height."""
    windowed = cast("Filters | Pooling | TransposedConvolution", layer)
    across, down = windowed.stride_horizontal, windowed.stride_vertical
    if isinstance(windowed, Pooling):
        height, width = windowed.window()
        return across or windowed.stride or width or 1, down or windowed.stride or height or 1
    return across or windowed.stride or 1, down or windowed.stride or 1


def _sides(layer: Layer) -> tuple[int, int, int, int]:
    """Return the padding left, right, above and below; -1 where it is automatic."""
    if isinstance(layer, Sided):
        above, beside = layer.sides()
        (top, bottom), (left, right) = _pair(above), _pair(beside)
        return left, right, top, bottom
    rows, columns = cast("Padded", layer).paddings()
    (top, bottom), (left, right) = _pair(rows), _pair(columns)
    return left, right, top, bottom


def _pair(given: int | tuple[int, int] | None) -> tuple[int, int]:
    if given is None:
        return AUTOMATIC, AUTOMATIC
    return (given, given) if isinstance(given, int) else (given[0], given[1])


def _spare(layer: Layer) -> tuple[int, int]:
    """Return the pixels more at the bottom and at the right."""
    return cast("TransposedConvolution", layer).extras()


def _boxes(layer: Layer) -> float:
    """Return the boxes of a cell of the grid; as many as there are pairs of anchors."""
    detection = cast("Detection", layer)
    return detection.predictions_per_grid or len(detection.anchors) / 2


def _kernel(layer: Layer) -> tuple[int, int]:
    """Return height and width of a window."""
    if isinstance(layer, Pooling):
        return layer.window()
    return cast("Filters | TransposedConvolution", layer).kernel()


_SIZES: tuple[Entry, ...] = (
    Told("width", lambda layer: _kernel(layer)[1], ("width",)),
    Told("height", lambda layer: _kernel(layer)[0], ("height",)),
)
_STEPS: tuple[Entry, ...] = (
    Told("stride", lambda layer: _strides(layer)[0], ("stride",)),
    Told("stride_width", lambda layer: _strides(layer)[0], ("stride_horizontal",)),
    Told("stride_height", lambda layer: _strides(layer)[1], ("stride_vertical",)),
)
_PADS: tuple[Entry, ...] = (
    Told("pad_left", lambda layer: _sides(layer)[0], ("padding", "padding_width", "padding_left")),
    Told("pad_right", lambda layer: _sides(layer)[1], ("padding_right",)),
    Told("pad_top", lambda layer: _sides(layer)[2], ("padding_height", "padding_top")),
    Told("pad_bottom", lambda layer: _sides(layer)[3], ("padding_bottom",)),
)
_SPARE = ("output_padding", "output_padding_height")
_ACT = Choice("act", "act", ACTIVATIONS)
_START: tuple[Entry, ...] = (
    Choice("init", "init", INITIALIZERS),
    Number("std", "std", 1.0),
    Number("mean", "mean", 0.0),
    Number("truncfact", "truncation_factor", 0.0),
    Number("initbias", "init_bias"),
)
_BIAS = Flag("no_bias", "include_bias", opposite=True)
_DROPOUT = Number("dropout", "dropout", 0.0)


def _windowed(found: Found) -> Found:
    """Return options of strides and paddings from their eight numbers."""
    options = dict(found)
    first = options.pop("stride", None)
    across, down = options.pop("stride_width", first), options.pop("stride_height", first)
    if across == down:
        options["stride"] = across
    else:
        options["stride_horizontal"], options["stride_vertical"] = across, down
    for axis, sides in (("width", ("left", "right")), ("height", ("top", "bottom"))):
        given = [options.pop(f"pad_{side}", AUTOMATIC) for side in sides]
        if given[0] == given[1]:
            options[f"padding_{axis}"] = None if given[0] == AUTOMATIC else given[0]
        else:
            options |= {f"padding_{side}": each for side, each in zip(sides, given, strict=True)}
    return {name: value for name, value in options.items() if value is not None}


def _image_or_row(found: Found) -> Found:
    """Leave out the channels of an image without sizes: such a layer takes rows of numbers."""
    sizes = {"n_channels", "width", "height"}
    is_image = "width" in found or "height" in found
    return found if is_image else {n: value for n, value in found.items() if n not in sizes}


def _transposed(found: Found) -> Found:
    options = dict(found)
    for axis in ("height", "width"):
        options[f"output_padding_{axis}"] = options.pop(f"outputpadding{axis}", None)
    return options


def _with_boxes(found: Found) -> Found:
    options = dict(found)
    boxes = options.pop("predictionsPerGrid", None)
    return options | ({"predictions_per_grid": boxes} if boxes else {})


_CONVOLUTION: tuple[Entry, ...] = (
    Number("nfilters", "n_filters"),
    *_SIZES,
    *_STEPS,
    *_PADS,
    _ACT,
    *_START,
    _BIAS,
    _DROPOUT,
)
_NEURONS: tuple[Entry, ...] = (_ACT, *_START, _BIAS)

LAYOUTS: dict[str, Layout] = {
    "input": Layout(
        (
            Number("nchannels", "n_channels", 0),
            Number("width", "width", 0),
            _DROPOUT,
            Number("height", "height", 0),
            Number("scale", "scale"),
            Choice("crop", "random_crop", CROPS),
            Choice("flip", "random_flip", FLIPS),
            Choice("mutation", "random_mutation", MUTATIONS),
            Choice("std", "std", STANDARDIZATIONS),
            Items("offsets", "offsets"),
            Items("normstds", "norm_stds"),
        ),
        _image_or_row,
    ),
    "convo": Layout(_CONVOLUTION, _windowed),
    "localconvo": Layout(_CONVOLUTION, _windowed),
    "groupconvo": Layout((*_CONVOLUTION, Number("ngroups", "n_groups")), _windowed),
    "transconvo": Layout(
        (
            *_CONVOLUTION,
            Told("outputpaddingheight", lambda layer: _spare(layer)[0], _SPARE),
            Told("outputpaddingwidth", lambda layer: _spare(layer)[1], ("output_padding_width",)),
        ),
        lambda found: _windowed(_transposed(found)),
    ),
    "pool": Layout(
        (*_SIZES, *_STEPS, *_PADS, Choice("poolingtype", "pool", POOLS), _DROPOUT), _windowed
    ),
    "fc": Layout((Number("n", "n"), *_NEURONS, _DROPOUT)),
    "output": Layout(
        (
            Number("n", "n", 0),
            *_NEURONS,
            Choice("error", "error", ERRORS),
            Flag("noFullConnect", "full_connect", opposite=True),
            Code("target_std", "target_std", TARGET_STANDARDIZATIONS),
            Ignored("ctcBlankDelimiter"),
        )
    ),
    "recurrent": Layout(
        (
            Number("n", "n"),
            _ACT,
            *_START,
            _DROPOUT,
            Flag("reversed", "reversed"),
            Choice("rnntype", "rnn_type", RNN_TYPES),
            Choice("rnnoutputtype", "output_type", RNN_OUTPUTS),
            Number("maxoutputlength", "max_output_length", 0),
            Ignored("peephole", 0.0),
        )
    ),
    "projection": Layout(
        (
            Number("embeddingsize", "embedding_size"),
            Number("alphabetsize", "alphabet_size"),
            *_START,
            _BIAS,
            _DROPOUT,
        )
    ),
    "batchnorm": Layout((_ACT,)),
    "residual": Layout((_ACT,)),
    "concat": Layout((_ACT, Ignored("concat", 0.0))),
    "scale": Layout((_ACT,)),
    "reshape": Layout(
        (
            Number("width", "width", 0),
            Number("height", "height", 0),
            Number("depth", "depth", 0),
            _ACT,
            Code("reshapeorder", "order", ORDERS),
        )
    ),
    "keypoints": Layout(
        (
            Number("n", "n"),
            _ACT,
            Choice("init", "init", INITIALIZERS),
            Number("std", "std", 1.0),
            Number("mean", "mean", 0.0),
            Number("initbias", "init_bias"),
            _BIAS,
            Number("truncation", "truncation_factor"),
            Code("losstype", "error", {"AUTO": 0, "NORMAL": 1}, always=False),
        )
    ),
    "detection": Layout(
        (
            Choice("act", "act", {n: ACTIVATIONS[n] for n in ("AUTO", "LOGISTIC", "IDENTITY")}),
            Items("anchors", "anchors"),
            Number("classNumber", "class_number", 0),
            Number("classScale", "class_scale"),
            Ignored("coordNumber", 4.0),
            Number("coordScale", "coord_scale"),
            Code("coordType", "coord_type", COORDINATES),
            Number("detectionThreshold", "detection_threshold"),
            Flag("doSqrt", "do_sqrt"),
            Number("forceCoordScale", "force_coord_scale"),
            Ignored("forced"),
            Number("gridNumber", "grid_number", 0),
            Number("iouThreshold", "iou_threshold"),
            Ignored("jitter"),
            Flag("matchAnchorSize", "match_anchor_size"),
            Number("maxBoxes", "max_boxes"),
            Number("maxLabelsPerImage", "max_label_per_image"),
            Number("numToForceCoord", "num_to_force_coord"),
            Ignored("objectOnly"),
            Number("objectScale", "object_scale"),
            Number("predictionNotAObjectScale", "prediction_not_a_object_scale"),
            Told("predictionsPerGrid", _boxes, ("predictions_per_grid",)),
            Flag("randomboxes", "random_boxes"),
            Ignored("rescore"),
            Flag("softMaxForClassProb", "softmax_for_class_prob"),
            Ignored("trainIouThreshold"),
            Code("yoloVersion", "detection_model_type", YOLO_VERSIONS),
        ),
        _with_boxes,
    ),
    "segmentation": Layout(
        (_ACT, Choice("error", "error", ERRORS), Number("targetScale", "target_scale"))
    ),
    "channelshuffle": Layout((Number("scale", "scale"), Number("ngroups", "n_groups"))),
    "fcmp": Layout(
        (
            Number("width", "width"),
            Number("height", "height"),
            Number("depth", "depth"),
            Number("nweights", "n_weights"),
            Text("fcmp", "forward_func"),
            Text("fcmpder", "backward_func"),
        )
    ),
    "closs": Layout((Number("margin", "margin"),)),
    "cluster": Layout((Number("nClusters", "n_clusters"), Number("alpha", "alpha"))),
    "regionproposal": Layout(
        (
            _ACT,
            Number("baseAnchorSize", "base_anchor_size"),
            Number("maxLabelPerImage", "max_label_per_image"),
            Number("roiTrainSampleNum", "roi_train_sample_num"),
            Flag("doRPNOnly", "do_rpn_only"),
            Number("proposedRoiNumTrain", "proposed_roi_num_train"),
            Number("proposedRoiNumScore", "proposed_roi_num_score"),
            Number("anchorNumToSample", "anchor_num_to_sample"),
            Code("coordType", "coord_type", COORDINATES),
            Items("anchorScale", "anchor_scale"),
            Items("anchorRatio", "anchor_ratio"),
        )
    ),
    "roipooling": Layout(
        (
            _ACT,
            Number("outputHeight", "output_height"),
            Number("outputWidth", "output_width"),
            Number("spatialScale", "spatial_scale"),
        )
    ),
    "fastrcnn": Layout(
        (
            _ACT,
            Number("classNumber", "class_number"),
            Number("maxLabelPerImage", "max_label_per_image"),
            Number("nmsIouThreshold", "nms_iou_threshold"),
            Number("maxObjectNum", "max_object_num"),
            Number("detectionThreshold", "detection_threshold"),
            Code("coordType", "coord_type", COORDINATES),
        )
    ),
    "layernorm": Layout((_ACT, _DROPOUT, Number("epsilon", "epsilon"))),
    "mhattention": Layout(
        (
            Number("n", "n"),
            Number("nattnheads", "n_attn_heads"),
            _ACT,
            *_START,
            Flag("includebias", "include_bias", spelled=True),
            Choice("mask", "mask", MASKS),
            _DROPOUT,
            Number("attndropout", "attn_dropout"),
        )
    ),
    "survival": Layout(()),
    "split": Layout((Number("ndestinationlayers", "n_destination_layers"),)),
}
"""What the rows of a layer are, by the type of the layer."""
