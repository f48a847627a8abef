from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from actions.context import Context
from actions.deeplearn.dl_score import ScoreOptions
from actions.deeplearn.processors import Gpu, GpuParameter, device_name, threads_of
from actions.deeplearn.scoring import Scoring
from actions.deeplearn.sources import FileSource
from actions.errors import InvalidParameters
from actions.model_files import open_store
from actions.params import ActionParams, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult
from engine.devices import memory_told
from engine.interchange.model_file import read_model
from engine.layers.base import Aliases


class StoreOption(ActionParams):
    """An option of a store."""

    name: Literal["USEGPU", "NDEVICES", "DEVICE0"]
    """What is set: whether a graphics processor is used, how many, and which is the first."""
    value: int | bool | str
    """A number, or its digits."""


class ScoreParams(ActionParams):
    """Parameters of astore.score."""

    later: ClassVar[Mapping[str, str]] = {
        "epcode": "stores hold a model and no program",
        "runEpcode": "stores hold a model and no program",
        "state": "'rstore' says which store it is",
    }

    table: TableRef
    """The data to score; it need not have the target."""
    rstore: TableRef
    """The store, as dlExportModel makes it."""
    cas_out: Annotated[OutTable, Aliases("casout", "out")]
    """The scored table; it also has the outputs of the layers that were chosen in the export."""
    copy_vars: Annotated[tuple[Variable, ...], Aliases("copyVar")] = ()
    """Columns to carry over; ``all`` for all of them."""
    gpu: GpuParameter = None
    """Graphics processor to use; left out or false: none. Without any in the machine the
    processor does the work, with a warning."""
    options: tuple[StoreOption, ...] = ()
    """The graphics processor once more, as stores of CAS name it; where ``gpu`` is left out."""
    n_threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads of the work; left out: all there are."""


@action("astore.score", runs="job")
def score(ctx: Context, p: ScoreParams) -> ActionResult:
    """Score a table with a store; the scores are those of dlScore, bit for bit.

    Raises:
        TableNotFound: the session sees no such table.
        InvalidFile: ``rstore`` is no store.
        DataError: the store holds no model file, or a row cannot be encoded.
        ColumnNotFound: the table lacks a variable of the model.
        DeviceError: there are graphics processors, but not this one.
        InvalidParameters: an option is no number.
        MemoryExhausted: the work does not fit into memory.
        TableExists: the scored table exists and ``replace`` is false.
        Cancelled: the caller asked to stop; nothing is stored.
    """
    gpu = p.gpu if p.gpu is not None else _gpu(p.options)
    device = device_name(ctx, gpu)
    info, pieces = open_store(ctx, p.rstore)
    source = FileSource(info, read_model(pieces))
    options = ScoreOptions(table=p.table, cas_out=p.cas_out, copy_vars=p.copy_vars, gpu=gpu)
    with threads_of(ctx, p.n_threads), memory_told():
        return Scoring(ctx, options, source, device, source.file.declaration.layers).run()


def _gpu(options: tuple[StoreOption, ...]) -> GpuParameter:
    """Return the graphics processor that options name."""
    given = {each.name: _number(each) for each in options}
    if not given.get("USEGPU"):
        return None
    first, count = given.get("DEVICE0", 0), given.get("NDEVICES", 1)
    return Gpu(devices=tuple(range(first, first + max(count, 1))))


def _number(option: StoreOption) -> int:
    text = str(int(option.value) if isinstance(option.value, bool) else option.value).strip()
    if not text.isdecimal():
        raise InvalidParameters(
            f"parameter 'options' got {option.value!r} for {option.name}, expected a number from 0",
            parameter="options",
            got=option.value,
        )
    return int(text)
