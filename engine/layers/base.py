"""What a layer type is, and the registry of them.

A layer is its parameters (pydantic fields, declared once for the wire, the documentation and the
SDK) plus the rules that follow from them: the shape of its output, the tensors it owns in the order
of the weight table, its cost, and the torch module.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal, Self, TypeVar

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from torch import nn

from engine.losses import Target as Target
from engine.losses import TargetForm as TargetForm
from engine.losses import TargetKind as TargetKind
from engine.losses import Task as Task
from engine.shapes import Shape

Part = Literal["weights", "biases", "statistics"]


@dataclass(frozen=True, init=False)
class Aliases:
    """Other wire names of a field, as metadata: ``Annotated[int, Aliases("nFilter")]``.

    Attributes:
        names: in wire spelling; case does not count.
    """

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclass(frozen=True, init=False)
class Negated:
    """Wire names of a boolean field which say its opposite, as metadata.

    ``include_bias: Annotated[bool, Negated("noBias")]``: noBias true means include_bias false.

    Attributes:
        names: in wire spelling; case does not count.
    """

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


@dataclass(frozen=True, eq=False)
class Synonyms:
    """Other wire values of an enumeration, as metadata: ``Synonyms({"RELU": "RECTIFIER"})``.

    Attributes:
        values: other value to the value the field declares; both in upper case.
    """

    values: Mapping[str, str]


def _none_for_zero(value: object) -> object:
    return None if value == 0 and not isinstance(value, bool) else value


UNSET_BY_ZERO = BeforeValidator(_none_for_zero)
"""Marks an optional number of which 0 means that it is left out, as in model tables of CAS."""


@dataclass(frozen=True)
class TensorSpec:
    """One tensor of a layer: its part of the weight table, its name in the module, its shape.

    The module holds it under ``name`` as a parameter (or, for statistics, a buffer) of exactly this
    shape, so that the flattened tensor is the run of rows in the weight table.
    """

    part: Part
    name: str
    shape: Shape

    @property
    def size(self) -> int:
        return prod(self.shape)


class BuildOptions(BaseModel):
    """Choices of a training run that change the network itself, kept with the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    force_equal_padding: bool = False
    """Raise the smaller side of an uneven automatic padding to the larger one, on every device."""
    dropout_type: Literal["STANDARD", "INVERTED"] = "STANDARD"
    """STANDARD scales by (1 - p) when scoring, INVERTED by 1 / (1 - p) when training."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rate for outputs of fully connected layers that set none themselves."""
    dropout_input: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Rate for input layers that set none themselves."""


@dataclass(frozen=True)
class Arity:
    """How many sources a layer takes; ``most`` None means any number."""

    least: int
    most: int | None


class Layer(BaseModel):
    """Base of all layer types; every subclass is registered with :func:`layer_type`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    type: str

    code: ClassVar[int]
    """The numeric ``layertype`` of the CAS model table."""
    prefix: ClassVar[str]
    """The option-key prefix of the CAS model table."""
    title: ClassVar[str]
    """The plural-free name in the rows of modelInfo, for example ``Convolutional``."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names of the type on the wire."""
    arity: ClassVar[Arity] = Arity(1, 1)
    is_task: ClassVar[bool] = False
    """Whether the layer carries a loss and can end a network."""
    feeds: ClassVar[bool] = True
    """Whether layers may follow; the module of a task layer that lets them returns its output and
    the raw values of the task."""

    @abstractmethod
    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        """Return the shape of one output, or None while it depends on data not seen yet.

        Raises:
            ShapeError: the layer does not fit its sources; the message does not name the layer,
                the graph puts its name in front.
        """

    def infer_open(self) -> Shape | None:
        """Return the output shape when a source's shape is unknown; None when it depends on it."""
        return None

    @property
    def destinations(self) -> int | None:
        """How many layers share the output, each seeing an equal part of its first axis in turn.

        None: any number may follow, and each sees all of it.
        """
        return None

    @property
    def takes_lengths(self) -> bool:
        """Whether the module is called with true lengths of sequences, ``lengths=`` (N,)."""
        return False

    @property
    def keeps_steps(self) -> bool:
        """Whether the steps of the output are those of the source, and so its true lengths too."""
        return False

    def tensors(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[TensorSpec, ...]:
        """Return the tensors the layer owns, in the order of the weight table."""
        del sources, options
        return ()

    def multiply_adds(self, sources: Sequence[Shape], options: BuildOptions) -> int:
        """Return the multiplications of one forward pass of one example, biases ignored."""
        del sources, options
        return 0

    @abstractmethod
    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        """Return the module; its inputs are the sources in order, each with a batch axis first."""

    def initialize(
        self, module: nn.Module, sources: Sequence[Shape], generator: torch.Generator
    ) -> None:
        """Fill the module's tensors with starting values drawn from the generator."""
        del module, sources, generator


class TaskLayer(Layer):
    """A layer that carries a loss and can end a network."""

    is_task: ClassVar[bool] = True
    feeds: ClassVar[bool] = False

    def target_form(self, sources: Sequence[Shape | None]) -> TargetForm:
        """Return how the columns of the target are to be read.

        Args:
            sources: shapes of the sources, None where they depend on data not seen yet.

        Raises:
            GraphError: that depends on a shape which is not known.
        """
        del sources
        return TargetForm()

    @abstractmethod
    def bind(self, target: Target) -> Self:
        """Return the layer with all that depends on its target filled in.

        Raises:
            GraphError: the layer cannot predict such a target.
        """

    @abstractmethod
    def task(self) -> Task:
        """Return the loss, the fit error and the prediction of a bound layer.

        Raises:
            GraphError: the layer is not bound yet.
        """


L = TypeVar("L", bound=type[Layer])

LAYERS: dict[str, type[Layer]] = {}
"""Every layer type by its wire name, in order of registration."""


def layer_type(cls: L) -> L:
    """Register a layer class under the default of its ``type`` field.

    Raises:
        ValueError: the name or an alias is taken.
    """
    declared: type[Layer] = cls
    name: str = declared.model_fields["type"].default
    taken = {known for other in LAYERS.values() for known in (*other.aliases,)} | set(LAYERS)
    for each in (name, *cls.aliases):
        if each in taken:
            raise ValueError(f"layer type {each!r} is registered twice")
    LAYERS[name] = cls
    return cls
