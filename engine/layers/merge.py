"""Layers that join several sources."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import model_validator
from torch import nn

from engine.errors import ShapeError
from engine.layers.activations import (
    ACTIVATION_SYNONYMS,
    ActivationName,
    activation,
    check_user_function,
)
from engine.layers.base import Arity, BuildOptions, Layer, layer_type
from engine.modules.merge import Concat, Product, Shortcut, Sum
from engine.shapes import IMAGE_AXES, SEQUENCE_AXES, Shape, flat_size, side_by_side


class Merge(Layer):
    """A layer of any number of sources, which may repeat, and an activation."""

    prefix: ClassVar[str] = "residualopts"
    arity: ClassVar[Arity] = Arity(1, None)

    act: Annotated[ActivationName, ACTIVATION_SYNONYMS] = "AUTO"
    """Activation; AUTO is IDENTITY."""
    fcmp_act: str | None = None
    """With ``act`` FCMP: the text of the function of x."""

    @model_validator(mode="after")
    def _check_user_function(self) -> Self:
        check_user_function(self.act, self.fcmp_act)
        return self


@layer_type
class Residual(Merge):
    """Add the sources element by element and activate; a source named twice counts twice.

    Maps of another size than those of the first source are fitted to it: of larger ones every
    second pixel (third, ...) is taken, and maps that are missing are zeros. Nothing is learned
    there.

    Shapes: equal ones → the same; (C, H, W), (C2, H2, W2) → (C, H, W) where C2 is at most C, and H
    is ceil(H2 / s) and W is ceil(W2 / t) for some whole steps s and t.

    Source: the deepLearn reference, layer type residual, decision D11; He, Zhang, Ren and Sun,
    "Deep residual learning for image recognition", 2016, option A of shortcuts.
    """

    code: ClassVar[int] = 9
    title: ClassVar[str] = "Residual"

    type: Literal["residual"] = "residual"

    @property
    def keeps_steps(self) -> bool:
        return True

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        if any(shape != sources[0] and not _steps(shape, sources[0]) for shape in sources):
            raise ShapeError(
                f"got {', '.join(map(str, sources))}, expected equal shapes",
                sources=[list(shape) for shape in sources],
            )
        return sources[0]

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del options
        first = sources[0]
        shortcuts: list[nn.Module] = []
        if any(shape != first for shape in sources):
            shortcuts = [
                Shortcut(*(_steps(shape, first) or (1, 1)), first[0] - shape[0])
                for shape in sources
            ]
        return Sum(activation(self.act, "IDENTITY", self.fcmp_act), shortcuts)


def _steps(shape: Shape, first: Shape) -> tuple[int, int] | None:
    """Return the steps down and across that bring maps to the size of others; None if none do."""
    if not len(shape) == len(first) == IMAGE_AXES or shape[0] > first[0]:
        return None
    down, across = (-(-size // wanted) for size, wanted in zip(shape[1:], first[1:], strict=True))
    fits = all(
        -(-size // step) == wanted
        for size, step, wanted in zip(shape[1:], (down, across), first[1:], strict=True)
    )
    return (down, across) if fits else None


@layer_type
class Concatenation(Merge):
    """Lay maps, or vectors, behind one another in the order of the sources and activate.

    The values of sequences lie side by side in every step.

    Shapes: (C1, H, W), (C2, H, W), ... → (C1 + C2 + ..., H, W); vectors likewise; sequences
    (T, D1), (T, D2), ... → (T, D1 + D2 + ...).

    Source: the deepLearn reference, layer type concat.
    """

    code: ClassVar[int] = 10
    prefix: ClassVar[str] = "concatopts"
    title: ClassVar[str] = "Concatenation"

    type: Literal["concat"] = "concat"

    @property
    def keeps_steps(self) -> bool:
        return True

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        if _are_sequences(sources):
            return side_by_side(sources)
        if any(shape[1:] != sources[0][1:] for shape in sources):
            raise ShapeError(
                f"got {', '.join(map(str, sources))}, "
                "expected shapes that differ in the first axis only",
                sources=[list(shape) for shape in sources],
            )
        return sum(shape[0] for shape in sources), *sources[0][1:]

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del options
        return Concat(
            activation(self.act, "IDENTITY", self.fcmp_act), -1 if _are_sequences(sources) else 1
        )


def _are_sequences(sources: Sequence[Shape]) -> bool:
    return all(len(shape) == SEQUENCE_AXES for shape in sources)


@layer_type
class Scale(Merge):
    """Multiply every map of the first source by its factor from the second, and activate.

    Shapes: (C, H, W) and C factors of any shape → (C, H, W); a vector (C,) likewise.

    Source: the deepLearn reference, layer type scale; Hu, Shen and Sun, "Squeeze-and-excitation
    networks", 2018.
    """

    code: ClassVar[int] = 12
    prefix: ClassVar[str] = "scaleopts"
    title: ClassVar[str] = "Scale"
    arity: ClassVar[Arity] = Arity(2, 2)

    type: Literal["scale"] = "scale"

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        maps, factors = sources
        if flat_size([factors]) != maps[0]:
            raise ShapeError(
                f"got {maps} and {flat_size([factors])} factors, expected {maps[0]}, one per map",
                sources=[list(shape) for shape in sources],
            )
        return maps

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources, options
        return Product(activation(self.act, "IDENTITY", self.fcmp_act))
