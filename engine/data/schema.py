"""How rows become tensors: learned once from the training table, kept with the weights.

The schema is complete for scoring: variables, levels, replacements of missing values, the scales of
standardised variables, image sizes, and the options the network was built with.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Literal, TypeVar

import numpy as np

from engine.data.columns import (
    Columns,
    Mask,
    find_name,
    is_character,
    no_such_column,
    numbers,
    row_count,
)
from engine.data.profile import LevelProfile, NumericProfile
from engine.data.variables import (
    Frozen,
    ImageInput,
    InputSpec,
    Interval,
    IntervalTarget,
    Nominal,
    NominalTarget,
    TargetSpec,
    Variable,
    VectorInput,
)
from engine.errors import DataError, NotSupportedError
from engine.graph.infer import bind
from engine.graph.spec import Graph, Node
from engine.layers.base import BuildOptions, Layer
from engine.layers.input import Input
from engine.shapes import IMAGE_AXES

Missing = Literal["MAX", "MIN", "MEAN", "NONE"]
Scaling = Literal["NONE", "STD", "MIDRANGE"]
TargetOrder = Literal["ASCENDING", "DESCENDING", "HASH"]


class SchemaRequest(Frozen):
    """What a caller says about the variables of a table."""

    inputs: tuple[str, ...]
    """Input variables, in the order they are encoded."""
    target: tuple[str, ...]
    """One nominal variable, or any number of interval variables."""
    nominals: tuple[str, ...] = ()
    """Numeric variables to be treated as categories; character variables always are."""
    missing: Missing = "MEAN"
    """Replacement of missing interval inputs; NONE drops the row."""
    target_missing: Missing = "MEAN"
    """Replacement of missing interval targets; NONE drops the row."""
    target_order: TargetOrder = "ASCENDING"
    """Order of the levels of a nominal target; HASH is the order met in the data."""


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

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the schema reads, inputs first, each once."""
        names: list[str] = []
        for source in self.inputs:
            if isinstance(source, ImageInput):
                names.append(source.column)
            else:
                names.extend(variable.name for variable in source.variables)
        names.extend(name for target in self.targets for name in target.names)
        return tuple(dict.fromkeys(names))


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


def learn_schema(
    request: SchemaRequest, graph: Graph, batches: Iterable[Columns], options: BuildOptions
) -> Schema:
    """Return the schema of a training table, seen once, batch by batch, in constant memory.

    A variable is nominal if it is named so (by the request or the input layer) or if it holds text.
    Statistics are those of the rows that are used: a row is dropped if its nominal target is
    missing, if its image is missing, or if an interval variable is missing under the rule NONE.
    STD scales by the mean and the population standard deviation, MIDRANGE maps the range to
    [-1, 1]; a constant variable becomes zero.

    Args:
        request: the roles of the variables.
        graph: the declared layers.
        batches: the table; every batch has the same columns.
        options: kept in the schema.

    Raises:
        DataError: the table is empty, a column is missing or holds what it should not, a variable
            has no value, or a nominal target has one level.
        NotSupportedError: the graph has several input or task layers.
    """
    learner = Learner(request, graph)
    for columns in batches:
        learner.add(columns)
    return learner.schema(options)


Profile = NumericProfile | LevelProfile
P = TypeVar("P")


class Learner:
    """One pass over the training table."""

    def __init__(self, request: SchemaRequest, graph: Graph) -> None:
        self.request = request
        self.input = _only(graph, "input", [n for n in graph.nodes if isinstance(n.layer, Input)])
        self.task = _only(graph, "task", [node for node in graph.nodes if node.layer.is_task])
        self.image_shape = _image_shape(self.input.layer)
        self.rows_read = 0
        self.rows_used = 0
        self.inputs: dict[str, Profile] = {}
        self.targets: dict[str, Profile] = {}
        self.image_column: str | None = None
        self.images_present = 0
        self.is_planned = False

    def add(self, columns: Columns) -> None:
        """Take a batch."""
        if not self.is_planned:
            self._plan(columns)
        names = list(columns)
        for name in (*self.inputs, *self.targets):
            if name not in columns:
                no_such_column(names, name)
        used = self._used(columns)
        for name, profile in (*self.inputs.items(), *self.targets.items()):
            if isinstance(profile, NumericProfile):
                profile.add(numbers(columns[name], name, self.rows_read), used)
            else:
                profile.add(columns[name], used)
        self.rows_read += len(used)
        self.rows_used += int(used.sum())

    def _plan(self, columns: Columns) -> None:
        """Decide from the first batch which variable plays which part."""
        self.is_planned = True
        inputs = [_spelled(columns, name) for name in self.request.inputs]
        targets = [_spelled(columns, name) for name in self.request.target]
        for role, names in (("input", inputs), ("target", targets)):
            if not names:
                raise DataError(f"got no {role} variables, expected at least one", role=role)
        both = [name for name in inputs if name in targets]
        if both:
            raise DataError(
                f"column {both[0]!r} is both an input and a target, expected one of the two",
                column=both[0],
            )
        declared = getattr(self.input.layer, "nominals", None) or ()
        nominals = {name.casefold() for name in (*self.request.nominals, *declared)}
        if self.image_shape and len(inputs) == 1 and prod(self.image_shape) > 1:
            self.image_column = inputs[0]
        else:
            self._check_inputs(columns, inputs)
            self.inputs = {name: _profile(columns, name, nominals) for name in inputs}
        self.targets = {name: _profile(columns, name, nominals) for name in targets}
        kinds = {type(profile) for profile in self.targets.values()}
        if LevelProfile in kinds and len(targets) > 1:
            raise DataError(
                f"got the targets {targets}, expected one nominal variable or several interval "
                "variables",
                target=targets,
            )

    def _check_inputs(self, columns: Columns, inputs: Sequence[str]) -> None:
        if self.image_shape and len(inputs) != prod(self.image_shape):
            raise DataError(
                f"layer {self.input.name!r} (input) got {len(inputs)} variables, expected one "
                f"column of images or {prod(self.image_shape)} variables, one per pixel",
                layer=self.input.name,
                got=len(inputs),
            )
        for name in inputs:
            if any(isinstance(cell, bytes) for cell in columns[name][:100]):
                raise DataError(
                    f"column {name!r} holds binary values but layer {self.input.name!r} (input) "
                    "declares no image, expected nChannels, width and height",
                    column=name,
                    layer=self.input.name,
                )

    def _used(self, columns: Columns) -> Mask:
        """Return which rows are kept, by what is missing in them."""
        used = np.ones(row_count(columns), dtype=bool)
        if self.image_column is not None:
            here = np.array([cell is not None for cell in columns[self.image_column]], dtype=bool)
            self.images_present += int(here.sum())
            used &= here
        for name, profile in self.targets.items():
            if isinstance(profile, LevelProfile):
                used &= profile.present_in(columns[name])
            elif self.request.target_missing == "NONE":
                used &= ~np.isnan(numbers(columns[name], name, self.rows_read))
        if self.request.missing == "NONE":
            for name, profile in self.inputs.items():
                if isinstance(profile, NumericProfile):
                    used &= ~np.isnan(numbers(columns[name], name, self.rows_read))
        return used

    def schema(self, options: BuildOptions) -> Schema:
        """Return what was learned."""
        if not self.rows_read:
            raise DataError("the training table has no rows, expected at least one")
        for name, present in self._present().items():
            if not present:
                raise DataError(f"column {name!r} has only missing values", column=name)
        if not self.rows_used:
            raise DataError(
                f"every one of the {self.rows_read} rows of the training table was dropped for a "
                "missing value, expected at least one complete row",
                rows=self.rows_read,
            )
        return Schema(
            inputs=(self._input(),),
            targets=(self._target(),),
            options=options,
            request=self.request,
            rows_read=self.rows_read,
            rows_used=self.rows_used,
        )

    def _present(self) -> dict[str, int]:
        found = {} if self.image_column is None else {self.image_column: self.images_present}
        # a nominal input without values is one level, missing; it carries nothing but is no fault
        profiles = (*self.inputs.items(), *self.targets.items())
        return found | {name: profile.present for name, profile in profiles}

    def _input(self) -> InputSpec:
        layer = self.input.layer
        if self.image_column is not None and self.image_shape is not None:
            channels, height, width = self.image_shape
            return ImageInput(
                layer=self.input.name,
                column=self.image_column,
                channels=channels,
                height=height,
                width=width,
                channel_order=getattr(layer, "channel_order", "BGR"),
            )
        scaling: Scaling = getattr(layer, "std", "NONE")
        variables = tuple(
            _variable(profile, self.request.missing, scaling) for profile in self.inputs.values()
        )
        return VectorInput(layer=self.input.name, variables=variables, image_shape=self.image_shape)

    def _target(self) -> TargetSpec:
        scaling: Scaling = getattr(self.task.layer, "target_std", "NONE")
        first = next(iter(self.targets.values()))
        if isinstance(first, LevelProfile):
            levels = first.ordered(self.request.target_order)
            if len(levels) == 1:
                raise DataError(
                    f"target {first.name!r} has one level, {levels[0]!r}, expected at least two",
                    target=first.name,
                    levels=list(levels),
                )
            return NominalTarget(layer=self.task.name, name=first.name, levels=levels)
        rule = self.request.target_missing
        profiles = [p for p in self.targets.values() if isinstance(p, NumericProfile)]
        variables = tuple(_interval(profile, rule, scaling) for profile in profiles)
        return IntervalTarget(layer=self.task.name, variables=variables)


def _only(graph: Graph, role: str, nodes: Sequence[Node]) -> Node:
    if len(nodes) > 1:
        raise NotSupportedError(
            f"model {graph.name!r} has {len(nodes)} {role} layers; "
            "binding several of them to data is not supported yet",
            layers=[node.name for node in nodes],
        )
    if not nodes:
        raise DataError(f"model {graph.name!r} has no {role} layer, expected one", role=role)
    return nodes[0]


def _image_shape(layer: Layer) -> tuple[int, int, int] | None:
    shape = layer.shape if isinstance(layer, Input) else None
    if shape is None or len(shape) != IMAGE_AXES:
        return None
    channels, height, width = shape
    return channels, height, width


def _spelled(columns: Columns, name: str) -> str:
    return find_name(list(columns), name) or no_such_column(list(columns), name)


def _profile(columns: Columns, name: str, nominals: set[str]) -> Profile:
    if name.casefold() in nominals or is_character(columns[name]):
        return LevelProfile(name)
    return NumericProfile(name)


def _variable(profile: Profile, rule: Missing, scaling: Scaling) -> Variable:
    if isinstance(profile, NumericProfile):
        return _interval(profile, rule, scaling)
    return Nominal(
        name=profile.name,
        levels=profile.ordered("ASCENDING"),
        has_missing_level=profile.has_missing,
    )


def _interval(profile: NumericProfile, rule: Missing, scaling: Scaling) -> Interval:
    replacement = {"MEAN": profile.mean, "MIN": profile.low, "MAX": profile.high, "NONE": None}
    center, scale = 0.0, 1.0
    if scaling == "STD":
        center, scale = profile.mean, profile.deviation or 1.0
    elif scaling == "MIDRANGE":
        center = profile.low + (profile.high - profile.low) / 2
        scale = (profile.high - profile.low) / 2 or 1.0
    return Interval(name=profile.name, missing=replacement[rule], center=center, scale=scale)
