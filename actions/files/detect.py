"""Which reader a file is for, by what was said of it, by its first bytes, or by its name."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from actions.errors import InvalidFile
from actions.files.columnar import ARROW_MAGIC, PARQUET_MAGIC, read_arrow, read_parquet
from actions.files.csv_text import CsvOptions, read_csv
from actions.files.declared import ImportVars
from actions.files.json_rows import read_json
from actions.files.model import read_model_file
from actions.files.pictures import read_archive, read_folder
from actions.files.rows import Rows
from actions.files.sashdat import MAGIC as SASHDAT_MAGIC
from actions.files.sashdat import read_sashdat
from actions.params import ActionParams
from engine.layers.base import Aliases, Synonyms

ZIP_MAGIC = b"PK\x03\x04"
STREAM_MAGIC = b"\xff\xff\xff\xff"
"""How an Arrow IPC stream begins."""

FileType = Literal["AUTO", "CSV", "PARQUET", "ARROW", "JSON", "IMAGES", "SASHDAT", "MODEL"]

_ENDINGS: dict[str, FileType] = {
    ".csv": "CSV",
    ".tsv": "CSV",
    ".txt": "CSV",
    ".parquet": "PARQUET",
    ".arrow": "ARROW",
    ".arrows": "ARROW",
    ".feather": "ARROW",
    ".json": "JSON",
    ".jsonl": "JSON",
    ".ndjson": "JSON",
    ".zip": "IMAGES",
    ".sashdat": "SASHDAT",
    ".safetensors": "MODEL",
}


class ImportOptions(ActionParams):
    """How a file is read."""

    later: ClassVar[Mapping[str, str]] = {
        "stripBlanks": "text is kept as it is",
        "sheet": "workbooks are not read",
        "range": "workbooks are not read",
    }

    file_type: Annotated[
        FileType,
        Synonyms(
            {"DELIMITED": "CSV", "IPC": "ARROW", "FEATHER": "ARROW", "IMAGE": "IMAGES"}
            | {"ZIP": "IMAGES", "NDJSON": "JSON", "JSONL": "JSON", "HDAT": "SASHDAT"}
        ),
    ] = "AUTO"
    """Kind of file; AUTO tells it by its first bytes and its name."""
    get_names: Annotated[bool, Aliases("header")] = True
    """Whether the first row of delimited text holds the names of the columns."""
    delimiter: str | None = None
    """One character between fields; left out: a tab in .tsv files, else a comma."""
    encoding: Annotated[
        Literal["UTF-8", "LATIN-1"],
        Synonyms({"UTF8": "UTF-8", "LATIN1": "LATIN-1", "ISO-8859-1": "LATIN-1"}),
    ] = "UTF-8"
    """Encoding of delimited text."""
    vars: ImportVars = ()
    """Types of columns of delimited text, by their names or in their order; of those left out the
    type is found in the values."""
    guess_rows: int | None = None
    """Accepted; types are found in all rows."""
    var_chars: bool = True
    """Accepted; text always has the length it has."""
    locale: str | None = None
    """Accepted; numbers have a decimal point."""


def open_rows(path: Path, options: ImportOptions, name: str = "") -> Rows:
    """Open a file, or a folder of images.

    Args:
        path: where it lies.
        options: how it is read.
        name: its name, where the path does not end in it.

    Raises:
        InvalidFile: it is not what it claims to be.
        PathForbidden: an archive has a member whose path leaves it.
    """
    if path.is_dir():
        return read_folder(path)
    settled = settle(path, options, name)
    match settled.file_type:
        case "PARQUET":
            return read_parquet(path)
        case "ARROW":
            return read_arrow(path)
        case "JSON":
            return read_json(path)
        case "IMAGES":
            return read_archive(path)
        case "SASHDAT":
            return read_sashdat(path)
        case "MODEL":
            return read_model_file(path)
        case _:
            return read_csv(path, csv_options(settled))


def settle(path: Path, options: ImportOptions, name: str = "") -> ImportOptions:
    """Return the options with the kind and the delimiter that hold where none was given.

    Args:
        path: where the file lies.
        options: how it is read.
        name: its name, where the path does not end in it.
    """
    ending = Path(name or path.name).suffix.lower()
    kind = options.file_type if options.file_type != "AUTO" else _detected(path, ending)
    delimiter = options.delimiter or ("\t" if ending == ".tsv" else ",")
    return options.model_copy(update={"file_type": kind, "delimiter": delimiter})


def csv_options(options: ImportOptions) -> CsvOptions:
    """Return how delimited text is written, by settled options.

    Raises:
        InvalidFile: the delimiter cannot be one.
    """
    delimiter = options.delimiter or ","
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise InvalidFile(
            f"delimiter got {delimiter!r}, expected one ASCII character that is no quote and no "
            "line end",
            delimiter=delimiter,
        )
    return CsvOptions(
        delimiter=delimiter,
        encoding=options.encoding.lower(),
        get_names=options.get_names,
        vars=options.vars,
    )


def _detected(path: Path, ending: str) -> FileType:
    with path.open("rb") as file:
        head = file.read(64)
    if head.startswith(PARQUET_MAGIC):
        return "PARQUET"
    if head.startswith((ARROW_MAGIC, STREAM_MAGIC)):
        return "ARROW"
    if head.startswith(SASHDAT_MAGIC):
        return "SASHDAT"
    if head.startswith(ZIP_MAGIC):
        return "IMAGES"
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    return "JSON" if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{") else "CSV"
