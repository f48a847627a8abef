from typing import Annotated

from pydantic import NonNegativeInt

from actions.context import Context
from actions.deeplearn.schemas import known_graph
from actions.deeplearn.sources import TableSource
from actions.errors import InvalidParameters
from actions.native.looking import MOST_TILES, PICTURE
from actions.params import ActionParams, LayerName, TableRef
from actions.registry import action
from actions.results import ActionResult, Column, ResultTable
from engine.compile.lower import compile_graph
from engine.data.images import encode_picture
from engine.drawing.tiles import signed, tiled
from engine.layers.base import Aliases
from engine.layers.input import Input
from engine.score.explain import layer_filters

COLOURS = 3


class FiltersParams(ActionParams):
    """Parameters of castorch.filters."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model."""
    init_weights: TableRef
    """Its weights."""
    layer: LayerName
    """The convolution."""
    maps: tuple[NonNegativeInt, ...] = ()
    """Filters to draw, counted from 0; left out: all."""


@action("castorch.filters")
def filters(ctx: Context, p: FiltersParams) -> ActionResult:
    """Draw the filters of a convolution in one picture.

    A weight of 0 is in the middle between black and white, the largest of the layer, of either
    sign, is white or black. A filter that looks at colours is drawn in them; any other has a row of
    its own, a small picture for every map it looks at.

    Raises:
        TableNotFound: the session sees no such table.
        GraphError: there is no such layer.
        LayerError: the layer is no convolution.
        InvalidParameters: it has fewer filters, or there is too much to draw.
        WeightsError: the weights belong to another model.
    """
    graph, options = known_graph(ctx, p.model_table, p.init_weights)
    node = graph.node(p.layer)
    model = compile_graph(graph, options)
    TableSource(ctx, p.model_table, p.init_weights).load(model)
    weights = layer_filters(model, node.name).double().numpy()
    chosen = p.maps or tuple(range(len(weights)))
    missing = [place for place in chosen if place >= len(weights)]
    if missing:
        raise InvalidParameters(
            f"parameter 'maps' got {missing[0]}, expected 0 to {len(weights) - 1} as layer "
            f"{node.name!r} has {len(weights)} filters",
            parameter="maps",
            got=missing[0],
        )
    source = graph.node(node.sources[0]).layer
    is_colour = isinstance(source, Input) and weights.shape[1] == COLOURS
    tiles = len(chosen) * (1 if is_colour else weights.shape[1])
    if tiles > MOST_TILES:
        raise InvalidParameters(
            f"layer {node.name!r} has {tiles} pictures of filters, expected at most {MOST_TILES}; "
            "choose with 'maps'",
            parameter="maps",
            got=tiles,
        )
    drawn = signed(weights, float(abs(weights).max()))
    if is_colour:
        assert isinstance(source, Input)  # noqa: S101 - just asked
        order = slice(None, None, -1) if source.channel_order == "BGR" else slice(None)
        sheet = tiled([drawn[place][order].transpose(1, 2, 0) for place in chosen])
    else:
        flat = [each for place in chosen for each in drawn[place]]
        sheet = tiled(flat, weights.shape[1] if weights.shape[1] > 1 else None)
    table = ResultTable(
        (PICTURE, Column("Layer", "string"), Column("Filters", "int64")),
        ((encode_picture(sheet), node.name, len(chosen)),),
        f"Filters of Layer {node.name}",
    )
    return ActionResult(tables={"Images": table})
