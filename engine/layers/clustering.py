"""The layer that groups rows."""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, PositiveInt, PrivateAttr
from torch import nn

from engine.errors import GraphError
from engine.layers.base import BuildOptions, Target, TargetForm, Task, TaskLayer, layer_type
from engine.layers.weighted import Shaped
from engine.modules.clustering import StudentKernel
from engine.shapes import Shape, flat_size
from engine.tasks.clustering import Cluster as ClusterTask


@layer_type
class Cluster(Shaped, TaskLayer):
    """Group rows by how near they are to centres that are learned: deep embedded clustering.

    It takes no target. The centres start from ``init``; there are no biases.

    Shapes: any → (K,), how much a row belongs to each cluster; weights (K, D), the centres.

    Source: the deepLearn reference, layer type cluster; Xie et al. (2016).
    """

    code: ClassVar[int] = 26
    prefix: ClassVar[str] = "clusteropts"
    title: ClassVar[str] = "Clustering"

    type: Literal["cluster"] = "cluster"
    n_clusters: PositiveInt
    """Number of clusters."""
    alpha: float = Field(default=1.0, gt=0.0)
    """Degrees of freedom of Student's t distribution."""
    include_bias: Literal[False] = False
    """There are no biases."""

    _target: Target | None = PrivateAttr(default=None)

    def target_form(self, sources: Sequence[Shape | None]) -> TargetForm:
        del sources
        return TargetForm("none")

    def bind(self, target: Target) -> Self:
        if target.kind != "none":
            raise GraphError(
                f"got a target that is {target.kind}, expected none: clusters are found without",
                got=target.kind,
            )
        bound = self.model_copy()
        bound._target = target
        return bound

    def task(self) -> Task:
        if self._target is None:
            raise GraphError("got no target yet, expected a bound cluster layer")
        return ClusterTask(self._target, self.n_clusters)

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del sources, options
        return (self.n_clusters,)

    def infer_open(self) -> Shape | None:
        return (self.n_clusters,)

    def weight_shape(self, sources: Sequence[Shape]) -> Shape | None:
        return self.n_clusters, flat_size(sources)

    def fans(self, weight: Shape) -> tuple[int, int]:
        return weight[1], weight[0]

    def bias_shape(self, weight: Shape) -> Shape:
        return (weight[0],)

    def multiply_adds(self, sources: Sequence[Shape], options: BuildOptions) -> int:
        del options
        return self.n_clusters * flat_size(sources)

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del options
        return StudentKernel(self.n_clusters, flat_size(sources), self.alpha)
