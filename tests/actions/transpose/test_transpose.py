import pytest

from actions.context import Context
from actions.errors import InvalidParameters, TooLarge
from actions.transpose import transpose
from tests.actions.house import Run, put, rows_of


@pytest.fixture(autouse=True)
def rows(ctx: Context) -> None:
    put(
        ctx,
        "t",
        {"g": ["a", "a", "b"], "n": [0, 1, 0], "x": [1.5, 2.5, 3.5], "w": ["p", "q", "r"]},
    )


def test_values_become_columns_named_by_an_id(run: Run, ctx: Context) -> None:
    table = {"name": "t", "groupBy": "g"}

    run(
        "transpose.transpose",
        table=table,
        id="n",
        transpose="x",
        prefix="_Object",
        suffix="_x",
        casOut="o",
    )

    assert rows_of(ctx, "o") == [
        {"g": "a", "_NAME_": "x", "_Object0_x": 1.5, "_Object1_x": 2.5},
        {"g": "b", "_NAME_": "x", "_Object0_x": 3.5, "_Object1_x": None},
    ]


def test_without_an_id_columns_are_numbered(run: Run, ctx: Context) -> None:
    run("transpose.transpose", table="t", casOut="o")

    assert rows_of(ctx, "o") == [
        {"_NAME_": "n", "_1": 0.0, "_2": 1.0, "_3": 0.0},
        {"_NAME_": "x", "_1": 1.5, "_2": 2.5, "_3": 3.5},
    ]


def test_numbers_beside_text_become_text(run: Run, ctx: Context) -> None:
    table = {"name": "t", "where": "g = 'b'"}

    run("transpose.transpose", table=table, transpose=["x", "w"], casOut="o")

    assert [row["_1"] for row in rows_of(ctx, "o")] == ["3.5", "r"]


def test_an_id_twice_in_a_group_is_refused_unless_let(run: Run, ctx: Context) -> None:
    options = {"table": "t", "id": "n", "transpose": "x", "casOut": "o"}
    message = (
        r"^parameter 'id' got two rows of a group that name the column '0', expected one; set let "
        r"to take the last$"
    )

    with pytest.raises(InvalidParameters, match=message):
        run("transpose.transpose", **options)
    run("transpose.transpose", **options, let=True)

    assert rows_of(ctx, "o") == [{"_NAME_": "x", "0": 3.5, "1": 2.5}]


def test_nothing_to_transpose_is_refused(run: Run) -> None:
    table = {"name": "t", "vars": ["n", "w"], "groupBy": "n"}
    with pytest.raises(InvalidParameters, match=r"^parameter 'transpose' got no column, expected "):
        run("transpose.transpose", table=table, casOut="o")


def test_too_many_columns_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transpose, "MOST_COLUMNS", 2)
    with pytest.raises(
        TooLarge, match=r"^parameter 'id' got more than 2 values, expected at most "
    ):
        run("transpose.transpose", table="t", transpose="x", casOut="o")
