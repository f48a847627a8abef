import pytest

from actions.context import Context
from engine.errors import NotSupportedError
from tests.actions.house import Run, put, rows_of


def test_a_view_has_the_rows_and_columns_asked_for(run: Run, ctx: Context) -> None:
    put(ctx, "t", {"x": [1, 2, 3]})
    table = {"name": "t", "where": "x > 1", "compPgm": "y = x * 2;"}

    answer = run("table.view", name="v", tables=[table])

    assert answer.values == {"caslib": "CASUSER", "viewName": "v"}
    assert rows_of(ctx, "v") == [{"x": 2, "y": 4.0}, {"x": 3, "y": 6.0}]


def test_views_of_several_tables_are_refused(run: Run, ctx: Context) -> None:
    put(ctx, "t", {"x": [1]})
    message = (
        r"^parameter 'tables' got 2 tables, which is not supported yet; expected one, or join them "
        r"with deepLearn.dlJoin or fedSql.execDirect$"
    )

    with pytest.raises(NotSupportedError, match=message):
        run("table.view", name="v", tables=["t", "t"])
