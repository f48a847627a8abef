"""Functions that are called by name: the texts of the dialect's Python client as it sends them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from actions import run_action
from actions.context import Context
from actions.errors import InvalidParameters, TableExists
from actions.memory import MemoryStores
from actions.ports import Name
from engine.errors import NotSupportedError
from tests.actions.house import SMALL_DNN, Run, build, nothing_changes, put, rows_of

PLATEAU = """
                        function reduce_lr_on_plateau(rate, initRate, gamma, loss[*]);
                            len = dim(loss);
                            temp_rate = initRate;
                            cool_down_counter = 1;
                            best = loss[1];
                            do i=1 to len;
                                if loss[i] < best then do;
                                    best = loss[i];
                                    bad_epoch = 0;
                                end;
                                else bad_epoch = bad_epoch + 1;
                                if cool_down_counter > 0 then do;
                                    cool_down_counter = cool_down_counter - 1;
                                    bad_epoch = 0;
                                end;
                                if bad_epoch > 0 then do;
                                    temp_rate = temp_rate * gamma;
                                    cool_down_counter = 1;
                                    bad_epoch = 0;
                                end;
                            end;
                            rate = temp_rate;
                            put rate=;
                            return(rate);
                        endsub;
"""
CYCLIC = """
                        function cyclic_lr(rate, iterNum, batch, initRate);
                            batch_cum = 93 * iterNum + batch;
                            cycle = floor(batch_cum / (2 * 186) + 1);
                            x = abs(batch_cum / 186 - 2 * cycle + 1);
                            rate = initRate + (0.01 - initRate) * max(0, 1-x);
                            return(rate);
                        endsub;
"""


@pytest.fixture(autouse=True)
def numbers(ctx: Context, run: Run) -> None:
    draw = np.random.default_rng(4)
    x = draw.normal(size=93)
    put(ctx, "rows", {"x": x, "y": draw.normal(size=93)})
    build(run, SMALL_DNN)


def add(run: Run, code: str, table: str, **more: Any) -> Any:
    out = {"name": table, "replace": 1}
    return run("addRoutines", routineCode=code, package="pkg", funcTable=out, **more)


def train(run: Run, rows: int = 31, **algorithm: Any) -> list[Any]:
    answer = run(
        "deepLearn.dlTrain",
        table="rows",
        modelTable="net",
        modelWeights={"name": "w", "replace": True},
        inputs=["x"],
        target="y",
        seed=3,
        optimizer={"miniBatchSize": rows, "maxEpochs": 4, "algorithm": algorithm},
    )
    return [row["LearningRate"] for row in answer.tables["OptIterHistory"].records()]


def test_functions_are_kept_in_a_table_a_row_each(run: Run, ctx: Context) -> None:
    add(run, PLATEAU + CYCLIC, "functions")

    rows = rows_of(ctx, "functions")
    assert [(row["Package"], row["Name"]) for row in rows] == [
        ("pkg", "reduce_lr_on_plateau"),
        ("pkg", "cyclic_lr"),
    ]
    assert rows[1]["Text"] == CYCLIC.strip()


def test_a_cycle_called_by_name_gives_the_verified_rates(run: Run) -> None:
    add(run, CYCLIC, "cyclic_lr")

    rates = train(
        run, rows=1, fcmpLearningRate="cyclic_lr", learningRate=1e-4, gamma=0.1, stepSize=10
    )

    assert [f"{rate:.6f}" for rate in rates] == ["0.000153", "0.005103", "0.009947", "0.004997"]


def test_a_plateau_called_by_name_is_the_policy_with_its_constants(run: Run) -> None:
    add(run, PLATEAU, "reduce_lr_on_plateau")
    named: dict[str, Any] = {
        "fcmpLearningRate": "reduce_lr_on_plateau",
        "learningRate": 0.5,
        "gamma": 0.1,
    }
    policy: dict[str, Any] = {
        "learningRatePolicy": "REDUCELRONPLATEAU",
        "coolDown": 1,
        "patience": 0,
    }

    rates = train(run, **named)

    assert rates == train(run, **policy, learningRate=0.5, gamma=0.1)


def test_functions_are_found_in_the_tables_of_the_session(run: Run, ctx: Context) -> None:
    add(run, "function slow(rate, gamma); return(rate * gamma); endsub;", "shelf")
    session = replace(ctx.session, options={"cmplib": ["CASUSER.other", "CASUSER.shelf"]})

    def call(name: str, **raw: Any) -> Any:
        return run_action(replace(ctx, session=session, messages=[]), name, raw)

    rates = train(call, fcmpLearningRate="SLOW", learningRate=0.1, gamma=0.5)

    assert rates == pytest.approx([0.05, 0.025, 0.0125, 0.00625])


def test_the_weights_keep_the_text_and_not_the_name(run: Run, ctx: Context) -> None:
    add(run, "function slow(initRate); return(initRate / 2); endsub;", "slow")
    train(run, fcmpLearningRate="slow", learningRate=0.1)

    lineage: Any = ctx.weights.load(Name("w"))[1].lineage
    algorithm = lineage["parameters"]["optimizer"]["algorithm"]
    assert algorithm["fcmpLearningRate"].startswith("function slow(initRate);")
    assert algorithm["learningRatePolicy"] == "FCMP"


def _name(name: str) -> Any:
    from actions.ports import Name

    return Name(name)


def test_a_search_finds_functions_by_name_too(run: Run) -> None:
    add(run, "function slow(initRate); return(initRate / 2); endsub;", "slow")
    rate = {"valueList": [0.2]}
    answer = run(
        "dlTune",
        table="rows",
        modelTable="net",
        modelWeights="w",
        inputs=["x"],
        target="y",
        optimizer={
            "algorithm": {"fcmpLearningRate": "slow", "learningRate": rate},
            "tuneIter": 1,
        },
    )

    assert answer.tables["OptIterHistory"].records()[0]["LearningRate"] == 0.1


CODES = [
    ("x + 1", "got no function, expected function name(...); ... endsub;"),
    (
        "function f(x); return(x); endsub; function F(x); return(x); endsub;",
        "got the function 'f' twice, expected it once",
    ),
]


@pytest.mark.parametrize(("code", "message"), CODES)
def test_texts_that_are_no_functions_are_refused(
    run: Run, stores: MemoryStores, code: str, message: str
) -> None:
    with nothing_changes(stores), pytest.raises(InvalidParameters) as caught:
        add(run, code, "functions")

    assert str(caught.value) == f"parameter 'routineCode' {message}"


def test_a_taken_name_is_refused(run: Run, stores: MemoryStores) -> None:
    with nothing_changes(stores), pytest.raises(TableExists):
        run("addRoutines", routineCode=CYCLIC, funcTable="rows")


def test_tables_are_written_as_a_whole(run: Run, stores: MemoryStores) -> None:
    message = (
        "^parameter 'appendTable' of fcmpact.addRoutines is not supported yet: a table of "
        "functions is written as a whole$"
    )
    with nothing_changes(stores), pytest.raises(NotSupportedError, match=message):
        add(run, CYCLIC, "functions", appendTable=True)


NAMES = [
    (
        "lost",
        (
            "parameter 'optimizer.algorithm.fcmpLearningRate' got the name 'lost', expected the "
            "text of a function, or the name of one that fcmpact.addRoutines stored in a table of "
            "its name or in one of the session option 'cmplib'"
        ),
    ),
    (
        "wrong",
        (
            "parameter 'optimizer.algorithm.fcmpLearningRate' got the name 'wrong': option "
            "'fcmpLearningRate': function at line 1, column 30 got the name 'speed', expected one "
            "of batch, gamma, initrate, iternum, loss, rate, stepsize"
        ),
    ),
]


@pytest.mark.parametrize(("name", "message"), NAMES)
def test_names_of_no_function_and_functions_that_cannot_be_run_are_refused(
    run: Run, stores: MemoryStores, name: str, message: str
) -> None:
    add(run, "function wrong(rate); return(speed); endsub;", "wrong")

    with nothing_changes(stores), pytest.raises(InvalidParameters) as caught:
        train(run, fcmpLearningRate=name)

    assert str(caught.value) == message
