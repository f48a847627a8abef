"""Headers, against the safetensors library and by hand."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

import engine.interchange.safetensors_file
from engine.errors import DataError
from engine.interchange.pieces import Pieces
from engine.interchange.safetensors_file import Entry, Header, read_header, write_header

A: dict[str, Any] = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
B: dict[str, Any] = {"dtype": "F32", "shape": [1, 3], "data_offsets": [8, 20]}


def read(text: bytes, rest: int = 0) -> Header:
    blob = len(text).to_bytes(8, "little") + text + bytes(rest)
    return read_header(Pieces("the file", len(blob), [blob]))


def header(entries: Mapping[str, Any], rest: int = 20) -> Header:
    return read(json.dumps(entries).encode(), rest)


def test_what_is_written_the_library_reads() -> None:
    first, second = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7], np.float32)
    head = write_header({"note": "süß"}, [("b.w", (2, 3)), ("a", (1,))])

    found = load(head + first.tobytes() + second.tobytes())

    assert len(head) % 8 == 0
    assert found["b.w"].tolist() == first.tolist()
    assert found["a"].tolist() == [7]


def test_what_the_library_writes_is_read() -> None:
    arrays = {"z": np.ones((2, 2), np.float32), "a": np.zeros(3, np.float32)}
    blob = save(arrays, {"note": "kept"})

    found = read_header(Pieces("the file", len(blob), [blob]))

    assert found.metadata == {"note": "kept"}
    assert {entry.name: entry.shape for entry in found.entries} == {"z": (2, 2), "a": (3,)}


def test_arrays_come_in_the_order_they_lie_in() -> None:
    found = header({"b": B, "a": A})

    assert found.entries == (Entry("a", (2,), 0), Entry("b", (1, 3), 8))


BAD: tuple[tuple[dict[str, Any], str], ...] = (
    (
        {"a": {**A, "dtype": "F16"}},
        "the file holds array 'a' as 'F16', expected 'F32'",
    ),
    (
        {"a": {"dtype": "F32", "shape": [2]}},
        "the file is no safetensors file: array 'a' has no dtype, shape and data_offsets",
    ),
    (
        {"a": {**A, "shape": ["2"]}},
        "the file is no safetensors file: array 'a' has no dtype, shape and data_offsets",
    ),
    (
        {"a": [1]},
        "the file is no safetensors file: array 'a' has no dtype, shape and data_offsets",
    ),
    (
        {"a": {**A, "shape": [1 << 62, 1 << 62]}},
        (
            "the file holds array 'a' of shape (4611686018427387904, 4611686018427387904) in bytes "
            "0 to 8, expected 85070591730234615865843651857942052864 bytes"
        ),
    ),
    (
        {"a": {**A, "shape": [-1, -2]}},
        "the file holds array 'a' of shape (-1, -2) in bytes 0 to 8, expected 8 bytes",
    ),
    (
        {"a": A, "b": {**A}},
        "the file holds array 'b' from byte 0 on, expected 8: arrays lie one after the other",
    ),
    (
        {"a": A},
        "the file has 20 bytes of arrays, expected 8",
    ),
    (
        {"__metadata__": {"x": 1}},
        "the file is no safetensors file: __metadata__ holds other values than texts",
    ),
    (
        {"__metadata__": "x"},
        "the file is no safetensors file: __metadata__ holds other values than texts",
    ),
)


@pytest.mark.parametrize(("entries", "message"), BAD)
def test_a_header_that_lies_is_refused(entries: Mapping[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        header(entries)

    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{", "its header is no JSON"),
        (b"\xff\xfe", "its header is no JSON"),
        (b"[" * 100_000, "its header is no JSON"),
        (b"[]", "its header is no JSON object"),
    ],
)
def test_a_header_that_is_no_object_is_refused(text: bytes, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        read(text)

    assert caught.value.message == f"the file is no safetensors file: {reason}"


def test_a_header_longer_than_the_file_is_refused_before_memory_is_asked_for() -> None:
    blob = (1 << 60).to_bytes(8, "little") + b"{}"

    with pytest.raises(DataError) as caught:
        read_header(Pieces("the file", len(blob), [blob]))

    assert caught.value.message == (
        "the file is no safetensors file: its header would have 1152921504606846976 bytes, "
        "expected 1 to 2"
    )


def test_a_header_nobody_would_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.interchange.safetensors_file, "MOST_HEADER_BYTES", 16)

    with pytest.raises(DataError) as caught:
        write_header({}, [])

    assert caught.value.message == (
        "the header of the model file would have 24 bytes, expected at most 16"
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(blob: bytes) -> None:
    with suppress(DataError):
        read_header(Pieces("the file", len(blob), [blob]))
