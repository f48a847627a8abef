"""A folder or a ZIP archive of images as a table.

One row an image, ordered by path: ``_image_`` the file as it is, ``_label_`` the name of the folder
it lies in, ``_filename_0`` the name of the file, ``_id_`` a count from 1.

Source: the columns of an image table in CAS (``image.loadImages``).
"""

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath

import pyarrow as pa
from PIL import Image

from actions.errors import InvalidFile, PathForbidden
from actions.files.rows import Rows
from engine.data.images import BROKEN, FORMATS, PIXEL_LIMIT

MEMBER_BYTES = 64 << 20
"""Largest image file."""
MOST_MEMBERS = 10_000_000
BATCH_BYTES = 4 << 20

RATIO = 200
"""How far a member of an archive may have been packed; only a bomb is packed further."""
RATIO_BYTES = 1 << 20
"""Members up to this size may be packed as far as they go."""

_FIELDS: list[tuple[str, pa.DataType]] = [
    ("_image_", pa.binary()),
    ("_label_", pa.string()),
    ("_filename_0", pa.string()),
    ("_id_", pa.int64()),
]
SCHEMA = pa.schema(_FIELDS)


@dataclass(frozen=True)
class Member:
    """An image that is to be read: its path in the folder or archive, and how to get its bytes."""

    path: PurePosixPath
    read: Callable[[], bytes]


def read_folder(folder: Path) -> Rows:
    """Open a folder of images and all folders in it; hidden files and links are left out.

    Raises:
        InvalidFile: there is no file in it, or one is no image.
    """
    found: list[Member] = []
    for parent, folders, files in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                inner = PurePosixPath(path.relative_to(folder).as_posix())
                found.append(Member(inner, lambda path=path: _limited(path)))  # type: ignore[misc]
    return _rows(found)


def read_archive(path: Path) -> Rows:
    """Open a ZIP archive of images; it is never unpacked to disk.

    Raises:
        InvalidFile: it is no archive, a member is too large, encrypted, damaged or no image, or
            there is none.
        PathForbidden: a member's path is absolute or climbs with ``..``.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError) as error:
        raise InvalidFile(f"the file cannot be read as a ZIP archive: {error}") from None
    found = [
        Member(inner, lambda member=member: _unpacked(archive, member))  # type: ignore[misc]
        for member in archive.infolist()
        if not member.is_dir() and (inner := _inner(member.filename)) is not None
    ]
    return _rows(found)


def _inner(name: str) -> PurePosixPath | None:
    """Return a member's path, None for what operating systems leave in archives."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise PathForbidden(
            f"the archive has a member {name[:80]!r}, expected paths inside it", path=name[:80]
        )
    if any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
        return None
    return path


def _rows(found: list[Member]) -> Rows:
    if not found:
        raise InvalidFile("there is no image, expected at least one")
    if len(found) > MOST_MEMBERS:
        raise InvalidFile(f"there are {len(found)} images, expected at most {MOST_MEMBERS}")
    found.sort(key=lambda member: member.path.parts)
    return Rows(SCHEMA, _batches(found))


def _batches(found: list[Member]) -> Iterator[pa.RecordBatch]:
    rows: list[tuple[bytes, str, str, int]] = []
    held = 0
    for count, member in enumerate(found, start=1):
        data = member.read()
        _check_image(data, member.path)
        rows.append((data, member.path.parent.name, member.path.name, count))
        held += len(data)
        if held >= BATCH_BYTES or count == len(found):
            columns = [
                pa.array(list(column), field.type)
                for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
            rows, held = [], 0


def _limited(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MEMBER_BYTES + 1)
    return _not_too_large(data, path.name)


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Return a member's bytes, unpacking no more than an image may have."""
    if member.file_size > max(RATIO_BYTES, RATIO * member.compress_size):
        raise InvalidFile(
            f"member {member.filename!r} of the archive is packed {member.file_size} bytes into "
            f"{member.compress_size}, expected at most {RATIO} to one",
            member=member.filename,
        )
    try:
        with archive.open(member) as file:
            data = file.read(MEMBER_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise InvalidFile(
            f"member {member.filename!r} of the archive cannot be unpacked: {error}",
            member=member.filename,
        ) from None
    return _not_too_large(data, member.filename)


def _not_too_large(data: bytes, name: str) -> bytes:
    if len(data) > MEMBER_BYTES:
        raise InvalidFile(
            f"image {name!r} is larger than expected, at most {MEMBER_BYTES} bytes",
            member=name,
            limit=MEMBER_BYTES,
        )
    return data


def _check_image(data: bytes, path: PurePosixPath) -> None:
    """Decode an image once, so that a broken one is told by its name and not by its row later."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > PIXEL_LIMIT:
                raise InvalidFile(
                    f"image {str(path)!r} has {width} x {height} pixels, expected at most "
                    f"{PIXEL_LIMIT} pixels",
                    member=str(path),
                )
            image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, *BROKEN) as error:
        raise InvalidFile(
            f"image {str(path)!r} cannot be decoded, expected one of {', '.join(FORMATS)}",
            member=str(path),
        ) from error
