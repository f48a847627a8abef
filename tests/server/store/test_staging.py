import pyarrow as pa
import pytest

from actions.errors import Conflict
from actions.ports import Name, Output
from engine.graph.spec import Graph
from server.store import SessionStores, SqlStores
from server.store.schema import contents, data_chunks, metadata
from server.store.staging import GRACE_S, LEASE_S
from tests.conftest import HandClock

NUMBERS = pa.schema([("n", pa.int64())])
ROWS = pa.RecordBatch.from_pydict({"n": [1, 2]}, schema=NUMBERS)
GONE = r"^the staged table was published, discarded, or idle for too long$"


def test_a_writer_that_was_idle_for_too_long_is_told(
    stores: SqlStores, mine: SessionStores, clock: HandClock
) -> None:
    with mine.tables.stage(NUMBERS) as staged:
        clock.advance(LEASE_S + 1)
        assert stores.collect_garbage() == 1
        with pytest.raises(Conflict, match=GONE):
            staged.write(ROWS)
        with pytest.raises(Conflict, match=GONE):
            mine.tables.publish((staged, Output(Name("t"))))


def test_a_slow_writer_keeps_its_table(
    stores: SqlStores, mine: SessionStores, clock: HandClock
) -> None:
    with mine.tables.stage(NUMBERS) as staged:
        for _ in range(4):  # too few rows to fill a chunk: nothing is written but signs of life
            clock.advance(LEASE_S / 2)
            staged.write(ROWS)
            assert stores.collect_garbage() == 0
        table = mine.tables.publish((staged, Output(Name("t"))))[0]

    assert table.rows == 8


def test_a_table_is_published_once(mine: SessionStores) -> None:
    with mine.tables.stage(NUMBERS) as staged:
        mine.tables.publish((staged, Output(Name("t"))))
        with pytest.raises(Conflict, match=GONE):
            mine.tables.publish((staged, Output(Name("u"))))

    assert [table.name for table in mine.tables.list()] == ["t"]


def test_a_dropped_table_is_collected_after_its_grace(
    stores: SqlStores, mine: SessionStores, clock: HandClock
) -> None:
    with mine.tables.stage(NUMBERS) as staged:
        staged.write(ROWS)
        mine.tables.publish((staged, Output(Name("t"))))
    mine.models.create(Output(Name("net")), Graph("net"))
    mine.tables.drop(Name("t"))
    mine.tables.drop(Name("net"))

    clock.advance(GRACE_S - 1)
    assert stores.collect_garbage() == 0
    clock.advance(1)
    assert stores.collect_garbage() == 2

    with stores.database.read() as connection:
        assert connection.execute(contents.select()).all() == []
        assert connection.execute(data_chunks.select()).all() == []


def test_large_garbage_is_removed_in_pieces(stores: SqlStores, mine: SessionStores) -> None:
    with mine.tables.stage(NUMBERS) as staged:
        for _ in range(40):
            staged.write(ROWS)
            staged.seal()
        table = mine.tables.publish((staged, Output(Name("t"))))[0]
    assert table.rows == 80
    mine.tables.drop(Name("t"))

    assert stores.collect_garbage(grace_s=-1) == 1

    with stores.database.read() as connection:
        assert connection.execute(data_chunks.select()).all() == []


def test_a_collection_that_was_cut_short_is_taken_up_again(
    stores: SqlStores, mine: SessionStores
) -> None:
    mine.models.create(Output(Name("net")), Graph("net"))
    mine.tables.drop(Name("net"))
    with stores.database.write() as connection:
        connection.execute(contents.update().values(state="garbage"))

    assert stores.collect_garbage() == 1
    assert stores.collect_garbage() == 0


def test_the_declared_tables_are_these() -> None:
    assert sorted(metadata.tables) == [
        "call_keys",
        "caslibs",
        "contents",
        "data_chunks",
        "job_checkpoints",
        "job_events",
        "jobs",
        "model_edges",
        "model_layers",
        "sessions",
        "tables",
        "tokens",
        "users",
        "weight_chunks",
    ]
