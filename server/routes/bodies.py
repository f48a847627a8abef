"""Reading request bodies: JSON up to its limit, files to disk in constant memory."""

import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Never

from anyio import open_file
from fastapi import Request

from actions.errors import InvalidParameters, TooLarge
from actions.results import Json

WRITE_BYTES = 1 << 20
"""Bytes of an upload that are gathered before they are written."""


async def limited(request: Request, limit: int) -> AsyncIterator[bytes]:
    """Yield the body of a request chunk by chunk.

    Raises:
        TooLarge: the body is longer than the limit; said before reading where its length is told.
    """
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limit:
        _refuse(limit, got=int(told))
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            _refuse(limit)
        yield chunk


async def read_json_bytes(request: Request) -> bytes:
    """Return the body of a JSON request, unread as yet (a dependency of routes)."""
    limit = request.app.state.resources.settings.max_json_bytes
    return b"".join([chunk async for chunk in limited(request, limit)])


async def spool_body(request: Request, path: Path) -> int:
    """Write the body of an upload to a file and return its length in bytes."""
    limit = request.app.state.resources.settings.max_upload_bytes
    size, gathered = 0, bytearray()
    async with await open_file(path, "wb") as file:
        async for chunk in limited(request, limit):
            gathered += chunk
            if len(gathered) >= WRITE_BYTES:
                size += await file.write(gathered)
                gathered = bytearray()
        return size + await file.write(gathered)


def parse_object(body: bytes, place: str = "the body", *, lenient: bool = False) -> dict[str, Json]:
    """Return the JSON object of a body; an empty body is an empty object.

    Args:
        body: the bytes.
        place: what they are called in messages.
        lenient: take NaN as null and Infinity as the largest number, as some clients write them.

    Raises:
        InvalidParameters: the body is not JSON (the message names the position) or no object.
    """
    if not body.strip():
        return {}
    try:
        value: Json = json.loads(
            body, parse_constant=_NEAREST.get if lenient else _no_number, parse_int=_whole
        )
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # halves of pairs cannot be written
    except json.JSONDecodeError as error:
        position = f"line {error.lineno}, column {error.colno}"
        raise InvalidParameters(
            f"{place} is not JSON at {position}: {error.msg}", line=error.lineno, column=error.colno
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidParameters(
            f"{place} is not JSON at byte {error.start}: it is not UTF-8", byte=error.start
        ) from error
    except UnicodeEncodeError as error:
        raise InvalidParameters(
            f"{place} has text that is not Unicode: half of a surrogate pair alone"
        ) from error
    except RecursionError as error:
        raise InvalidParameters(f"{place} is nested too deeply to be read") from error
    except ValueError as error:
        raise InvalidParameters(f"{place} holds a number that cannot be read: {error}") from error
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise InvalidParameters(f"{place} got a JSON {_KINDS.get(kind, kind)}, expected an object")
    return value


_KINDS = {
    "list": "array",
    "str": "string",
    "int": "number",
    "float": "number",
    "bool": "boolean",
    "NoneType": "null",
}


_NEAREST = {"NaN": None, "Infinity": sys.float_info.max, "-Infinity": -sys.float_info.max}

LONGEST_WHOLE = 300
"""Digits of a whole number; more are beyond every number of the wire, in double precision too."""


def _whole(text: str) -> int:
    if len(text) > LONGEST_WHOLE:
        raise ValueError(f"it has {len(text)} digits, expected at most {LONGEST_WHOLE}")
    return int(text)


def _no_number(text: str) -> Never:
    raise ValueError(f"{text} is not a number of JSON")


def _refuse(limit: int, *, got: int | None = None) -> Never:
    length = f"{got} bytes" if got is not None else "more than that"
    raise TooLarge(f"the body got {length}, expected at most {limit} bytes", got=got, limit=limit)
