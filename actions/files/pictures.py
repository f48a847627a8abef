"""A folder or a ZIP archive of images as a table.

One row an image, ordered by path: ``_image_`` the file as it is, ``_label_`` the name of a folder
on the way to it, ``_filename_0`` the name of the file, ``_id_`` a count from 1, ``_path_`` where
the file lies, ``_type_`` what its bytes are (``jpg``, ``png``, ...), ``_size_`` how many there are,
and, if asked for, ``_width_`` and ``_height_`` of the upright image in pixels.

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
from engine.data.images import BROKEN, FORMATS, PIXEL_LIMIT, image_size, kind_of

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
    ("_path_", pa.string()),
    ("_type_", pa.string()),
    ("_size_", pa.int64()),
    ("_width_", pa.int64()),
    ("_height_", pa.int64()),
]
NO_IMAGES = frozenset({".txt", ".xml", ".json", ".csv", ".md"})
"""Endings of files that stand beside images, such as annotations."""


@dataclass(frozen=True)
class Member:
    """An image that is to be read.

    Attributes:
        path: where it lies in the folder or archive.
        place: where it lies for the caller.
        read: gives its bytes.
    """

    path: PurePosixPath
    place: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Wanted:
    """Which images are read, and what is told of them.

    Attributes:
        recurse: whether folders in the folder are read too.
        level: which folder on the way to a file is its label, counted from 1 for the first, from -1
            for the last; 0: there is no label.
        sizes: whether ``_width_`` and ``_height_`` are told.
        skip: endings of files that are left out.
    """

    recurse: bool = True
    level: int = -1
    sizes: bool = False
    skip: frozenset[str] = frozenset()

    @property
    def schema(self) -> pa.Schema:
        left_out = set() if self.sizes else {"_width_", "_height_"}
        left_out |= set() if self.level else {"_label_"}
        return pa.schema([field for field in _FIELDS if field[0] not in left_out])

    def label(self, path: PurePosixPath) -> str:
        folders = path.parent.parts
        place = self.level - 1 if self.level > 0 else len(folders) + self.level
        return folders[place] if 0 <= place < len(folders) else ""


ALL = Wanted()


def read_folder(folder: Path, wanted: Wanted = ALL) -> Rows:
    """Open a folder of images and all folders in it; hidden files and links are left out.

    Raises:
        InvalidFile: there is no image in it, or a file is none.
    """
    found: list[Member] = []
    for parent, folders, files in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if wanted.recurse and not name.startswith(".")]
        for name in files:
            path = Path(parent, name)
            is_left_out = name.startswith(".") or path.suffix.lower() in wanted.skip
            if not is_left_out and path.is_file() and not path.is_symlink():
                found.append(member_of(path, path.relative_to(folder).as_posix()))
    return rows_of(found, wanted)


def member_of(path: Path, inner: str) -> Member:
    """Return an image that is a file of its own."""
    return Member(PurePosixPath(inner), path.as_posix(), lambda: _limited(path))


def read_archive(path: Path, wanted: Wanted = ALL) -> Rows:
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
        Member(inner, str(inner), lambda member=member: _unpacked(archive, member))  # type: ignore[misc]
        for member in archive.infolist()
        if not member.is_dir()
        and (inner := _inner(member.filename)) is not None
        and inner.suffix.lower() not in wanted.skip
        and (wanted.recurse or len(inner.parts) == 1)
    ]
    return rows_of(found, wanted)


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


def rows_of(found: list[Member], wanted: Wanted) -> Rows:
    """Return the table of some images, ordered by path.

    Raises:
        InvalidFile: there are none, or too many.
    """
    if not found:
        raise InvalidFile("there is no image, expected at least one")
    if len(found) > MOST_MEMBERS:
        raise InvalidFile(f"there are {len(found)} images, expected at most {MOST_MEMBERS}")
    found.sort(key=lambda member: member.path.parts)
    return Rows(wanted.schema, _batches(found, wanted))


def _batches(found: list[Member], wanted: Wanted) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, object]] = []
    held = 0
    for count, member in enumerate(found, start=1):
        data = member.read()
        kind = _checked(data, member.path)
        height, width = image_size(data, row=count - 1) if wanted.sizes else (0, 0)
        rows.append(
            {
                "_image_": data,
                "_label_": wanted.label(member.path),
                "_filename_0": member.path.name,
                "_id_": count,
                "_path_": member.place,
                "_type_": kind,
                "_size_": len(data),
                "_width_": width,
                "_height_": height,
            }
        )
        held += len(data)
        if held >= BATCH_BYTES or count == len(found):
            yield pa.RecordBatch.from_pylist(rows, schema=wanted.schema)
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


def _checked(data: bytes, path: PurePosixPath) -> str:
    """Return the kind of an image after decoding it once.

    So a broken one is told by its name, and not by its row later.
    """
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
            return kind_of(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, *BROKEN) as error:
        raise InvalidFile(
            f"image {str(path)!r} cannot be decoded, expected one of {', '.join(FORMATS)}",
            member=str(path),
        ) from error
