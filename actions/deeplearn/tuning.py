"""The work of dlTune: one training after the other, the best of them kept."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any

from actions.answers import output_tables
from actions.context import Context
from actions.deeplearn.attempts import Attempts
from actions.deeplearn.dl_train import DlTrainParams
from actions.deeplearn.history import history_table
from actions.deeplearn.search import Outcome, Race, points
from actions.deeplearn.trial import FellBehind, Trial, Weights
from actions.deeplearn.tune_params import (
    Ranges,
    Values,
    check_ranges,
    optimizer_at,
    ranges_of,
    wire,
)
from actions.deeplearn.tune_tables import best_table, history_rows, options_table, trials_table
from actions.errors import InvalidParameters
from actions.ports import Output, Staged, TableInfo
from actions.results import ActionResult, Json
from engine.data.batches import BatchSource
from engine.data.schema import Schema
from engine.devices import memory_told
from engine.errors import MemoryExhausted, NotSupportedError, TrainingError
from engine.train.checkpoint import Checkpoint
from engine.train.config import Metric, resolved_seed
from engine.train.history import EpochEvent
from engine.train.resume import weight_arrays, weight_chunks
from engine.weights import Chunk, read_weights

if TYPE_CHECKING:
    from actions.deeplearn.dl_tune import DlTuneParams

TUNE = "tune"
"""Where a checkpoint's state holds the facts of this module."""


@dataclass
class Tuning:
    """One run of dlTune.

    Attributes:
        outcomes: trials that have ended.
        last: weights the best of them ended with.
        best: those of its best epoch, if they were asked for.
    """

    ctx: Context
    p: "DlTuneParams"
    device: str
    outcomes: list[Outcome] = field(default_factory=list)
    last: Weights | None = None
    best: Weights | None = None

    def run(self) -> ActionResult:
        """Search, store the best weights, and answer."""
        started = monotonic()
        self._check()
        source, valid = self.base.sources()
        self._resume()
        race = Race(self.ranges, self.p.tuner, self.outcomes)
        for number in range(len(self.outcomes) + 1, len(self.points) + 1):
            if self._is_over(started):
                self.ctx.note(f"The time is over after {len(self.outcomes)} trials.")
                break
            self._try(race, number, source, valid)
        return self._answer(self._store())

    @cached_property
    def ranges(self) -> Ranges:
        """What is searched."""
        return ranges_of(self.p.optimizer)

    @cached_property
    def kept(self) -> Checkpoint | None:
        """The checkpoint of an earlier attempt on the same model and tables."""
        if self.ctx.checkpoint is None or self.ctx.attempt == 1:
            return None
        body = self.ctx.checkpoint.load()
        if body is None:
            self.ctx.note(f"Attempt {self.ctx.attempt} starts over: no trial had ended.")
            return None
        found = Checkpoint.from_bytes(body)
        if found.state[TUNE]["sources"] != self._key:
            self.ctx.warn(
                f"Attempt {self.ctx.attempt} starts over: the model or a table was changed."
            )
            return None
        return found

    @cached_property
    def seeds(self) -> dict[str, int]:
        """Seeds of the values and of every training; all trials start from the same weights."""
        if self.kept is not None:
            return dict(self.kept.state[TUNE]["seeds"])
        drawn = resolved_seed(self.p.seed if self.p.seed > 0 else self.p.optimizer.seed)
        search = self.p.tuner.seed
        order = self.p.record_seed
        return {
            "train": drawn,
            "search": drawn if search is None else resolved_seed(search),
            "order": resolved_seed(order) if order else 0,
        }

    @cached_property
    def points(self) -> list[Values]:
        """The values of every trial."""
        seed = self.seeds["search"] % 2**32
        return points(self.ranges, self.p.tuner, self.p.optimizer.tune_iter, seed)

    @cached_property
    def base(self) -> Trial:
        """What all trials share: the data, and how it is read."""
        return self._trial(next(iter(self.points)), None)

    @property
    def objective(self) -> Metric:
        """What is to be small."""
        default: Metric = "LOSS" if self.p.valid_table is None else "VALIDLOSS"
        return self.p.tuner.objective or default

    @property
    def winner(self) -> Outcome | None:
        """The trial with the smallest objective, the first of equals; none that fell behind."""
        done = [each for each in self.outcomes if each.state == "complete"]
        return min(done, key=lambda each: each.objective or 0.0, default=None)

    @cached_property
    def _key(self) -> list[list[str | int]]:
        """What the search reads, as it stands now."""
        refs = (self.p.model_table, self.p.table, self.p.valid_table)
        infos = [self.ctx.tables.find(ref.address) for ref in refs if ref is not None]
        return [[info.id, info.version] for info in infos]

    def _check(self) -> None:
        if self.p.n_workers > 1:
            raise NotSupportedError(
                f"parameter 'nWorkers' of deepLearn.dlTune got {self.p.n_workers}, which is not "
                "supported yet: trials run one after the other in one worker; expected 1",
                parameter="nWorkers",
            )
        check_ranges(self.p.optimizer, self.ranges)
        if self.p.valid_table is None and self.objective in ("VALIDLOSS", "VALIDERROR"):
            raise InvalidParameters(
                f"parameter 'tuner.objective' got {self.objective} without 'validTable', expected "
                "one, or LOSS or FITERROR",
                parameter="tuner.objective",
            )

    def _is_over(self, started: float) -> bool:
        limit = self.p.tuner.max_time
        return limit is not None and bool(self.outcomes) and monotonic() - started >= limit

    def _trial(self, values: Values, schema: Schema | None, number: int = 0) -> Trial:
        own = {
            name: getattr(self.p, name)
            for name in DlTrainParams.model_fields
            if name in self.p.model_fields_set
        }
        seeds = self.seeds
        own |= {
            "optimizer": optimizer_at(self.p.optimizer, values),
            "seed": float(seeds["train"]),
            "record_seed": float(seeds["order"]) if seeds["order"] else None,
        }

        def report(kind: str, data: Any) -> None:
            self.ctx.report(kind, {"trial": number, "trials": len(self.points), **data})

        ctx = replace(self.ctx, report=report) if number else self.ctx
        return Trial(ctx, DlTrainParams.model_validate(own), self.device, schema)

    def _try(self, race: Race, number: int, source: BatchSource, valid: BatchSource | None) -> None:
        outcome = Outcome(number, self.points[number - 1])
        entered = race.start(outcome)

        def watch(event: EpochEvent) -> None:
            outcome.history.append(asdict(event))
            value = self._value(event)
            if value is None or event.epoch + 1 == self.p.optimizer.max_epochs:
                return
            if race.falls_behind(entered, outcome, event.epoch + 1, value):
                raise FellBehind

        try:
            with memory_told(self.ctx.memory_bytes):
                self._train(outcome, watch, source, valid)
        except FellBehind:
            outcome.state, outcome.objective = "pruned", self._value(outcome.history[-1])
            outcome.reason = "fell behind"
        except (TrainingError, MemoryExhausted, InvalidParameters) as error:
            outcome.state, outcome.reason = "failed", error.message
        race.end(entered, outcome)
        self.outcomes.append(outcome)
        self._tell(outcome)
        self._save()

    def _train(
        self,
        outcome: Outcome,
        watch: Callable[[EpochEvent], None],
        source: BatchSource,
        valid: BatchSource | None,
    ) -> None:
        trial = self._trial(outcome.values, self.base.schema, outcome.number)
        trial.watch = watch
        result = trial.train(source, valid)
        options = trial.p.optimizer
        is_back = options.early_stopping and options.restore_best and result.best is not None
        epochs = outcome.history[: result.best_epoch + 1] if is_back else outcome.history
        values = [value for each in epochs if (value := self._value(each)) is not None]
        if not values:
            raise TrainingError(f"no epoch of the trial has a {self.objective}")
        before = self.winner
        outcome.state, outcome.reason, outcome.objective = "complete", result.reason, values[-1]
        if before is None or values[-1] < (before.objective or 0.0):
            self.last = [
                Chunk(c.spec, c.offset, c.values.copy()) for c in read_weights(trial.model)
            ]
            self.best = result.best

    def _value(self, epoch: EpochEvent | dict[str, Any]) -> float | None:
        record = epoch if isinstance(epoch, dict) else asdict(epoch)
        names = {"LOSS": "loss", "FITERROR": "fit_error"}
        names |= {"VALIDLOSS": "valid_loss", "VALIDERROR": "valid_error"}
        found: float | None = record[names[self.objective]]
        return found

    def _tell(self, outcome: Outcome) -> None:
        winner = self.winner
        self.ctx.report(
            "trial",
            {
                "trial": outcome.number,
                "trials": len(self.points),
                "state": outcome.state,
                "objective": outcome.objective,
                "best": None if winner is None else winner.objective,
                "bestTrial": None if winner is None else winner.number,
                "epochs": outcome.epochs,
                "parameters": {wire(path): value for path, value in outcome.values.items()},
            },
        )
        value = "" if outcome.objective is None else f", {self.objective} {outcome.objective:.6g}"
        reason = f": {outcome.reason}" if outcome.state == "failed" else ""
        place = f"Trial {outcome.number} of {len(self.points)}"
        self.ctx.note(f"{place} {outcome.state}{value}{reason}")

    def _save(self) -> None:
        if self.ctx.checkpoint is None:
            return
        facts = {
            "sources": self._key,
            "seeds": self.seeds,
            "outcomes": [asdict(each) for each in self.outcomes],
        }
        arrays = {} if self.last is None else weight_arrays("last", self.last)
        arrays |= {} if self.best is None else weight_arrays("best", self.best)
        self.ctx.checkpoint.save(Checkpoint({TUNE: facts}, arrays).to_bytes())

    def _resume(self) -> None:
        if self.kept is None:
            return
        for each in self.kept.state[TUNE]["outcomes"]:
            reported = {int(epochs): value for epochs, value in each["reported"].items()}
            self.outcomes.append(Outcome(**{**each, "reported": reported}))
        arrays = self.kept.arrays
        model = self.base.model
        if any(name.startswith("last.") for name in arrays):
            self.last = list(weight_chunks("last", model, arrays))
        if any(name.startswith("best.") for name in arrays):
            self.best = list(weight_chunks("best", model, arrays))
        self.ctx.note(
            f"Attempt {self.ctx.attempt} goes on after trial {len(self.outcomes)} of "
            f"{len(self.points)}."
        )

    def _store(self) -> Sequence[TableInfo]:
        winner = self.winner
        if winner is None or self.last is None:
            first = next((each.reason for each in self.outcomes if each.state == "failed"), "none")
            raise TrainingError(
                f"none of {len(self.outcomes)} trials came to its end; the first failed: {first}",
                trials=len(self.outcomes),
            )
        trial = self._trial(winner.values, self.base.schema, winner.number)
        facts: dict[str, Json] = {
            "epochs": winner.epochs,
            "reason": winner.reason,
            "trial": winner.number,
            "trials": len(self.outcomes),
            "objective": winner.objective,
        }
        own = Attempts(self.ctx, []).own
        with ExitStack() as stack:
            outputs: list[tuple[Staged, Output]] = [
                (trial.stage(stack, facts, self.last), own(self.p.model_weights).output)
            ]
            if self.p.best_weights is not None and self.best is not None:
                best = trial.stage(stack, facts, self.best)
                outputs.append((best, own(self.p.best_weights).output))
            return self.ctx.tables.publish(*outputs)

    def _answer(self, tables: Sequence[TableInfo]) -> ActionResult:
        winner = self.winner
        assert winner is not None  # noqa: S101 - it was stored
        epochs = [EpochEvent(**each) for each in winner.history]
        trial = self._trial(winner.values, self.base.schema, winner.number)
        return ActionResult(
            tables={
                "ModelInfo": trial.info,
                "TuningOptions": options_table(self.p, self.objective, self.ranges, self.seeds),
                "TuningHistory": trials_table(self.outcomes, self.ranges),
                "BestParameters": best_table(winner),
                "TrainIterHistory": history_rows(self.outcomes),
                "OptIterHistory": history_table(epochs, trial.p),
                "OutputCasTables": output_tables(*tables),
            },
            values={
                "bestTrial": winner.number,
                "objective": winner.objective,
                "seed": self.seeds["train"],
            },
        )
