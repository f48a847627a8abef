"""The work of dlScore: look, load, and score batch by batch into staged tables."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import pyarrow as pa

from actions.answers import description, output_tables, result_table
from actions.columns import engine_columns
from actions.context import Context
from actions.deeplearn.data_roles import embeddings
from actions.deeplearn.processors import precision_of
from actions.deeplearn.roles import IMAGE, LABEL, narrowed
from actions.deeplearn.schemas import bind_weights
from actions.deeplearn.sources import Source
from actions.errors import Conflict, InvalidParameters
from actions.expression import resolve
from actions.ports import Output, Staged, StagedData, TableInfo
from actions.reading import OpenTable, open_table
from actions.results import ActionResult, Cell, ResultTable
from engine.compile.frozen import machine
from engine.compile.lower import CompiledModel, compile_graph
from engine.data.columns import Columns
from engine.data.schema import Schema, SchemaRequest
from engine.data.variables import ImageInput, NominalTarget
from engine.devices import choose_device
from engine.errors import Cancelled, WeightsError
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions
from engine.layers.input import Input
from engine.layers.output import Output as OutputLayer
from engine.overlap import behind
from engine.score.frozen_form import Record, Shop
from engine.score.outputs import OutputColumn
from engine.score.scorer import BATCH_ROWS, ScoredBatch, Scorer
from engine.score.summary import ScoreSummary
from engine.shapes import IMAGE_AXES

if TYPE_CHECKING:
    from actions.deeplearn.dl_score import ScoreOptions

ALL = "all"
"""In ``copyVars``: every column."""


FACT = "scoring"
"""The fact of a weight table that tells, for each machine, what scorings have found out about the
forms of its network."""

WORTH_S = 1.0
"""Seconds of computing that are worth to be added to that fact."""

ARROW = {"double": pa.float64(), "string": pa.string(), "binary": pa.binary()}
"""Types of columns of scores."""


@dataclass
class Sink:
    """A staged table that is being filled.

    Attributes:
        schema: copied columns, then those of the scorer.
    """

    staged: StagedData
    output: Output
    schema: pa.Schema
    copied: Sequence[str]

    def write(self, batch: pa.RecordBatch, values: dict[str, npt.NDArray[Any]]) -> None:
        """Append the scores of a batch, with what is copied of it."""
        self.staged.write(scored_rows(batch, self.copied, values, self.schema))


def scored_rows(
    batch: pa.RecordBatch,
    copied: Sequence[str],
    values: dict[str, npt.NDArray[Any]],
    schema: pa.Schema,
) -> pa.RecordBatch:
    """Return the scores of a batch beside what is copied of it."""
    columns = [batch.column(name) for name in copied]
    columns += [
        pa.array(values[field.name], field.type, from_pandas=True)
        for field in list(schema)[len(copied) :]
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


@dataclass
class Scoring:
    """One run of dlScore, or of astore.score.

    Attributes:
        within: layers whose outputs are columns of the scored table, and not of one of their own.
    """

    ctx: Context
    p: "ScoreOptions"
    source: Source
    device: str
    within: tuple[str, ...] = ()

    def run(self) -> ActionResult:
        """Score, store, and answer."""
        scorer = self.scorer
        with ExitStack() as stack:
            inner = scorer.layer_columns if self.within else ()
            scored = self._sink(stack, self.p.cas_out, (*scorer.columns, *inner))
            layers = self._sink(stack, self.p.layer_out, scorer.layer_columns)
            self._fill(scored, layers)
            tables = self._publish([sink for sink in (scored, layers) if sink is not None])
        self._remember(scorer.record)
        summary = scorer.summary()
        for text in summary.warnings:
            self.ctx.warn(text)
        if self.p.log_level:
            self.ctx.note(f"{summary.rows_used} of {summary.rows_read} rows were scored.")
        return ActionResult(tables=self._answer(summary, tables))

    @cached_property
    def whole(self) -> OpenTable:
        """The data with all its columns."""
        return open_table(self.ctx, self.p.table)

    @cached_property
    def copied(self) -> tuple[str, ...]:
        """The columns that are carried over."""
        names = self.whole.all_columns.names
        given = [each.name for each in self.p.copy_vars]
        if [each.lower() for each in given] == [ALL] and ALL not in names:
            return tuple(names)
        return tuple(dict.fromkeys(resolve(name, names, self.whole.label) for name in given))

    @cached_property
    def table(self) -> OpenTable:
        """The data with the columns that are needed: inputs, the target if it is there, copies."""
        names = self.whole.all_columns.names
        folded = {name.casefold() for name in names}
        targets = {name for target in self.schema.targets for name in target.names}
        needed = [
            name for name in self.schema.columns if name not in targets or name.casefold() in folded
        ]
        found = [resolve(name, names, self.whole.label) for name in needed]
        return narrowed(self.ctx, self.p.table, (*found, *self.copied))

    @property
    def declared(self) -> Graph:
        """The model as it is declared."""
        return self.source.declared

    @cached_property
    def schema(self) -> Schema:
        """How rows become tensors: as the weights say, else by what their model declares."""
        found = self.source.schema
        if found is not None:
            return found
        self.ctx.note("No target map from nominal values to numeric values is found.")
        return default_schema(self.declared, self.source.info, self.whole)

    @cached_property
    def model(self) -> CompiledModel:
        graph = bind_weights(self.source.info, self.schema, self.declared)
        model = compile_graph(graph, self.schema.options, outputs=self.layers)
        self.source.load(model)
        return model

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """The layers whose outputs are asked for."""
        if self.p.layer_out is None:
            return self.within
        if self.p.layers:
            return tuple(self.declared.node(name).name for name in self.p.layers)
        return tuple(node.name for node in self.declared.nodes)

    @cached_property
    def scorer(self) -> Scorer:
        sizes = (self.p.buffer_size, self.p.mini_batch_buf_size)
        return Scorer(
            self.model,
            self.schema,
            encode_name=self.p.encode_name,
            top_probs=self.p.top_probs,
            layers=self.layers,
            layer_image_type=self.p.layer_image_type,
            batch_rows=min((size for size in sizes if size is not None), default=BATCH_ROWS),
            device=choose_device(self.device),
            embeddings=embeddings(self.ctx, self.p.text_parms),
            shop=self.shop,
            lanes=self.lanes,
            channels_last="channels-last" not in self.ctx.without,
            tf32="tf32" not in self.ctx.without,
        )

    @property
    def lanes(self) -> int:
        """Parts of a batch that are computed side by side."""
        return 0 if "overlap" in self.ctx.without else self.ctx.threads

    @property
    def shop(self) -> Shop:
        """Where quicker forms of the network come from."""
        without, info = self.ctx.without, self.source.info
        return Shop(
            folds="folding" not in without,
            loops="loops" not in without,
            folder=None if "freezing" in without else self.ctx.frozen,
            weights=info.id,
            record=_record(info),
            rows=self.table.info.rows,
            precision=precision_of(self.p.gpu),
        )

    def _remember(self, record: Record) -> None:
        """Keep what was found out of the network's forms with its weights, if they are there."""
        before, info = self.shop.record, self.source.info
        if record.form == before.form and record.spent_s - before.spent_s < WORTH_S:
            return
        known = info.attributes.get(FACT)
        told = {**known} if isinstance(known, dict) else {}
        with suppress(Conflict):
            self.ctx.tables.annotate(info, {FACT: {**told, machine(): record.model_dump()}})

    def _sink(self, stack: ExitStack, out: Any, columns: Sequence[OutputColumn]) -> Sink | None:
        if out is None:
            return None
        schema = self.layout(columns)
        staged = stack.enter_context(self.ctx.tables.stage(schema))
        return Sink(staged, out.output, schema, self.copied)

    def layout(self, columns: Sequence[OutputColumn]) -> pa.Schema:
        """Return the columns of a scored table: the copied ones, then those of the scorer."""
        fields = [self.table.all_columns.field(name) for name in self.copied]
        fields += [pa.field(column.name, ARROW[column.type]) for column in columns]
        _refuse_twins([field.name for field in fields])
        return pa.schema(fields)

    def _fill(self, scored: Sink | None, layers: Sink | None) -> None:
        held: deque[pa.RecordBatch] = deque()
        with ExitStack() as stack:
            write: Callable[[ScoredBatch], None] = self._writing(held, scored, layers)
            if "overlap" not in self.ctx.without:
                write = stack.enter_context(behind(write))
            for found in self.scorer.score(self._columns(held)):
                write(found)

    def _writing(
        self, held: deque[pa.RecordBatch], scored: Sink | None, layers: Sink | None
    ) -> Callable[[ScoredBatch], None]:
        """Return what writes the scores of the batches that are held, one after the other."""
        rows = 0

        def write(found: ScoredBatch) -> None:
            nonlocal rows
            batch = held.popleft()
            if scored is not None:
                scored.write(batch, {**found.columns, **found.layers})
            if layers is not None:
                layers.write(batch, found.layers)
            rows += batch.num_rows
            self.ctx.report("progress", {"rows": rows, "of": self.table.info.rows})

        return write

    def _columns(self, held: deque[pa.RecordBatch]) -> Iterator[Columns]:
        """Yield batches as the engine reads them, and leave each where its scores will look."""
        for batch in self.table.batches():
            if self.ctx.cancelled():
                raise Cancelled("scoring was cancelled")
            held.append(batch)
            yield from engine_columns([batch])

    def _publish(self, sinks: Sequence[Sink]) -> list[TableInfo]:
        outputs: list[tuple[Staged, Output]] = [(sink.staged, sink.output) for sink in sinks]
        return self.ctx.tables.publish(*outputs) if outputs else []

    def _answer(self, summary: ScoreSummary, tables: list[TableInfo]) -> dict[str, ResultTable]:
        answer = {"ScoreInfo": description(_score_rows(summary), "Score Information")}
        if self.p.display_class_score_info == "ALL" and summary.classes:
            answer["ClassScoreInfo"] = _class_table(summary)
        for name, table in summary.tables.items():
            answer[name] = result_table(table.columns, table.rows, table.title)
        if tables:
            answer["OutputCasTables"] = output_tables(*tables)
        return answer


def _record(info: TableInfo) -> Record:
    """Return what is known of the network of some weights on this machine."""
    known = info.attributes.get(FACT)
    here = known.get(machine()) if isinstance(known, dict) else None
    return Record.model_validate(here) if isinstance(here, dict) else Record()


def default_schema(graph: Graph, weights: TableInfo, table: OpenTable | None = None) -> Schema:
    """Return how rows become tensors where the weights do not say.

    Then a model with an image input takes the column ``_image_``, and its levels are the numbers
    of its neurons from 0.

    Raises:
        WeightsError: the model, or the table if there is one, is of another kind.
    """
    found = image_schema(graph)
    is_there = table is None or IMAGE in table.all_columns.names
    if found is None or not is_there:
        raise WeightsError(
            f"weights {weights.name!r} carry no data schema, expected a weight table made by "
            f"dlTrain, or a model of images with a number of neurons and a column {IMAGE!r}",
            weights=weights.name,
            model=graph.name,
        )
    return found


def image_schema(graph: Graph) -> Schema | None:
    """Return the schema of a model that tells images apart; None for any other model.

    Images are those of the column ``_image_``, levels are called after their numbers from 0.
    """
    inputs = [(n.name, n.layer) for n in graph.nodes if isinstance(n.layer, Input)]
    outputs = [(n.name, n.layer.n) for n in graph.nodes if isinstance(n.layer, OutputLayer)]
    shape = inputs[0][1].shape if len(inputs) == 1 else None
    neurons = outputs[0][1] if len(outputs) == 1 else None
    if shape is None or len(shape) != IMAGE_AXES or neurons is None:
        return None
    channels, height, width = shape
    name, layer = inputs[0]
    picture = ImageInput(
        layer=name,
        column=IMAGE,
        channels=channels,
        height=height,
        width=width,
        channel_order=layer.channel_order,
    )
    levels = tuple(map(str, range(neurons)))
    return Schema(
        inputs=(picture,),
        targets=(NominalTarget(layer=outputs[0][0], name=LABEL, levels=levels),),
        options=BuildOptions(),
        request=SchemaRequest(inputs=(IMAGE,), target=(LABEL,)),
        rows_read=0,
        rows_used=0,
    )


def _refuse_twins(names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise InvalidParameters(
                f"parameter 'copyVars' got {name!r}, which is a column of the scores too; "
                "leave it out",
                parameter="copyVars",
                column=name,
            )
        seen.add(name.casefold())


def _score_rows(summary: ScoreSummary) -> Iterator[tuple[str, Cell]]:
    """Yield the rows of ScoreInfo; what there was no target to compare with is left out.

    Source: the deepLearn reference, result tables of dlScore (1.6).
    """
    yield "Number of Observations Read", summary.rows_read
    yield "Number of Observations Used", summary.rows_used
    yield from summary.facts.items()


def _class_table(summary: ScoreSummary) -> ResultTable:
    return result_table(
        (
            ("Level", "int64"),
            ("ClassName", "string"),
            ("Frequency", "int64"),
            ("NumCorrect", "int64"),
            ("Accuracy", "double"),
            ("IoU", "double"),
        ),
        [
            (each.level, each.name, each.frequency, each.correct, each.accuracy, each.iou)
            for each in summary.classes
        ],
        "Class Score Information",
    )
