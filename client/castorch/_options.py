"""The optional parameters of training and scoring, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from castorch._table import Table

Missing = Literal["MAX", "MIN", "MEAN", "NONE"]


class TrainOptions(TypedDict, total=False):
    """What :meth:`castorch.Model.train` takes besides the table and the target.

    Attributes:
        inputs: the columns to predict from; left out, ``_image_``.
        nominals: the columns, target included, whose values are categories.
        texts: those of the inputs that are text, read token by token.
        text_parms: ``{"init_input_embeddings": "vectors"}``: the table of terms and their vectors.
        sequence: ``{"input_length": "len", "token_size": 2}``: how columns make steps.
        target_sequence: the target of every step, in place of the target.
        data_specs: what every input layer is fed with and every task layer is to predict.
        weights: name of the weight table to write; left out, the model's with ``_weights``.
        best_weights: name of a second weight table, for the epoch with the smallest loss.
        init_weights: weights to start from.
        valid: data to validate on.
        valid_freq: validate after every this many epochs.
        optimizer: ``{"algorithm": {"method": "ADAM", "learning_rate": 1e-3}, "max_epochs": 10,
            "mini_batch_size": 32}`` and whatever else the server knows.
        seed: a positive one makes the run reproducible.
        record_seed: shuffles the rows of each epoch; negative takes the clock.
        missing: what stands for a missing input.
        target_missing: what stands for a missing target.
        target_order: order of the levels of the target.
        force_equal_padding: pad both sides alike.
        n_threads: processor threads.
        gpu: run on a GPU, or which and how.
    """

    inputs: Sequence[str]
    nominals: Sequence[str]
    texts: Sequence[str]
    text_parms: Mapping[str, Any]
    sequence: Mapping[str, Any]
    target_sequence: Sequence[str]
    data_specs: Sequence[Mapping[str, Any]]
    weights: str
    best_weights: str
    init_weights: Table | str
    valid: Table | str | None
    valid_freq: int
    optimizer: Mapping[str, Any]
    seed: int | None
    record_seed: int | None
    missing: Missing
    target_missing: Missing
    target_order: Literal["ASCENDING", "DESCENDING", "HASH"]
    force_equal_padding: bool
    n_threads: int
    gpu: bool | Mapping[str, Any]


class ScoreOptions(TypedDict, total=False):
    """What :meth:`castorch.Model.score` takes besides the table.

    Attributes:
        weights: the weight table; left out, the one training writes by default.
        out: name of the table of scored rows to write (replacing one of that name).
        copy_vars: columns of the data to carry over to it.
        top_probs: how many of the most probable levels to write.
        encode_name: name the columns after the target and its levels.
        text_parms: the table of terms and their vectors; left out, those kept with the weights.
        layer_out: name of a table of layer outputs to write.
        layers: the layers to include in it; left out, all.
        layer_image_type: one column per pixel, or an image per map.
        display_class_score_info: ``ALL`` adds a table of the accuracy on each level.
        buffer_size: rows of a batch.
        n_threads: processor threads.
        gpu: run on a GPU, or which and how.
    """

    weights: Table | str | None
    out: str | None
    copy_vars: Sequence[str]
    top_probs: int
    encode_name: bool
    text_parms: Mapping[str, Any]
    layer_out: str
    layers: Sequence[str]
    layer_image_type: Literal["JPG", "PNG", "WIDE"]
    display_class_score_info: Literal["ALL", "NONE"]
    buffer_size: int
    n_threads: int
    gpu: bool | Mapping[str, Any]


class Choices(TypedDict, total=False):
    """What :meth:`castorch.Session.build` takes besides the name; each architecture takes some.

    Attributes:
        classes: classes to tell apart.
        size: height and width of images, in pixels.
        channels: channels of images.
        width: factor on the maps of every layer.
        depth: times the image is halved.
        groups: runs of maps which do not see one another.
        filters: filters of the first layer; of a text CNN those of every region size.
        anchors: width and height of one box after the other, in cells.
        words: words of a sentence.
        features: values of a word's vector.
        vocabulary: words that have a vector in the network.
        regions: words that filters see at once, a number for every kind of filter.
    """

    classes: int
    size: int
    channels: int
    width: float
    depth: int
    groups: int
    filters: int
    anchors: Sequence[float]
    words: int
    features: int
    vocabulary: int
    regions: Sequence[int]
