"""A search over the options of training, against trainings done by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from actions import run_action
from actions.context import Context
from actions.errors import InvalidParameters, TableExists
from actions.memory import MemoryStores
from actions.ports import Name
from engine.errors import Cancelled, NotSupportedError, TrainingError
from engine.train.checkpoint import Interrupted
from tests.actions.house import SMALL_DNN, Run, build, nothing_changes, put

RATE: dict[str, Any] = {"lowerBound": 0.001, "upperBound": 0.5, "logScale": True}


@pytest.fixture(autouse=True)
def numbers(ctx: Context, run: Run) -> None:
    draw = np.random.default_rng(4)
    x = draw.normal(size=40)
    put(ctx, "rows", {"x": x, "y": 2 * x})
    put(ctx, "others", {"x": x + 1, "y": 2 * x + 2})
    build(run, SMALL_DNN)


def request(**more: Any) -> dict[str, Any]:
    optimizer: dict[str, Any] = {
        "algorithm": {"method": "adam", "learningRate": RATE},
        "miniBatchSize": 8,
        "maxEpochs": 4,
        "tuneIter": 5,
        **more.pop("optimizer", {}),
    }
    raw: dict[str, Any] = {
        "table": "rows",
        "modelTable": "net",
        "modelWeights": {"name": "w", "replace": True},
        "inputs": ["x"],
        "target": "y",
        "seed": 3,
        "optimizer": optimizer,
    }
    return {**raw, **more}


def tune(run: Run, **more: Any) -> Any:
    return run("deepLearn.dlTune", **request(**more))


def trials(answer: Any) -> list[dict[str, Any]]:
    return list(answer.tables["TuningHistory"].records())


def numbers_of(ctx: Context, weights: str) -> Any:
    info, _ = ctx.weights.load(Name(weights))
    return np.concatenate([chunk.values for chunk in ctx.weights.chunks(info)])


def test_every_trial_is_the_training_with_its_values(run: Run, ctx: Context) -> None:
    answer = tune(run, optimizer={"regL2": {"lowerBound": 0, "upperBound": 0.1}})

    assert len(trials(answer)) == 5
    for trial in trials(answer):
        rate, penalty = trial["LearningRate"], trial["RegL2"]
        assert 0.001 <= rate <= 0.5
        assert 0 <= penalty <= 0.1
        optimizer = {
            "algorithm": {"method": "adam", "learningRate": rate},
            "miniBatchSize": 8,
            "maxEpochs": 4,
            "regL2": penalty,
        }
        plain = request(optimizer=optimizer, modelWeights={"name": "p", "replace": True})
        del plain["optimizer"]["tuneIter"]
        alone = run("deepLearn.dlTrain", **plain)
        assert alone.tables["OptIterHistory"].records()[-1]["Loss"] == trial["Objective"]
        if trial["Trial"] == answer.values["bestTrial"]:
            np.testing.assert_array_equal(numbers_of(ctx, "w"), numbers_of(ctx, "p"))


def test_the_trial_with_the_smallest_objective_is_the_best(run: Run) -> None:
    answer = tune(run)

    rows = trials(answer)
    best = min(rows, key=lambda row: row["Objective"])
    assert answer.values["bestTrial"] == best["Trial"]
    assert answer.values["objective"] == best["Objective"]
    assert answer.tables["BestParameters"].records() == [
        {"Parameter": "LearningRate", "Value": best["LearningRate"]}
    ]
    running = np.minimum.accumulate([row["Objective"] for row in rows])
    assert [row["BestObjective"] for row in rows] == running.tolist()
    epochs = answer.tables["OptIterHistory"].records()
    assert epochs[-1]["Loss"] == best["Objective"]
    assert len(answer.tables["TrainIterHistory"].records()) == 20
    assert {row["State"] for row in rows} == {"complete"}


def test_the_same_seed_gives_the_same_search(run: Run, ctx: Context) -> None:
    first, weights = trials(tune(run)), numbers_of(ctx, "w")

    assert trials(tune(run)) == first
    np.testing.assert_array_equal(numbers_of(ctx, "w"), weights)
    assert trials(tune(run, tuner={"seed": 9})) != first
    drawn = tune(run, seed=0)
    assert trials(tune(run, seed=drawn.values["seed"])) == trials(drawn)


def test_the_loss_of_the_validation_table_is_what_counts_where_there_is_one(run: Run) -> None:
    answer = tune(run, validTable="others")

    epochs = answer.tables["OptIterHistory"].records()
    assert epochs[-1]["ValidLoss"] == answer.values["objective"]


def test_another_objective_may_be_asked_for(run: Run) -> None:
    answer = tune(run, validTable="others", tuner={"objective": "fitError"})

    assert answer.tables["OptIterHistory"].records()[-1]["FitError"] == answer.values["objective"]


def test_best_weights_are_those_of_the_best_epoch_of_the_best_trial(run: Run, ctx: Context) -> None:
    rates = {"method": "vanilla", "learningRate": {"valueList": [0.9]}}
    answer = tune(
        run,
        optimizer={"algorithm": rates, "tuneIter": 1, "maxEpochs": 6},
        validTable="others",
        bestWeights="best",
    )

    epochs = answer.tables["OptIterHistory"].records()
    best = int(np.argmin([row["ValidLoss"] for row in epochs]))
    assert best < 5
    alone = request(
        optimizer={
            "algorithm": {"method": "vanilla", "learningRate": 0.9},
            "maxEpochs": best + 1,
        },
        modelWeights="p",
    )
    del alone["optimizer"]["tuneIter"]
    run("deepLearn.dlTrain", **alone)
    np.testing.assert_array_equal(numbers_of(ctx, "best"), numbers_of(ctx, "p"))


def test_a_grid_tries_every_combination_once(run: Run) -> None:
    answer = tune(
        run,
        optimizer={
            "algorithm": {"learningRate": {"lowerBound": 0.01, "upperBound": 0.1}},
            "dropout": {"valueList": [0, 0.25]},
            "maxEpochs": 1,
        },
        tuner={"searchMethod": "grid"},
    )

    points = sorted((row["LearningRate"], row["Dropout"]) for row in trials(answer))
    # bounds and the point between them, each with and without dropout
    expected = [(rate, drop) for rate in (0.01, 0.055, 0.1) for drop in (0.0, 0.25)]
    assert np.allclose(points, expected)


def test_a_hypercube_has_one_trial_in_every_slice(run: Run) -> None:
    answer = tune(
        run,
        optimizer={
            "regL1": {"lowerBound": 0, "upperBound": 1e-3},
            "maxEpochs": 1,
            "tuneIter": 8,
        },
        tuner={"searchMethod": "LHS"},
    )

    rates = np.array([row["LearningRate"] for row in trials(answer)])
    slices = 8 * (np.log(rates) - np.log(0.001)) / np.log(500)
    assert sorted(np.floor(slices).astype(int)) == list(range(8))
    penalties = np.array([row["RegL1"] for row in trials(answer)]) * 8e3
    assert sorted(np.floor(penalties).astype(int)) == list(range(8))


def test_whole_numbers_stay_whole(run: Run) -> None:
    answer = tune(
        run,
        optimizer={"miniBatchSize": {"lowerBound": 2, "upperBound": 30}, "maxEpochs": 1},
    )

    assert all(row["MiniBatchSize"] % 1 == 0 for row in trials(answer))


def test_the_first_trial_takes_the_values_that_are_said(run: Run) -> None:
    rate = {**RATE, "value": 0.123}

    answer = tune(run, optimizer={"algorithm": {"learningRate": rate}, "maxEpochs": 1})

    assert trials(answer)[0]["LearningRate"] == 0.123
    assert trials(answer)[1]["LearningRate"] != 0.123


def test_halving_ends_trials_that_fall_behind_where_successive_halving_does(run: Run) -> None:
    rates = [0.1, 0.0001, 0.2, 0.0002, 0.05]
    answer = tune(
        run,
        optimizer={
            "algorithm": {"method": "vanilla", "learningRate": {"valueList": rates}},
            "maxEpochs": 8,
            "tuneIter": 12,
        },
        tuner={"halving": True, "reductionFactor": 2, "minEpochs": 2},
    )

    epochs: dict[int, list[float]] = {}
    for row in answer.tables["TrainIterHistory"].records():
        epochs.setdefault(int(row["Trial"]), []).append(row["Loss"])
    # Li et al. (2020), algorithm 2: at 2, 4 epochs a trial goes on if it is among the best half
    # of those that came so far; at the last epoch it has come to its end
    seen: dict[int, list[float]] = {2: [], 4: []}
    for trial in trials(answer):
        losses = epochs[trial["Trial"]]
        ends = 8
        for rung in (2, 4):
            seen[rung].append(losses[rung - 1])
            place = sorted(seen[rung]).index(losses[rung - 1])
            if place >= max(1, len(seen[rung]) // 2):
                ends = rung
                break
        assert (trial["Epochs"], trial["State"]) == (ends, "complete" if ends == 8 else "pruned")
    assert {trial["State"] for trial in trials(answer)} == {"complete", "pruned"}


def test_a_trial_that_diverges_has_failed_and_the_others_go_on(run: Run) -> None:
    rates = {"method": "vanilla", "learningRate": {"valueList": [1e30, 0.01]}}
    answer = tune(
        run, optimizer={"algorithm": rates}, tuner={"searchMethod": "GRID"}, bestWeights="best"
    )

    states = {row["LearningRate"]: (row["State"], row["Objective"]) for row in trials(answer)}
    assert states[1e30] == ("failed", None)
    assert states[0.01][0] == "complete"
    reason = next(row["Reason"] for row in trials(answer) if row["State"] == "failed")
    assert "is not finite at epoch" in reason


def test_a_search_in_which_all_trials_diverge_fails(run: Run, stores: MemoryStores) -> None:
    rates = {"method": "vanilla", "learningRate": {"lowerBound": 1e30, "upperBound": 1e31}}

    message = r"^none of 2 trials came to its end; the first failed: .* is not finite at epoch"
    with nothing_changes(stores), pytest.raises(TrainingError, match=message):
        tune(run, optimizer={"algorithm": rates, "tuneIter": 2})


def test_values_that_do_not_go_together_fail_their_trial_alone(run: Run) -> None:
    clips = {"clipGradMin": {"valueList": [-1, 2]}, "clipGradMax": {"valueList": [1, 3]}}
    algorithm = {"method": "vanilla", "learningRate": 0.01, **clips}
    answer = tune(
        run,
        optimizer={"algorithm": algorithm, "maxEpochs": 1},
        tuner={"searchMethod": "GRID"},
    )

    failed = [row for row in trials(answer) if row["State"] == "failed"]
    assert [(row["ClipGradMin"], row["ClipGradMax"]) for row in failed] == [(2, 1)]
    assert failed[0]["Reason"] == (
        "parameter 'optimizer' at algorithm.clipGradMax = 1, algorithm.clipGradMin = 2: "
        "clipGradMin got 2.0, expected at most clipGradMax = 1.0"
    )


def test_a_trial_that_ends_before_its_first_validation_has_failed(run: Run) -> None:
    algorithm = {"method": "lbfg", "maxIters": 1, "m": {"valueList": [2]}}
    raw = request(optimizer={"algorithm": algorithm, "tuneIter": 1}, validTable="others")
    del raw["optimizer"]["miniBatchSize"]

    message = (
        "^none of 1 trials came to its end; the first failed: no epoch of the trial has a "
        "VALIDLOSS$"
    )
    with pytest.raises(TrainingError, match=message):
        run("deepLearn.dlTune", **raw, validFreq=3)


def test_followers_hear_of_every_trial(ctx: Context) -> None:
    heard: list[tuple[str, Any]] = []
    listening = replace(ctx, report=lambda kind, data: heard.append((kind, data)))

    run_action(listening, "deepLearn.dlTune", request(optimizer={"tuneIter": 2, "maxEpochs": 2}))

    told = [data for kind, data in heard if kind == "trial"]
    assert [(d["trial"], d["trials"], d["state"], d["epochs"]) for d in told] == [
        (1, 2, "complete", 2),
        (2, 2, "complete", 2),
    ]
    assert told[1]["best"] == min(d["objective"] for d in told)
    assert list(told[0]["parameters"]) == ["algorithm.learningRate"]
    epochs = [(data["trial"], data["epoch"]) for kind, data in heard if kind == "epoch"]
    assert epochs == [(1, 0), (1, 1), (2, 0), (2, 1)]
    notes = [data["text"] for kind, data in heard if kind == "note"]
    assert notes[0].startswith("Trial 1 of 2 complete, LOSS ")


def test_a_cancelled_search_stores_nothing(ctx: Context, stores: MemoryStores) -> None:
    heard: list[str] = []
    asked = replace(
        ctx,
        report=lambda kind, _: heard.append(kind),
        cancelled=lambda: "trial" in heard,
    )

    with nothing_changes(stores), pytest.raises(Cancelled):
        run_action(asked, "deepLearn.dlTune", request())
    assert heard.count("trial") == 1


def test_no_trial_begins_after_the_time_is_over(run: Run) -> None:
    answer = tune(run, tuner={"maxTime": 1e-9})

    assert len(trials(answer)) == 1
    assert answer.messages[-1].text == "The time is over after 1 trials."


class Shelf:
    """A place for the checkpoint of one job."""

    def __init__(self) -> None:
        self.body: bytes | None = None

    def load(self) -> bytes | None:
        return self.body

    def save(self, body: bytes) -> None:
        self.body = body


@pytest.mark.parametrize("tuner", [{}, {"halving": True, "reductionFactor": 2}])
@pytest.mark.parametrize("after", [1, 3])
def test_a_search_taken_up_again_ends_as_one_that_never_stopped(
    ctx: Context, run: Run, after: int, tuner: dict[str, Any]
) -> None:
    asked = request(tuner=tuner, validTable="others", bestWeights={"name": "b", "replace": True})
    whole = run("deepLearn.dlTune", **asked)
    expected = [numbers_of(ctx, "w"), numbers_of(ctx, "b")]
    shelf, ended = Shelf(), [0]

    def count(kind: str, data: Any) -> None:
        del data
        ended[0] += kind == "trial"

    first = replace(
        ctx,
        checkpoint=shelf,
        report=count,
        interrupted=lambda: ended[0] >= after,
        messages=[],
    )
    with pytest.raises(Interrupted):
        run_action(first, "deepLearn.dlTune", asked)
    again = replace(ctx, checkpoint=shelf, attempt=2, messages=[])

    answer = run_action(again, "deepLearn.dlTune", asked)

    rows = [{k: v for k, v in row.items() if k != "seconds"} for row in trials(answer)]
    assert rows == trials(whole)
    np.testing.assert_array_equal(numbers_of(ctx, "w"), expected[0])
    np.testing.assert_array_equal(numbers_of(ctx, "b"), expected[1])
    assert answer.messages[0].text == f"Attempt 2 goes on after trial {after} of 5."


def test_a_search_whose_data_was_replaced_starts_over(ctx: Context) -> None:
    shelf = Shelf()
    run_action(
        replace(ctx, checkpoint=shelf, messages=[]),
        "deepLearn.dlTune",
        request(optimizer={"tuneIter": 1, "maxEpochs": 1}),
    )
    put(ctx, "rows", {"x": [1.0, 2.0], "y": [1.0, 2.0]})

    answer = run_action(
        replace(ctx, checkpoint=shelf, attempt=2, messages=[]),
        "deepLearn.dlTune",
        request(optimizer={"tuneIter": 1, "maxEpochs": 1}),
    )

    assert answer.messages[0].text == "Attempt 2 starts over: the model or a table was changed."


def test_a_search_without_a_checkpoint_starts_over(ctx: Context) -> None:
    again = replace(ctx, checkpoint=Shelf(), attempt=2, messages=[])

    answer = run_action(again, "deepLearn.dlTune", request(optimizer={"tuneIter": 1}))

    assert answer.messages[0].text == "Attempt 2 starts over: no trial had ended."


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"optimizer": {"algorithm": "adam"}},
        InvalidParameters,
        (
            "parameter 'optimizer' got no range, expected an object with 'lowerBound' and "
            "'upperBound', or 'valueList', for one option or more"
        ),
    ),
    (
        {"optimizer": {"regL1": {"lowerBound": 1, "upperBound": 1}}},
        InvalidParameters,
        (
            "parameter 'optimizer.regL1': got bounds 1 and 1, expected a lower one and a higher "
            "one, or 'valueList'"
        ),
    ),
    (
        {"optimizer": {"regL1": {"lowerBound": 0, "upperBound": 1, "logScale": "LN"}}},
        InvalidParameters,
        "parameter 'optimizer.regL1': got lowerBound 0 with a log scale, expected more than 0",
    ),
    (
        {"optimizer": {"regL1": {"lowerBound": 0, "upperBound": 1, "value": 2}}},
        InvalidParameters,
        "parameter 'optimizer.regL1': got value 2, expected one between 0 and 1",
    ),
    (
        {"optimizer": {"regL1": {"lowerBound": 0, "upperBound": 1, "valueList": [1]}}},
        InvalidParameters,
        "parameter 'optimizer.regL1': got 'valueList' and bounds, expected one of the two",
    ),
    (
        {"optimizer": {"miniBatchSize": {"lowerBound": 1, "upperBound": 2.5}}},
        InvalidParameters,
        "parameter 'optimizer.miniBatchSize' got 2.5 in its range, expected a whole number",
    ),
    (
        {"optimizer": {"dropout": {"lowerBound": 0, "upperBound": 1}}},
        InvalidParameters,
        (
            "parameter 'optimizer' at dropout = 1, algorithm.learningRate = 0.5: Input should be "
            "less than 1"
        ),
    ),
    (
        {"optimizer": {"maxEpochs": {"lowerBound": 1, "upperBound": 3}}},
        InvalidParameters,
        (
            "parameter 'optimizer.maxEpochs' got {'lowerBound': 1, 'upperBound': 3}, expected a "
            "valid integer"
        ),
    ),
    (
        {"optimizer": {"snapshotFreq": 1}},
        NotSupportedError,
        (
            "parameter 'optimizer.snapshotFreq' of deepLearn.dlTune is not supported "
            "yet: the weights of a trial are kept when it is the best"
        ),
    ),
    (
        {"tuner": {"searchMethod": "EAGLS"}},
        NotSupportedError,
        (
            "parameter 'tuner': option 'searchMethod' with EAGLS is not supported "
            "yet: its rules are not published; expected RANDOM, GRID or LHS"
        ),
    ),
    (
        {"tuner": {"popSize": 20}},
        NotSupportedError,
        (
            "parameter 'tuner.popSize' of deepLearn.dlTune is not supported yet: "
            "'tuneIter' of the optimizer counts the trials"
        ),
    ),
    (
        {"tuner": {"objective": "validLoss"}},
        InvalidParameters,
        (
            "parameter 'tuner.objective' got VALIDLOSS without 'validTable', expected one, or LOSS "
            "or FITERROR"
        ),
    ),
    (
        {
            "tuner": {"searchMethod": "GRID", "gridPoints": 1000},
            "optimizer": {"regL1": {"lowerBound": 0, "upperBound": 1}},
        },
        InvalidParameters,
        (
            "parameter 'optimizer' got a grid of 1000000 points, expected at most 10000; take "
            "fewer 'gridPoints', or LHS"
        ),
    ),
    (
        {"nWorkers": 2},
        NotSupportedError,
        (
            "parameter 'nWorkers' of deepLearn.dlTune got 2, which is not supported yet: trials "
            "run one after the other in one worker; expected 1"
        ),
    ),
    (
        {"modelWeights": "rows"},
        TableExists,
        "the table 'rows' exists in caslib 'CASUSER'; set replace to overwrite it",
    ),
]


@pytest.mark.parametrize(("wrong", "kind", "message"), REFUSED)
def test_what_cannot_be_searched_is_refused_and_changes_nothing(
    run: Run, stores: MemoryStores, wrong: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with nothing_changes(stores), pytest.raises(kind) as caught:
        tune(run, **wrong)

    assert str(caught.value) == message
