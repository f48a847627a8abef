"""The variables of a schema: what a column feeds, and how its cells are encoded."""

from math import prod
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from engine.data.images import ChannelOrder
from engine.data.text import Embeddings
from engine.layers.base import Target
from engine.losses import Coordinates
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


class SequenceInput(Frozen):
    """An input layer fed by variables that are the values of steps, step after step."""

    kind: Literal["sequence"] = "sequence"
    layer: str
    columns: tuple[str, ...]
    """All values of the first step, then of the second, and so on."""
    values: tuple[Interval, ...]
    """How each value of a step is encoded, the same in all steps."""
    length: str | None = None
    """Variable with the number of true steps; None: all are."""

    @property
    def steps(self) -> int:
        """The number of steps."""
        return len(self.columns) // len(self.values)

    @property
    def shape(self) -> Shape:
        """Shape of one row."""
        return self.steps, len(self.values)


class TextInput(Frozen):
    """An input layer fed by a text, token by token, each the vector of its term."""

    kind: Literal["text"] = "text"
    layer: str
    column: str
    steps: int
    """Tokens that are read; a longer text is cut."""
    embeddings: Embeddings

    @property
    def shape(self) -> Shape:
        """Shape of one row."""
        return self.steps, self.embeddings.size


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


class NominalSteps(Frozen):
    """A task layer that predicts a level at every step of a sequence."""

    kind: Literal["nominal_steps"] = "nominal_steps"
    layer: str
    columns: tuple[str, ...]
    """The target of the first step, of the second, and so on."""
    levels: tuple[str, ...]
    """Levels of all columns."""
    length: str | None = None
    """Variable with the number of true steps; None: up to the last that is not missing."""

    @property
    def names(self) -> tuple[str, ...]:
        """The target's variables, and that of its length."""
        return self.columns if self.length is None else (*self.columns, self.length)

    @property
    def target(self) -> Target:
        """What the task layer is bound to."""
        return Target("nominal", len(self.levels), len(self.columns))


class IntervalSteps(Frozen):
    """A task layer that predicts a number at every step of a sequence."""

    kind: Literal["interval_steps"] = "interval_steps"
    layer: str
    columns: tuple[str, ...]
    """The target of the first step, of the second, and so on."""
    value: Interval
    """How every column is encoded."""
    length: str | None = None
    """Variable with the number of true steps; None: all are."""

    @property
    def names(self) -> tuple[str, ...]:
        """The target's variables, and that of its length."""
        return self.columns if self.length is None else (*self.columns, self.length)

    @property
    def target(self) -> Target:
        """What the task layer is bound to."""
        return Target("interval", 1, len(self.columns))


class NoTarget(Frozen):
    """A task layer that learns without being told what is right."""

    kind: Literal["none"] = "none"
    layer: str

    @property
    def names(self) -> tuple[str, ...]:
        """The target's variables."""
        return ()

    @property
    def target(self) -> Target:
        """What the task layer is bound to."""
        return Target("none", 0)


class ObjectColumns(Frozen):
    """The columns of one object of a row: its class, and its box in the order of the coordinates.

    The class is missing where a row has no such object.
    """

    label: str
    box: tuple[str, str, str, str]


class ObjectsTarget(Frozen):
    """A task layer that finds objects in an image."""

    kind: Literal["objects"] = "objects"
    layer: str
    count: str | None
    """Column with the number of objects; None counts the classes that are not missing."""
    objects: tuple[ObjectColumns, ...]
    levels: tuple[str, ...]
    coordinates: Coordinates
    height: int
    width: int

    @property
    def names(self) -> tuple[str, ...]:
        """The target's variables."""
        first = () if self.count is None else (self.count,)
        return first + tuple(name for each in self.objects for name in (each.label, *each.box))

    @property
    def target(self) -> Target:
        """What the task layer is bound to."""
        return Target("objects", len(self.levels), image=(self.height, self.width))


class PixelsTarget(Frozen):
    """A task layer that predicts every pixel of an image, a class or numbers."""

    kind: Literal["pixels"] = "pixels"
    layer: str
    names: tuple[str, ...]
    """One column of images, or a column per pixel, map by map and row by row."""
    is_image: bool
    shape: tuple[int, int, int]
    """Channels, height and width."""
    levels: tuple[str, ...]
    """The classes, as the values of their pixels; none where pixels are numbers."""
    scale: float = 1.0
    """Factor on pixels that are numbers."""

    @property
    def target(self) -> Target:
        """What the task layer is bound to."""
        if self.levels:
            return Target("pixels", len(self.levels))
        return Target("interval", prod(self.shape))


InputSpec = Annotated[
    ImageInput | VectorInput | SequenceInput | TextInput, Field(discriminator="kind")
]
TargetSpec = Annotated[
    NominalTarget
    | IntervalTarget
    | NominalSteps
    | IntervalSteps
    | NoTarget
    | ObjectsTarget
    | PixelsTarget,
    Field(discriminator="kind"),
]
