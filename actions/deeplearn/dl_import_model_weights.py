from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from actions.answers import made
from actions.context import Context
from actions.deeplearn.importing import Import
from actions.params import ActionParams, OutTable, TableRef
from actions.registry import action
from actions.results import ActionResult
from engine.devices import memory_told
from engine.layers.base import Aliases


class DlImportModelWeightsParams(ActionParams):
    """Parameters of deepLearn.dlImportModelWeights."""

    later: ClassVar[Mapping[str, str]] = {
        "dataSpecs": "the layers of the model say what they take",
        "textEmbeddingDim": "textParms of dlTrain say how texts are read",
    }

    model_table: Annotated[TableRef, Aliases("model")]
    """The model the weights are for; with ``formatType`` CASTORCH it is made if there is none."""
    model_weights: OutTable
    """The weight table to make."""
    format_type: Literal["KERAS", "ONNX", "CAFFE", "CASTORCH"] = "KERAS"
    """What the file was made of. KERAS with a file that ends in ``.onnxmodel.h5`` means ONNX;
    CASTORCH, an extension, is a model file of dlExportModel."""
    weight_file_path: str | None = None
    """The file, inside the caslib."""
    caslib: str | None = None
    """Caslib of the file; left out: the session's active one."""
    rstore: TableRef | None = None
    """With CASTORCH, in place of a file: a store; an extension."""
    label_table: TableRef | None = None
    """Names of the levels: a row per level, its number from 0 in a numeric column, its name in a
    character one; left out: the numbers are the names."""
    gpu_model: bool = False
    """Whether the model was trained on a graphics processor; it changes nothing here."""


@action("deepLearn.dlImportModelWeights", runs="job")
def dl_import_model_weights(ctx: Context, p: DlImportModelWeightsParams) -> ActionResult:
    """Make a weight table of a file: HDF5 as conversions for CAS write it, or a model file.

    The model must have just the layers with weights that the file has; names are matched without
    regard to case. A model of images gets a data schema: images in ``_image_``, levels in
    ``_label_``.

    Raises:
        InvalidParameters: there is no file, or a parameter does not go with ``formatType``; or the
            labels are not those of the levels.
        TableNotFound: the session sees no such model, store or table of labels.
        FileNotFound: the caslib has no such file.
        PathForbidden: the path leads out of the caslib.
        DataError: the file is not what it claims to be, or a tensor has another shape.
        WeightsError: model and file have other layers.
        TableExists: the weight table exists and ``replace`` is false.
        MemoryExhausted: a tensor does not fit into memory.
    """
    with memory_told():
        return made(Import(ctx, p).run())
