from collections.abc import Mapping
from dataclasses import replace as changed
from difflib import get_close_matches
from typing import Annotated

from pydantic import Field, PositiveInt

from actions.answers import made
from actions.context import Context
from actions.errors import InvalidParameters
from actions.params import ActionParams, OutTable
from actions.registry import action
from actions.results import ActionResult
from engine.graph.spec import fold
from engine.layers.base import Aliases
from engine.zoo import ZOO, Architecture

DEEPEST = 8
MOST_REGIONS = 32
MOST_MAPS = 1 << 14
WIDEST = 8.0


class BuildArchitectureParams(ActionParams):
    """Parameters of castorch.buildArchitecture."""

    model_table: Annotated[OutTable, Aliases("model")]
    """The model to make."""
    architecture: str
    """Name of the architecture, as ``castorch.listArchitectures`` tells it, in any case."""
    classes: Annotated[PositiveInt | None, Aliases("nClasses")] = None
    """Classes to tell apart; left out, like all that follow: as published."""
    size: PositiveInt | None = None
    """Height and width of images, in pixels."""
    channels: Annotated[PositiveInt | None, Aliases("nChannels")] = None
    """Channels of images: 1 grey, 3 colour."""
    width: Annotated[float, Field(gt=0.0, le=WIDEST)] | None = None
    """Factor on the maps of every layer."""
    depth: Annotated[int, Field(gt=0, le=DEEPEST)] | None = None
    """Times the image is halved."""
    groups: PositiveInt | None = None
    """Runs of maps which do not see one another."""
    filters: Annotated[int, Field(gt=0, le=MOST_MAPS)] | None = None
    """Filters of the first layer; of a text CNN those of every region size."""
    anchors: Annotated[tuple[float, ...], Field(min_length=2, max_length=MOST_REGIONS)] | None = (
        None
    )
    """Width and height of one box after the other, in cells."""
    words: PositiveInt | None = None
    """Words of a sentence."""
    features: PositiveInt | None = None
    """Values of a word's vector."""
    vocabulary: PositiveInt | None = None
    """Words that have a vector in the network; left out, words come as vectors."""
    regions: (
        Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=MOST_REGIONS)] | None
    ) = None
    """Words that filters see at once, a number for every kind of filter."""


@action("castorch.buildArchitecture")
def build_architecture(ctx: Context, p: BuildArchitectureParams) -> ActionResult:
    """Make a model of an architecture that is known by name.

    Raises:
        InvalidParameters: no architecture has that name, or it does not take a choice.
        GraphError: a choice has a value the architecture has no layers for.
        ShapeError: a layer does not fit, most often because images are too small.
        TableExists: the name is taken and ``replace`` is false.
    """
    architecture = _found(p.architecture)
    given = p.model_dump(exclude={"model_table", "architecture"}, exclude_none=True)
    _check(architecture, given)
    graph = changed(architecture.build(**given), name=fold(p.model_table.name))
    return made(ctx.models.create(p.model_table.output, graph))


def _found(name: str) -> Architecture:
    found = ZOO.get(fold(name))
    if found is None:
        near = get_close_matches(fold(name), ZOO, n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise InvalidParameters(
            f"parameter 'architecture' got {name!r}, expected a name that "
            f"castorch.listArchitectures tells{hint}",
            parameter="architecture",
            got=name,
            nearest=near,
        )
    return found


def _check(architecture: Architecture, given: Mapping[str, object]) -> None:
    for name, value in given.items():
        if name not in architecture.choices:
            taken = ", ".join(architecture.choices)
            raise InvalidParameters(
                f"parameter {name!r} got {value!r}, expected none: the architecture "
                f"{architecture.name!r} takes {taken}",
                parameter=name,
                architecture=architecture.name,
                expected=list(architecture.choices),
            )
