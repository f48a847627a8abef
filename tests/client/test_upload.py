import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from castorch import InvalidInput, MissingExtra
from castorch._upload import Outbox, open_source, zip_folder


def sent(data: Any) -> bytes:
    return b"".join(open_source(data).pieces)


def arrow(data: Any) -> pa.Table:
    source = open_source(data)
    assert source.file_type == "arrow"
    return pa.ipc.open_stream(b"".join(source.pieces)).read_all()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv", "csv"), ("a.PARQUET", "parquet"), ("a.jsonl", "json"), ("a.zip", "images")],
)
def test_a_file_is_sent_as_it_lies_and_named_by_its_ending(
    tmp_path: Path, name: str, kind: str
) -> None:
    path = tmp_path / name
    path.write_bytes(b"x" * 3_000_000)

    source = open_source(str(path))

    pieces = list(source.pieces)
    assert source.file_type == kind
    assert b"".join(pieces) == path.read_bytes()
    assert max(map(len, pieces)) == 1 << 20


def test_a_file_of_another_ending_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.touch()

    with pytest.raises(
        InvalidInput,
        match=r"^the file 'a.xlsx' got the ending '.xlsx', expected one of .csv, .parquet, .arrow, "
        r".arrows, .feather, .json, .jsonl, .ndjson, .zip, .safetensors$",
    ):
        open_source(path)


def test_a_path_that_leads_nowhere_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^there is no file or folder 'nowhere.csv'$"):
        open_source("nowhere.csv")


def test_an_arrow_stream_is_sent_as_it_lies(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2]})
    path = tmp_path / "a.arrows"
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table)

    assert sent(path) == path.read_bytes()


def test_an_arrow_file_is_sent_as_a_stream(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2]})
    path = tmp_path / "a.arrow"
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)

    assert arrow(path) == table


def test_a_data_frame_is_sent_without_its_index() -> None:
    frame = pd.DataFrame({"a": [1.5, None], "b": ["x", "y"]}, index=[7, 8])

    assert arrow(frame).to_pydict() == {"a": [1.5, None], "b": ["x", "y"]}


def test_anything_with_the_arrow_interface_is_sent_batch_by_batch() -> None:
    table = pa.concat_tables([pa.table({"a": [1, 2]}), pa.table({"a": [3]})])

    assert arrow(table) == table
    assert arrow(table.to_reader()) == table
    assert len(list(open_source(table).pieces)) == 3  # one a batch, and the end


def test_columns_are_sent_with_their_types() -> None:
    table = arrow({"x": np.array([1.5, 2.5], np.float32), "n": [1, None], "s": ["a", "b"]})

    assert table.schema.field("x").type == pa.float32()
    assert table.to_pydict() == {"x": [1.5, 2.5], "n": [1, None], "s": ["a", "b"]}


def test_a_matrix_becomes_numbered_columns() -> None:
    table = arrow({"x": np.array([[1, 2], [3, 4]]), "y": [0, 1]})

    assert table.to_pydict() == {"x0": [1, 3], "x1": [2, 4], "y": [0, 1]}


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 4, 3)], ids=["grey", "colour"])
def test_a_stack_of_images_becomes_one_column_of_png(shape: tuple[int, ...]) -> None:
    images = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)

    table = arrow({"_image_": images, "_label_": ["a", "b"]})

    decoded = [np.asarray(Image.open(io.BytesIO(cell.as_py()))) for cell in table["_image_"]]
    np.testing.assert_array_equal(np.stack(decoded), images)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(
        InvalidInput,
        match=r"^upload got columns of the lengths {'a': 1, 'b': 2}, expected at least one column, "
        r"and all of the same length$",
    ):
        open_source({"a": [1], "b": [1, 2]})


def test_rows_are_sent_as_lines_of_json() -> None:
    source = open_source([{"a": np.int64(1), "b": float("nan")}, {"a": 2, "b": "ü"}])

    lines = b"".join(source.pieces).decode().splitlines()
    assert source.content_type == "application/x-ndjson"
    assert [json.loads(line) for line in lines] == [{"a": 1, "b": None}, {"a": 2, "b": "ü"}]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "a object has no JSON form"),
        (float("inf"), "inf is not a number of JSON"),
    ],
)
def test_a_row_that_json_cannot_hold_is_refused(value: object, reason: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        sent([{"a": value}])

    assert str(caught.value) == f"a row cannot be written as JSON: {reason}"


@pytest.mark.parametrize("data", [3, [], [1, 2], None])
def test_data_of_another_kind_is_refused(data: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_source(data)

    assert str(caught.value) == (
        f"upload got a {type(data).__name__}, expected a path, a data frame, Arrow data, "
        "a dictionary of columns or a list of row dictionaries"
    )


def test_a_folder_is_sent_as_an_archive_made_on_the_way(tmp_path: Path) -> None:
    for name in ("cat/1.png", "dog/2.png", ".git/x", "cat/.hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(name.encode() * 400_000)

    source = open_source(tmp_path)

    pieces = list(source.pieces)
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.namelist() == ["cat/1.png", "dog/2.png"]
        assert archive.testzip() is None
        assert archive.read("dog/2.png") == b"dog/2.png" * 400_000
    assert source.file_type == "images"
    assert max(map(len, pieces)) < 1.1 * (1 << 20)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(zip_folder(tmp_path))

    assert str(caught.value) == f"the folder {str(tmp_path)!r} holds no files"


def test_an_outbox_hands_on_what_was_written_since() -> None:
    outbox = Outbox()

    outbox.write(b"ab")
    outbox.write(bytearray(b"c"))

    assert outbox.take() == b"abc"
    assert outbox.take() == b""


@pytest.fixture
def without_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pyarrow look as if it were not installed."""

    def refuse(name: str) -> ModuleType:
        raise ImportError(name)

    monkeypatch.setattr("castorch._extras.import_module", refuse)


@pytest.mark.usefixtures("without_arrow")
@pytest.mark.parametrize(
    ("data", "purpose", "extra"),
    [
        (pd.DataFrame({"a": [1]}), "uploading a data frame", "pandas"),
        (pa.table({"a": [1]}), "uploading Arrow data", "arrow"),
        ({"a": [b"x"]}, "uploading bytes", "arrow"),
    ],
    ids=["frame", "arrow", "bytes"],
)
def test_without_the_package_the_extra_is_named(data: object, purpose: str, extra: str) -> None:
    with pytest.raises(MissingExtra) as caught:
        open_source(data)

    assert str(caught.value) == (
        f"{purpose} needs the package 'pyarrow', which is not installed; "
        f"pip install 'castorch[{extra}]'"
    )


@pytest.mark.usefixtures("without_arrow")
def test_without_arrow_columns_are_sent_as_json() -> None:
    columns: Mapping[str, Any] = {"a": np.array([1.5, np.nan]), "b": ["x", "y"]}

    lines = sent(columns).decode().splitlines()

    assert [json.loads(line) for line in lines] == [{"a": 1.5, "b": "x"}, {"a": None, "b": "y"}]
