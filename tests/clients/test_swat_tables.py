"""swat brings data, looks at it, and takes it back; expected values are those of pandas."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from swat.exceptions import SWATError

from tests.clients.conftest import Connect

PEOPLE = pd.DataFrame(
    {
        "name": ["Ada", "Zoë", "Alan", "Grace", None],
        "age": [36, 28, 41, 85, 17],
        "height": [1.65, 1.70, np.nan, 1.60, 1.81],
        "member": [True, False, True, True, False],
    }
)


@pytest.fixture
def people(cas: Any) -> Any:
    return cas.upload_frame(PEOPLE, casout={"name": "people", "replace": True})


def test_a_frame_comes_back_as_it_went(people: Any) -> None:
    back = people.to_frame()

    assert back["age"].tolist() == [36.0, 28.0, 41.0, 85.0, 17.0]
    assert back["name"].tolist() == ["Ada", "Zoë", "Alan", "Grace", ""]
    np.testing.assert_array_equal(back["height"], PEOPLE["height"])
    assert back["member"].tolist() == [1.0, 0.0, 1.0, 1.0, 0.0]


def test_a_table_knows_its_size_and_columns(people: Any) -> None:
    assert people.shape == (5, 4)
    assert len(people) == 5
    assert people.columns.tolist() == ["name", "age", "height", "member"]
    assert people.dtypes.tolist() == ["varchar", "double", "double", "double"]


def test_head_and_fetch_give_rows_from_the_top(people: Any) -> None:
    assert people.head(2)["name"].tolist() == ["Ada", "Zoë"]
    fetched = people.fetch(from_=2, to=3)["Fetch"]
    assert fetched["name"].tolist() == ["Zoë", "Alan"]
    assert people.fetch(to=2)["Fetch"].title == "Selected Rows from Table PEOPLE"


def test_columns_are_chosen_by_indexing(people: Any) -> None:
    assert people["age"].values.tolist() == [36.0, 28.0, 41.0, 85.0, 17.0]
    assert people[["height", "name"]].head(1).values.tolist() == [[1.65, "Ada"]]


def test_rows_are_chosen_by_a_query(people: Any) -> None:
    assert people.query("age > 30 and name ^= 'Alan'").to_frame()["name"].tolist() == [
        "Ada",
        "Grace",
    ]


def test_rows_are_sorted(people: Any) -> None:
    assert people.sort_values("age", ascending=False).head(3)["age"].tolist() == [85.0, 41.0, 36.0]
    assert people.sort_values(["member", "age"]).to_frame()["age"].tolist() == [
        17.0,
        28.0,
        36.0,
        41.0,
        85.0,
    ]


def test_a_file_is_uploaded(cas: Any, tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("x,label\n1,a\n2,b\n")

    table = cas.upload_file(str(path))

    assert table.to_frame().values.tolist() == [[1, "a"], [2, "b"]]
    assert table.name == "POINTS" or table.name == "points"


def test_declared_types_of_an_upload_hold(cas: Any, tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("code,n\n007,1\n")
    declared = [{"name": "code", "type": "char", "length": 3}, {"name": "n", "type": "int64"}]

    table = cas.upload_file(str(path), importoptions={"vars": declared})

    assert table.to_frame().values.tolist() == [["007", 1]]


def test_moments_keep_their_values(cas: Any, tmp_path: Path) -> None:
    path = tmp_path / "moments.csv"
    path.write_text("d,m,t\n2020-02-29,1959-12-31 23:59:59.5,01:02:03\n,,\n")
    types = {"d": {"type": "date"}, "m": {"type": "datetime"}, "t": {"type": "time"}}

    back = cas.upload_file(str(path), importoptions={"vars": types}).to_frame()

    assert back["d"][0] == datetime.date(2020, 2, 29)
    assert back["m"][0] == pd.Timestamp("1959-12-31 23:59:59.5")
    assert back["t"][0] == datetime.time(1, 2, 3)
    assert back.iloc[1].isna().all()


def test_a_table_with_thousands_of_columns_is_uploaded(cas: Any) -> None:
    wide = pd.DataFrame({f"column_{at}": [float(at)] for at in range(3000)})

    table = cas.upload_frame(wide)

    assert table.shape == (1, 3000)
    assert table[["column_2999"]].head().values.tolist() == [[2999.0]]


def test_a_promoted_table_is_seen_by_other_sessions(
    connect: Connect, cas: Any, people: Any
) -> None:
    cas.promote(people)
    other = connect()

    assert other.tableexists("people") == {"exists": 2}
    assert other.CASTable("people").shape == (5, 4)
    other.droptable("people")


def test_a_table_is_seen_by_its_session_alone(connect: Connect, people: Any) -> None:
    assert people.tableexists() == {"exists": 1}
    assert connect().tableexists("people") == {"exists": 0}


def test_a_saved_table_is_loaded_again(cas: Any, people: Any) -> None:
    assert people.save(name="people.csv", replace=True).severity == 0

    loaded = cas.loadtable("people.csv", casout={"name": "again", "replace": True})

    assert loaded["casTable"].to_frame()["age"].tolist() == PEOPLE["age"].tolist()


def test_a_part_of_a_table_becomes_a_table(people: Any) -> None:
    made = people.query("age > 30").partition(casout={"name": "old", "replace": True})

    assert made["casTable"].to_frame()["name"].tolist() == ["Ada", "Alan", "Grace"]


def test_tables_are_listed_and_dropped(cas: Any, people: Any) -> None:
    assert people.tableinfo()["TableInfo"][["Name", "Rows", "Columns"]].values.tolist() == [
        ["PEOPLE", 5, 4]
    ]

    people.droptable()

    assert cas.tableexists("people") == {"exists": 0}


@pytest.mark.complains
def test_a_name_that_is_taken_is_refused(cas: Any, people: Any) -> None:
    with pytest.raises(SWATError, match="the table 'people' exists in caslib 'CASUSER'"):
        cas.upload_frame(PEOPLE, casout="people")
    assert people.shape == (5, 4)


@pytest.mark.complains
def test_a_file_that_is_not_what_it_claims_is_refused(cas: Any, tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_text("a,b\n1,2\n3\n")

    with pytest.raises(SWATError, match="the file cannot be read as utf-8 text"):
        cas.upload_file(str(path))
    assert cas.tableexists("broken") == {"exists": 0}


@pytest.mark.complains
def test_a_table_that_is_not_there_is_told(cas: Any) -> None:
    answer = cas.fetch("nothing")

    assert (answer.severity, answer.reason) == (2, "abort")
    assert "no table named 'nothing'" in answer.status.replace("is named", "named")
