from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

from actions.results import ActionResult, Column, Message, ResultTable, to_json

ROMAN_SUMMER = timezone(timedelta(hours=2))


def test_an_answer_is_json_with_no_value_json_cannot_hold() -> None:
    table = ResultTable(
        (Column("a", "double"), Column("b", "binary", "Bytes")),
        ((float("nan"), b"\x00\xff"), (float("inf"), None)),
        "T",
    )

    answer = to_json(ActionResult({"T": table}, {"n": 1}, (Message("done"),)))

    assert answer == {
        "tables": {
            "T": {
                "columns": [
                    {"name": "a", "type": "double", "label": ""},
                    {"name": "b", "type": "binary", "label": "Bytes"},
                ],
                "rows": [[None, "AP8="], [None, None]],  # 00 ff in base64
                "title": "T",
            }
        },
        "values": {"n": 1},
        "messages": [{"level": "note", "text": "done"}],
    }


def test_times_are_told_in_utc() -> None:
    noon = datetime(2024, 5, 1, 14, 0, tzinfo=ROMAN_SUMMER)
    table = ResultTable((Column("t", "datetime"),), ((noon,),))

    answer = to_json(ActionResult({"T": table}))

    assert answer["tables"]["T"]["rows"] == [["2024-05-01T12:00:00+00:00"]]  # type: ignore[index,call-overload]
    assert noon.astimezone(UTC).hour == 12


def test_values_may_nest_and_unknown_types_become_text() -> None:
    nested = {"a": [1.5, {"b": date(2024, 5, 1)}], "c": Decimal("1.10")}

    answer = to_json(ActionResult(values={"v": nested}))  # type: ignore[dict-item]

    assert answer["values"] == {"v": {"a": [1.5, {"b": "2024-05-01"}], "c": "1.10"}}


def test_rows_of_a_table_are_records_by_name() -> None:
    table = ResultTable((Column("a", "int64"), Column("b", "string")), ((1, "x"),))

    assert table.records() == [{"a": 1, "b": "x"}]


def test_facts_about_a_table_are_told_where_there_are_any() -> None:
    table = ResultTable((Column("a", "int64"),), ((1,),), "", {"ByVar1": "g", "ByVar1Value": 2.0})

    answer = to_json(ActionResult({"T": table}))

    assert answer["tables"]["T"]["attributes"] == {"ByVar1": "g", "ByVar1Value": 2.0}  # type: ignore[index,call-overload]
