"""Changing how the values of a layer are laid out."""

from collections.abc import Sequence
from math import prod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import PositiveInt, model_validator
from torch import nn

from engine.errors import LayerError, ShapeError
from engine.layers.activated import Activated
from engine.layers.activations import pure_activation
from engine.layers.base import UNSET_BY_ZERO, BuildOptions, layer_type
from engine.modules.reshape import Order, Reshaped
from engine.shapes import IMAGE_AXES, Shape, one


@layer_type
class Reshape(Activated):
    """Lay the values of the source out as an image of another size and activate.

    ``order`` names the axes from the one that runs fastest to the one that runs slowest: values
    leave the source in this order and enter the output in the same. WHD is the order they are
    stored in, channel by channel, row by row. AUTO is DWH where the output has one map, so that all
    values of a pixel stay together, and else WHD. A vector counts as one row of one map, a sequence
    as one map whose rows are the steps.

    AUTO of ``act`` is IDENTITY.

    Shapes: any → (depth, height, width), of as many values.

    Source: the deepLearn reference, layer type reshape. That the order is said fastest first, and
    that AUTO is WHD where neither of its rules applies, are readings of ours.
    """

    code: ClassVar[int] = 14
    prefix: ClassVar[str] = "reshapeopts"
    title: ClassVar[str] = "Reshape"

    type: Literal["reshape"] = "reshape"
    width: Annotated[PositiveInt | None, UNSET_BY_ZERO] = None
    """Width of the output; one of the three may be left out, the number of values tells it."""
    height: Annotated[PositiveInt | None, UNSET_BY_ZERO] = None
    """Height of the output; None likewise."""
    depth: Annotated[PositiveInt | None, UNSET_BY_ZERO] = None
    """Maps of the output; None likewise."""
    order: Literal["AUTO", "WHD", "WDH", "DWH", "HWD", "DHW", "HDW"] = "AUTO"
    """Axes from the fastest to the slowest."""

    @model_validator(mode="after")
    def _at_most_one_is_open(self) -> Self:
        sizes = (self.width, self.height, self.depth)
        if sizes.count(None) > 1:
            raise LayerError(
                f"options 'width', 'height' and 'depth' got {sizes}, expected at least two of them",
                options=["width", "height", "depth"],
            )
        return self

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        return self._output(one(sources))

    def infer_open(self) -> Shape | None:
        if self.width is None or self.height is None or self.depth is None:
            return None
        return self.depth, self.height, self.width

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del options
        source = one(sources)
        output = self._output(source)
        order: Order = ("DWH" if output[0] == 1 else "WHD") if self.order == "AUTO" else self.order
        act = None if self.act in ("AUTO", "IDENTITY") else pure_activation(self.act, self.fcmp_act)
        return Reshaped(_as_image(source), output, order, act)

    def _output(self, source: Shape) -> tuple[int, int, int]:
        values = prod(source)
        given = [side for side in (self.depth, self.height, self.width) if side is not None]
        open_, rest = divmod(values, prod(given))
        if rest or (len(given) == IMAGE_AXES and open_ != 1):
            asked = ", ".join(
                f"{name} {side}"
                for name, side in (
                    ("width", self.width),
                    ("height", self.height),
                    ("depth", self.depth),
                )
                if side is not None
            )
            raise ShapeError(
                f"got {source}, {values} values, expected "
                f"{'' if len(given) == IMAGE_AXES else 'a multiple of '}{prod(given)}: {asked}",
                source=list(source),
                got=values,
                expected=prod(given),
            )
        return self.depth or open_, self.height or open_, self.width or open_


def _as_image(source: Shape) -> tuple[int, int, int]:
    depth, height, width = (1,) * (IMAGE_AXES - len(source)) + source
    return depth, height, width
