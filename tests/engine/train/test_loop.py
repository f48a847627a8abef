from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch

from engine.compile.lower import compile_graph
from engine.data.batches import ResidentSource, StreamingSource
from engine.data.columns import Columns
from engine.data.encode import Encoder
from engine.errors import Cancelled, TrainingError
from engine.fast_paths import NONE, FastPaths
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.input import Input
from engine.layers.output import Output
from engine.train.history import BatchEvent, EpochEvent
from engine.train.loop import Trainer, TrainResult
from tests.engine.networks import Array, network, objects
from tests.engine.train.cases import (
    LABELS,
    ROWS,
    Case,
    Scripted,
    X,
    Y,
    one_weight,
    optimizer,
)


def test_linear_regression_reaches_the_least_squares_solution() -> None:
    case = Case()
    case.train(optimizer(rate=0.3, max_epochs=300))

    solution = np.linalg.lstsq(np.column_stack([X, np.ones(ROWS)]), Y, rcond=None)[0]
    np.testing.assert_allclose(case.weights, solution, atol=1e-5)


def test_a_hidden_layer_learns_what_a_line_cannot() -> None:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float64)
    columns = {"a": x[:, 0], "b": x[:, 1], "y": objects("n", "y", "y", "n")}
    case = Case(columns, network(hidden=8))
    result = case.train(optimizer("ADAM", rate=0.05, max_epochs=200), batch_rows=4)
    assert result.history[-1].fit_error == 0.0
    assert result.history[-1].loss < 0.05


def test_one_epoch_of_batches_is_the_hand_written_loop() -> None:
    case = Case()
    w, b = case.weights[:3].astype(np.float64), float(case.weights[3])
    losses, errors = [], []
    for first in (0, 16, 32):
        x, y = X[first : first + 16], Y[first : first + 16]
        residual = x @ w + b - y
        losses.append(0.5 * residual**2)
        errors.append(residual**2)
        w, b = w - 0.1 * x.T @ residual / len(x), b - 0.1 * residual.mean()

    result = case.train(optimizer(rate=0.1), batch_rows=16)

    # the last batch holds the 8 rows that are left
    np.testing.assert_allclose(case.weights, [*w, b], rtol=1e-4, atol=1e-5)
    assert result.history[0].loss == pytest.approx(np.concatenate(losses).mean(), rel=1e-5)
    assert result.history[0].fit_error == pytest.approx(np.concatenate(errors).mean(), rel=1e-5)


def test_the_loss_of_numbers_is_half_the_mean_squared_error() -> None:
    record = Case().train(optimizer(max_epochs=2), batch_rows=7).history[1]
    assert record.loss == pytest.approx(record.fit_error / 2)


def test_an_untrained_nominal_model_begins_at_the_logarithm_of_its_levels() -> None:
    # all weights zero: every level has probability one half
    case = Case(LABELS)
    for parameter in case.model.parameters():
        torch.nn.init.zeros_(parameter)
    record = case.train(optimizer(rate=1e-9)).history[0]

    assert record.loss == pytest.approx(np.log(2))
    # ties go to the first level, down
    assert record.fit_error == pytest.approx((Y > 0).mean())


def test_penalties_are_reported_beside_the_loss() -> None:
    case = Case()
    record = case.train(optimizer(rate=0.1, reg_l1=0.01, reg_l2=0.02)).history[0]

    weights = case.weights[:3].astype(np.float64)  # the fourth is the bias
    assert record.l1_norm == pytest.approx(0.01 * np.abs(weights).sum(), rel=1e-5)
    assert record.l2_norm == pytest.approx(0.01 * (weights**2).sum(), rel=1e-5)
    assert record.loss == pytest.approx(record.fit_error / 2)


def test_norms_are_absent_without_penalties() -> None:
    record = Case().train(optimizer()).history[0]
    assert (record.l1_norm, record.l2_norm) == (None, None)


@pytest.mark.parametrize("method", ["VANILLA", "MOMENTUM", "ADAM"])
def test_the_same_seed_gives_the_same_bits(method: str) -> None:
    options = BuildOptions(dropout=0.3)
    cases = [Case(LABELS, network(hidden=5), options) for _ in range(2)]
    first, second = (
        case.train(optimizer(method, max_epochs=3), 8, seed=4, record_seed=9) for case in cases
    )
    np.testing.assert_array_equal(cases[0].weights, cases[1].weights)
    assert [r.loss for r in first.history] == [r.loss for r in second.history]


def test_another_seed_drops_other_neurons() -> None:
    options = BuildOptions(dropout=0.5)
    cases = [Case(LABELS, network(hidden=5), options) for _ in range(2)]
    for case, seed in zip(cases, (1, 2), strict=True):
        case.train(optimizer(), 8, seed=seed)
    assert not np.array_equal(cases[0].weights, cases[1].weights)


def test_rows_are_taken_as_stored_unless_a_record_seed_is_given() -> None:
    stored, drawn, other = Case(), Case(), Case()
    stored.train(optimizer(), 8)
    drawn.train(optimizer(), 8, record_seed=1)
    other.train(optimizer(), 8, record_seed=2)
    assert not np.array_equal(stored.weights, drawn.weights)
    assert not np.array_equal(other.weights, drawn.weights)


def test_plain_descent_takes_slice_after_slice_and_moves_all_parameters() -> None:
    # F78: rows index * 8 to (index + 1) * 8, half the squared error, in float64 by hand
    case = Case()
    weights, bias = case.weights[:3].astype(np.float64), float(case.weights[3])
    for first in range(0, ROWS, 8):
        x, y = X[first : first + 8], Y[first : first + 8]
        fault = x @ weights + bias - y
        weights, bias = weights - 0.1 * (fault @ x) / 8, bias - 0.1 * fault.mean()

    case.train(optimizer("VANILLA", 0.1, max_epochs=1), 8)

    np.testing.assert_allclose(case.weights, [*weights, bias], rtol=1e-5)


@pytest.mark.parametrize("record_seed", [None, 7])
def test_streaming_and_resident_tables_give_the_same_weights(record_seed: int | None) -> None:
    resident, streamed = Case(LABELS), Case(LABELS)

    def parts() -> Iterator[Columns]:
        for first in range(0, ROWS, 9):
            yield {name: column[first : first + 9] for name, column in LABELS.items()}

    source = StreamingSource(Encoder(streamed.schema), parts, ROWS)
    resident.train(optimizer(max_epochs=2), 16, record_seed=record_seed)
    streamed.train(optimizer(max_epochs=2), 16, record_seed=record_seed, source=source)

    np.testing.assert_array_equal(resident.weights, streamed.weights)


def test_the_best_epoch_is_that_of_the_smallest_validation_loss() -> None:
    # w after the epochs: 3, 1, 2; validation wants 0, so its losses are 4.5, 0.5 and 2
    case = one_weight()
    result = case.train(
        optimizer(rate=1.0, max_epochs=3),
        source=Scripted([[3.0], [1.0], [2.0]]),
        valid=Scripted([[0.0]]),
        keep_best=True,
    )

    assert [record.valid_loss for record in result.history] == pytest.approx([4.5, 0.5, 2.0])
    assert [record.valid_error for record in result.history] == pytest.approx([9.0, 1.0, 4.0])
    assert result.best_epoch == 1
    assert result.best is not None
    assert [chunk.values.tolist() for chunk in result.best] == [[1.0]]
    assert case.weights.tolist() == [2.0]


def test_without_validation_the_best_epoch_is_that_of_the_smallest_training_loss() -> None:
    # from w: losses 1/2 (w - t)^2 before each step; t = 5, 5.5, 9: the second is 1/8
    result = one_weight().train(
        optimizer(rate=1.0, max_epochs=3), source=Scripted([[5.0], [5.5], [9.0]]), keep_best=True
    )
    assert result.best_epoch == 1
    assert result.best is not None
    assert result.best[0].values.tolist() == [5.5]


def test_best_weights_are_kept_only_when_asked_for() -> None:
    assert Case().train(optimizer()).best is None


def test_validation_happens_every_few_epochs_and_after_the_last() -> None:
    result = one_weight().train(
        optimizer(rate=1.0, max_epochs=5),
        source=Scripted([[1.0]]),
        valid=Scripted([[0.0]]),
        valid_freq=2,
    )
    assert [r.epoch for r in result.history if r.valid_loss is not None] == [1, 3, 4]


def test_an_unseen_level_in_validation_counts_as_wrong_without_a_loss() -> None:
    case = Case(LABELS)
    table = {name: column[:2] for name, column in LABELS.items()} | {"y": objects("?", "?")}
    valid = ResidentSource.read(Encoder(case.schema, "validate"), [table])
    record = case.train(optimizer(), valid=valid).history[0]
    assert (record.valid_loss, record.valid_error) == (0.0, 1.0)


def test_the_run_says_why_it_stopped() -> None:
    assert Case().train(optimizer()).reason == "reached the maximum number of epochs"


def test_stagnation_ends_the_run() -> None:
    result = one_weight().train(
        optimizer(rate=1.0, max_epochs=9, stagnation=2),
        source=Scripted([[1.0]]),
        valid=Scripted([[0.0]]),
    )
    assert result.reason == "stagnation: 2 epochs in a row without improvement"
    assert len(result.history) == 3


def test_events_tell_the_first_and_the_last_batch_and_every_epoch() -> None:
    case = Case()
    case.train(optimizer(max_epochs=2), 8, clock=lambda: 0.0)

    batches = [event for event in case.events if isinstance(event, BatchEvent)]
    assert [(e.epoch, e.batch, e.batches, e.rows) for e in batches] == [
        (0, 1, 5, 8),
        (0, 5, 5, 8),
        (1, 1, 5, 8),
        (1, 5, 5, 8),
    ]
    assert [type(event) for event in case.events].count(EpochEvent) == 2
    assert isinstance(case.events[-1], EpochEvent)


def test_events_of_batches_come_at_most_ten_times_a_second() -> None:
    # the clock is read twice a batch or less; at 0.03 s a reading some batches are passed over
    case, ticks = Case(), count()
    case.train(optimizer(), 1, clock=lambda: next(ticks) * 0.03)
    told = [event for event in case.events if isinstance(event, BatchEvent)]
    assert 5 < len(told) < ROWS


def test_with_the_highest_log_level_there_is_an_event_of_every_batch() -> None:
    case = Case()
    case.train(optimizer(max_epochs=2, log_level=3), 8, clock=lambda: 0.0)

    told = [(e.epoch, e.batch) for e in case.events if isinstance(e, BatchEvent)]
    assert told == [(epoch, batch) for epoch in (0, 1) for batch in (1, 2, 3, 4, 5)]


def test_a_batch_event_is_of_its_own_batch() -> None:
    case = one_weight()
    case.train(optimizer(rate=1.0), source=Scripted([[4.0, 7.0]]), clock=lambda: 0.0)
    last = [event for event in case.events if isinstance(event, BatchEvent)][-1]
    # w was 4 when 7 came: squared error 9
    assert (last.fit_error, last.loss) == (9.0, 4.5)


def test_the_rate_of_inv_falls_with_every_update() -> None:
    # x = 1, target 0: w *= 1 - rate; rates 1/2, 1/2 / 2, 1/2 / 3
    case = one_weight()
    start = case.weights[0]
    inv = {"learning_rate_policy": "INV", "gamma": 1.0, "power": 1.0}
    result = case.train(optimizer(rate=0.5, algorithm=inv), source=Scripted([[0.0, 0.0, 0.0]]))
    assert case.weights[0] == pytest.approx(start * (1 / 2) * (3 / 4) * (5 / 6), rel=1e-6)
    assert result.history[0].learning_rate == 0.5


def test_cancelling_stops_before_the_next_batch() -> None:
    answers = iter([False, False, True])
    with pytest.raises(Cancelled, match=r"^training was cancelled at epoch 0, batch 3$"):
        Case().train(optimizer(max_epochs=5), 8, cancelled=lambda: next(answers))


def test_a_loss_that_is_not_finite_is_an_error_at_its_first_batch() -> None:
    # the third batch is the first whose loss overflows float32
    targets = [1.0, 1.0, 1e30, 1.0]
    with pytest.raises(
        TrainingError,
        match=r"^loss is not finite at epoch 0, batch 3; usual causes are inputs that are not "
        r"scaled, a learning rate that is too large, or exploding gradients$",
    ):
        one_weight().train(optimizer(), source=Scripted([targets]), clock=lambda: 0.0)


def test_a_run_that_diverges_hands_over_its_best_weights() -> None:
    # with rate 1 and x = 1 a step sets the weight to the target: 2, then 4 and the overflow
    case, rescued = one_weight(), list[TrainResult]()
    script = Scripted([[2.0], [4.0, 1e30]])
    with pytest.raises(TrainingError, match=r"^loss is not finite at epoch 1, batch 2; usual"):
        case.train(
            optimizer(rate=1.0, max_epochs=3),
            source=script,
            keep_best=True,
            on_failure=rescued.append,
        )

    (result,) = rescued
    assert (len(result.history), result.best_epoch) == (1, 0)
    assert result.best is not None
    assert [chunk.values.tolist() for chunk in result.best] == [[2.0]]
    assert result.reason.startswith("loss is not finite at epoch 1, batch 2")


def test_a_run_that_kept_nothing_hands_nothing_over() -> None:
    rescued = list[TrainResult]()
    with pytest.raises(TrainingError, match=r"^loss is not finite at epoch 0, batch 1; usual"):
        one_weight().train(
            optimizer(), source=Scripted([[1e30]]), keep_best=True, on_failure=rescued.append
        )

    assert rescued == []


def test_weights_that_are_not_finite_after_the_last_step_are_an_error() -> None:
    # the loss 1/2 (1e19)^2 is finite, the step of 1e20 times 1e19 is not
    with pytest.raises(TrainingError, match=r"^a weight is not finite at epoch 0; usual causes"):
        one_weight().train(optimizer(rate=1e20), source=Scripted([[1e19]]))


def test_a_validation_loss_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(TrainingError, match=r"^validation loss is not finite at epoch 0; usual"):
        one_weight().train(optimizer(), source=Scripted([[1.0]]), valid=Scripted([[1e30]]))


def test_a_source_without_rows_is_an_error() -> None:
    with pytest.raises(TrainingError, match=r"^the training table has no rows that can be used$"):
        one_weight().train(optimizer(), source=Scripted([[]], rows=0))


def test_frozen_layers_keep_their_weights() -> None:
    def trained(**frozen: Any) -> tuple[Array, Array]:
        case = Case(LABELS, network(hidden=4))
        before = case.weights
        case.train(optimizer(**frozen), 8)
        # fc1 has 3 x 4 weights and 4 biases
        changed = before != case.weights
        return changed[:16], changed[16:]

    for frozen in ({"freeze_layers": ("FC1",)}, {"freeze_layers_to": "fc1"}):
        hidden, output = trained(**frozen)
        assert not hidden.any()
        assert output.all()
    hidden, output = trained()
    assert hidden.any()


def test_a_model_that_is_frozen_whole_cannot_be_trained() -> None:
    with pytest.raises(
        TrainingError, match=r"^the model has no parameters to train, expected at least one$"
    ):
        Case().train(optimizer(freeze_layers_to="out"))


def test_nobody_has_to_listen() -> None:
    case = Case()
    assert len(Trainer(case.model, optimizer(), case.source, batch_rows=ROWS).run().history) == 1


def test_the_losses_of_several_task_layers_are_added() -> None:
    # two outputs of one weight each, both at target 2 from 0: 1/2 * 4 twice, and each step of 0.5
    graph = Graph("net").add("data", Input())
    for name in ("left", "right"):
        graph = graph.add(name, Output(include_bias=False), ["data"])
    target = Target("interval", 1)
    bound = bind(graph, {"data": (1,)}, {"left": target, "right": target})
    model = compile_graph(bound, BuildOptions(), generator=torch.Generator().manual_seed(1))
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    two = torch.full((1, 1), 2.0)
    source = ResidentSource({"data": torch.ones(1, 1)}, {"left": two, "right": two})

    result = Trainer(model, optimizer(rate=0.5), source, batch_rows=1).run()

    assert (result.history[0].loss, result.history[0].fit_error) == (4.0, 8.0)
    assert [parameter.item() for parameter in model.parameters()] == [1.0, 1.0]


def test_fast_paths_that_are_left_out_change_no_number() -> None:
    left_out: tuple[FastPaths, ...] = (NONE, frozenset({"channels-last", "fused-updates"}))
    found = []
    for without in left_out:
        case = Case()
        trainer = Trainer(
            case.model, optimizer(max_epochs=3), case.source, batch_rows=16, without=without
        )
        trainer.run()
        found.append(case.weights)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)
