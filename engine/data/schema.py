"""How rows become tensors: learned once from the training table, kept with the weights.

The schema is complete for scoring: variables, levels, replacements of missing values, the scales of
standardised variables, image sizes, and the options the network was built with.
"""

from typing import Literal

from pydantic import Field

from engine.data.variables import (
    Frozen,
    ImageInput,
    InputSpec,
    SequenceInput,
    TargetSpec,
    TextInput,
)
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions

Missing = Literal["MAX", "MIN", "MEAN", "NONE"]
TargetOrder = Literal["ASCENDING", "DESCENDING", "HASH"]


class SequenceRequest(Frozen):
    """How columns make a sequence."""

    input_length: str | None = None
    """Variable with the number of true steps of the inputs; None: all are."""
    target_length: str | None = None
    """Variable with the number of true steps of the target."""
    token_size: int = 1
    """Variables that make one step of the inputs."""


class DataSpec(Frozen):
    """What one input layer is fed with, or what one task layer is to predict."""

    layer: str
    data: tuple[str, ...]
    """Its variables."""
    is_text: bool = False
    nominals: tuple[str, ...] = ()
    """Those of them that are categories."""
    length: str | None = None
    """Variable with the number of true steps of a sequence."""
    token_size: int = 0
    """Variables that make one step of a sequence; 0: it is none."""
    loss_scale: float = 1.0
    """Factor of a task's loss."""


class ClassWeight(Frozen):
    """The weight of the observations of a level of the target."""

    level: str | float
    weight: float = Field(ge=0, allow_inf_nan=False)


class SchemaRequest(Frozen):
    """What a caller says about the variables of a table."""

    inputs: tuple[str, ...] = ()
    """Input variables, in the order they are encoded."""
    target: tuple[str, ...] = ()
    """One nominal variable, or any number of interval variables."""
    nominals: tuple[str, ...] = ()
    """Numeric variables to be treated as categories; character variables always are."""
    missing: Missing = "MEAN"
    """Replacement of missing interval inputs; NONE drops the row."""
    target_missing: Missing = "MEAN"
    """Replacement of missing interval targets; NONE drops the row."""
    target_order: TargetOrder = "ASCENDING"
    """Order of the levels of a nominal target; HASH is the order met in the data."""
    texts: tuple[str, ...] = ()
    """The input that is text, to be read token by token."""
    sequence: SequenceRequest | None = None
    """How the inputs make a sequence; None: they are one row."""
    target_sequence: tuple[str, ...] = ()
    """The target of every step, in place of ``target``."""
    weight: str | None = None
    """Variable with the weight of every observation in training."""
    class_weights: tuple[ClassWeight, ...] = ()
    """Weights of the levels of the nominal target in training; of those left out: 1."""
    specs: tuple[DataSpec, ...] = ()
    """One for every input layer and task layer, in place of all inputs and targets above."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is asked for, each once."""
        names = [*self.inputs, *self.target, *self.target_sequence]
        for spec in self.specs:
            names += spec.data if spec.length is None else (*spec.data, spec.length)
        lengths = self.sequence or SequenceRequest()
        more = (lengths.input_length, lengths.target_length, self.weight)
        names += [name for name in more if name]
        return tuple(dict.fromkeys(names))


class Schema(Frozen):
    """How the rows of a table become the tensors of a network, and predictions become values."""

    version: Literal[1] = 1
    inputs: tuple[InputSpec, ...]
    targets: tuple[TargetSpec, ...]
    options: BuildOptions
    request: SchemaRequest
    rows_read: int
    """Rows of the training table."""
    rows_used: int
    """Rows that were not dropped for missing values."""
    loss_scales: dict[str, float] = Field(default_factory=dict)
    """Factor of the loss by task layer, where it is not 1."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the schema reads, inputs first, each once."""
        names: list[str] = []
        for source in self.inputs:
            names.extend(source_columns(source))
        for target in self.targets:
            names.extend(target.names)
        return tuple(dict.fromkeys(names))


def source_columns(source: InputSpec) -> tuple[str, ...]:
    """Return the columns an input layer is fed from."""
    if isinstance(source, ImageInput | TextInput):
        return (source.column,)
    if isinstance(source, SequenceInput):
        return source.columns if source.length is None else (*source.columns, source.length)
    return tuple(variable.name for variable in source.variables)


def bound_graph(schema: Schema, graph: Graph) -> Graph:
    """Return the graph with the shapes of its inputs and the sizes of its targets filled in.

    Raises:
        GraphError: a task layer cannot predict the target, or layers and schema do not belong
            together.
        ShapeError: a layer does not fit its sources.
    """
    inputs = {source.layer: source.shape for source in schema.inputs}
    targets = {target.layer: target.target for target in schema.targets}
    return bind(graph, inputs, targets)
