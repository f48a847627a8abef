"""The layer a caller writes."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

import torch
from pydantic import NonNegativeInt, PositiveInt, model_validator
from torch import nn

from engine.errors import NotSupportedError, ShapeError
from engine.functions.function import FORWARD, Function, compile_function
from engine.layers.base import Aliases, Arity, BuildOptions, Layer, TensorSpec, layer_type
from engine.layers.initializers import Start, initialize
from engine.modules.user import UserModule
from engine.shapes import Shape, flat_size


@layer_type
class UserLayer(Layer):
    """Compute what a function of the caller's says, of inputs x and weights w.

    x are the values of the sources, flattened and side by side; w are ``nWeights`` weights. Both
    count from 1: ``w[1] * x + w[2]`` is computed for every input, ``x[1] * x[2]`` once for a row.
    The value is one number per output, or one for all. Slopes come by themselves, so that there is
    no backward function. Weights start from XAVIER.

    Shapes: any → (depth, height, width); weights (nWeights,), no biases.

    Source: the deepLearn reference, layer type fcmp.
    """

    code: ClassVar[int] = 15
    prefix: ClassVar[str] = "fcmpopts"
    title: ClassVar[str] = "FCMP"
    arity: ClassVar[Arity] = Arity(1, None)

    partly: ClassVar[Mapping[str, str]] = {
        "backward_func": "a text: slopes are found by differentiation"
    }

    type: Literal["fcmp"] = "fcmp"
    width: PositiveInt
    """Width of the output."""
    height: PositiveInt = 1
    """Height of the output."""
    depth: PositiveInt = 1
    """Maps of the output."""
    n_weights: NonNegativeInt = 0
    """Number of weights."""
    forward_func: Annotated[str, Aliases("forwardFunction")]
    """The text of the function of x and w."""
    backward_func: Annotated[str | None, Aliases("backwardFunction")] = None
    """Not supported: slopes are found by differentiation."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.backward_func is not None:
            raise NotSupportedError(
                "option 'backwardFunc' is not supported yet; leave it out, the slopes of "
                "'forwardFunc' are found by differentiation",
                option="backwardFunc",
            )
        compile_function(self.forward_func, FORWARD)
        return self

    @property
    def function(self) -> Function:
        """The function, compiled."""
        return compile_function(self.forward_func, FORWARD)

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        inputs, size = flat_size(sources), self.width * self.height * self.depth
        x = torch.empty((2, inputs), device="meta")
        w = torch.empty((self.n_weights,), device="meta")
        try:
            shape = tuple(self.function(x, w).shape)
        except (IndexError, RuntimeError) as error:
            raise ShapeError(
                f"got {inputs} inputs and {self.n_weights} weights, expected as many as "
                f"'forwardFunc' uses: {str(error).splitlines()[0]}",
                inputs=inputs,
                weights=self.n_weights,
            ) from error
        values = shape[-1] if shape else 1
        if values not in (1, size):
            raise ShapeError(
                f"got a function of {values} values from {inputs} inputs, expected 1 or {size}: "
                "width x height x depth",
                got=values,
                expected=size,
            )
        return self.infer_open()

    def infer_open(self) -> Shape | None:
        return self.depth, self.height, self.width

    def tensors(self, sources: Sequence[Shape], options: BuildOptions) -> tuple[TensorSpec, ...]:
        del sources, options
        if not self.n_weights:
            return ()
        return (TensorSpec("weights", "weight", (self.n_weights,)),)

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources, options
        output = (self.depth, self.height, self.width)
        return UserModule(self.function, self.n_weights, output)

    def initialize(
        self, module: nn.Module, sources: Sequence[Shape], generator: torch.Generator
    ) -> None:
        if self.n_weights:
            fans = flat_size(sources), self.width * self.height * self.depth
            initialize(module.get_parameter("weight"), Start("XAVIER", *fans, 0.0, 1.0), generator)
