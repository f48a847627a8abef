"""The layer that compares embeddings."""

from collections.abc import Sequence
from math import prod
from typing import ClassVar, Literal, Self

from pydantic import Field, PrivateAttr
from torch import nn

from engine.errors import GraphError, ShapeError
from engine.layers.base import (
    Arity,
    BuildOptions,
    Target,
    TargetForm,
    Task,
    TaskLayer,
    layer_type,
)
from engine.modules.embedding import Distances
from engine.shapes import Shape
from engine.tasks.embedding import Contrastive, Margins

PAIR = 2


@layer_type
class EmbeddingLoss(TaskLayer):
    """Learn embeddings by comparing those of two, three or four branches of a network.

    Two sources, a pair: the target is one interval variable, 1 where the two are similar and 0
    where they are not. Three, an anchor, something similar and something that is not; four, with
    one more that is similar to none: no target. The branches share their weights.

    Shapes: equal numbers of values → (sources - 1,) distances.

    Source: the deepLearn reference, layer type closs; Hadsell et al. (2006); Schroff et al. (2015);
    Chen et al. (2017).
    """

    code: ClassVar[int] = 22
    prefix: ClassVar[str] = "clossopts"
    title: ClassVar[str] = "Embedding Loss"
    arity: ClassVar[Arity] = Arity(2, 4)

    type: Literal["closs"] = "closs"
    margin: float = Field(default=2.0, allow_inf_nan=False)
    """How far apart what is not similar is to be, or how much farther than what is; below 0 it may
    be nearer."""

    _target: Target | None = PrivateAttr(default=None)

    def target_form(self, sources: Sequence[Shape | None]) -> TargetForm:
        return TargetForm("variables" if len(sources) == PAIR else "none", drops_missing=True)

    def bind(self, target: Target) -> Self:
        if target.kind != "none" and (target.kind, target.size) != ("interval", 1):
            raise GraphError(
                f"got a target of {target.size} that is {target.kind}, expected one interval "
                "variable: 1 where a pair is similar, 0 where it is not",
                got=[target.kind, target.size],
            )
        bound = self.model_copy()
        bound._target = target
        return bound

    def task(self) -> Task:
        if self._target is None:
            raise GraphError("got no target yet, expected a bound closs layer")
        kind = Margins if self._target.kind == "none" else Contrastive
        return kind(self._target, self.margin)

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        sizes = [prod(shape) for shape in sources]
        if len(set(sizes)) > 1:
            raise ShapeError(
                f"got sources of {sizes} values, expected equal numbers: embeddings of one kind",
                got=sizes,
            )
        if self._target is not None and (self._target.kind == "none") == (len(sources) == PAIR):
            raise ShapeError(
                f"got {len(sources)} sources and a target that is {self._target.kind}, expected a "
                "target with two sources, and none with three or four",
                got=len(sources),
            )
        return (len(sources) - 1,)

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources, options
        return Distances()
