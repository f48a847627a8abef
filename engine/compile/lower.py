"""A bound graph becomes a torch.fx.GraphModule with one call per layer."""

from collections.abc import Mapping, Sequence
from operator import getitem

import torch
from torch import Tensor, fx, nn

from engine.compile.moments import EpochMoments
from engine.compile.steps import sequence_inputs, wire_lengths
from engine.compile.turns import Turns
from engine.errors import GraphError
from engine.graph.dealing import dealt_parts
from engine.graph.infer import check_trainable, known_shapes, known_sources
from engine.graph.layout import SegmentSpec, layout
from engine.graph.spec import Graph, Node
from engine.graph.walk import listed
from engine.layers.base import BuildOptions, Part, Task, TaskLayer
from engine.layers.input import Input
from engine.modules.chance import Chance
from engine.modules.channels import part_of
from engine.modules.normalization import BatchNorm
from engine.modules.recurrent import Recurrent
from engine.precision import Precision, in_halves, widened
from engine.sequences import full_lengths, lengths_of
from engine.shapes import Shape

IMAGE_BATCH_AXES = 4


class CompiledModel:
    """A network that runs, with its declaration and the order of its numbers.

    Attributes:
        module: one submodule ``layer_<id>`` per layer; takes the input layers' values in order of
            id, then the true lengths of those that are sequences; returns a tuple in the order
            of ``outputs``.
        inputs: names of the input layers, in order of id.
        sequences: steps of those whose rows are sequences, by name.
        outputs: names of the layers whose values are returned.
        specs: the place of every tensor in the weight table.
        tasks: loss, fit error and prediction by name of task layer, in order of id.
        loss_scales: factor of a task's loss where it is not 1, by name of task layer.
        turns: flips targets that are places in an image with it.
        moments: batch normalisation statistics of the running epoch.
        precision: what products are formed in; all else is float32, the results too.
    """

    precision: Precision = "FP32"

    def __init__(
        self, graph: Graph, options: BuildOptions, module: fx.GraphModule, outputs: Sequence[str]
    ) -> None:
        self.graph = graph
        self.options = options
        self.module = module
        self.inputs = tuple(n.name for n in graph.nodes if isinstance(n.layer, Input))
        self.sequences = {node.name: steps for node, steps in sequence_inputs(graph)}
        self.outputs = tuple(outputs)
        self.specs = layout(graph, options)
        self.tasks: dict[str, Task] = {
            node.name: node.layer.task()
            for node in graph.nodes
            if isinstance(node.layer, TaskLayer)
        }
        images = {
            name: module.get_submodule(module_name(graph.node(name).id)) for name in self.inputs
        }
        self.turns = Turns(graph, images, self.tasks)
        self.loss_scales: Mapping[str, float] = {}
        self.channels_last = False
        self.moments = EpochMoments([m for m in module.modules() if isinstance(m, BatchNorm)])
        self._device = torch.device("cpu")

    @property
    def device(self) -> torch.device:
        """The device of the tensors."""
        return self._device

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return raw outputs of task layers, and activations of the layers asked for, by name.

        In training mode the statistics of batch normalisation layers are pooled as well.

        Args:
            inputs: by name of input layer, images (N, C, H, W), sequences (N, T, D) or vectors
                (N, D), raw values; true lengths of sequences (N,) by ``lengths_of`` the name, left
                out where no row is padded.

        Raises:
            GraphError: an input layer got no values.
        """
        results = self.forward(inputs)
        if self.module.training and self.moments.layers:
            self.moments.pool(len(inputs[self.inputs[0]]))
        return results

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what a call does, and leave the statistics in the layers.

        Raises:
            GraphError: an input layer got no values.
        """
        try:
            values = [inputs[name] for name in self.inputs]
        except KeyError as error:
            raise GraphError(
                f"got values for {listed(list(inputs))}, expected {listed(self.inputs)}",
                got=list(inputs),
                expected=list(self.inputs),
            ) from error
        values = [self.laid_out(value) for value in values]
        lengths = [_lengths(inputs, name, steps) for name, steps in self.sequences.items()]
        return dict(zip(self.outputs, self._results([*values, *lengths]), strict=True))

    def _results(self, values: Sequence[Tensor]) -> Sequence[Tensor]:
        if self.precision == "FP32":
            results: Sequence[Tensor] = self.module(*values)
            return results
        with in_halves(self._device):
            return [widened(each) for each in self.module(*values)]

    def laid_out(self, value: Tensor) -> Tensor:
        """Return values of an input layer in the order of memory that the model computes in."""
        is_image = self.channels_last and value.dim() == IMAGE_BATCH_AXES
        return value.contiguous(memory_format=torch.channels_last) if is_image else value

    def loss_scale(self, task: str) -> float:
        """Return the factor of a task layer's loss."""
        return self.loss_scales.get(task, 1.0)

    def tensor(self, spec: SegmentSpec) -> Tensor:
        """Return the parameter or buffer of a place in the weight table."""
        layer = self.module.get_submodule(module_name(spec.layer_id))
        tensor = getattr(layer, spec.name)
        assert isinstance(tensor, Tensor)  # noqa: S101 - TensorSpec promises it
        return tensor

    def parameters(self, part: Part | None = None) -> list[nn.Parameter]:
        """Return the trained tensors in table order, of one part or of all."""
        tensors = [self.tensor(spec) for spec in self.specs if part in (None, spec.part)]
        return [tensor for tensor in tensors if isinstance(tensor, nn.Parameter)]

    def to(self, device: torch.device, *, channels_last: bool = False) -> "CompiledModel":
        """Move all tensors; channels_last also changes how images and filters lie in memory."""
        order = torch.channels_last if channels_last else torch.contiguous_format
        for tensor in (*self.module.parameters(), *self.module.buffers()):
            moved = tensor.data.to(device)
            is_filter = moved.dim() == IMAGE_BATCH_AXES
            tensor.data = _laid(moved, order) if is_filter else moved
        for module in self.module.modules():
            if isinstance(module, Recurrent):
                module.compact()
        self.channels_last = channels_last
        self._device = device
        self.moments.reset()
        return self

    def train(self) -> None:
        """Use dropout and statistics of the mini-batch."""
        self.module.train()

    def eval(self) -> None:
        """Use stored statistics and no dropout."""
        self.module.eval()

    def begin_epoch(self) -> None:
        """Forget the sums of batch normalisation layers."""
        self.moments.reset()

    def end_epoch(self) -> None:
        """Write the statistics of batch normalisation layers from the sums of the epoch."""
        self.moments.write()

    def set_generator(self, generator: torch.Generator | None) -> None:
        """Set the source of randomness of all that draws; on the device of the model."""
        for module in self.module.modules():
            if isinstance(module, Chance):
                module.generator = generator
        for task in self.tasks.values():
            task.draw_from(generator)


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
    check_trainable(graph)
    shapes = known_shapes(graph, options)
    root = nn.Module()
    for node in graph.nodes:
        sources = known_sources(graph, node, shapes)
        built = node.layer.build(sources, options)
        if generator is not None and node.shared is None:
            node.layer.initialize(built, sources, generator)
        root.add_module(module_name(node.id), built)
    for node in graph.nodes:
        if node.shared is not None:
            _share(root, node, graph.node(node.shared), known_sources(graph, node, shapes), options)
    tasks = [node.name for node in graph.nodes if node.layer.is_task]
    asked = [graph.node(name).name for name in outputs or ()]
    returned = list(dict.fromkeys([*tasks, *asked]))
    return CompiledModel(graph, options, _wire(graph, root, returned), returned)


def module_name(layer_id: int) -> str:
    """Return the name of a layer's submodule."""
    return f"layer_{layer_id}"


def _share(
    root: nn.Module, node: Node, owner: Node, sources: Sequence[Shape], options: BuildOptions
) -> None:
    """Put the owner's tensors in the place of the node's own."""
    own, theirs = (root.get_submodule(module_name(each.id)) for each in (node, owner))
    for spec in node.layer.tensors(sources, options):
        setattr(own, spec.name, getattr(theirs, spec.name))


def _wire(graph: Graph, root: nn.Module, outputs: Sequence[str]) -> fx.GraphModule:
    """Return the module that calls every layer of ``root`` once."""
    calls = fx.Graph()
    entries = [node for node in graph.nodes if isinstance(node.layer, Input)]
    values = {node.name: (calls.placeholder(f"input_{node.id}"),) for node in entries}
    lengths = wire_lengths(calls, graph)
    raws: dict[str, fx.Node] = {}
    parts = dealt_parts(graph.nodes)

    def value(node: Node, position: int) -> fx.Node:
        source = graph.node(node.sources[position])
        whole = values[source.name][0]
        part = parts.get((node.name, position))
        if part is None:
            return whole
        return calls.call_function(part_of, (whole, part, source.layer.destinations))

    for node in graph.order:
        sources = values.get(node.name) or tuple(
            value(node, position) for position in range(len(node.sources))
        )
        call = calls.call_module(module_name(node.id), sources)
        if node.layer.takes_lengths and node.name in lengths:
            call.kwargs = {"lengths": lengths[node.name]}
        if node.layer.is_task and node.layer.feeds:
            raws[node.name] = calls.call_function(getitem, (call, 1))
            call = calls.call_function(getitem, (call, 0))
        values[node.name] = (call,)
    calls.output(tuple(raws.get(name, values[name][0]) for name in outputs))
    return fx.GraphModule(root, calls, class_name="CompiledGraph")


def _lengths(inputs: Mapping[str, Tensor], name: str, steps: int) -> Tensor:
    given = inputs.get(lengths_of(name))
    return full_lengths(inputs[name], steps) if given is None else given


def _laid(filters: Tensor, order: torch.memory_format) -> Tensor:
    """Return filters in an order, also where one channel makes both orders the same.

    Convolutions choose their layout by the strides; with plain ones a grey image's maps, and all
    that pools them, would run in the slower order.
    """
    return torch.empty_like(filters, memory_format=order).copy_(filters)
