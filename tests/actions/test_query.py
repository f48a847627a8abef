from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from actions.errors import ColumnNotFound, Conflict, TooLarge
from actions.query import Order, Query, plan, run, sliced

FIELDS: dict[str, pa.DataType] = {"k": pa.int64(), "v": pa.large_string(), "blob": pa.binary()}
SCHEMA = pa.schema(FIELDS)


def batches(count: int = 3, rows: int = 4) -> Iterator[pa.RecordBatch]:
    """Yield rows 0, 1, 2 ...; ``k`` is the row modulo 3, missing where it would be 2."""
    for batch in range(count):
        numbers = range(batch * rows, (batch + 1) * rows)
        columns: dict[str, Any] = {
            "k": [n % 3 if n % 3 < 2 else None for n in numbers],
            "v": [str(n) for n in numbers],
            "blob": [bytes([n]) for n in numbers],
        }
        yield pa.RecordBatch.from_pydict(columns, schema=SCHEMA)


def answer(query: Query) -> list[str]:
    found = plan(query, SCHEMA)
    rows = run(found, (batch.select(list(found.reads)) for batch in batches()))
    return [row["v"] for batch in rows for row in batch.to_pylist()]


def test_rows_are_cut_across_batches() -> None:
    assert answer(Query(offset=3, limit=3)) == ["3", "4", "5"]
    assert answer(Query(limit=0)) == []
    assert answer(Query(offset=100)) == []


def test_reading_stops_when_there_is_enough() -> None:
    seen: list[int] = []

    def counted() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches()):
            seen.append(number)
            yield batch

    assert sum(batch.num_rows for batch in sliced(counted(), 1, 4)) == 4
    assert seen == [0, 1]


def test_rows_of_equal_keys_keep_their_order() -> None:
    missing, zeros, ones = ["2", "5", "8", "11"], ["0", "3", "6", "9"], ["1", "4", "7", "10"]

    assert answer(Query(order=(Order("k"),))) == missing + zeros + ones
    assert answer(Query(order=(Order("k", descending=True),))) == ones + zeros + missing


def test_ordering_goes_with_conditions_and_limits() -> None:
    query = Query("k = 0", order=(Order("v", descending=True),), offset=1, limit=2)
    assert answer(query) == ["6", "3"]


def test_types_stay_what_they_were() -> None:
    for query in (Query("k = 0"), Query(order=(Order("k"),))):
        found = plan(query, SCHEMA)
        rows = list(run(found, batches()))
        assert all(batch.schema.equals(SCHEMA) for batch in rows)


def test_only_the_columns_that_are_used_are_read() -> None:
    found = plan(Query("k = 1", ("V",), (Order("k"),)), SCHEMA)

    assert found.reads == ("k", "v")
    assert found.schema.names == ["v"]


def test_an_ordering_of_no_rows_is_empty() -> None:
    assert list(run(plan(Query(order=(Order("k"),)), SCHEMA), [])) == []


def test_a_column_that_is_not_there_is_named_with_the_nearest() -> None:
    message = r"^the table 't' has no column 'blub'; did you mean 'blob'\?$"
    with pytest.raises(ColumnNotFound, match=message):
        plan(Query(columns=("blub",)), SCHEMA, "the table 't'")


def test_a_failure_of_the_table_passes_through_an_ordering() -> None:
    def broken() -> Iterator[pa.RecordBatch]:
        yield from batches(1)
        raise Conflict("the table 't' was dropped")

    with pytest.raises(Conflict, match=r"^the table 't' was dropped$"):
        list(run(plan(Query(order=(Order("k"),)), SCHEMA), broken()))


def test_an_ordering_larger_than_its_disk_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actions.query.MEMORY_LIMIT", "16MiB")
    monkeypatch.setattr("actions.query.DISK_LIMIT", "1MiB")
    fields: dict[str, pa.DataType] = {"k": pa.int64(), "v": pa.string()}
    schema = pa.schema(fields)

    def many() -> Iterator[pa.RecordBatch]:
        for number in range(60):
            values = [f"{number}-{row}-" + "x" * 500 for row in range(1000)]
            yield pa.RecordBatch.from_pydict({"k": [number] * 1000, "v": values}, schema=schema)

    message = r"^ordering got more rows than fit, expected at most 1MiB of them$"
    with pytest.raises(TooLarge, match=message):
        list(run(plan(Query(order=(Order("v"),)), schema), many()))
