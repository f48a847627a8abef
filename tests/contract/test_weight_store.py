"""Weight tables, on every database."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actions.errors import Conflict, TableExists
from actions.ports import Name, Output, TableInfo, WeightsHeader
from engine.errors import WeightsError
from engine.weights import CHUNK_VALUES, Chunk, Float32, SegmentSpec
from server.store import SessionStores, SqlStores
from server.store.schema import weight_chunks

# Two layers: 2 x 3 weights, 3 biases, 4 weights; statistics of the first at the end.
SPECS = (
    SegmentSpec(1, "weights", "weight", (2, 3), 0, 0),
    SegmentSpec(1, "biases", "bias", (3,), 6, 6),
    SegmentSpec(4, "weights", "weight", (4,), 9, 0),
    SegmentSpec(1, "statistics", "statistics", (1, 2), 13, 9),
)
VALUES: Float32 = np.arange(0, 3.75, 0.25, dtype=np.float32)


def chunks_of(specs: tuple[SegmentSpec, ...], values: Float32) -> Iterator[Chunk]:
    for spec in specs:
        for offset in range(0, spec.size, CHUNK_VALUES):
            first = spec.first_row + offset
            last = min(first + CHUNK_VALUES, spec.first_row + spec.size)
            yield Chunk(spec, offset, values[first:last])


def put(mine: SessionStores, header: WeightsHeader | None = None) -> TableInfo:
    with mine.weights.stage(header or WeightsHeader(SPECS), chunks_of(SPECS, VALUES)) as staged:
        return mine.tables.publish((staged, Output(Name("w"))))[0]


def read(mine: SessionStores, table: TableInfo, **cut: int) -> list[float]:
    return [float(v) for chunk in mine.weights.chunks(table, **cut) for v in chunk.values]


def test_weights_come_back_in_the_order_of_the_table(mine: SessionStores) -> None:
    put(mine)

    table, header = mine.weights.load(Name("W"))

    assert (table.kind, table.rows, table.columns, table.size_bytes) == ("weights", 15, 3, 60)
    assert tuple(header.specs) == SPECS
    chunks = list(mine.weights.chunks(table))
    assert [chunk.spec for chunk in chunks] == list(SPECS)
    np.testing.assert_array_equal(np.concatenate([chunk.values for chunk in chunks]), VALUES)


def test_lineage_and_data_schema_are_kept(mine: SessionStores) -> None:
    header = WeightsHeader(SPECS, {"seed": 7, "model": "net"}, {"inputs": [{"name": "x"}]})
    put(mine, header)

    table, loaded = mine.weights.load(Name("w"))

    assert loaded == header
    assert table.attributes == {
        "lineage": {"seed": 7, "model": "net"},
        "schema": {"inputs": [{"name": "x"}]},
    }


def test_a_weight_table_without_a_schema_has_none(mine: SessionStores) -> None:
    put(mine)

    assert mine.weights.load(Name("w"))[1].schema is None


def test_rows_are_cut_to_the_range_inside_a_chunk(mine: SessionStores) -> None:
    table = put(mine)

    # row 7 is the second bias, row 9 the first weight of layer 4
    first, second = mine.weights.chunks(table, first_row=7, rows=3)

    assert (first.spec, first.offset, first.values.tolist()) == (SPECS[1], 1, [1.75, 2.0])
    assert (second.spec, second.offset, second.values.tolist()) == (SPECS[2], 0, [2.25])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(first=st.integers(-2, 17), rows=st.none() | st.integers(-1, 17))
def test_any_row_range_is_that_part_of_the_table(
    mine: SessionStores, first: int, rows: int | None
) -> None:
    table = mine.tables.find(Name("w")) if mine.tables.list() else put(mine)

    values = [v for c in mine.weights.chunks(table, first_row=first, rows=rows) for v in c.values]

    start = max(0, first)
    stop = 15 if rows is None else start + max(0, rows)
    assert values == VALUES[start:stop].tolist()


def test_tensors_over_a_chunk_are_split_and_read_by_chunk(
    stores: SqlStores, mine: SessionStores
) -> None:
    size = CHUNK_VALUES + 5
    spec = SegmentSpec(0, "weights", "weight", (size,), 0, 0)
    values = np.arange(size, dtype=np.float32)
    with mine.weights.stage(WeightsHeader([spec]), iter([Chunk(spec, 0, values)])) as staged:
        table = mine.tables.publish((staged, Output(Name("big"))))[0]

    with stores.database.read() as connection:
        rows = connection.execute(weight_chunks.select().order_by(weight_chunks.c.first_row)).all()
    assert [(row.first_row, row.rows, row.start) for row in rows] == [
        (0, CHUNK_VALUES, 0),
        (CHUNK_VALUES, 5, CHUNK_VALUES),
    ]
    (last,) = mine.weights.chunks(table, first_row=CHUNK_VALUES + 3)
    assert (last.offset, last.values.tolist()) == (CHUNK_VALUES + 3, [1048579.0, 1048580.0])


def test_values_may_change_after_they_were_handed_over(mine: SessionStores) -> None:
    scratch = np.zeros(6, np.float32)

    def reused() -> Iterator[Chunk]:
        for spec in SPECS:
            values = scratch[: spec.size]
            values[:] = VALUES[spec.first_row : spec.first_row + spec.size]
            yield Chunk(spec, 0, values)

    with mine.weights.stage(WeightsHeader(SPECS), reused()) as staged:
        table = mine.tables.publish((staged, Output(Name("w"))))[0]

    assert read(mine, table) == VALUES.tolist()


def test_a_strided_view_is_stored_as_its_values(mine: SessionStores) -> None:
    spec = SegmentSpec(0, "weights", "weight", (3,), 0, 0)
    every_other = np.array([1, 9, 2, 9, 3, 9], np.float32)[::2]
    with mine.weights.stage(WeightsHeader([spec]), iter([Chunk(spec, 0, every_other)])) as staged:
        table = mine.tables.publish((staged, Output(Name("w"))))[0]

    assert read(mine, table) == [1.0, 2.0, 3.0]


def stage(mine: SessionStores, *chunks: Chunk) -> None:
    with mine.weights.stage(WeightsHeader(SPECS), iter(chunks)):
        pass


def test_chunks_out_of_order_are_refused(mine: SessionStores) -> None:
    with pytest.raises(
        WeightsError,
        match=r"^the weights got 3 values of 'bias' of layer 1 from 0, "
        r"expected those of 'weight' of layer 1 from 0$",
    ):
        stage(mine, Chunk(SPECS[1], 0, VALUES[:3]))


def test_a_gap_inside_a_tensor_is_refused(mine: SessionStores) -> None:
    with pytest.raises(
        WeightsError,
        match=r"^the weights got 2 values of 'weight' of layer 1 from 3, "
        r"expected those of 'weight' of layer 1 from 2$",
    ):
        stage(mine, Chunk(SPECS[0], 0, VALUES[:2]), Chunk(SPECS[0], 3, VALUES[:2]))


def test_more_values_than_a_tensor_has_are_refused(mine: SessionStores) -> None:
    with pytest.raises(WeightsError, match=r"^the weights got 7 values of 'weight' of layer 1"):
        stage(mine, Chunk(SPECS[0], 0, VALUES[:7]))


def test_missing_values_are_refused(stores: SqlStores, mine: SessionStores) -> None:
    with pytest.raises(WeightsError, match=r"^the weights ended after 6 values, expected 15$"):
        stage(mine, Chunk(SPECS[0], 0, VALUES[:6]))

    assert stores.collect_garbage(lease_s=-1, grace_s=-1) == 0


def test_values_after_the_last_tensor_are_refused(mine: SessionStores) -> None:
    more = Chunk(SPECS[3], 0, VALUES[:2])
    with pytest.raises(WeightsError, match=r"^the weights got more values than the 15 expected$"):
        stage(mine, *chunks_of(SPECS, VALUES), more)


def test_tensors_that_do_not_follow_each_other_are_refused(mine: SessionStores) -> None:
    message = "the tensor 'weight' of layer 4 begins at row 9, expected 6"
    header = WeightsHeader((SPECS[0], SPECS[2]))
    with (
        pytest.raises(WeightsError, match=f"^{re.escape(message)}$"),
        mine.weights.stage(header, iter(())),
    ):
        pass


def test_a_name_that_is_taken_leaves_the_old_weights(
    stores: SqlStores, mine: SessionStores
) -> None:
    put(mine)
    with pytest.raises(TableExists):
        put(mine)

    assert read(mine, mine.tables.find(Name("w"))) == VALUES.tolist()
    assert stores.collect_garbage(lease_s=-1, grace_s=-1) == 0


def test_a_reader_finishes_a_table_that_is_dropped_meanwhile(
    stores: SqlStores, mine: SessionStores
) -> None:
    reading = mine.weights.chunks(put(mine))
    next(reading)

    mine.tables.drop(Name("w"))
    stores.collect_garbage()

    rest = [float(v) for chunk in reading for v in chunk.values]
    assert rest == VALUES[6:].tolist()


def test_a_reader_is_told_when_the_content_is_gone(stores: SqlStores, mine: SessionStores) -> None:
    table = put(mine)
    reading = mine.weights.chunks(table)
    next(reading)
    mine.tables.drop(Name("w"))
    assert stores.collect_garbage(grace_s=-1) == 1

    message = r"^the table 'w' in caslib 'CASUSER' was dropped or replaced while it was being read$"
    with pytest.raises(Conflict, match=message):
        next(reading)
    with pytest.raises(Conflict, match=message):
        next(mine.weights.chunks(table))
