"""Padding options shared by layers that move a window over an image."""

from typing import Annotated, Self

from pydantic import NonNegativeInt, model_validator

from engine.errors import LayerError
from engine.layers.base import Aliases, Layer


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
                raise LayerError(
                    f"options 'padding' and 'padding{name}' got {self.padding} and {value}, "
                    "expected only one of them",
                    options=["padding", f"padding{name}"],
                )
        return self

    def paddings(self) -> tuple[int | None, int | None]:
        """Return the cells above and below, and left and right; None is automatic."""
        if self.padding is not None:
            return self.padding, self.padding
        return self.padding_height, self.padding_width
