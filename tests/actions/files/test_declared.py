from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from actions.errors import ColumnNotFound, InvalidFile
from actions.files.detect import ImportOptions, open_rows
from actions.results import Json
from actions.spelling import from_wire


def read(folder: Path, text: str, given: Json) -> dict[str, list[Any]]:
    path = folder / "file.csv"
    path.write_text(text)
    rows = open_rows(path, from_wire(ImportOptions, {"vars": given}))
    return pa.Table.from_batches(list(rows.batches), rows.schema).to_pydict()


def test_columns_are_declared_by_their_names_in_any_case(tmp_path: Path) -> None:
    found = read(tmp_path, "n,s,g\n1,007,3\n", {"N": {"type": "double"}, "s": {"type": "varchar"}})

    assert found == {"n": [1.0], "s": ["007"], "g": [3]}
    assert isinstance(found["n"][0], float)


def test_columns_are_declared_in_their_order(tmp_path: Path) -> None:
    found = read(tmp_path, "a,b,c\n1,2,3\n", [{}, {"type": "char", "length": 5}])

    assert found == {"a": [1], "b": ["2"], "c": [3]}


def test_columns_are_declared_in_a_list_by_their_names(tmp_path: Path) -> None:
    assert read(tmp_path, "a,b\n1,2\n", [{"name": "b", "type": "varchar"}]) == {
        "a": [1],
        "b": ["2"],
    }


def test_words_of_truth_and_missing_values_are_numbers_where_numbers_are_declared(
    tmp_path: Path,
) -> None:
    text = "x,y\nTrue,1\nFalse,.\n,nan\n 2.5 , 7\n"

    found = read(tmp_path, text, {"x": {"type": "double"}, "y": {"type": "int64"}})

    assert found == {"x": [1.0, 0.0, None, 2.5], "y": [1, None, None, 7]}


def test_moments_are_read_where_they_are_declared(tmp_path: Path) -> None:
    given: Json = {"d": {"type": "date"}, "t": {"type": "time"}, "m": {"type": "datetime"}}

    found = read(tmp_path, "d,t,m\n2020-02-29,01:02:03,2020-02-29 01:02:03\n,,\n", given)

    assert found == {
        "d": [date(2020, 2, 29), None],
        "t": [time(1, 2, 3), None],
        "m": [datetime(2020, 2, 29, 1, 2, 3), None],  # noqa: DTZ001 - none is declared
    }


def test_a_value_of_another_type_is_refused(tmp_path: Path) -> None:
    message = (
        "^column 'x' of the file is declared 'double' and cannot be read as that: "
        "Failed to parse string: 'abc' as a scalar of type double$"
    )
    with pytest.raises(InvalidFile, match=message):
        read(tmp_path, "x\nabc\n", {"x": {"type": "double"}})


def test_a_column_there_is_not_cannot_be_declared(tmp_path: Path) -> None:
    with pytest.raises(ColumnNotFound, match=r"^the file has no column 'z'"):
        read(tmp_path, "x\n1\n", {"z": {"type": "double"}})
    message = "^the file has 1 columns, expected the 2 that are declared$"
    with pytest.raises(InvalidFile, match=message):
        read(tmp_path, "x\n1\n", [{"type": "double"}, {"type": "double"}])
