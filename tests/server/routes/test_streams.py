from collections.abc import Iterator

import pyarrow as pa
import pytest
from pyarrow import ipc

from actions.errors import InvalidFile
from actions.model_files import STORE_SCHEMA
from server.routes.streams import arrow_stream, csv_stream, model_stream

TYPES: dict[str, pa.DataType] = {
    "n": pa.int64(),
    "text": pa.string(),
    "image": pa.binary(),
    "list": pa.list_(pa.int8()),
}
SCHEMA = pa.schema(TYPES)
ROWS: list[dict[str, object]] = [
    {"n": 1, "text": 'say "hi", twice', "image": b"\x00\xff", "list": [1, 2]},
    {"n": None, "text": None, "image": None, "list": None},
]


def batches(count: int) -> Iterator[pa.RecordBatch]:
    return iter([pa.RecordBatch.from_pylist(ROWS, schema=SCHEMA)] * count)


def test_an_arrow_stream_holds_every_batch() -> None:
    stream = b"".join(arrow_stream(SCHEMA, batches(3)))

    table = ipc.open_stream(stream).read_all()

    assert table.schema == SCHEMA
    assert table.column("image").to_pylist() == [b"\x00\xff", None] * 3


def test_an_arrow_stream_of_no_rows_has_the_columns() -> None:
    assert ipc.open_stream(b"".join(arrow_stream(SCHEMA, batches(0)))).schema == SCHEMA


def test_a_stream_is_handed_out_batch_by_batch() -> None:
    taken = 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal taken
        for batch in batches(3):
            taken += 1
            yield batch

    stream = arrow_stream(SCHEMA, counted())

    assert [(bool(piece), taken) for piece in stream] == [
        (True, 1),
        (True, 2),
        (True, 3),
        (True, 3),
    ]


def test_csv_has_one_header_quoted_text_and_binary_values_as_base64() -> None:
    text = b"".join(csv_stream(SCHEMA, batches(2))).decode()

    row = '1,"say ""hi"", twice","AP8=","[1, 2]"'
    assert text.splitlines() == ['"n","text","image","list"', row, ",,,", row, ",,,"]


def test_csv_of_no_rows_is_its_header() -> None:
    assert b"".join(csv_stream(SCHEMA, batches(0))) == b'"n","text","image","list"\n'


def test_a_store_streams_as_the_file_it_holds() -> None:
    rows = [{"_index_": 0, "_state_": b"ab"}, {"_index_": 1, "_state_": b"c"}]
    batch = pa.RecordBatch.from_pylist(rows, schema=STORE_SCHEMA)

    assert b"".join(model_stream(STORE_SCHEMA, iter([batch, batch]))) == b"abcabc"


def test_a_table_that_is_no_store_does_not_begin_to_stream() -> None:
    with pytest.raises(InvalidFile) as caught:
        model_stream(SCHEMA, batches(1))

    assert caught.value.message == (
        "the table is no store, expected a column '_state_' of bytes, as dlExportModel and "
        "astore.upload make it"
    )
