"""What becomes of every parameter: supported, in part, or refused, and why.

Source of the names that are not ours: the deepLearn reference, sections 1, 2 and 4.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from actions.fields import Shape, camel, refused, take_apart
from engine.layers.base import LAYERS, Layer
from engine.train.algorithms import not_built

DEEP_LEARNING = (
    "buildModel",
    "addLayer",
    "removeLayer",
    "modelInfo",
    "dlTrain",
    "dlScore",
    "dlTune",
    "dlExportModel",
    "dlImportModelWeights",
    "dlLabelTarget",
    "dlJoin",
    "dlPrune",
)
"""Every action of the dialect's set ``deepLearn``."""


WITHOUT_EFFECT = ("Accepted;", "one is enough", "changes nothing")
"""What descriptions say of fields that make no difference."""


@dataclass(frozen=True)
class Support:
    """One parameter of a class.

    Attributes:
        name: in wire spelling.
        state: supported; in part, where some values are refused; refused whatever its value; or
            of no effect, where it is taken and any value gives the same.
        reason: which values are refused, and why; empty where it is supported.
    """

    name: str
    state: Literal["supported", "in part", "refused", "no effect"]
    reason: str = ""


def support(model: type[BaseModel]) -> tuple[Support, ...]:
    """Return every parameter of a class, and those it is known to lack."""
    kept = {name: f"any other value: {why}" for name, why in not_built(model).items()}
    partly = {**getattr(model, "partly", {}), **kept}
    found = [
        Support(camel(name), "in part", partly[name])
        if name in partly
        else Support(camel(name), _state(info))
        for name, info in model.model_fields.items()
    ]
    return (*found, *(Support(n, "refused", why) for n, why in refused(model).items()))


def _state(info: FieldInfo) -> Literal["supported", "no effect"]:
    """Return the state of a field by what its description says."""
    text = info.description or ""
    return "no effect" if any(sign in text for sign in WITHOUT_EFFECT) else "supported"


def classes(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a class and every class inside its fields, each once; of layers all types."""
    seen: dict[type[BaseModel], None] = {}
    waiting = [model]
    while waiting:
        found = waiting.pop(0)
        if found in seen:
            continue
        seen[found] = None
        if found is Layer:
            waiting += LAYERS.values()
            continue
        for info in found.model_fields.values():
            waiting += _inside(take_apart(info.annotation, tuple(info.metadata)))
        yield found


def _inside(shape: Shape) -> Iterator[type[BaseModel]]:
    if shape.kind == "model":
        yield shape.type
    elif shape.kind != "literal":
        for item in shape.items:
            yield from _inside(take_apart(item))
