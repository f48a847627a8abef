from datetime import UTC, datetime

import pytest

from castorch import InvalidInput, Message, ProtocolFailed, ResultTable
from castorch._results import read_result, read_table
from tests.client.fakes import table

INFO = table("Descr Value", ["Number of Layers", "3"], ["Model Name", "lenet"])


def test_a_table_is_read_with_names_types_and_rows() -> None:
    read = read_table(table("epoch:int64 loss:double", [0, 2.5], [1, None]))

    assert read.names == ("epoch", "loss")
    assert read.types == ("int64", "double")
    assert read.records() == [{"epoch": 0, "loss": 2.5}, {"epoch": 1, "loss": None}]
    assert len(read) == 2


def test_bytes_and_moments_become_python_values() -> None:
    read = read_table(
        table("image:binary seen:datetime", ["aGk=", "2026-01-02T03:04:05Z"], [None, None])
    )

    assert read.rows[0] == (b"hi", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert read.rows[1] == (None, None)


@pytest.mark.parametrize(
    "body",
    [{}, {"columns": [], "rows": [[1]]}, {"columns": ["a"], "rows": []}, [1], None],
    ids=["empty", "more cells than columns", "columns without names", "list", "null"],
)
def test_something_else_than_a_table_is_refused(body: object) -> None:
    with pytest.raises(
        ProtocolFailed, match=r"^the server's table 'rows' is not of the form columns and rows$"
    ):
        read_table(body)


def test_a_column_is_found_without_regard_to_case() -> None:
    read = read_table(table("Epoch:int64 Loss:double", [0, 2.5], [1, 1.5]))

    assert read.column("loss") == [2.5, 1.5]


def test_a_column_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(
        InvalidInput, match=r"^the result table has no column 'b'; it has Descr, Value$"
    ):
        read_table(INFO).column("b")


def test_a_table_becomes_a_data_frame() -> None:
    frame = read_table(table("a:int64 b", [1, "x"], [2, "y"])).to_pandas()

    assert list(frame.columns) == ["a", "b"]
    assert frame["a"].tolist() == [1, 2]


def test_a_table_is_shown_with_numbers_to_the_right() -> None:
    shown = str(ResultTable(("name", "weights"), (("conv1", 25050), ("fc1", 1)), title="Layers"))

    assert shown.splitlines() == [
        "Layers",
        "name   weights",
        "-----  -------",
        "conv1   25,050",
        "fc1          1",
    ]


def test_long_text_is_cut_and_missing_values_are_blank() -> None:
    shown = str(ResultTable(("a", "b", "c"), (("x" * 110, None, True),)))

    assert shown.splitlines()[2] == "x" * 97 + "..." + "     yes"


def test_moments_are_shown_to_the_second() -> None:
    shown = str(ResultTable(("t",), ((datetime(2030, 1, 2, 3, 4, 5, 678, tzinfo=UTC),),)))

    assert shown.splitlines()[2] == "2030-01-02 03:04:05"


def test_a_notebook_gets_a_table_without_markup_from_its_values() -> None:
    html = ResultTable(("a<",), (("<b>",), (None,)), title="T&C")._repr_html_()

    assert html == (
        "<table><caption>T&amp;C</caption><tr><th>a&lt;</th></tr>"
        "<tr><td>&lt;b&gt;</td></tr><tr><td></td></tr></table>"
    )


def test_a_result_holds_tables_values_and_messages() -> None:
    result = read_result(
        {
            "tables": {"ModelInfo": INFO},
            "values": {"rows": 3},
            "messages": [{"level": "warning", "text": "few rows"}],
            "elapsed_s": 0.25,
            "job": "j1",
        }
    )

    assert result["modelinfo"].rows[1] == ("Model Name", "lenet")
    assert "MODELINFO" in result
    assert "other" not in result
    assert 3 not in result
    assert result.facts("ModelInfo") == {"Number of Layers": "3", "Model Name": "lenet"}
    assert result.messages == (Message("few rows", "warning"),)
    assert (result.elapsed_s, result.job) == (0.25, "j1")
    assert str(result).endswith("rows: 3\nWARNING: few rows")


def test_a_table_that_is_not_in_the_result_is_told_with_those_that_are() -> None:
    result = read_result({"tables": {"ModelInfo": INFO}})

    with pytest.raises(KeyError, match=r"the result has no table 'ScoreInfo'; it has ModelInfo"):
        result["ScoreInfo"]
