"""The layer that predicts how soon an event comes."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import PrivateAttr
from torch import nn

from engine.errors import GraphError, ShapeError
from engine.layers.base import BuildOptions, Target, TargetForm, Task, TaskLayer, layer_type
from engine.modules.dense import Flatten
from engine.shapes import Shape, flat_size
from engine.tasks.survival import Cox

VARIABLES = 2
"""Time and event."""


@layer_type
class Survival(TaskLayer):
    """Predict the logarithm of a hazard ratio from times of events: Cox's model with a network.

    The targets are two interval variables, the time and then the event: 1 where it was seen at that
    time, 0 where it was not until then. A row without both is dropped. A loss alone, without
    weights, on one value, which larger values of the source mean sooner events.

    Shapes: one value → (1,).

    Source: the deepLearn reference, layer type survival; Cox (1972); Katzman et al. (2018).
    """

    code: ClassVar[int] = 27
    prefix: ClassVar[str] = "survivalopts"
    title: ClassVar[str] = "Survival"

    type: Literal["survival"] = "survival"

    _target: Target | None = PrivateAttr(default=None)

    def target_form(self, sources: Sequence[Shape | None]) -> TargetForm:
        del sources
        return TargetForm(drops_missing=True)

    def bind(self, target: Target) -> Self:
        if (target.kind, target.size) != ("interval", VARIABLES):
            raise GraphError(
                f"got a target of {target.size} that is {target.kind}, expected two interval "
                "variables: the time and whether the event was seen",
                got=[target.kind, target.size],
            )
        bound = self.model_copy()
        bound._target = target
        return bound

    def task(self) -> Task:
        if self._target is None:
            raise GraphError("got no target yet, expected a bound survival layer")
        return Cox(self._target)

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        size = flat_size(sources)
        if size != 1:
            raise ShapeError(
                f"got {size} values, expected 1, the logarithm of the hazard ratio; put a fully "
                "connected layer of one neuron before it",
                got=size,
                expected=1,
            )
        return (1,)

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources, options
        return Flatten()
