"""The catalogue and the data tables, on every database."""

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from actions.errors import (
    CaslibNotFound,
    ColumnNotFound,
    Conflict,
    InvalidParameters,
    SessionNotFound,
    TableExists,
    TableNotFound,
    WrongKind,
)
from actions.ports import Name, Output, Session, TableInfo
from engine.graph.spec import Graph
from server.store import SessionStores, SqlStores
from tests.conftest import HandClock

NUMBERS = pa.schema([("n", pa.int64())]).append(pa.field("word", pa.string()))


def rows(*numbers: int) -> pa.RecordBatch:
    columns: dict[str, list[Any]] = {"n": list(numbers), "word": [f"w{n}" for n in numbers]}
    return pa.RecordBatch.from_pydict(columns, schema=NUMBERS)


def put(
    stores: SessionStores,
    name: str,
    *numbers: int,
    replace: bool = False,
    promote: bool = False,
) -> TableInfo:
    with stores.tables.stage(NUMBERS) as staged:
        staged.write(rows(*numbers))
        output = Output(Name(name), replace=replace, promote=promote)
        return stores.tables.publish((staged, output))[0]


def numbers_of(stores: SessionStores, table: TableInfo) -> list[int | None]:
    batches = stores.tables.scan(table)
    return [n for batch in batches for n in batch.column("n").to_pylist()]


def names(tables: Sequence[TableInfo]) -> list[str]:
    return [table.name for table in tables]


def test_a_published_table_is_found_without_regard_to_case(
    mine: SessionStores, clock: HandClock
) -> None:
    put(mine, "Iris", 1, 2, 3)

    found = mine.tables.find(Name("iRIS", "casuser"), "data")

    assert (found.name, found.caslib, found.kind, found.scope) == (
        "Iris",
        "CASUSER",
        "data",
        "session",
    )
    assert (found.rows, found.columns, found.version, found.job_id) == (3, 2, 0, None)
    assert found.created == clock.moment
    assert found.size_bytes > 0


def test_rows_come_back_as_they_were_written(mine: SessionStores) -> None:
    table = put(mine, "t", 4, 5, 6)

    assert pa.Table.from_batches(mine.tables.scan(table)).to_pylist() == [
        {"n": 4, "word": "w4"},
        {"n": 5, "word": "w5"},
        {"n": 6, "word": "w6"},
    ]
    assert mine.tables.schema(table) == NUMBERS


def test_an_unknown_table_is_refused_with_the_nearest_names(mine: SessionStores) -> None:
    put(mine, "Iris", 1)

    with pytest.raises(
        TableNotFound,
        match=r"^no table is named 'irsi' in caslib 'CASUSER'; did you mean 'Iris'\?$",
    ) as caught:
        mine.tables.find(Name("irsi"))

    assert caught.value.details == {"table": "irsi", "caslib": "CASUSER", "nearest": ["Iris"]}


def test_an_unknown_table_with_no_like_is_refused_without_a_hint(mine: SessionStores) -> None:
    with pytest.raises(TableNotFound, match=r"^no table is named 'x' in caslib 'PUBLIC'$"):
        mine.tables.find(Name("x", "public"))


def test_a_table_in_an_unknown_caslib_is_refused(mine: SessionStores) -> None:
    with pytest.raises(
        CaslibNotFound, match=r"^no caslib is named 'publik'; did you mean 'PUBLIC'\?$"
    ):
        mine.tables.find(Name("x", "publik"))


def test_a_table_of_another_kind_is_refused(mine: SessionStores) -> None:
    mine.models.create(Output(Name("net")), Graph("net"))

    message = "the table 'net' in caslib 'CASUSER' is a model table, expected a weight table"
    with pytest.raises(WrongKind, match=f"^{re.escape(message)}$"):
        mine.tables.find(Name("net"), "weights")


def test_a_model_has_no_arrow_columns(mine: SessionStores) -> None:
    model = mine.models.create(Output(Name("net")), Graph("net"))

    with pytest.raises(
        WrongKind,
        match=r"^the table 'net' in caslib 'CASUSER' is a model table, expected a data table$",
    ):
        mine.tables.schema(model)


def test_a_staged_table_is_invisible_and_gone_after_its_block(mine: SessionStores) -> None:
    with mine.tables.stage(NUMBERS) as staged:
        staged.write(rows(1))
        assert mine.tables.list() == []
    with pytest.raises(
        Conflict, match=r"^the staged table was published, discarded, or idle for too long$"
    ):
        mine.tables.publish((staged, Output(Name("late"))))


def test_a_failure_while_a_table_is_staged_leaves_nothing(
    stores: SqlStores, mine: SessionStores
) -> None:
    with pytest.raises(ZeroDivisionError), mine.tables.stage(NUMBERS) as staged:
        staged.write(rows(1 // 0))

    assert mine.tables.list() == []
    assert stores.collect_garbage(lease_s=-1, grace_s=-1) == 0


def test_a_taken_name_is_refused(mine: SessionStores) -> None:
    put(mine, "T", 1)

    with pytest.raises(
        TableExists,
        match=r"^the table 'T' exists in caslib 'CASUSER'; set replace to overwrite it$",
    ):
        put(mine, "t", 2)

    assert numbers_of(mine, mine.tables.find(Name("t"))) == [1]


def test_a_replaced_table_has_a_new_id(mine: SessionStores) -> None:
    old = put(mine, "t", 1)

    new = put(mine, "t", 2, replace=True)

    assert new.id != old.id
    assert numbers_of(mine, mine.tables.find(Name("t"))) == [2]
    assert names(mine.tables.list()) == ["t"]


def test_several_tables_are_published_all_or_none(mine: SessionStores) -> None:
    put(mine, "second", 0)
    with mine.tables.stage(NUMBERS) as first, mine.tables.stage(NUMBERS) as second:
        first.write(rows(1))
        second.write(rows(2))
        with pytest.raises(TableExists):
            mine.tables.publish((first, Output(Name("first"))), (second, Output(Name("second"))))
        assert names(mine.tables.list()) == ["second"]

        published = mine.tables.publish(
            (second, Output(Name("b"))), (first, Output(Name("a"), label="one"))
        )

    assert names(published) == ["b", "a"]
    assert names(mine.tables.list()) == ["a", "b", "second"]
    assert mine.tables.find(Name("a")).label == "one"


def test_two_outputs_of_one_name_are_refused(mine: SessionStores) -> None:
    with (
        mine.tables.stage(NUMBERS) as first,
        mine.tables.stage(NUMBERS) as second,
        pytest.raises(TableExists),
    ):
        mine.tables.publish((first, Output(Name("t"))), (second, Output(Name("T"))))

    assert mine.tables.list() == []


def test_a_session_table_hides_a_global_one(stores: SqlStores, mine: SessionStores) -> None:
    put(mine, "t", 1, promote=True)
    put(mine, "t", 2)

    assert numbers_of(mine, mine.tables.find(Name("t"))) == [2]
    assert [table.scope for table in mine.tables.list()] == ["session"]
    other = stores.for_session(stores.sessions.create("ann", "other"))
    assert numbers_of(other, other.tables.find(Name("t"))) == [1]

    assert mine.tables.drop(Name("t")).scope == "session"
    assert numbers_of(mine, mine.tables.find(Name("t"))) == [1]


def test_a_session_sees_no_tables_of_another(stores: SqlStores, mine: SessionStores) -> None:
    put(mine, "t", 1)

    other = stores.for_session(stores.sessions.create("ann", "other"))

    assert other.tables.list() == []
    with pytest.raises(TableNotFound, match=r"^no table is named 't' in caslib 'CASUSER'$"):
        other.tables.find(Name("t"))


def test_a_global_table_of_a_personal_caslib_is_seen_by_its_user_alone(
    stores: SqlStores, mine: SessionStores
) -> None:
    put(mine, "t", 1, promote=True)

    bob = stores.for_session(stores.sessions.create("bob", "his"))

    assert bob.tables.list() == []
    assert names(mine.tables.list()) == ["t"]


def test_tables_are_listed_by_caslib_or_all(mine: SessionStores) -> None:
    put(mine, "b", 1)
    with mine.tables.stage(NUMBERS) as staged:
        mine.tables.publish((staged, Output(Name("a", "public"))))

    assert names(mine.tables.list()) == ["a", "b"]
    assert names(mine.tables.list("PUBLIC")) == ["a"]
    assert names(mine.tables.list("casuser")) == ["b"]


def test_a_promoted_output_replaces_the_table_that_would_hide_it(mine: SessionStores) -> None:
    put(mine, "t", 1)

    with pytest.raises(TableExists):
        put(mine, "t", 2, promote=True)
    put(mine, "t", 2, promote=True, replace=True)

    assert numbers_of(mine, mine.tables.find(Name("t"))) == [2]
    assert mine.tables.find(Name("t")).scope == "global"


def test_a_table_is_promoted_under_another_name(stores: SqlStores, mine: SessionStores) -> None:
    made = put(mine, "t", 7)

    moved = mine.tables.promote(Name("t"), Output(Name("Shared", "public"), label="all"))

    assert (moved.id, moved.name, moved.caslib, moved.scope, moved.label) == (
        made.id,
        "Shared",
        "PUBLIC",
        "global",
        "all",
    )
    bob = stores.for_session(stores.sessions.create("bob", "his"))
    assert numbers_of(bob, bob.tables.find(Name("shared", "public"))) == [7]
    with pytest.raises(TableNotFound):
        mine.tables.find(Name("t"))


def test_a_global_table_cannot_be_promoted(mine: SessionStores) -> None:
    put(mine, "t", 1, promote=True)

    with pytest.raises(TableExists, match=r"^the table 't' in caslib 'CASUSER' is global already$"):
        mine.tables.promote(Name("t"), Output(Name("t")))


def test_promoting_onto_a_taken_name_needs_replace(mine: SessionStores) -> None:
    put(mine, "shared", 1, promote=True)
    put(mine, "t", 2)

    with pytest.raises(
        TableExists,
        match=r"^the table 'shared' exists in caslib 'CASUSER'; set replace to overwrite it$",
    ):
        mine.tables.promote(Name("t"), Output(Name("shared")))
    mine.tables.promote(Name("t"), Output(Name("shared"), replace=True))

    assert numbers_of(mine, mine.tables.find(Name("shared"))) == [2]


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0b", "\ud800", "x" * 257])
def test_a_name_that_cannot_be_shown_is_refused(mine: SessionStores, name: str) -> None:
    message = f"the name of a table got {name!r}, expected 1 to 256 printable characters"
    with pytest.raises(InvalidParameters, match=f"^{re.escape(message)}$"):
        put(mine, name, 1)


def test_rows_of_other_columns_are_refused(mine: SessionStores) -> None:
    other = pa.RecordBatch.from_pydict({"x": [1.5]})
    with (
        mine.tables.stage(NUMBERS) as staged,
        pytest.raises(
            InvalidParameters,
            match=r"^the rows got columns x double, expected n int64, word string$",
        ),
    ):
        staged.write(other)


def test_an_unknown_column_is_refused_before_the_first_row(mine: SessionStores) -> None:
    table = put(mine, "t", 1)

    with pytest.raises(
        ColumnNotFound, match=r"^the table 't' has no column 'wrod'; did you mean 'word'\?$"
    ):
        mine.tables.scan(table, columns=["wrod"])


def test_columns_come_in_the_order_that_is_asked_for(mine: SessionStores) -> None:
    table = put(mine, "t", 1, 2)

    (batch,) = mine.tables.scan(table, columns=["word", "n"])

    assert batch.schema.names == ["word", "n"]
    assert batch.to_pylist() == [{"word": "w1", "n": 1}, {"word": "w2", "n": 2}]


def test_a_scan_of_no_columns_still_counts_rows(mine: SessionStores) -> None:
    table = put(mine, "t", 1, 2, 3)

    assert [batch.num_rows for batch in mine.tables.scan(table, columns=[])] == [3]


def test_an_ended_session_cannot_publish(stores: SqlStores, session: Session) -> None:
    bound = stores.for_session(session)
    with bound.tables.stage(NUMBERS) as staged:
        staged.write(rows(1))
        stores.sessions.end(session.id, "ann")
        with pytest.raises(SessionNotFound, match=f"^the session '{session.id}' has ended$"):
            bound.tables.publish((staged, Output(Name("t"))))


def test_a_table_knows_the_job_that_made_it(stores: SqlStores, session: Session) -> None:
    worker = stores.for_session(session, job_id="job1")

    put(worker, "t", 1)

    assert worker.tables.find(Name("t")).job_id == "job1"


def test_facts_are_kept_with_a_table(mine: SessionStores) -> None:
    with mine.tables.stage(NUMBERS, attributes={"from": {"file": "a.csv"}}) as staged:
        mine.tables.publish((staged, Output(Name("t"))))

    assert mine.tables.find(Name("t")).attributes == {"from": {"file": "a.csv"}}


@pytest.mark.parametrize("name", ["a\0", "\ud800"])
def test_a_name_no_database_can_hold_is_not_found(
    stores: SqlStores, mine: SessionStores, name: str
) -> None:
    with pytest.raises(TableNotFound):
        mine.tables.find(Name(name))
    with pytest.raises(CaslibNotFound):
        mine.tables.find(Name("t", name))
    with pytest.raises(SessionNotFound):
        stores.sessions.find(name, "ann")


def test_a_reader_finishes_a_table_that_is_replaced_meanwhile(
    stores: SqlStores, mine: SessionStores
) -> None:
    with mine.tables.stage(NUMBERS) as staged:
        for number in (1, 2):
            staged.write(rows(number))
            staged.seal()
        old = mine.tables.publish((staged, Output(Name("t"))))[0]
    reading = mine.tables.scan(old)
    next(reading)

    put(mine, "t", 3, replace=True)
    stores.collect_garbage()

    assert [batch.column("n").to_pylist() for batch in reading] == [[2]]
    assert numbers_of(mine, mine.tables.find(Name("t"))) == [3]


def test_a_reader_is_told_when_the_content_is_gone(stores: SqlStores, mine: SessionStores) -> None:
    table = put(mine, "t", 1)
    reading = mine.tables.scan(table)
    mine.tables.drop(Name("t"))
    assert stores.collect_garbage(grace_s=-1) == 1

    message = r"^the table 't' in caslib 'CASUSER' was dropped or replaced while it was being read$"
    with pytest.raises(Conflict, match=message):
        next(reading)
    with pytest.raises(Conflict, match=message):
        mine.tables.schema(table)


def test_a_table_is_renamed_in_its_caslib_and_scope(mine: SessionStores) -> None:
    put(mine, "t", 1)

    renamed = mine.tables.rename(Name("T"), "u", label="one number")

    assert (renamed.name, renamed.scope, renamed.label) == ("u", "session", "one number")
    assert numbers_of(mine, mine.tables.find(Name("U"))) == [1]
    with pytest.raises(TableNotFound):
        mine.tables.find(Name("t"))
    assert mine.tables.rename(Name("u"), "U").label == "one number"


def test_a_renamed_global_table_stays_global(mine: SessionStores) -> None:
    put(mine, "t", 1, promote=True)

    assert mine.tables.rename(Name("t"), "u").scope == "global"


def test_a_table_is_not_renamed_onto_another(mine: SessionStores) -> None:
    put(mine, "t", 1)
    put(mine, "u", 2)

    with pytest.raises(TableExists, match=r"^the table 'u' exists in caslib 'CASUSER'; "):
        mine.tables.rename(Name("t"), "U")
    assert names(mine.tables.list()) == ["t", "u"]


def test_facts_may_be_added_later(mine: SessionStores) -> None:
    table = put(mine, "t", 1)

    mine.tables.annotate(table, {"origin": "here", "count": 2})
    annotated = mine.tables.annotate(table, {"count": 3})

    assert annotated.attributes == {"origin": "here", "count": 3}
    assert mine.tables.find(Name("t")).attributes == {"origin": "here", "count": 3}


def test_a_table_that_was_replaced_takes_no_facts(mine: SessionStores) -> None:
    table = put(mine, "t", 1)
    put(mine, "t", 2, replace=True)

    message = (
        r"^the table 't' in caslib 'CASUSER' was dropped or replaced while its attributes were "
        r"changed$"
    )
    with pytest.raises(Conflict, match=message):
        mine.tables.annotate(table, {"count": 3})
