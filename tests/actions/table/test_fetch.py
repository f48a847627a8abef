from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from actions.context import Context
from actions.errors import ColumnNotFound, InvalidExpression, InvalidParameters, TooLarge
from actions.memory import MemoryStores
from actions.ports import Name, Output, WeightsHeader
from engine.errors import EngineError
from engine.graph.layout import SegmentSpec
from engine.weights import Chunk
from tests.actions.house import SMALL_CNN, Run, build, nothing_changes, put


@pytest.fixture
def people(ctx: Context) -> None:
    put(
        ctx,
        "people",
        {"id": [1, 2, 3, 4], "name": ["Ann", "Bob", None, "Cy"], "age": [30.0, None, 20.0, 20.0]},
    )


def fetched(run: Run, **raw: Any) -> list[dict[str, Any]]:
    return run("table.fetch", **raw).tables["Fetch"].records()


def ids(run: Run, **raw: Any) -> list[Any]:
    return [row["id"] for row in fetched(run, table=raw.pop("table", "people"), **raw)]


@pytest.mark.usefixtures("people")
class TestPages:
    def test_rows_come_in_stored_order(self, run: Run) -> None:
        assert fetched(run, table="PEOPLE")[0] == {"id": 1, "name": "Ann", "age": 30.0}
        assert ids(run) == [1, 2, 3, 4]

    def test_from_and_to_count_from_one_and_include_both(self, run: Run) -> None:
        assert ids(run, **{"from": 2, "to": 3}) == [2, 3]

    def test_offset_and_limit_count_from_zero(self, run: Run) -> None:
        assert ids(run, offset=1, limit=2) == [2, 3]
        assert ids(run, offset=9) == []
        assert ids(run, limit=0) == []

    def test_max_rows_cuts_what_to_asks_for(self, run: Run) -> None:
        assert ids(run, to=1_000_000_000, maxRows=2) == [1, 2]

    def test_columns_come_in_the_order_they_are_asked_for(self, run: Run) -> None:
        assert fetched(run, table="people", fetchVars=["AGE", {"name": "id"}], to=1) == [
            {"age": 30.0, "id": 1}
        ]

    def test_vars_of_the_table_choose_columns_too(self, run: Run) -> None:
        assert fetched(run, table={"name": "people", "vars": "name"}, to=1) == [{"name": "Ann"}]

    def test_columns_may_be_computed_beside_those_of_the_table(self, run: Run) -> None:
        table = {"name": "people", "computedVars": "a", "computedVarsProgram": "a = id * 2;"}
        program = {"computedVars": ["b"], "computedVarsProgram": "b = a + 1;"}

        assert fetched(run, table=table, **program, fetchVars=["a", "b"], to=1) == [
            {"a": 2.0, "b": 3.0}
        ]
        assert fetched(run, table="people", compPgm="b = -id;", fetchVars="b", to=2) == [
            {"b": -1.0},
            {"b": -2.0},
        ]

    def test_where_chooses_before_the_page_is_cut(self, run: Run) -> None:
        where = {"name": "people", "where": "age = 20"}
        assert ids(run, table=where) == [3, 4]
        assert ids(run, table=where, **{"from": 2}) == [4]

    def test_missing_values_are_lowest(self, run: Run) -> None:
        assert ids(run, sortBy="age") == [2, 3, 4, 1]
        assert ids(run, sortBy=[{"name": "age", "order": "descending"}]) == [1, 3, 4, 2]

    def test_order_may_be_written_after_the_name(self, run: Run) -> None:
        assert ids(run, orderBy=["age desc", "id DESC"], limit=3) == [1, 4, 3]

    def test_the_index_is_the_position_from_one(self, run: Run) -> None:
        rows = fetched(run, table="people", index=True, fetchVars="id", **{"from": 3})
        assert rows == [{"_Index_": 3, "id": 3}, {"_Index_": 4, "id": 4}]

    def test_from_and_offset_exclude_each_other(self, run: Run) -> None:
        message = r"^parameters 'from' and 'offset' got both, expected one of them$"
        with pytest.raises(InvalidParameters, match=message):
            run("table.fetch", table="people", offset=1, **{"from": 2})

    @pytest.mark.parametrize(
        ("raw", "error", "message"),
        [
            (
                {"table": "people", "fetchVars": "nmae"},
                ColumnNotFound,
                r"^the table 'people' has no column 'nmae'; did you mean 'name'\?$",
            ),
            (
                {"table": "people", "sortBy": "ages"},
                ColumnNotFound,
                r"^the table 'people' has no column 'ages'; did you mean 'age'\?$",
            ),
            (
                {"table": {"name": "people", "where": "age >"}},
                InvalidExpression,
                r"^the expression 'age >' at line 1, column 6 got the end, expected ",
            ),
            (
                {"table": "people", "from": 0},
                InvalidParameters,
                r"^parameter 'from' got 0, expected greater than or equal to 1$",
            ),
        ],
    )
    def test_what_is_wrong_is_named(
        self,
        run: Run,
        stores: MemoryStores,
        raw: dict[str, Any],
        error: type[EngineError],
        message: str,
    ) -> None:
        with nothing_changes(stores), pytest.raises(error, match=message):
            run("table.fetch", **raw)


def test_a_page_is_twenty_rows_unless_said(run: Run, ctx: Context) -> None:
    put(ctx, "many", {"id": list(range(50))})

    assert len(fetched(run, table="many")) == 20
    assert len(fetched(run, table="many", **{"from": 11})) == 20


def test_dates_and_times_are_shown_in_utc(run: Run, ctx: Context) -> None:
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC)
    put(
        ctx,
        "days",
        {
            "naive": pa.array([noon.replace(tzinfo=None)], pa.timestamp("s")),
            "day": pa.array([date(2024, 5, 1)]),
            "yes": [True],
        },
    )

    answer = run("table.fetch", table="days").tables["Fetch"]

    assert answer.rows == ((noon, "2024-05-01", True),)
    assert [column.type for column in answer.columns] == ["datetime", "date", "bool"]


def test_more_than_an_answer_holds_is_refused(run: Run, ctx: Context) -> None:
    put(ctx, "big", {"x": [b"x" * (1 << 20)] * 65})

    message = (
        r"^the rows got more than 67108864 bytes, expected at most as many in one answer; "
        r"ask for fewer rows or columns, or download the table$"
    )
    with pytest.raises(TooLarge, match=message):
        run("table.fetch", table="big", to=65)


def test_a_model_table_is_read_as_one_row_per_option(run: Run, ctx: Context) -> None:
    build(run, SMALL_CNN)

    rows = fetched(run, table="net", to=1000)

    assert len(rows) == ctx.tables.find(Name("net")).rows
    assert rows[0] == {
        "_DLKey0_": "net",
        "_DLKey1_": "modeltype",
        "_DLChrVal_": "Convolutional Neural Network",
        "_DLNumVal_": 2.0,
        "_DLLayerID_": None,
    }
    found = {(row["_DLKey0_"], row["_DLKey1_"]): row for row in rows}
    assert found["conv1", "layertype"]["_DLNumVal_"] == 2  # code of convo
    assert found["conv1", "srclayers.0"]["_DLNumVal_"] == 0  # id of its source
    assert found["conv1", "convopts.nfilters"]["_DLNumVal_"] == 2
    assert found["conv1", "convopts.act"]["_DLChrVal_"] == "Rectifier"
    assert found["out", "outputopts.n"]["_DLLayerID_"] == 3


@pytest.fixture
def weights(ctx: Context) -> list[tuple[int, int, float]]:
    """Two tensors of a layer and one of another, in three chunks."""
    first = SegmentSpec(1, "weights", "weight", (2, 2), 0, 0)
    second = SegmentSpec(1, "biases", "bias", (2,), 4, 4)
    third = SegmentSpec(3, "weights", "weight", (3,), 6, 0)
    chunks = [
        Chunk(first, 0, np.array([0.5, 1.5, 2.5], np.float32)),
        Chunk(first, 3, np.array([3.5], np.float32)),
        Chunk(second, 0, np.array([4.5, 5.5], np.float32)),
        Chunk(third, 0, np.array([6.5, 7.5, 8.5], np.float32)),
    ]
    header = WeightsHeader((first, second, third))
    with ctx.weights.stage(header, iter(chunks)) as staged:
        ctx.tables.publish((staged, Output(Name("w"))))
    by_hand = [(1, place, place + 0.5) for place in range(6)]
    return by_hand + [(3, place, place + 6.5) for place in range(3)]


def test_a_weight_table_is_read_by_row_range(
    run: Run, weights: list[tuple[int, int, float]]
) -> None:
    answer = run("table.fetch", table="w", **{"from": 3, "to": 7}).tables["Fetch"]

    assert [column.name for column in answer.columns] == ["_LayerID_", "_WeightID_", "_Weight_"]
    assert list(answer.rows) == weights[2:7]


def test_a_weight_table_is_filtered_like_any_other(
    run: Run, weights: list[tuple[int, int, float]]
) -> None:
    table = {"name": "w", "where": "_LayerID_ = 3"}

    answer = run("table.fetch", table=table, sortBy="_WeightID_ desc").tables["Fetch"]

    assert list(answer.rows) == weights[6:][::-1]
