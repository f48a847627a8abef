"""The work of dlTrain, in order: look, learn, compile, load, train, store."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any

from actions.answers import output_tables
from actions.builtin.about import versions
from actions.columns import engine_columns
from actions.context import Context
from actions.deeplearn.attempts import Attempts, Seeds
from actions.deeplearn.companions import together
from actions.deeplearn.data_roles import data_spec, embeddings, names, sequence_request
from actions.deeplearn.fitting import batch_told
from actions.deeplearn.history import history_table, report
from actions.deeplearn.loading import load_table
from actions.deeplearn.processors import precision_of
from actions.deeplearn.roles import IMAGE, chosen, narrowed, predicted
from actions.deeplearn.summary import model_info, training_bytes
from actions.deeplearn.trainlog import Phases, TrainLog
from actions.errors import InvalidParameters, TableExists, TableNotFound
from actions.fields import camel
from actions.params import OutTable, TableRef
from actions.ports import StoredModel, TableInfo, WeightsHeader
from actions.reading import OpenTable, open_table
from actions.results import ActionResult, Json, ResultTable
from actions.spelling import to_wire
from engine.compile.lower import CompiledModel, compile_graph
from engine.data.batches import BatchSource, ResidentSource, StreamingSource
from engine.data.columns import Columns
from engine.data.encode import Encoder, Purpose
from engine.data.feed import Feed
from engine.data.learn import learn_schema
from engine.data.schema import Schema, SchemaRequest, bound_graph
from engine.data.text import Embeddings
from engine.data.variables import ImageInput
from engine.devices import choose_device, seeded
from engine.graph.declaration import declared
from engine.graph.infer import account, check_trainable
from engine.graph.spec import Graph, fold
from engine.memory import free_bytes
from engine.train.config import resolved_seed
from engine.train.history import TrainEvent
from engine.train.loop import Trainer, TrainResult
from engine.train.replicas import ALONE, Replicas
from engine.transfer import CudaLink
from engine.weights import read_weights

if TYPE_CHECKING:
    from actions.deeplearn.dl_train import DlTrainParams

RESIDENT_BYTES = 2 << 30
"""Encoded tables up to this size are kept in memory; larger ones are read again every epoch."""
RESIDENT_PARTS = 4
"""A graphics processor holds encoded tables of at most one such part of its free memory; while they
are put together they take two."""
FLOAT_BYTES = 4


@dataclass
class Training:
    """One run of dlTrain."""

    ctx: Context
    p: "DlTrainParams"
    device: str
    replicas: Replicas = ALONE
    phases: Phases = field(default_factory=Phases)
    is_beginning: bool = False

    def run(self) -> ActionResult:
        """Train, store, and answer."""
        self._check_outputs()
        check_trainable(self.stored.graph)
        self.phases.end("checking")
        with together(self.ctx, self.p.n_workers) as meet:
            source = self._source(self.table, "train")
            valid = None if self.valid is None else self._source(self.valid, "validate")
            self.replicas = meet(self.device)
            self.seeds = self.attempts.agree(self.replicas, self.seeds)
            self.phases.end("gathering")
            self._prepare()
            self.log.start(self)
            self.is_beginning = True
            with batch_told(self):
                result = self._train(source, valid)
        if self.replicas.rank:
            return ActionResult()
        self.log.end(result)
        tables = self._store(result)
        return ActionResult(
            tables={
                "ModelInfo": self.info,
                "OptIterHistory": history_table(result.history, self.p),
                "OutputCasTables": output_tables(*tables),
            },
            values={"reason": result.reason, "bestEpoch": result.best_epoch, "seed": self.seed},
        )

    @cached_property
    def stored(self) -> StoredModel:
        """The model as it was declared."""
        return self.ctx.models.load(self.p.model_table.address)

    @cached_property
    def request(self) -> SchemaRequest:
        """The roles of the columns."""
        p, whole = self.p, open_table(self.ctx, self.p.table)
        shared: dict[str, Any] = {
            "nominals": names(p.nominals, whole),
            "missing": p.missing,
            "target_missing": p.target_missing,
            "target_order": p.target_order,
            "weight": None if p.weight is None else names((p.weight,), whole)[0],
            "class_weights": [each.model_dump() for each in p.class_weights],
        }
        if p.data_specs:
            self._refuse_with_specs()
            return SchemaRequest(
                specs=tuple(data_spec(each, whole) for each in p.data_specs), **shared
            )
        inputs = chosen(whole, "inputs", p.inputs or p.texts, IMAGE)
        is_sequence = bool(p.target_sequence)
        return SchemaRequest(
            inputs=inputs,
            target=() if is_sequence else predicted(whole, self.stored.graph, p.target),
            target_sequence=names(p.target_sequence, whole),
            texts=names(p.texts, whole),
            sequence=sequence_request(p.sequence, p.sequence_opts, len(inputs), whole),
            **shared,
        )

    def _refuse_with_specs(self) -> None:
        """Refuse what ``dataSpecs`` says already; clients send a target with it all the same."""
        if self.p.target:
            self.ctx.note("The parameter 'target' is left to the specs of the layers.")
        for name in ("inputs", "texts", "target_sequence", "sequence", "sequence_opts"):
            if getattr(self.p, name):
                wire = camel(name)
                raise InvalidParameters(
                    f"parameter {wire!r} got a value together with 'dataSpecs', expected it in the "
                    "specs of the layers",
                    parameter=wire,
                )

    @cached_property
    def embeddings(self) -> Embeddings | None:
        """The vectors of the terms of texts."""
        return embeddings(self.ctx, self.p.text_parms)

    @cached_property
    def table(self) -> OpenTable:
        """The training data, with the columns that are used."""
        return narrowed(self.ctx, self.p.table, self.request.columns)

    @cached_property
    def valid(self) -> OpenTable | None:
        """The validation data."""
        ref = self.p.valid_table
        return None if ref is None else narrowed(self.ctx, ref, self.request.columns)

    @cached_property
    def schema(self) -> Schema:
        """How rows become tensors, learned in one pass over the training data."""
        options = self.p.optimizer.build_options(force_equal_padding=self.p.force_equal_padding)
        graph, columns = self.stored.graph, _columns(self.table)
        return learn_schema(self.request, graph, columns, options, self.embeddings)

    @cached_property
    def graph(self) -> Graph:
        """The model's graph, bound to the data."""
        return bound_graph(self.schema, self.stored.graph)

    @cached_property
    def attempts(self) -> Attempts:
        """What attempts of this job leave for each other."""
        tables = [self.table, *([] if self.valid is None else [self.valid])]
        return Attempts(self.ctx, [self.stored.info, *(each.info for each in tables)])

    @cached_property
    def seeds(self) -> Seeds:
        """The seeds of starting weights, of dropout, and of the order of the rows."""
        p, own = self.p, self.p.optimizer.seed
        start = resolved_seed(p.seed if p.seed > 0 else own)
        drawn: Seeds = {
            "start": start,
            "noise": resolved_seed(own) if own > 0 else start,
            "order": resolved_seed(p.record_seed) if p.record_seed else None,
        }
        return {name: self.attempts.seed(name, seed) for name, seed in drawn.items()}

    @cached_property
    def seed(self) -> int:
        """The seed of starting weights."""
        return self.seeds["start"] or 1

    @cached_property
    def model(self) -> CompiledModel:
        """The network, with starting weights."""
        model = compile_graph(self.graph, self.schema.options, generator=seeded(self.seed))
        model.loss_scales = self.schema.loss_scales
        return model

    @cached_property
    def batch_rows(self) -> int:
        """Rows of a mini-batch."""
        return self.p.optimizer.batch_rows(self.p.n_threads or 1)

    @cached_property
    def log(self) -> TrainLog:
        return TrainLog(self.ctx, self.p.optimizer.log_level)

    @cached_property
    def info(self) -> ResultTable:
        """The table ``ModelInfo``."""
        return model_info(self.graph, self.schema.options, batch_rows=self.batch_rows)

    @property
    def memory_bytes(self) -> int:
        """Estimate of the memory of training."""
        return training_bytes(account(self.graph, self.schema.options), self.batch_rows)

    def _check_outputs(self) -> None:
        """Refuse before the work what could not be stored after it."""
        outs = [out for out in (self.p.model_weights, self.p.best_weights) if out is not None]
        addresses = {(fold(out.name), fold(out.caslib or "")) for out in outs}
        if len(addresses) < len(outs):
            raise InvalidParameters(
                f"parameters 'modelWeights' and 'bestWeights' got one name, {outs[0].name!r}, "
                "expected two",
                parameter="bestWeights",
            )
        frequency = self.p.optimizer.snapshot_freq
        counts = range(frequency, self.p.optimizer.max_epochs + 1, frequency) if frequency else ()
        for out in (*outs, *map(self._snapshot, counts)):
            _refuse_taken(self.ctx, self.attempts.own(out))

    def _source(self, table: OpenTable, purpose: Purpose) -> BatchSource:
        encoder = Encoder(self.schema, purpose, self.embeddings)
        self.phases.end("learning")
        device, size = choose_device(self.device), self._row_bytes() * table.info.rows
        overlaps, is_near = "overlap" not in self.ctx.without, device.type == "cpu"
        is_there = not is_near and size <= free_bytes(device, None) // RESIDENT_PARTS
        lanes = self.ctx.threads if overlaps else 0
        source: BatchSource
        if is_there or size <= RESIDENT_BYTES:
            place = device if is_there else None
            source = ResidentSource.read(encoder, _columns(table), place, lanes=lanes)
            self.phases.end("encoding")
        else:
            rows = self.schema.rows_used if purpose == "train" else table.info.rows
            lanes = 0 if is_near else lanes  # the threads of this processor train
            source = StreamingSource(
                encoder, lambda: _columns(table), rows, overlaps=overlaps, lanes=lanes
            )
        return source if is_near or is_there else Feed(source, CudaLink(device))

    def _row_bytes(self) -> int:
        """Return the memory of one encoded row: bytes of images, float32 of other variables."""
        return sum(
            prod(each.shape) * (1 if isinstance(each, ImageInput) else FLOAT_BYTES)
            for each in self.schema.inputs
        )

    def _prepare(self) -> None:
        """Make the network and load starting weights."""
        _ = self.model
        self.phases.end("initializing")
        self._load()
        self.phases.end("loading")

    def _load(self) -> None:
        if self.p.init_weights is None:
            return
        loaded = load_table(self.ctx, self.p.init_weights, self.model, partial=True)
        holders = {spec.layer_id for spec in self.model.specs}
        fresh = [node.name for node in self.graph.nodes if node.id in holders - loaded]
        if fresh:
            self.ctx.note(f"Layers without starting weights were initialised: {', '.join(fresh)}.")

    def _train(self, source: BatchSource, valid: BatchSource | None) -> TrainResult:
        trainer = Trainer(
            self.model,
            self.p.optimizer,
            source,
            batch_rows=self.batch_rows,
            valid=valid,
            valid_freq=self.p.valid_freq,
            seed=self.seeds["noise"] or 1,
            record_seed=self.seeds["order"],
            device=choose_device(self.device),
            on_event=self._tell,
            cancelled=self.ctx.cancelled,
            keep_best=self.p.best_weights is not None,
            on_snapshot=self._publish_snapshot,
            on_failure=self._rescue,
            checkpoints=self.attempts.checkpointing(self.seeds),
            resume=self.attempts.last,
            replicas=self.replicas,
            precision=precision_of(self.p.gpu),
            without=self.ctx.without,
        )
        return trainer.run()

    def _tell(self, event: TrainEvent) -> None:
        if self.is_beginning:
            self.is_beginning = False
            self.phases.end("firstBatch")
            self.ctx.report("begun", {**self.phases.seconds})
        report(self.ctx, event, self.p.optimizer.max_epochs)
        self.log.event(event)

    def _snapshot(self, epochs: int) -> OutTable:
        """Return where the weights after so many epochs go."""
        out = self.p.model_weights
        return out.model_copy(update={"name": f"{out.name}_{epochs}"})

    def _publish_snapshot(self, epochs: int, model: CompiledModel) -> None:
        facts: dict[str, Json] = {"epochs": epochs, "reason": "snapshot"}
        output = self.attempts.own(self._snapshot(epochs)).output
        with self.ctx.weights.stage(self._header(facts), read_weights(model)) as staged:
            self.ctx.tables.publish((staged, output))

    def _rescue(self, result: TrainResult) -> None:
        """Store the best weights of a run that diverged, if they were asked for."""
        out = self.p.best_weights
        if out is None or result.best is None:
            return
        with self.ctx.weights.stage(self._header(_outcome(result)), iter(result.best)) as staged:
            self.ctx.tables.publish((staged, self.attempts.own(out).output))
        self.ctx.warn(
            f"Training diverged after {len(result.history)} epochs; the best weights, of epoch "
            f"{result.best_epoch}, were kept in {out.name!r}."
        )

    def _header(self, facts: dict[str, Json]) -> WeightsHeader:
        return WeightsHeader(
            specs=self.model.specs,
            lineage={**self._lineage(), **facts},
            schema=self.schema.model_dump(mode="json"),
        )

    def _store(self, result: TrainResult) -> list[TableInfo]:
        header = self._header(_outcome(result))
        own = self.attempts.own
        with ExitStack() as stack:
            stage = self.ctx.weights.stage
            last = stack.enter_context(stage(header, read_weights(self.model)))
            outputs = [(last, own(self.p.model_weights).output)]
            if self.p.best_weights is not None and result.best is not None:
                best = stack.enter_context(stage(header, iter(result.best)))
                outputs.append((best, own(self.p.best_weights).output))
            return self.ctx.tables.publish(*outputs)

    def _lineage(self) -> dict[str, Json]:
        return {
            "model": _source_of(self.stored.info),
            "layers": [*declared(self.stored.graph)],
            "table": {**_source_of(self.table.info), "where": self.p.table.where},
            "parameters": to_wire(self.p),
            "seed": self.seed,
            "versions": {**versions()},
            "job": self.ctx.job_id,
        }


def _outcome(result: TrainResult) -> dict[str, Json]:
    return {
        "epochs": len(result.history),
        "bestEpoch": result.best_epoch,
        "reason": result.reason,
    }


def _columns(table: OpenTable) -> Iterator[Columns]:
    return engine_columns(table.batches())


def _source_of(info: TableInfo) -> dict[str, Json]:
    return {"name": info.name, "caslib": info.caslib, "id": info.id, "version": info.version}


def _refuse_taken(ctx: Context, out: OutTable) -> None:
    if out.replace:
        return
    try:
        found = ctx.tables.find(TableRef(name=out.name, caslib=out.caslib).address)
    except TableNotFound:
        return
    if found.scope == "session" or out.promote:
        raise TableExists(
            f"the table {found.name!r} exists in caslib {found.caslib!r}; "
            "set replace to overwrite it",
            table=found.name,
            caslib=found.caslib,
        )
