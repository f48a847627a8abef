"""What the actions that draw what a network sees have in common."""

from collections.abc import Iterator
from itertools import chain
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from actions.columns import engine_columns
from actions.context import Context
from actions.deeplearn.dl_score import ScoreOptions
from actions.deeplearn.scoring import Scoring
from actions.deeplearn.sources import TableSource
from actions.errors import InvalidParameters
from actions.params import ActionParams, LayerName, TableRef
from actions.results import Column
from engine.data.columns import row_count
from engine.data.encode import Encoded, Encoder
from engine.data.variables import ImageInput
from engine.errors import Cancelled
from engine.graph.infer import infer_shapes
from engine.layers.base import Aliases
from engine.score.explain import image_layers
from engine.shapes import IMAGE_AXES

PICTURE = Column("Image", "binary", media_type="image/png")
MOST_TILES = 4096
"""Small pictures in one."""


class LookingParams(ActionParams):
    """Parameters of the actions that look at images with a model."""

    model_table: Annotated[TableRef, Aliases("model")]
    """The model."""
    init_weights: TableRef
    """Its weights."""
    table: TableRef
    """The images to look at; ``where`` and ``orderBy`` choose which come first."""
    layer: LayerName | None = None
    """The layer; left out: the last one whose output is maps."""
    max_rows: Annotated[int, Field(ge=1, le=100)] = 1
    """Most images to look at."""


def look(ctx: Context, p: LookingParams) -> tuple[Scoring, str]:
    """Return a model with its weights, ready for images, and the layer that is looked at.

    Raises:
        InvalidParameters: the layer gives no maps.
        GraphError: there is no such layer.
    """
    source = TableSource(ctx, p.model_table, p.init_weights)
    graph = source.declared
    options = Scoring(ctx, ScoreOptions(table=p.table), source, "cpu").schema.options
    if p.layer is None:
        maps = image_layers(graph, options)
        layer = maps[-1] if maps else ""
    else:
        layer = graph.node(p.layer).name
        shape = infer_shapes(graph, options)[layer]
        layer = layer if shape is not None and len(shape) == IMAGE_AXES else ""
    if not layer:
        raise InvalidParameters(
            f"parameter 'layer' got {p.layer!r}, expected a layer of {graph.name!r} whose output "
            "is maps",
            parameter="layer",
            model=graph.name,
        )
    scoring = Scoring(ctx, ScoreOptions(table=p.table), source, "cpu", within=(layer,))
    scoring.model.eval()
    return scoring, layer


def encoded_rows(scoring: Scoring, most: int) -> Iterator[tuple[int, Encoded]]:
    """Yield the first rows that can be used, one by one, each with its number from 1.

    Raises:
        DataError: a row cannot be encoded.
    """
    encoder = Encoder(scoring.schema, "score")
    number = given = 0
    for columns in chain.from_iterable(engine_columns([b]) for b in scoring.table.batches()):
        for place in range(row_count(columns)):
            if given == most:
                return
            if scoring.ctx.cancelled():
                raise Cancelled("the work was cancelled while pictures were drawn")
            one = {name: column[place : place + 1] for name, column in columns.items()}
            encoded = encoder.encode(one, number)
            number += 1
            if encoded.rows:
                given += 1
                yield number, encoded


def seen(scoring: Scoring, encoded: Encoded) -> npt.NDArray[np.uint8]:
    """Return the image of a row as the network sees it, (H, W, 3), red first.

    Raises:
        InvalidParameters: the model sees no images.
    """
    for source in scoring.schema.inputs:
        if isinstance(source, ImageInput):
            pixels = encoded.inputs[source.layer][0].numpy()
            if len(pixels) == 1:
                pixels = pixels.repeat(3, axis=0)
            elif source.channel_order == "BGR":
                pixels = pixels[::-1]
            return np.ascontiguousarray(pixels.transpose(1, 2, 0)).astype(np.uint8)
    raise InvalidParameters(
        f"the model {scoring.declared.name!r} reads no column of images, expected one that does",
        parameter="modelTable",
        model=scoring.declared.name,
    )
