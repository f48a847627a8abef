"""The variables of a schema: what a column feeds, and how its cells are encoded."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.data.images import ChannelOrder
from engine.layers.base import Target
from engine.shapes import Shape


class Frozen(BaseModel):
    """Base of the schema's parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Frozen):
    """A numeric variable; its encoded value is (value - center) / scale."""

    kind: Literal["interval"] = "interval"
    name: str
    missing: float | None
    """Replacement of a missing value in the variable's own units; None drops the row."""
    center: float = 0.0
    scale: float = 1.0

    @property
    def width(self) -> int:
        """Columns of the encoded vector it takes."""
        return 1


class Nominal(Frozen):
    """A variable of levels; its encoded value is one-hot, all zero for a level not seen."""

    kind: Literal["nominal"] = "nominal"
    name: str
    levels: tuple[str, ...]
    has_missing_level: bool = False
    """Whether missing was seen in training; it is then the last level."""

    @property
    def width(self) -> int:
        """Columns of the encoded vector it takes."""
        return len(self.levels) + self.has_missing_level


Variable = Annotated[Interval | Nominal, Field(discriminator="kind")]


class ImageInput(Frozen):
    """An input layer fed by a column of encoded pictures."""

    kind: Literal["image"] = "image"
    layer: str
    column: str
    channels: int
    height: int
    width: int
    channel_order: ChannelOrder

    @property
    def shape(self) -> Shape:
        """Shape of one row."""
        return self.channels, self.height, self.width


class VectorInput(Frozen):
    """An input layer fed by variables; with an image layer, by one variable per pixel."""

    kind: Literal["vector"] = "vector"
    layer: str
    variables: tuple[Variable, ...]
    image_shape: tuple[int, int, int] | None = None
    """Channels, height and width, when every variable is one pixel in that order."""

    @property
    def shape(self) -> Shape:
        """Shape of one row."""
        return self.image_shape or (sum(variable.width for variable in self.variables),)


class NominalTarget(Frozen):
    """A task layer that predicts the level of one variable."""

    kind: Literal["nominal"] = "nominal"
    layer: str
    name: str
    levels: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The target's variables."""
        return (self.name,)

    @property
    def target(self) -> Target:
        """What the task layer is bound to."""
        return Target("nominal", len(self.levels))


class IntervalTarget(Frozen):
    """A task layer that predicts numbers."""

    kind: Literal["interval"] = "interval"
    layer: str
    variables: tuple[Interval, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The target's variables."""
        return tuple(variable.name for variable in self.variables)

    @property
    def target(self) -> Target:
        """What the task layer is bound to."""
        return Target("interval", len(self.variables))


InputSpec = Annotated[ImageInput | VectorInput, Field(discriminator="kind")]
TargetSpec = Annotated[NominalTarget | IntervalTarget, Field(discriminator="kind")]
