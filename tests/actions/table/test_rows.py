"""Rows that are deleted and changed."""

from typing import Any

import pytest

from actions.context import Context
from actions.errors import ColumnNotFound, InvalidExpression, InvalidParameters, WrongKind
from actions.memory import MemoryStores
from tests.actions.house import SMALL_CNN, Run, build, nothing_changes, put, rows_of


@pytest.fixture(autouse=True)
def cats(ctx: Context) -> None:
    put(ctx, "cats", {"name": ["Tom", "Kit", None, "Ann"], "age": [1, 2, 3, None]})


def ages(ctx: Context) -> list[Any]:
    return [row["age"] for row in rows_of(ctx, "cats")]


class TestDeletion:
    @pytest.mark.parametrize(
        ("where", "left"),
        [
            ("age > 1", [1, None]),
            ("age > 1 or name = 'Tom'", [None]),
            ("age = .", [1, 2, 3]),
            ("name = ''", [1, 2, None]),
        ],
    )
    def test_rows_that_meet_the_condition_are_gone(
        self, run: Run, ctx: Context, where: str, left: list[int | None]
    ) -> None:
        answer = run("table.deleteRows", table={"name": "cats", "where": where})

        assert ages(ctx) == left
        assert answer.values["rowsDeleted"] == 4 - len(left)

    def test_computed_columns_may_choose_and_do_not_stay(self, run: Run, ctx: Context) -> None:
        table = {
            "name": "cats",
            "computedVars": "old",
            "computedVarsProgram": "old = (age >= 3);",
            "where": "(old)",
        }

        run("table.deleteRows", table=table)

        assert rows_of(ctx, "cats")[-1] == {"name": "Ann", "age": None}
        assert ages(ctx) == [1, 2, None]

    def test_without_a_condition_all_are_gone(self, run: Run, ctx: Context) -> None:
        assert run("table.deleteRows", table="cats").values["rowsDeleted"] == 4
        assert ages(ctx) == []

    @pytest.mark.parametrize("where", ["age) or (age", "age >", "nosuch = 1"])
    def test_a_condition_must_stand_alone(self, run: Run, stores: MemoryStores, where: str) -> None:
        with nothing_changes(stores), pytest.raises((InvalidExpression, ColumnNotFound)):
            run("table.deleteRows", table={"name": "cats", "where": where})

    def test_rows_of_a_model_and_columns_stay(self, run: Run, stores: MemoryStores) -> None:
        build(run, SMALL_CNN)
        with nothing_changes(stores), pytest.raises(WrongKind, match=r"^the table 'net' in caslib"):
            run("table.deleteRows", table={"name": "net", "where": "_DLLayerID_ = 1"})
        message = r"^parameter 'table\.vars' got columns, expected none; rows are deleted whole$"
        with pytest.raises(InvalidParameters, match=message):
            run("table.deleteRows", table={"name": "cats", "vars": "age"})


class TestUpdate:
    def test_values_are_computed_from_the_row_as_it_was(self, run: Run, ctx: Context) -> None:
        answer = run(
            "table.update",
            table={"name": "cats", "where": "age > 1"},
            set=[{"var": "AGE", "value": "age * 10"}, {"var": "name", "value": "'old'"}],
        )

        assert answer.values == {"tableName": "cats", "rowsUpdated": 2}
        assert rows_of(ctx, "cats") == [
            {"name": "Tom", "age": 1},
            {"name": "old", "age": 20},
            {"name": "old", "age": 30},
            {"name": "Ann", "age": None},
        ]

    def test_without_a_condition_all_rows_change(self, run: Run, ctx: Context) -> None:
        answer = run("table.update", table="cats", set={"var": "age", "value": 7})

        assert answer.values["rowsUpdated"] == 4
        assert ages(ctx) == [7, 7, 7, 7]

    @pytest.mark.parametrize(
        ("items", "error", "message"),
        [
            ({"var": "agee", "value": "1"}, ColumnNotFound, r"^the table 'cats' has no column 'ag"),
            (
                [{"var": "age", "value": "1"}, {"var": "AGE", "value": "2"}],
                InvalidParameters,
                r"^parameter 'set' got a column twice, expected every column once$",
            ),
            (
                {"var": "age", "value": "'x'"},
                InvalidParameters,
                (
                    r"^parameter 'set' got a value that does not fit column 'age': varchar for "
                    r"a column of int64$"
                ),
            ),
            (
                {"var": "age", "value": "0.5"},
                InvalidParameters,
                r"^parameter 'set' got a value that does not fit column 'age': Float value 0.50",
            ),
            ({"var": "age", "value": "1 +"}, InvalidExpression, r"^the "),
        ],
    )
    def test_what_is_wrong_changes_nothing(
        self,
        run: Run,
        ctx: Context,
        items: Any,
        error: type[Exception],
        message: str,
    ) -> None:
        before = rows_of(ctx, "cats")
        with pytest.raises(error, match=message):
            run("table.update", table="cats", set=items)
        assert rows_of(ctx, "cats") == before
