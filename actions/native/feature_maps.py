from pydantic import NonNegativeInt

from actions.context import Context
from actions.errors import InvalidParameters
from actions.native.looking import (
    MOST_TILES,
    PICTURE,
    LookingParams,
    encoded_rows,
    look,
)
from actions.registry import action
from actions.results import ActionResult, Cell, Column, ResultTable
from engine.data.images import encode_picture
from engine.drawing.tiles import shades, tiled
from engine.score.explain import layer_maps


class FeatureMapsParams(LookingParams):
    """Parameters of castorch.featureMaps."""

    maps: tuple[NonNegativeInt, ...] = ()
    """Maps to draw, counted from 0; left out: all."""


@action("castorch.featureMaps")
def feature_maps(ctx: Context, p: FeatureMapsParams) -> ActionResult:
    """Draw what a layer makes of images: one picture an image, all maps of the layer side by side.

    A map is drawn in shades of grey, its least value black and its largest white; one of a single
    value is black. The table ``Maps`` tells the numbers.

    Raises:
        TableNotFound: the session sees no such table.
        GraphError: there is no such layer.
        InvalidParameters: the layer gives no maps, has fewer, or there are too many to draw.
        WeightsError: the weights belong to another model.
        DataError: an image cannot be read.
    """
    scoring, layer = look(ctx, p)
    pictures: list[tuple[Cell, ...]] = []
    numbers: list[tuple[Cell, ...]] = []
    for row, encoded in encoded_rows(scoring, p.max_rows):
        maps = layer_maps(scoring.model, encoded.inputs, layer)[0].numpy()
        chosen = p.maps or tuple(range(len(maps)))
        _check(chosen, len(maps), layer)
        sheet = tiled([shades(maps[place]) for place in chosen])
        pictures.append((encode_picture(sheet), row, layer))
        for place in chosen:
            each = maps[place].astype(float)
            numbers.append((row, place, *map(float, (each.min(), each.max(), each.mean()))))
    return ActionResult(
        tables={
            "Images": ResultTable(
                (PICTURE, Column("Row", "int64"), Column("Layer", "string")),
                tuple(pictures),
                f"Maps of Layer {layer}",
            ),
            "Maps": ResultTable(
                (
                    Column("Row", "int64"),
                    Column("Map", "int64"),
                    *(Column(name, "double") for name in ("Min", "Max", "Mean")),
                ),
                tuple(numbers),
                f"Values of the Maps of Layer {layer}",
            ),
        }
    )


def _check(chosen: tuple[int, ...], maps: int, layer: str) -> None:
    missing = [place for place in chosen if place >= maps]
    if missing:
        raise InvalidParameters(
            f"parameter 'maps' got {missing[0]}, expected 0 to {maps - 1} as layer {layer!r} has "
            f"{maps} maps",
            parameter="maps",
            got=missing[0],
        )
    if len(chosen) > MOST_TILES:
        raise InvalidParameters(
            f"layer {layer!r} has {maps} maps, expected at most {MOST_TILES} to draw; choose with "
            "'maps'",
            parameter="maps",
            got=len(chosen),
        )
