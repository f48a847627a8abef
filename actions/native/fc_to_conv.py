from functools import partial

from pydantic import PositiveInt

from actions.context import Context
from actions.native.operating import Operation, OperationParams, operate
from actions.registry import action
from actions.results import ActionResult, Json
from engine.data.schema import Schema
from engine.data.variables import ImageInput
from engine.errors import GraphError
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions
from engine.surgery.change import Change
from engine.surgery.sliding import fc_to_conv


class FcToConvParams(OperationParams):
    """Parameters of castorch.fcToConv."""

    width: PositiveInt | None = None
    """Width of the images of the new model, in pixels; that of the height when only it is given,
    else as before."""
    height: PositiveInt | None = None
    """Height of the images of the new model, in pixels; likewise."""


@action("castorch.fcToConv")
def fc_to_conv_action(ctx: Context, p: FcToConvParams) -> ActionResult:
    """Make a model whose fully connected layers are filters, so that it slides over larger images.

    A layer of n neurons on C maps of H x W pixels becomes n filters of H x W without padding, one
    that follows it filters of 1 x 1, with the same weights in another order. An output layer
    becomes a convo layer of its name with ``_scores``, the mean of its maps (``_mean``) and an
    output without weights. On images of the old size nothing changes; on larger ones the scores are
    one for every place the old model would have looked at, and the output is that of their mean.
    ``changed`` names the layers that are new.

    That a place scores as the old model scores what it cuts out is exact where the filters before
    do not pad; where they do, the old model saw zeros beyond the edges of the cutting.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        WeightsError: the weights belong to another model.
        GraphError: there is no fully connected layer behind an image, the model is not fed by one
            column of images, or another layer has weights for every pixel.
        ShapeError: a layer does not fit images of that size.
        InvalidParameters: both results have one name.
        TableExists: a name is taken and ``replace`` is false.
    """
    height, width = p.height or p.width, p.width or p.height
    size = None if height is None or width is None else (height, width)

    def change(graph: Graph, options: BuildOptions) -> Change:
        return fc_to_conv(graph, options, size)

    return operate(ctx, p, Operation("slid", change, partial(_resized, size=size)))


def _resized(schema: dict[str, Json], size: tuple[int, int] | None) -> dict[str, Json]:
    """Return a data schema for images of another size."""
    if size is None:
        return schema
    known = Schema.model_validate(schema)
    (source,) = known.inputs
    if not isinstance(source, ImageInput):
        raise GraphError(
            f"layer {source.layer!r} is fed by a variable for every pixel, expected a column of "
            "images to change their size",
            layer=source.layer,
        )
    larger = source.model_copy(update={"height": size[0], "width": size[1]})
    return known.model_copy(update={"inputs": (larger,)}).model_dump(mode="json")
