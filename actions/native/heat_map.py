import numpy as np

from actions.context import Context
from actions.errors import InvalidParameters
from actions.fields import nearest
from actions.native.looking import PICTURE, LookingParams, encoded_rows, look, seen
from actions.registry import action
from actions.results import ActionResult, Cell, Column, ResultTable
from engine.data.images import encode_picture
from engine.data.schema import Schema
from engine.data.variables import NominalTarget
from engine.drawing.tiles import overlay, tiled
from engine.score.explain import heat_maps


class HeatMapParams(LookingParams):
    """Parameters of castorch.heatMap."""

    level: str | None = None
    """The level of the target that is asked about; left out: the likeliest of each image."""


@action("castorch.heatMap")
def heat_map(ctx: Context, p: HeatMapParams) -> ActionResult:
    """Draw where in images a prediction comes from: the image, and beside it the image with heat.

    The maps of a layer are added, each weighted by how much the score of the level grows with it,
    and what is negative is cut off (Grad-CAM). Bright is what speaks most for the level; an image
    that stays dark has nothing that does. The table ``Heat`` tells the numbers, place by place.

    Raises:
        TableNotFound: the session sees no such table.
        GraphError: there is no such layer.
        InvalidParameters: the layer gives no maps, or the model has no such level.
        LayerError: the output does not depend on the layer.
        WeightsError: the weights belong to another model.
        DataError: an image cannot be read.

    Source: Selvaraju et al., "Grad-CAM: visual explanations from deep networks via gradient-based
    localization", 2017.
    """
    scoring, layer = look(ctx, p)
    target = _target(scoring.schema)
    level = None if p.level is None else _place(target, p.level)
    pictures: list[tuple[Cell, ...]] = []
    numbers: list[tuple[Cell, ...]] = []
    for row, encoded in encoded_rows(scoring, p.max_rows):
        found = heat_maps(scoring.model, encoded.inputs, layer, target.layer, level)
        values = found.maps[0].double().numpy()
        picture = seen(scoring, encoded)
        sheet = tiled([picture, overlay(picture, values)], columns=2)
        name = target.levels[int(found.levels[0])]
        pictures.append((encode_picture(sheet), row, layer, name, float(found.probabilities[0])))
        numbers += [(row, y, x, float(value)) for (y, x), value in np.ndenumerate(values)]
    return ActionResult(
        tables={
            "Images": ResultTable(
                (
                    PICTURE,
                    Column("Row", "int64"),
                    Column("Layer", "string"),
                    Column("Level", "string"),
                    Column("Probability", "double"),
                ),
                tuple(pictures),
                f"Heat of Layer {layer}",
            ),
            "Heat": ResultTable(
                (*(Column(name, "int64") for name in ("Row", "Y", "X")), Column("Heat", "double")),
                tuple(numbers),
                f"Heat of Layer {layer}",
            ),
        }
    )


def _target(schema: Schema) -> NominalTarget:
    for target in schema.targets:
        if isinstance(target, NominalTarget):
            return target
    raise InvalidParameters(
        "parameter 'modelTable' got a model without a nominal target, expected one that tells "
        "levels apart",
        parameter="modelTable",
    )


def _place(target: NominalTarget, level: str) -> int:
    if level not in target.levels:
        near = nearest(level, target.levels)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise InvalidParameters(
            f"parameter 'level' got {level!r}, expected a level of {target.name!r}: "
            f"{', '.join(target.levels[:20])}{hint}",
            parameter="level",
            got=level,
            nearest=near,
        )
    return target.levels.index(level)
