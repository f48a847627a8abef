from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actions.ports import Name, Output
from server.store import SessionStores, SqlStores
from server.store.chunks import CHUNK_BYTES, decode, encode, split
from server.store.schema import data_chunks

RANDOM = np.random.default_rng(7)


def floats(values: np.ndarray) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(values, pa.float64())], ["x"])


def test_repetitive_rows_are_compressed() -> None:
    batch = floats(np.zeros(100_000))

    assert encode(batch).size < 100_000  # of 800,000 bytes


def test_incompressible_images_are_kept_plain() -> None:
    images = [RANDOM.bytes(3000) for _ in range(200)]
    body = encode(pa.RecordBatch.from_pydict({"image": images}))

    assert 600_000 < body.size < 605_000
    assert images[17] in body.to_pybytes()


def test_a_batch_of_every_type_comes_back() -> None:
    batch = pa.RecordBatch.from_pydict(
        {
            "i": pa.array([1, None], pa.int32()),
            "f": pa.array([float("nan"), 0.5], pa.float32()),
            "s": pa.array(["ä", None]),
            "b": pa.array([b"\0\xff", b""]),
            "t": pa.array([0, None], pa.timestamp("us", tz="UTC")),
            "d": pa.array(["x", "x"]).dictionary_encode(),
            "l": pa.array([[1.0], None], pa.list_(pa.float64())),
        }
    )

    decoded = decode(encode(batch).to_pybytes(), None)

    assert decoded.schema == batch.schema
    assert str(decoded.to_pydict()) == str(batch.to_pydict())  # as text, for NaN is not NaN


def test_large_batches_are_split_into_even_pieces() -> None:
    batch = floats(np.zeros(1_048_584))  # 64 bytes over two chunks

    assert [piece.num_rows for piece in split(batch)] == [349528, 349528, 349528]


def test_a_row_larger_than_a_chunk_is_one_piece() -> None:
    batch = pa.RecordBatch.from_pydict({"x": [b"x" * (2 * CHUNK_BYTES), b"y"]})

    assert [piece.num_rows for piece in split(batch)] == [1, 1]


def chunk_rows(stores: SqlStores) -> list[tuple[int, int]]:
    with stores.database.read() as connection:
        rows = connection.execute(data_chunks.select().order_by(data_chunks.c.first_row)).all()
    return [(row.first_row, row.rows) for row in rows]


def test_small_batches_share_a_chunk_and_large_ones_are_cut(
    stores: SqlStores, mine: SessionStores
) -> None:
    schema = pa.schema([("x", pa.float64())])
    whole = CHUNK_BYTES // 8
    with mine.tables.stage(schema) as staged:
        for rows in (10, 20, 0, whole, 5, 2 * whole):
            staged.write(floats(np.arange(rows)))
        table = mine.tables.publish((staged, Output(Name("t"))))[0]

    assert chunk_rows(stores) == [
        (0, 30),
        (30, whole),
        (30 + whole, 5),
        (35 + whole, whole),
        (35 + 2 * whole, whole),
    ]
    assert table.rows == 35 + 3 * whole


def test_a_scan_reads_only_the_chunks_it_needs(stores: SqlStores, mine: SessionStores) -> None:
    schema = pa.schema([("x", pa.float64())])
    whole = CHUNK_BYTES // 8
    with mine.tables.stage(schema) as staged:
        staged.write(floats(np.arange(3 * whole)))
        table = mine.tables.publish((staged, Output(Name("t"))))[0]
    with stores.database.write() as connection:  # spoil the chunks that are not asked for
        others = data_chunks.c.first_row != whole
        connection.execute(data_chunks.update().where(others).values(body=b""))

    (batch,) = mine.tables.scan(table, first_row=2 * whole - 2, rows=2)

    assert batch.column("x").to_pylist() == [2.0 * whole - 2, 2.0 * whole - 1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(first=st.integers(-3, 30), rows=st.none() | st.integers(-3, 30))
def test_any_row_range_is_that_part_of_the_table(
    mine: SessionStores, first: int, rows: int | None
) -> None:
    schema = pa.schema([("n", pa.int64())]).append(pa.field("image", pa.binary()))
    if not mine.tables.list():
        with mine.tables.stage(schema) as staged:
            for n in range(20):  # three rows of 1.5 MiB do not fit into one chunk
                row: dict[str, list[Any]] = {"n": [n], "image": [bytes([n]) * (3 << 19)]}
                staged.write(pa.RecordBatch.from_pydict(row, schema=schema))
            mine.tables.publish((staged, Output(Name("t"))))
    table = mine.tables.find(Name("t"))

    batches = mine.tables.scan(table, columns=["n"], first_row=first, rows=rows)

    start = max(0, first)
    stop = 20 if rows is None else start + max(0, rows)
    assert [n for b in batches for n in b.column("n").to_pylist()] == [*range(20)][start:stop]


@pytest.mark.parametrize("rows", [0, 1])
def test_a_table_without_rows_has_columns(mine: SessionStores, rows: int) -> None:
    schema = pa.schema([("x", pa.float64())], metadata={"made": "by hand"})
    with mine.tables.stage(schema) as staged:
        if rows:
            staged.write(pa.RecordBatch.from_pydict({"x": [1.5]}, schema=schema))
        table = mine.tables.publish((staged, Output(Name("t"))))[0]

    assert table.rows == rows
    assert mine.tables.schema(table).equals(schema, check_metadata=True)
    assert sum(batch.num_rows for batch in mine.tables.scan(table)) == rows
