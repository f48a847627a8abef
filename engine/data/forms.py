"""Who learns and who encodes a target, by the form its task layer wants."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy.typing as npt

from engine.data.columns import Columns
from engine.data.objects import ObjectsLearner, is_object_name, read_objects
from engine.data.pixels import PixelsLearner, read_pixels
from engine.data.steps import STEP_READERS
from engine.data.targets import (
    NoneLearner,
    Reading,
    TargetLearner,
    TargetRequest,
    VariablesLearner,
    read_none,
)
from engine.graph.spec import Graph
from engine.layers.base import TargetForm, TaskLayer

LABEL = "_label_"
"""The target variable when none is named."""

LEARNERS: dict[str, Callable[[TargetRequest, Columns], TargetLearner]] = {
    "variables": VariablesLearner,
    "none": NoneLearner,
    "objects": ObjectsLearner,
    "pixels": PixelsLearner,
}
"""By the kind of form."""

READERS: dict[str, Callable[[Any, Reading], npt.NDArray[Any]]] = {
    "none": read_none,
    "objects": read_objects,
    "pixels": read_pixels,
    **STEP_READERS,
}
"""By the kind of target; variables are encoded by the encoder itself."""


def task_forms(graph: Graph) -> list[TargetForm]:
    """Return how the task layers of a graph want their targets to be read, in order of id."""
    return [
        node.layer.target_form([graph.shapes[source] for source in node.sources])
        for node in graph.nodes
        if isinstance(node.layer, TaskLayer)
    ]


def default_names(form: TargetForm, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the target variables a form takes from a table when none are named."""
    if form.kind == "none":
        return ()
    if form.kind == "objects":
        return tuple(name for name in columns if is_object_name(name))
    return tuple(name for name in columns if name == LABEL)
