"""The activation of layers that have one."""

from typing import Annotated, Self

from pydantic import model_validator

from engine.layers.activations import ACTIVATION_SYNONYMS, ActivationName, check_user_function
from engine.layers.base import Layer


class Activated(Layer):
    """A layer whose last step is an activation; its docstring says what AUTO stands for."""

    act: Annotated[ActivationName, ACTIVATION_SYNONYMS] = "AUTO"
    """Activation."""
    fcmp_act: str | None = None
    """With ``act`` FCMP: the text of the function of x."""

    @model_validator(mode="after")
    def _check_user_function(self) -> Self:
        check_user_function(self.act, self.fcmp_act)
        return self
