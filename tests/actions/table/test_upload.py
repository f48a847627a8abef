import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from actions import run_action
from actions.context import Context
from actions.errors import InvalidFile, InvalidParameters, PathForbidden, TableExists
from actions.memory import MemoryStores
from actions.results import ActionResult
from engine.errors import EngineError
from tests.actions.house import nothing_changes, picture, rows_of

Upload = Callable[..., ActionResult]


@pytest.fixture
def upload(ctx: Context, tmp_path: Path) -> Upload:
    """Upload bytes as table ``t``."""

    def send(data: bytes, /, cas_out: Any = "t", **options: Any) -> ActionResult:
        file = tmp_path / "body"
        file.write_bytes(data)
        raw = {"casOut": cas_out, "importOptions": options}
        return run_action(replace(ctx, upload=file), "table.upload", raw)

    return send


def image_row(data: bytes, path: str, count: int) -> dict[str, Any]:
    """Return the row of a member of an archive of images."""
    label, name = path.split("/")
    return {
        "_image_": data,
        "_label_": label,
        "_filename_0": name,
        "_id_": count,
        "_path_": path,
        "_type_": "png",
        "_size_": len(data),
    }


def test_the_types_of_csv_columns_hold_over_the_whole_file(upload: Upload, ctx: Context) -> None:
    answer = upload(b"i,d,s,late,empty\n1,1,a,1,\n2,2.5,b,2,\n,,,x,\n")

    assert rows_of(ctx, "t") == [
        {"i": 1, "d": 1.0, "s": "a", "late": "1", "empty": None},
        {"i": 2, "d": 2.5, "s": "b", "late": "2", "empty": None},
        {"i": None, "d": None, "s": None, "late": "x", "empty": None},
    ]
    assert answer.tables["OutputCasTables"].records() == [
        {"casLib": "CASUSER", "Name": "t", "Rows": 3, "Columns": 5}
    ]


def test_a_column_that_turns_to_text_after_millions_of_characters_is_text(
    upload: Upload, ctx: Context
) -> None:
    upload(b"a\n" + b"1\n" * 2_200_000 + b"x\n")  # longer than one block of 4 MiB

    rows = rows_of(ctx, "t")
    assert (len(rows), rows[0]["a"], rows[-1]["a"]) == (2_200_001, "1", "x")


def test_csv_without_names_gets_var1_var2(upload: Upload, ctx: Context) -> None:
    upload(b"1;x\n2;y\n", getNames=False, delimiter=";")

    assert rows_of(ctx, "t") == [{"Var1": 1, "Var2": "x"}, {"Var1": 2, "Var2": "y"}]


def test_a_column_without_a_name_is_called_by_its_place(upload: Upload, ctx: Context) -> None:
    upload(b",a\n0,5\n")

    assert rows_of(ctx, "t") == [{"Var1": 0, "a": 5}]


def test_csv_may_quote_delimiters_quotes_and_line_ends(upload: Upload, ctx: Context) -> None:
    upload(b'\xef\xbb\xbfa,b\n"x,\ny","say ""hi"""\n')

    assert rows_of(ctx, "t") == [{"a": "x,\ny", "b": 'say "hi"'}]


def test_latin_1_is_read_when_it_is_said(upload: Upload, ctx: Context) -> None:
    upload("a\nM\u00fcller\n".encode("latin-1"), encoding="latin1")

    assert rows_of(ctx, "t") == [{"a": "M\u00fcller"}]


def test_a_whole_number_beyond_64_bits_makes_its_column_double(
    upload: Upload, ctx: Context
) -> None:
    upload(b"a\n9223372036854775808\n1\n")

    assert rows_of(ctx, "t") == [{"a": 2.0**63}, {"a": 1.0}]


def test_parquet_is_known_by_its_first_bytes(upload: Upload, ctx: Context) -> None:
    out = io.BytesIO()
    table = pa.table(
        {"x": pa.array([1, 2], pa.int32()), "c": pa.array(["a", "a"]).dictionary_encode()}
    )
    parquet.write_table(table, out)

    upload(out.getvalue())

    assert rows_of(ctx, "t") == [{"x": 1, "c": "a"}, {"x": 2, "c": "a"}]


@pytest.mark.parametrize("writer", [ipc.new_stream, ipc.new_file])
def test_arrow_streams_and_files_are_known_by_their_first_bytes(
    upload: Upload, ctx: Context, writer: Callable[..., Any]
) -> None:
    out = io.BytesIO()
    table = pa.table({"x": pa.array(["a", None], pa.large_string()), "n": pa.nulls(2)})
    with writer(out, table.schema) as sink:
        sink.write_table(table)

    upload(out.getvalue())

    assert rows_of(ctx, "t") == [{"x": "a", "n": None}, {"x": None, "n": None}]


def test_whole_numbers_of_json_beyond_int64_are_doubles(upload: Upload, ctx: Context) -> None:
    upload(b'[{"a": 9223372036854775807}, {"a": 1' + b"0" * 5000 + b"}]", file_type="JSON")

    assert rows_of(ctx, "t") == [{"a": 2.0**63}, {"a": float("inf")}]


JSON_ROWS = [{"a": 1, "b": "x", "c": True}, {"a": 2.5, "b": 3, "d": None}]


@pytest.mark.parametrize(
    "text",
    [json.dumps(JSON_ROWS), json.dumps(JSON_ROWS, indent=2), "\n".join(map(json.dumps, JSON_ROWS))],
)
def test_json_rows_come_as_an_array_or_line_by_line(
    upload: Upload, ctx: Context, text: str
) -> None:
    upload(text.encode())

    assert rows_of(ctx, "t") == [
        {"a": 1.0, "b": "x", "c": True, "d": None},
        {"a": 2.5, "b": "3", "c": None, "d": None},
    ]


def test_json_rows_longer_than_what_is_read_at_once_are_whole(upload: Upload, ctx: Context) -> None:
    rows = [{"a": "x" * 150_000, "b": place} for place in range(3)]

    upload(json.dumps(rows).encode())

    assert rows_of(ctx, "t") == rows


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_zipped_images_become_rows_in_the_order_of_their_paths(
    upload: Upload, ctx: Context
) -> None:
    dark, light = picture(np.zeros((2, 2))), picture(np.full((2, 2), 255))

    upload(
        zipped(
            {
                "dogs/b.png": light,
                "dogs/a.png": dark,
                "cats/c.png": dark,
                "__MACOSX/cats/c.png": b"",
                "cats/.DS_Store": b"",
            }
        )
    )

    assert rows_of(ctx, "t") == [
        image_row(dark, "cats/c.png", 1),
        image_row(dark, "dogs/a.png", 2),
        image_row(light, "dogs/b.png", 3),
    ]


BAD: list[tuple[bytes, dict[str, Any], type[EngineError], str]] = [
    (b"", {}, InvalidFile, r"^the file is empty, expected delimited text$"),
    (
        b"a,b\n1,2\n3\n",
        {},
        InvalidFile,
        (
            r"^the file cannot be read as utf-8 text delimited by ',': CSV parse error: Row #3: "
            r"Expected 2 columns, got 1: 3$"
        ),
    ),
    (
        b"a\n\xff\n",
        {},
        InvalidFile,
        r"^the file cannot be read as utf-8 text delimited by ',': In CSV column #0: .*UTF8",
    ),
    (
        b"a,A\n1,2\n",
        {},
        InvalidFile,
        r"^columns 1 and 2 of the file are both named 'A', expected different names$",
    ),
    (
        b"a\n1\n",
        {"delimiter": ";;"},
        InvalidFile,
        r"^delimiter got ';;', expected one ASCII character that is no quote and no line end$",
    ),
    (
        b"a\n1\n",
        {"fileType": "xls"},
        InvalidParameters,
        (
            r"^parameter 'importOptions.fileType' got 'xls', expected one of AUTO, CSV, PARQUET, "
            r"ARROW, JSON, IMAGES, SASHDAT, MODEL$"
        ),
    ),
    (b"PAR1 is not enough", {}, InvalidFile, r"^the file cannot be read as Parquet: "),
    (b"ARROW1 neither", {}, InvalidFile, r"^the file cannot be read as Arrow: "),
    (b"\xff\xff\xff\xff\x10", {}, InvalidFile, r"^the file cannot be read as Arrow: "),
    (b'[{"a": 1}', {}, InvalidFile, r"^the file ends inside an array, expected '\]'$"),
    (b'[{"a": 1}, 3]', {}, InvalidFile, r"^row 2 of the file is int, expected an object$"),
    (
        b'{"a": [1]}',
        {},
        InvalidFile,
        r"^row 1 of the file has an array in 'a', expected text, a number, true, false or null$",
    ),
    (
        b'{"a": {}}',
        {},
        InvalidFile,
        r"^row 1 of the file has an object in 'a', expected text, a number, true, false or null$",
    ),
    (b'{"a": 1', {}, InvalidFile, r"^row 1 of the file is no JSON object: Expecting"),
    (
        b'{"a": Infinity}',
        {},
        InvalidFile,
        r"^the file holds Infinity, expected finite numbers$",
    ),
    (
        b'{"a": "\xff"}',
        {},
        InvalidFile,
        r"^the file is not UTF-8 text, expected JSON rows$",
    ),
    (b"[]", {}, InvalidFile, r"^the file has no columns, expected at least one$"),
    (
        b'[{"a": 1} {"a": 2}]',
        {},
        InvalidFile,
        r"^the file has '\{' behind row 1 of its array, expected ',' or '\]'$",
    ),
    (
        b'[{"a": 1}, ]',
        {},
        InvalidFile,
        r"^the file has '\]' behind row 1 of its array, expected a row$",
    ),
    (b'[{"a": 1},, {"a": 2}]', {}, InvalidFile, r"^row 2 of the file is no JSON object: "),
    (
        b'[{"a": 1}] {"a": 2}',
        {},
        InvalidFile,
        r"^the file goes on behind the end of its array, expected nothing there$",
    ),
    (
        rb'{"a": "\ud800"}',
        {},
        InvalidFile,
        r"^the file has text in 'a' that is not Unicode: half of a surrogate pair alone$",
    ),
    (
        b"a\n1\n",
        {"delimiter": "\u00e9"},
        InvalidFile,
        r"^delimiter got '\u00e9', expected one ASCII character that is no quote and no line end$",
    ),
    (
        b"a\n1\n" + b"x" * (9 << 20),
        {},
        InvalidFile,
        (
            r"^the file cannot be read as utf-8 text delimited by ',': a row is longer than "
            r"4194304 bytes, or a quote is never closed$"
        ),
    ),
    (
        b"a," * 50_000 + b"b\n",
        {},
        InvalidFile,
        r"^the file has 50001 columns, expected at most 50000$",
    ),
    (
        b"PK\x03\x04 no archive",
        {},
        InvalidFile,
        r"^the file cannot be read as a ZIP archive: File is not a zip file$",
    ),
    (
        zipped({"../../etc/x.png": b""}),
        {},
        PathForbidden,
        r"^the archive has a member '../../etc/x.png', expected paths inside it$",
    ),
    (
        zipped({"/x.png": b""}),
        {},
        PathForbidden,
        r"^the archive has a member '/x.png', expected paths inside it$",
    ),
    (
        zipped({"a/x.png": b"no image"}),
        {},
        InvalidFile,
        (
            r"^image 'a/x.png' cannot be decoded, expected one of PNG, JPEG, BMP, GIF, TIFF, "
            r"WEBP, PPM$"
        ),
    ),
    (
        zipped({"a/x.png": picture(np.arange(4096).reshape(64, 64) % 251)[:200]}),
        {},
        InvalidFile,
        r"^image 'a/x.png' cannot be decoded, expected one of PNG",
    ),
    (
        zipped({"a/bomb.png": bytes(8 << 20)}),
        {},
        InvalidFile,
        (
            r"^member 'a/bomb.png' of the archive is packed 8388608 bytes into \d+, expected at "
            r"most 200 to one$"
        ),
    ),
    (zipped({}), {"fileType": "zip"}, InvalidFile, r"^there is no image, expected at least one$"),
]


@pytest.mark.parametrize(("data", "options", "error", "message"), BAD)
def test_a_file_that_is_wrong_leaves_nothing_behind(
    upload: Upload,
    stores: MemoryStores,
    data: bytes,
    options: dict[str, Any],
    error: type[EngineError],
    message: str,
) -> None:
    with nothing_changes(stores), pytest.raises(error, match=message):
        upload(data, **options)


def test_a_nested_column_is_refused_by_name(upload: Upload) -> None:
    out = io.BytesIO()
    parquet.write_table(pa.table({"x": [[1], [2]]}), out)

    message = (
        r"^column 'x' of the file has type list<element: int64>, expected numbers, text, "
        r"booleans, dates, times or bytes$"
    )
    with pytest.raises(InvalidFile, match=message):
        upload(out.getvalue())


def test_a_table_is_not_replaced_unless_asked(upload: Upload, ctx: Context) -> None:
    upload(b"a\n1\n")
    with pytest.raises(TableExists, match=r"^the table 't' exists in caslib 'CASUSER'; "):
        upload(b"a\n2\n")

    upload(b"a\n3\n", cas_out={"name": "t", "replace": True})

    assert rows_of(ctx, "t") == [{"a": 3}]


def test_an_upload_without_a_file_is_refused(ctx: Context) -> None:
    message = r"^table.upload got no file, expected one as the body of the request$"
    with pytest.raises(InvalidParameters, match=message):
        run_action(ctx, "table.upload", {"casOut": "t"})
