"""Joins; expected rows by hand and from pandas."""

from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from actions.context import Context
from actions.errors import (
    ColumnNotFound,
    InvalidExpression,
    InvalidParameters,
    TableExists,
    TooLarge,
)
from actions.memory import MemoryStores
from actions.query import DISK_LIMIT
from tests.actions.house import Run, nothing_changes, picture, put, rows_of

PICTURES = [picture(np.full((2, 2), shade)) for shade in (0, 80, 160)]


@pytest.fixture(autouse=True)
def tables(ctx: Context) -> None:
    put(ctx, "images", {"idjoin": ["b", "a", "c"], "_image_": PICTURES})
    put(
        ctx,
        "boxes",
        {"idjoin": ["a", "d", "b", "a"], "_nObjects_": [1.0, 2.0, 0.0, 3.0]},
    )


def join(run: Run, ctx: Context, **more: Any) -> list[dict[str, Any]]:
    raw: dict[str, Any] = {"left": "images", "right": "boxes", "id": "idjoin", "casOut": "both"}
    run("deepLearn.dlJoin", **{**raw, **more})
    return rows_of(ctx, "both")


def keys(rows: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    return [(row["idjoin"], row["_nObjects_"]) for row in rows]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("inner", [("b", 0), ("a", 1), ("a", 3)]),
        ("LEFT", [("b", 0), ("a", 1), ("a", 3), ("c", None)]),
        ("right", [("b", 0), ("a", 1), ("a", 3), ("d", 2)]),
        ("Full", [("b", 0), ("a", 1), ("a", 3), ("c", None), ("d", 2)]),
    ],
)
def test_rows_of_an_equal_key_are_joined_in_the_order_of_the_left_table(
    run: Run, ctx: Context, kind: str, expected: list[tuple[Any, Any]]
) -> None:
    assert keys(join(run, ctx, joinType=kind)) == expected


def test_all_rows_of_the_left_table_are_kept_unless_another_type_is_asked_for(
    run: Run, ctx: Context
) -> None:
    assert len(join(run, ctx)) == 4


def test_images_come_through_byte_by_byte(run: Run, ctx: Context) -> None:
    rows = join(run, ctx, joinType="inner")

    assert [row["_image_"] for row in rows] == [PICTURES[0], PICTURES[1], PICTURES[1]]


def test_the_key_is_kept_once_under_the_name_of_the_left_table(run: Run, ctx: Context) -> None:
    put(ctx, "boxes", {"IdJoin": ["a"], "n": [1]})

    rows = join(run, ctx, joinType="inner", id="IDJOIN")

    assert rows == [{"idjoin": "a", "_image_": PICTURES[1], "n": 1}]


def test_the_names_of_the_older_programs_are_understood(run: Run, ctx: Context) -> None:
    run("dlJoin", table="images", annotatedTable="boxes", id="idjoin", casOut="old")
    run("dlJoin", table="images", annotation="boxes", id="idjoin", casOut="audio")

    assert rows_of(ctx, "old") == rows_of(ctx, "audio")
    assert len(rows_of(ctx, "old")) == 4


def test_the_answer_may_replace_one_of_the_tables(run: Run, ctx: Context) -> None:
    run("dlJoin", left="boxes", right="images", id="idjoin", casOut={"name": "boxes", "replace": 1})

    assert [row["_image_"] for row in rows_of(ctx, "boxes")] == [
        PICTURES[1],
        None,
        PICTURES[0],
        PICTURES[1],
    ]


def test_append_puts_rows_behind_one_another_and_fills_what_is_not_there(
    run: Run, ctx: Context
) -> None:
    put(ctx, "more", {"IDJOIN": ["z"], "x": [7]})

    rows = join(run, ctx, right="more", joinType="APPEND", id=None)

    assert [row["idjoin"] for row in rows] == ["b", "a", "c", "z"]
    assert [row["x"] for row in rows] == [None, None, None, 7]
    assert rows[3]["_image_"] is None


def test_appended_numbers_of_two_types_become_double(run: Run, ctx: Context) -> None:
    put(ctx, "whole", {"x": [1, 2]})
    put(ctx, "half", {"x": [0.5]})

    rows = join(run, ctx, left="whole", right="half", joinType="append")

    assert rows == [{"x": 1.0}, {"x": 2.0}, {"x": 0.5}]


def test_keys_of_two_numeric_types_meet_and_missing_ones_meet_nothing(
    run: Run, ctx: Context
) -> None:
    put(ctx, "whole", {"k": [1, 2, None], "a": [10, 20, 30]})
    put(ctx, "half", {"k": [2.0, float("nan"), None, 1.5], "b": [5, 6, 7, 8]})

    rows = join(run, ctx, left="half", right="whole", id="k", joinType="left")
    assert [(row["b"], row["a"]) for row in rows] == [(5, 20), (6, None), (7, None), (8, None)]

    put(ctx, "nan", {"k": [float("nan")], "a": [1]})
    rows = join(
        run,
        ctx,
        left="half",
        right="nan",
        id="k",
        joinType="inner",
        casOut={"name": "both", "replace": True},
    )
    assert rows == []


def test_a_column_of_both_tables_is_that_of_the_left_one_with_a_warning(
    run: Run, ctx: Context
) -> None:
    put(ctx, "one", {"k": [1], "Label": ["left"]})
    put(ctx, "two", {"k": [1], "label": ["right"]})

    answer = run("dlJoin", left="one", right="two", id="k", casOut="both")

    assert rows_of(ctx, "both") == [{"k": 1, "Label": "left"}]
    assert [(each.level, each.text) for each in answer.messages] == [
        ("warning", "Of columns that both tables have, those of the table 'one' are kept: 'label'.")
    ]


def test_conditions_and_chosen_columns_hold(run: Run, ctx: Context) -> None:
    rows = join(
        run,
        ctx,
        left={"name": "images", "vars": ["idjoin"]},
        right={"name": "boxes", "where": "_nObjects_ > 1"},
        joinType="inner",
    )

    assert rows == [{"idjoin": "a", "_nObjects_": 3.0}]


def test_the_key_need_not_be_among_the_chosen_columns(run: Run, ctx: Context) -> None:
    put(ctx, "files", {"_path_": ["x/b.jpg", "x/a.jpg"], "_image_": PICTURES[:2]})
    computed = {"computedVars": "idjoin", "computedVarsProgram": "idjoin = substr(_path_, 3, 1);"}

    rows = join(run, ctx, left={"name": "files", "vars": "_image_", **computed})

    assert list(rows[0]) == ["_image_", "idjoin", "_nObjects_"]
    assert keys(rows) == [("b", 0.0), ("a", 1.0), ("a", 3.0)]


@pytest.mark.parametrize("kind", ["inner", "left", "right", "outer"])
def test_larger_tables_give_what_pandas_gives(
    run: Run, ctx: Context, kind: Literal["inner", "left", "right", "outer"]
) -> None:
    draw = np.random.default_rng(5)
    left = {"k": draw.integers(0, 300, 2000), "a": draw.normal(size=2000)}
    right = {"k": draw.integers(100, 400, 1500), "b": draw.normal(size=1500)}
    put(ctx, "one", left)
    put(ctx, "two", right)

    rows = join(
        run, ctx, left="one", right="two", id="k", joinType="full" if kind == "outer" else kind
    )

    expected = pd.DataFrame(left).merge(pd.DataFrame(right), on="k", how=kind)
    order = ["k", "a", "b"]
    got = pd.DataFrame(rows)[order].sort_values(order).reset_index(drop=True)
    wanted = expected[order].sort_values(order).reset_index(drop=True)
    pd.testing.assert_frame_equal(got, wanted, check_dtype=False)


def test_empty_tables_join_to_an_empty_one(run: Run, ctx: Context) -> None:
    put(ctx, "none", {"idjoin": pa.array([], pa.string()), "n": pa.array([], pa.float64())})

    assert join(run, ctx, left="none", joinType="inner") == []
    rows = join(run, ctx, right="none", casOut={"name": "both", "replace": True})
    assert [row["n"] for row in rows] == [None, None, None]


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    (
        {"id": None},
        InvalidParameters,
        "parameter 'id' is required with joinType LEFT, expected a column of both tables",
    ),
    ({"id": "key"}, ColumnNotFound, "the table 'images' has no column 'key'"),
    ({"id": "_image_"}, ColumnNotFound, "the table 'boxes' has no column '_image_'"),
    (
        {"right": "numbers"},
        InvalidParameters,
        (
            "parameter 'id' got 'idjoin', which is character in the table 'images' and numeric in "
            "the table 'numbers', expected one kind"
        ),
    ),
    (
        {"right": "numbers", "joinType": "append"},
        InvalidParameters,
        (
            "joinType APPEND got column 'idjoin', which is character in the table 'images' and "
            "numeric in the table 'numbers', expected one kind"
        ),
    ),
    (
        {"casOut": "boxes"},
        TableExists,
        "the table 'boxes' exists in caslib 'CASUSER'; set replace to overwrite it",
    ),
    (
        {"joinType": "cross"},
        InvalidParameters,
        "parameter 'joinType' got 'cross', expected one of INNER, LEFT, RIGHT, FULL, APPEND",
    ),
]


@pytest.mark.parametrize(("wrong", "kind", "message"), REFUSED)
def test_what_cannot_be_joined_is_refused_and_changes_nothing(
    run: Run,
    ctx: Context,
    stores: MemoryStores,
    wrong: dict[str, Any],
    kind: type[Exception],
    message: str,
) -> None:
    put(ctx, "numbers", {"idjoin": [1.0]})

    with nothing_changes(stores), pytest.raises(kind) as caught:
        join(run, ctx, **wrong)

    assert str(caught.value).startswith(message)


def test_tables_that_fit_nowhere_are_refused(
    run: Run, ctx: Context, stores: MemoryStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actions.query.MEMORY_LIMIT", "20MB")
    monkeypatch.setattr("actions.query.DISK_LIMIT", "1MB")
    draw = np.random.default_rng(1)
    large = [draw.bytes(100_000) for _ in range(400)]
    put(ctx, "large", {"idjoin": [str(n) for n in range(400)], "body": large})

    message = f"^joining got more rows than fit, expected at most {DISK_LIMIT} of them$"
    with nothing_changes(stores), pytest.raises(TooLarge, match=message):
        join(run, ctx, left="large")


def test_what_fails_in_reading_a_table_comes_through(
    run: Run, ctx: Context, stores: MemoryStores
) -> None:
    put(ctx, "texts", {"idjoin": ["a", "("]})
    where = "prxmatch('/' || idjoin || '/', 'a') > 0"
    message = r"^the pattern '/\(/' cannot be run: Invalid regular expression: missing \): \($"
    with nothing_changes(stores), pytest.raises(InvalidExpression, match=message):
        join(run, ctx, left={"name": "texts", "where": where})
