from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from actions.context import Context
from actions.deeplearn.companions import check_others
from actions.deeplearn.data_roles import TextParms
from actions.deeplearn.dealing import DealtScoring
from actions.deeplearn.processors import GpuParameter, device_name, threads_of
from actions.deeplearn.scoring import Scoring
from actions.deeplearn.sources import TableSource
from actions.params import ActionParams, LayerName, OutTable, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult
from engine.devices import memory_told
from engine.layers.base import Aliases, Synonyms

Never = Literal["NONE"]


class ScoreOptions(ActionParams):
    """How a table is scored, whatever the model comes from."""

    later: ClassVar[Mapping[str, str]] = {
        "hasOutputTermIds": "texts are inputs only",
        "initOutputEmbeddings": "texts are inputs only",
        "attributes": "columns keep their own formats",
    }

    table: TableRef
    """The data to score; it need not have the target."""
    cas_out: OutTable | None = None
    """The scored table."""
    copy_vars: Annotated[tuple[Variable, ...], Aliases("copyVar")] = ()
    """Columns to carry over; ``all`` for all of them."""
    encode_name: bool = True
    """Name columns after variables and levels (P_SpeciesSetosa), not after places (_DL_P0_)."""
    top_probs: PositiveInt | None = None
    """Also give so many of the likeliest levels."""
    layer_out: OutTable | None = None
    """A table of the outputs of layers."""
    layers: Annotated[tuple[LayerName, ...], Aliases("layerList")] = ()
    """Layers in ``layerOut``; left out: all."""
    layer_image_type: Annotated[Literal["WIDE", "JPG", "PNG"], Synonyms({"JPEG": "JPG"})] = "WIDE"
    """WIDE gives a column for every number of a layer's output, JPG and (ours) PNG an image for
    every map of it, its smallest value black and its largest white."""
    display_class_score_info: Literal["ALL", "NONE"] = "NONE"
    """Also answer with counts per level."""
    text_parms: TextParms | None = None
    """Embeddings of texts; left out: those kept with the weights."""
    buffer_size: PositiveInt | None = None
    """Rows scored at a time; it changes speed and memory only."""
    mini_batch_buf_size: PositiveInt | None = None
    """Another bound on them."""
    random_flip: Never = "NONE"
    """Images are scored as they are."""
    random_crop: Never = "NONE"
    """Images are scored as they are."""
    random_mutation: Never = "NONE"
    """Images are scored as they are."""
    gpu: GpuParameter = None
    """Graphics processor to use; left out or false: none. Without any in the machine the
    processor does the work, with a warning."""
    n_threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Threads of the work; left out: all there are."""
    log_level: Annotated[int, Field(ge=0, le=3)] = 0
    """1 and more: notes on what was scored."""


class DlScoreParams(ScoreOptions):
    """Parameters of deepLearn.dlScore."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model, declared as it was when its weights were trained."""
    init_weights: TableRef
    """Its weights: a weight table, or one with its three columns."""
    n_workers: Annotated[int, Field(ge=1, le=1024)] = 1
    """Workers that score blocks of the table, as many as there is room for (ours). More than one
    needs the Ray runner."""


@action("deepLearn.dlScore", runs="job", aliases=("deepLearn.score",))
def dl_score(ctx: Context, p: DlScoreParams) -> ActionResult:
    """Score a table with a model and its weights, in constant memory.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: the table lacks a variable of the model.
        WeightsError: the weights belong to another model.
        DataError: a row cannot be encoded.
        DeviceError: there are graphics processors, but not this one.
        MemoryExhausted: the work does not fit into memory.
        TableExists: an output exists and ``replace`` is false.
        NotSupportedError: several workers are asked for and the server has no Ray runner.
        Cancelled: the caller asked to stop; nothing is stored.
    """
    device = device_name(ctx, p.gpu)
    with threads_of(ctx, p.n_threads), memory_told(ctx.memory_bytes):
        source = TableSource(ctx, p.model_table, p.init_weights)
        kind: type[Scoring] = Scoring
        if p.n_workers > 1:
            check_others(ctx.deal, p.n_workers)
            kind = DealtScoring
        return kind(ctx, p, source, device).run()
