"""A bound graph becomes a torch.fx.GraphModule with one call per layer."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, fx

from engine.graph.layout import SegmentSpec
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Part, Task


class CompiledModel:
    """A network that runs, with its declaration and the order of its numbers.

    Attributes:
        module: one submodule ``layer_<id>`` per layer.
        specs: the place of every tensor in the weight table.
        tasks: loss, fit error and prediction by name of task layer, in order of id.
    """

    graph: Graph
    options: BuildOptions
    module: fx.GraphModule
    specs: tuple[SegmentSpec, ...]
    tasks: dict[str, Task]

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        raise NotImplementedError

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return raw outputs of task layers, and activations of the layers asked for, by name.

        Args:
            inputs: by name of input layer, images (N, C, H, W) or vectors (N, D), raw values.
        """
        raise NotImplementedError

    def tensor(self, spec: SegmentSpec) -> Tensor:
        """Return the parameter or buffer of a place in the weight table."""
        raise NotImplementedError

    def parameters(self, part: Part | None = None) -> list[torch.nn.Parameter]:
        """Return the trained tensors in table order, of one part or of all."""
        raise NotImplementedError

    def to(self, device: torch.device, *, channels_last: bool = False) -> "CompiledModel":
        """Move all tensors; channels_last also changes how images lie in memory."""
        raise NotImplementedError

    def train(self) -> None:
        """Use dropout and statistics of the mini-batch."""
        raise NotImplementedError

    def eval(self) -> None:
        """Use stored statistics and no dropout."""
        raise NotImplementedError

    def begin_epoch(self) -> None:
        """Forget the sums of batch normalisation layers."""
        raise NotImplementedError

    def end_epoch(self) -> None:
        """Write the statistics of batch normalisation layers from the sums of the epoch."""
        raise NotImplementedError

    def set_generator(self, generator: torch.Generator | None) -> None:
        """Set the source of randomness of dropout; on the device of the model."""
        raise NotImplementedError


def compile_graph(
    graph: Graph,
    options: BuildOptions,
    *,
    generator: torch.Generator | None = None,
    outputs: Sequence[str] | None = None,
) -> CompiledModel:
    """Return the module of a bound graph, on the CPU, in training mode.

    Args:
        graph: the declared layers, bound to data.
        options: choices of the run which change the network.
        generator: draws the starting values; None leaves tensors unset, to be loaded.
        outputs: layers whose activations are returned besides the raw outputs of task layers.

    Raises:
        GraphError: the graph is not complete or a shape is not known.
        ShapeError: a layer does not fit its sources.
    """
    raise NotImplementedError
