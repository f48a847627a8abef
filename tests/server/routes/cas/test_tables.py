"""Result tables of the CAS dialect; what a cell must look like is in its section 4."""

from datetime import UTC, datetime
from typing import Any

import pytest

from actions.results import ActionResult, Cell, Column, ColumnType, ResultTable, to_json
from server.routes.cas.tables import cas_table


def written(columns: tuple[Column, ...], *rows: tuple[Cell, ...], **facts: Any) -> dict[str, Any]:
    table = ResultTable(columns, rows, **facts)
    answer: Any = to_json(ActionResult(tables={"T": table}))
    return cas_table("T", answer["tables"]["T"])


@pytest.mark.parametrize(
    ("kind", "value", "type_", "cell", "missing"),
    [
        ("double", 1.5, "double", 1.5, None),
        ("double", float("nan"), "double", None, None),
        ("int64", 2**53 + 1, "int64", 2**53 + 1, -(2**63)),
        ("int32", 7, "int32", 7, -(2**31)),
        ("bool", True, "int32", 1, -(2**31)),
        ("string", "é", "string", "é", ""),
        ("binary", b"\x00\xff", "varbinary", {"data": "AP8=", "length": 2}, None),
        # 1960 is a leap year: 366 days to 1961-01-01.
        ("datetime", datetime(1961, 1, 1, tzinfo=UTC), "datetime", 366 * 86400 * 10**6, -(2**63)),
        ("date", "1961-01-01", "date", 366, -(2**31)),
        ("date", "1959-12-31", "date", -1, -(2**31)),
        ("time", "01:02:03.5", "time", 3723500000, -(2**63)),
    ],
)
def test_every_type_has_its_cells_and_its_missing_value(
    kind: ColumnType, value: Cell, type_: str, cell: Any, missing: Any
) -> None:
    table = written((Column("c", kind),), (value,), (None,))

    assert table["schema"][0]["type"] == type_
    assert table["rows"] == [[cell], [missing]]


def test_text_is_as_wide_as_its_longest_value_in_bytes() -> None:
    columns = (Column("s", "string"), Column("empty", "string"))

    table = written(columns, ("aé", ""), ("a", None))

    assert [each["width"] for each in table["schema"]] == [3, 1]
    assert [each["width"] for each in written(columns)["schema"]] == [1, 1]


def test_labels_formats_media_types_titles_and_facts_are_told() -> None:
    column = Column("Image", "binary", "A picture", media_type="image/png")
    other = Column("d", "double", format="DATE9.")

    table = written(
        (column, other), title="Pictures", attributes={"ByGroup": "a=1", "n": 2, "x": 0.5}
    )

    assert (table["name"], table["title"], table["rows"]) == ("T", "Pictures", [])
    assert table["schema"][0]["label"] == "A picture"
    assert table["schema"][0]["attributes"] == {
        "MIMEType": {"type": "string", "value": "image/png"}
    }
    assert (table["schema"][1]["format"], table["schema"][1]["attributes"]) == ("DATE9.", {})
    assert table["attributes"] == {
        "ByGroup": {"type": "string", "value": "a=1"},
        "n": {"type": "int64", "value": 2},
        "x": {"type": "double", "value": 0.5},
    }


def test_a_table_of_a_group_goes_by_the_last_part_of_its_key() -> None:
    answer: Any = to_json(ActionResult(tables={"T": ResultTable((Column("c", "double"),), ())}))

    assert cas_table("ByGroup1.Summary", answer["tables"]["T"])["name"] == "Summary"
