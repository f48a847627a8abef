"""Padding options shared by layers that move a window over an image."""

from typing import Annotated, Self

from pydantic import NonNegativeInt, model_validator

from engine.errors import LayerError
from engine.layers.base import Aliases, Layer
from engine.padding import Sides


class Padded(Layer):
    """A layer whose padding is automatic, one number, or a number per axis.

    Source: the deepLearn reference, rule P6.
    """

    padding: Annotated[NonNegativeInt | None, Aliases("pad")] = None
    """Cells on every side; None: see the two below."""
    padding_width: Annotated[NonNegativeInt | None, Aliases("padWidth")] = None
    """Cells left and right; None is automatic."""
    padding_height: Annotated[NonNegativeInt | None, Aliases("padHeight")] = None
    """Cells above and below; None is automatic."""

    @model_validator(mode="after")
    def _one_way_to_say_padding(self) -> Self:
        if self.padding is None:
            return self
        for name, value in (("Width", self.padding_width), ("Height", self.padding_height)):
            if value is not None:
                raise _said_twice("padding", self.padding, f"padding{name}", value)
        return self

    def paddings(self) -> tuple[int | None, int | None]:
        """Return the cells above and below, and left and right; None is automatic."""
        if self.padding is not None:
            return self.padding, self.padding
        return self.padding_height, self.padding_width


class Sided(Padded):
    """A layer whose padding may also differ from side to side, an extension of the dialect.

    A side that is left out beside a given opposite one has no padding.
    """

    padding_left: NonNegativeInt | None = None
    """Cells left of the image; an extension."""
    padding_right: NonNegativeInt | None = None
    """Cells right of the image; an extension."""
    padding_top: NonNegativeInt | None = None
    """Cells above the image; an extension."""
    padding_bottom: NonNegativeInt | None = None
    """Cells below the image; an extension."""

    @model_validator(mode="after")
    def _one_way_to_say_sides(self) -> Self:
        across = {"paddingLeft": self.padding_left, "paddingRight": self.padding_right}
        down = {"paddingTop": self.padding_top, "paddingBottom": self.padding_bottom}
        for name, whole, sides in (
            ("padding", self.padding, across | down),
            ("paddingWidth", self.padding_width, across),
            ("paddingHeight", self.padding_height, down),
        ):
            given = [(side, value) for side, value in sides.items() if value is not None]
            if whole is not None and given:
                raise _said_twice(name, whole, *given[0])
        return self

    def sides(self) -> tuple[Sides, Sides]:
        """Return the padding along height and width."""
        above, beside = self.paddings()
        return (
            _pair(self.padding_top, self.padding_bottom, above),
            _pair(self.padding_left, self.padding_right, beside),
        )


def _pair(before: int | None, after: int | None, otherwise: int | None) -> Sides:
    return otherwise if before is None and after is None else (before or 0, after or 0)


def _said_twice(name: str, value: int, other: str, other_value: int) -> LayerError:
    return LayerError(
        f"options {name!r} and {other!r} got {value} and {other_value}, expected only one of them",
        options=[name, other],
    )
