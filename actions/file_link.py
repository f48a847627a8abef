"""What is kept of a file that a table is a link to."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from actions.results import Json

KEY = "link"
"""The attribute of a table that is a link."""


@dataclass(frozen=True)
class FileLink:
    """A file whose rows are read where it lies, and how it stood when it was linked.

    Attributes:
        caslib: name of the caslib it lies in.
        path: its path inside the caslib.
        modified_ns: when it was changed last, in ns since 1970.
        reading: how it is read, as ``actions.files.links`` writes it down.
    """

    caslib: str
    path: str
    size_bytes: int
    modified_ns: int
    reading: dict[str, str | bool | None]

    @property
    def attributes(self) -> dict[str, Json]:
        """The attributes of the table."""
        fields: dict[str, Any] = asdict(self)
        return {KEY: fields}


_LINK = TypeAdapter(FileLink)


def link_of(attributes: Mapping[str, Json]) -> FileLink | None:
    """Return the link that a table is by its attributes, None for one whose rows are stored."""
    return _LINK.validate_python(attributes[KEY]) if KEY in attributes else None
