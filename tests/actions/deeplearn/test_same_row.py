"""One row scores the same whatever it came as: a stored table, CSV, JSON, Parquet, or a link."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from actions.context import Context
from tests.actions.house import SMALL_DNN, Run, build, put, rows_of

# whole numbers with gaps, fractions, text with blanks and commas, numbers as levels
COLUMNS: dict[str, list[Any]] = {
    "age": [36, None, 41, 12, 7, None, 60, 23],
    "height": [1.75, 1.5, None, 1.25, 0.5, 1.0, 1.125, 3.0],
    "town": ["Bad Ems", "Ulm", "a, b", None, "Ulm", "Bad Ems", 'say "x"', "Ulm"],
    "code": [10, 2, 10, 2, None, 10, 2, 3],
    "label": ["yes", "no", "yes", "no", "no", "yes", "yes", "no"],
}
ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(*COLUMNS.values(), strict=True)]


@pytest.fixture(autouse=True)
def trained(ctx: Context, run: Run) -> None:
    put(ctx, "people", COLUMNS)
    build(run, SMALL_DNN)
    run(
        "dlTrain",
        table="people",
        modelTable="net",
        modelWeights="w",
        inputs=["age", "height", "town", "code"],
        nominals=["code"],
        target="label",
        seed=5,
        optimizer={"miniBatchSize": 4, "maxEpochs": 3},
    )


def scored(run: Run, ctx: Context, table: str) -> list[Any]:
    out = {"name": "scored", "replace": True}
    run("dlScore", table=table, modelTable="net", initWeights="w", casOut=out)
    names = ("P_labelno", "P_labelyes", "I_label")
    return [[row[name] for name in names] for row in rows_of(ctx, "scored")]


def load(run: Run, path: str, **more: Any) -> None:
    out = {"name": "copy", "replace": True}
    run("table.loadTable", path=path, caslib="PUBLIC", casOut=out, **more)


def shelf(ctx: Context) -> Path:
    return Path(ctx.caslibs.find("PUBLIC").path)


def test_a_row_of_csv_scores_as_that_of_the_table(run: Run, ctx: Context) -> None:
    expected = scored(run, ctx, "people")
    pyarrow.csv.write_csv(pa.table(COLUMNS), shelf(ctx) / "people.csv")

    load(run, "people.csv")
    assert scored(run, ctx, "copy") == expected
    load(run, "people.csv", link=True)
    assert scored(run, ctx, "copy") == expected


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_a_row_of_json_scores_as_that_of_the_table(run: Run, ctx: Context, form: str) -> None:
    lines = "\n".join(map(json.dumps, ROWS))
    (shelf(ctx) / f"people.{form}").write_text(json.dumps(ROWS) if form == "json" else lines)

    load(run, f"people.{form}")

    assert scored(run, ctx, "copy") == scored(run, ctx, "people")


def test_a_row_of_parquet_scores_as_that_of_the_table(run: Run, ctx: Context) -> None:
    pq.write_table(pa.table(COLUMNS), shelf(ctx) / "people.parquet")

    load(run, "people.parquet", link=True)

    assert scored(run, ctx, "copy") == scored(run, ctx, "people")


def test_a_row_scores_alone_as_among_others_without_target_and_with_more_columns(
    run: Run, ctx: Context
) -> None:
    expected = scored(run, ctx, "people")
    for place, row in enumerate(ROWS):
        more = {name: [value] for name, value in row.items() if name != "label"}
        types = {"age": pa.int64(), "height": pa.float64(), "town": pa.string(), "code": pa.int32()}
        columns = {name: pa.array(value, types[name]) for name, value in more.items()}
        put(ctx, "one", {**columns, "extra": ["unused"]})

        np.testing.assert_allclose(
            np.array([each[:2] for each in scored(run, ctx, "one")]),
            np.array([expected[place][:2]]),
            rtol=1e-6,
        )


def test_a_row_of_training_scores_as_training_saw_it(run: Run) -> None:
    alone = {"inputs": ["age", "height"], "target": "label", "seed": 5, "modelWeights": "last"}
    optimizer = {"totalMiniBatchSize": 8, "maxEpochs": 1, "algorithm": {"learningRate": 1e-30}}
    answer = run("dlTrain", table="people", modelTable="net", optimizer=optimizer, **alone)

    score = run("dlScore", table="people", modelTable="net", initWeights="last")

    seen = {row["Descr"]: row["Value"] for row in score.tables["ScoreInfo"].records()}
    epoch = answer.tables["OptIterHistory"].records()[0]
    assert float(str(seen["Loss Error"])) == pytest.approx(epoch["Loss"], rel=1e-6)
