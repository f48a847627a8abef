"""One pass over the training table, from which a schema is learned."""

from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np

from engine.data.columns import Columns, find_name, no_such_column, row_count
from engine.data.forms import LEARNERS
from engine.data.input_roles import Fed, InputRole, image_shape, input_role
from engine.data.schema import DataSpec, Schema, SchemaRequest
from engine.data.steps import StepsLearner
from engine.data.targets import TargetLearner, TargetRequest
from engine.data.text import Embeddings
from engine.errors import DataError
from engine.graph.spec import Graph, Node, fold
from engine.graph.walk import listed
from engine.layers.base import BuildOptions, TaskLayer
from engine.layers.input import Input


def learn_schema(
    request: SchemaRequest,
    graph: Graph,
    batches: Iterable[Columns],
    options: BuildOptions,
    embeddings: Embeddings | None = None,
) -> Schema:
    """Return the schema of a training table, seen once, batch by batch, in constant memory.

    A variable is nominal if it is named so (by the request or the input layer) or if it holds text.
    Statistics are those of the rows that are used: a row is dropped if its nominal target is
    missing, if its image or text is missing, or if an interval variable is missing under the rule
    NONE. STD scales by the mean and the population standard deviation, MIDRANGE maps the range to
    [-1, 1]; a constant variable becomes zero.

    Args:
        request: the roles of the variables.
        graph: the declared layers.
        batches: the table; every batch has the same columns.
        options: kept in the schema.
        embeddings: vectors of the terms of texts.

    Raises:
        DataError: the table is empty, a column is missing or holds what it should not, a variable
            has no value, a nominal target has one level, or the request does not bind every input
            and task layer.
    """
    learner = Learner(request, graph, embeddings)
    for columns in batches:
        learner.add(columns)
    return learner.schema(options)


class Learner:
    """One pass over the training table."""

    def __init__(self, request: SchemaRequest, graph: Graph, embeddings: Embeddings | None) -> None:
        self.request = request
        self.graph = graph
        self.embeddings = embeddings
        entries = [node for node in graph.nodes if isinstance(node.layer, Input)]
        tasks = [node for node in graph.nodes if node.layer.is_task]
        self.entries = _bound(graph, "input", entries, request)
        self.tasks = _bound(graph, "task", tasks, request)
        _check_specs(request.specs, [*entries, *tasks])
        self.rows_read = 0
        self.rows_used = 0
        self.inputs: list[InputRole] = []
        self.targets: list[TargetLearner] = []

    def add(self, columns: Columns) -> None:
        """Take a batch."""
        if not self.inputs:
            self._plan(columns)
        names = list(columns)
        wanted = [*(role.columns for role in self.inputs), *(each.names for each in self.targets)]
        for name in chain.from_iterable(wanted):
            if name not in columns:
                no_such_column(names, name)
        used = np.ones(row_count(columns), dtype=bool)
        for target in self.targets:
            used &= target.used(columns, self.rows_read)
        for role in self.inputs:
            role.restrict(columns, used, self.rows_read)
        for role in self.inputs:
            role.add(columns, used, self.rows_read)
        for target in self.targets:
            target.add(columns, used, self.rows_read)
        self.rows_read += len(used)
        self.rows_used += int(used.sum())

    def _plan(self, columns: Columns) -> None:
        """Decide from the first batch which variable plays which part."""
        fed = [self._fed(node, spec, columns) for node, spec in self.entries]
        asked = [self._asked(node, spec, columns) for node, spec in self.tasks]
        if any(not each.columns for each in fed):
            raise DataError("got no input variables, expected at least one", role="input")
        inputs = {name for each in fed for name in each.columns}
        both = [name for each in asked for name in each.names if name in inputs]
        if both and not self.request.specs:
            raise DataError(
                f"column {both[0]!r} is both an input and a target, expected one of the two",
                column=both[0],
            )
        targets = [_learner(each, columns) for each in asked]
        self.inputs = [input_role(each, columns) for each in fed]
        self.targets = targets

    def _fed(self, node: Node, spec: DataSpec, columns: Columns) -> Fed:
        declared = getattr(node.layer, "nominals", None) or ()
        return Fed(
            node,
            tuple(_spelled(columns, name) for name in spec.data),
            _folded(self.request.nominals, declared, spec.nominals),
            self.request.missing,
            spec.is_text,
            None if spec.length is None else _spelled(columns, spec.length),
            spec.token_size,
            self.embeddings,
        )

    def _asked(self, node: Node, spec: DataSpec, columns: Columns) -> TargetRequest:
        assert isinstance(node.layer, TaskLayer)  # noqa: S101 - is_task says so
        shapes = [self.graph.shapes[source] for source in node.sources]
        images = [image_shape(entry.layer) for entry, _ in self.entries]
        return TargetRequest(
            layer=node.name,
            form=node.layer.target_form(shapes),
            names=tuple(_spelled(columns, name) for name in spec.data),
            nominals=_folded(self.request.nominals, (), spec.nominals),
            missing=self.request.target_missing,
            order=self.request.target_order,
            scaling=getattr(node.layer, "target_std", "NONE"),
            image=next((shape for shape in images if shape is not None), None),
            is_sequence=bool(spec.token_size),
            length=None if spec.length is None else _spelled(columns, spec.length),
        )

    def schema(self, options: BuildOptions) -> Schema:
        """Return what was learned."""
        if not self.rows_read:
            raise DataError("the training table has no rows, expected at least one")
        counts = [role.present() for role in self.inputs]
        counts += [each.present for each in self.targets]
        for name, present in chain.from_iterable(count.items() for count in counts):
            if not present:
                raise DataError(f"column {name!r} has only missing values", column=name)
        if not self.rows_used:
            raise DataError(
                f"every one of the {self.rows_read} rows of the training table was dropped for a "
                "missing value, expected at least one complete row",
                rows=self.rows_read,
            )
        scales = {node.name: spec.loss_scale for node, spec in self.tasks}
        return Schema(
            inputs=tuple(role.spec() for role in self.inputs),
            targets=tuple(each.spec() for each in self.targets),
            options=options,
            request=self.request,
            rows_read=self.rows_read,
            rows_used=self.rows_used,
            loss_scales={name: scale for name, scale in scales.items() if scale != 1.0},
        )


def _learner(request: TargetRequest, columns: Columns) -> TargetLearner:
    if request.is_sequence:
        return StepsLearner(request, columns)
    return LEARNERS[request.form.kind](request, columns)


def _needs_none(graph: Graph, node: Node) -> bool:
    """Return whether a layer learns without a target."""
    if not isinstance(node.layer, TaskLayer):
        return False
    return node.layer.target_form([graph.shapes[each] for each in node.sources]).kind == "none"


def _bound(
    graph: Graph, role: str, nodes: Sequence[Node], request: SchemaRequest
) -> list[tuple[Node, DataSpec]]:
    """Return the layers of a role with what the request says of each."""
    if not nodes:
        raise DataError(f"model {graph.name!r} has no {role} layer, expected one", role=role)
    if request.specs:
        found = {n.name: DataSpec(layer=n.name, data=()) for n in nodes if _needs_none(graph, n)}
        found |= {fold(spec.layer): spec for spec in request.specs}
        missing = [node.name for node in nodes if node.name not in found]
        if missing:
            raise DataError(
                f"layer {missing[0]!r} got no data, expected one of the dataSpecs to name it",
                layer=missing[0],
            )
        return [(node, found[node.name]) for node in nodes]
    if len(nodes) > 1:
        raise DataError(
            f"model {graph.name!r} has {len(nodes)} {role} layers, "
            f"{listed([node.name for node in nodes])}; expected dataSpecs that bind each of them",
            layers=[node.name for node in nodes],
        )
    spec = _input_spec if role == "input" else _target_spec
    return [(nodes[0], spec(nodes[0].name, request))]


def _input_spec(layer: str, request: SchemaRequest) -> DataSpec:
    """Return what a request without specs says of its only input layer."""
    texts = {name.casefold() for name in request.texts}
    strangers = texts - {name.casefold() for name in request.inputs}
    if strangers:
        name = next(each for each in request.texts if each.casefold() in strangers)
        raise DataError(
            f"text {name!r} is no input variable, expected one of {list(request.inputs)}",
            column=name,
        )
    sequence = request.sequence
    return DataSpec(
        layer=layer,
        data=request.inputs,
        is_text=bool(texts),
        length=None if sequence is None else sequence.input_length,
        token_size=0 if sequence is None or texts else sequence.token_size,
    )


def _target_spec(layer: str, request: SchemaRequest) -> DataSpec:
    """Return what a request without specs says of its only task layer."""
    sequence = request.sequence
    is_sequence = bool(request.target_sequence)
    length = None if sequence is None else sequence.target_length
    return DataSpec(
        layer=layer,
        data=request.target_sequence or request.target,
        length=length if is_sequence else None,
        token_size=int(is_sequence),
    )


def _check_specs(specs: Sequence[DataSpec], nodes: Sequence[Node]) -> None:
    known = {node.name for node in nodes}
    seen: set[str] = set()
    for spec in specs:
        name = fold(spec.layer)
        if name not in known:
            raise DataError(
                f"dataSpecs got the layer {spec.layer!r}, expected an input or task layer: "
                f"{listed(sorted(known))}",
                layer=spec.layer,
            )
        if name in seen:
            raise DataError(
                f"dataSpecs got the layer {spec.layer!r} twice, expected each layer once",
                layer=spec.layer,
            )
        seen.add(name)


def _folded(*names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for each in names for name in each)


def _spelled(columns: Columns, name: str) -> str:
    return find_name(list(columns), name) or no_such_column(list(columns), name)
